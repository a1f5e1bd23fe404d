"""Microsoft Graph with one SharePoint site: libraries by delta, rights, pages, and an app's sign-in.

Written after learn.microsoft.com/graph: driveItem delta (items once and again, parents among them,
`deleted`, a token that is too old: 410 with resyncChangesApplyDifferences and a Location), list
permissions, JSON batching (at most 20 requests, each with its own status), download by a redirect to an
address without a token, sitePage, throttling (429, Retry-After), and OAuth 2.0 client credentials
(AADSTS7000215 for a wrong secret). It wants its token for every call but the download, which must not have
it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SITE_HOST, GRAPH_HOST, FILE_HOST = "example.sharepoint.com", "graph.example.com", "files.example.com"
SITE = f"https://{SITE_HOST}/sites/HR"
SITE_ID = f"{SITE_HOST},aaaa,bbbb"
SECRET = "app-SECRET"  # noqa: S105
EVERYONE_LOGIN = "c:0-.f|rolemanager|spo-grid-all-users/tenant"


def user(number: str, **more: Any) -> dict[str, Any]:
    return {"id": f"p-{number}", "roles": ["read"], "grantedToV2": {"user": {"id": number}}, **more}


def group(number: str) -> dict[str, Any]:
    return {"id": f"p-{number}", "roles": ["write"], "grantedToV2": {"group": {"id": number}}}


def site_group(name: str) -> dict[str, Any]:
    granted = {"siteGroup": {"id": "5", "displayName": name}}
    return {"id": f"p-{name}", "roles": ["read"], "grantedToV2": granted}


def link(scope: str, *people: str) -> dict[str, Any]:
    granted = [{"user": {"id": one}} for one in people]
    return {"id": f"p-{scope}", "roles": ["read"], "link": {"scope": scope}, "grantedToIdentitiesV2": granted}


@dataclass
class Library:
    """A drive: its items as they are now, and in which order they changed."""

    id: str
    name: str
    list_id: str = ""
    items: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    bodies: dict[str, bytes] = field(default_factory=dict[str, bytes])
    rights: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        self._put({"id": f"{self.id}-root", "name": "root", "root": {}, "folder": {}, "parentReference": {}})

    @property
    def web_url(self) -> str:
        return f"{SITE}/{self.name.replace(' ', '%20')}"

    def add_folder(self, number: str, name: str, parent: str = "") -> None:
        self._put({"id": number, "name": name, "folder": {}, "parentReference": self._below(parent)})

    def add_file(
        self,
        number: str,
        name: str,
        body: bytes | str,
        rights: list[dict[str, Any]],
        parent: str = "",
        **more: Any,
    ) -> None:
        self.bodies[number] = body.encode() if isinstance(body, str) else body
        self.rights[number] = rights
        size = {"size": len(self.bodies[number]), "cTag": f"c:{hash(self.bodies[number])}"}
        self._put(
            {"id": number, "name": name, "file": {}, "parentReference": self._below(parent), **size, **more}
        )

    def find(self, path: list[str]) -> dict[str, Any] | None:
        """Return the item with this path below the root."""
        here = f"{self.id}-root"
        for name in path:
            below = [o for o in self.items.values() if o["parentReference"].get("id") == here]
            here = next((one["id"] for one in below if one["name"] == name), "")
        return self.items.get(here) if path else None

    def remove(self, number: str, facet: str = "deleted") -> None:
        del self.items[number]
        self.log.append({"id": number, facet: {"state": "deleted"}})

    def _below(self, parent: str) -> dict[str, str]:
        return {"driveId": self.id, "id": parent or f"{self.id}-root"}

    def _put(self, item: dict[str, Any]) -> None:
        self.items[item["id"]] = item
        self.log.append(item)


@dataclass
class GraphTenant:
    """See the module."""

    libraries: dict[str, Library] = field(default_factory=dict[str, Library])
    pages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    at_a_time: int = 3
    oldest: int = 0
    resync_location: bool = True
    busy: list[str] = field(default_factory=list[str])
    busy_in_batch: int = 0
    forbidden: set[str] = field(default_factory=set[str])
    tokens: int = 0
    expired: set[str] = field(default_factory=set[str])
    endless: bool = False
    deltas_left: int | None = None
    next_host: str = ""
    download_host: str = FILE_HOST
    asked: list[str] = field(default_factory=list[str])
    leaked: list[str] = field(default_factory=list[str])
    port: int = 0

    def library(self, number: str, name: str, list_id: str = "") -> Library:
        self.libraries[number] = Library(number, name, list_id)
        return self.libraries[number]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.host.partition(":")[0] not in {GRAPH_HOST, "login.example.com"}:
            if "Authorization" in request.headers:
                self.leaked.append(request.host)
            return self._download(request.path)
        if request.path.endswith("/oauth2/v2.0/token"):
            return await self._sign_in(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token or token in self.expired or token != f"token-{self.tokens}":
            return _error(401, "InvalidAuthenticationToken")
        if self.busy:
            return web.json_response({}, status=429, headers={"Retry-After": self.busy.pop(0)})
        path = request.path.removeprefix("/v1.0")
        if path == "/$batch":
            return await self._batch(request)
        status, body, headers = self._get(path, dict(request.query), request.headers.get("Prefer", ""))
        return web.json_response(body, status=status, headers=headers)

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert request.path.startswith("/tenant-1/")
        assert (form["grant_type"], form["client_id"]) == ("client_credentials", "app-1")
        if form["client_secret"] != SECRET:
            said = {
                "error": "invalid_client",
                "error_codes": [7000215],
                "error_description": "AADSTS7000215: …",
            }
            return web.json_response(said, status=401)
        self.tokens += 1
        return web.json_response({"access_token": f"token-{self.tokens}", "expires_in": 3599})

    async def _batch(self, request: web.Request) -> web.Response:
        asked = (await request.json())["requests"]
        assert len(asked) <= 20
        replies: list[dict[str, Any]] = []
        for one in asked:
            if self.busy_in_batch:
                self.busy_in_batch -= 1
                replies.append({"id": one["id"], "status": 429, "headers": {"Retry-After": "2"}, "body": {}})
                continue
            self.asked.append(f"batch {one['url']}")
            status, body, _ = self._get(one["url"], {}, "")
            replies.append({"id": one["id"], "status": status, "headers": {}, "body": body})
        return web.json_response({"responses": list(reversed(replies))})  # in any order, the documents say

    def _get(self, path: str, query: dict[str, str], prefer: str) -> tuple[int, Any, dict[str, str]]:
        if any(one in path for one in self.forbidden):
            return 403, {"error": {"code": "accessDenied", "message": "No."}}, {}
        found = (
            self._get_of_drive(path, query, prefer)
            if path.startswith("/drives/")
            else self._get_of_site(path)
        )
        return found or (404, {"error": {"code": "itemNotFound", "message": "No."}}, {})

    def _get_of_site(self, path: str) -> tuple[int, Any, dict[str, str]] | None:  # noqa: PLR0911 - a path each
        match path.strip("/").split("/"):
            case ["sites", where, "sites", "HR"] if where == f"{SITE_HOST}:":
                return 200, {"id": SITE_ID, "webUrl": SITE}, {}
            case ["sites", number, "drives"] if number == SITE_ID:
                shown = [one for one in self.libraries.values() if not one.list_id]
                return 200, {"value": [{"id": o.id, "name": o.name, "webUrl": o.web_url} for o in shown]}, {}
            case ["sites", number, "lists"] if number == SITE_ID:
                lists = [one for one in self.libraries.values() if one.list_id]
                return (
                    200,
                    {"value": [{"id": o.list_id, "name": o.name, "webUrl": o.web_url} for o in lists]},
                    {},
                )
            case ["sites", _, "lists", number, "drive"]:
                return 200, {"id": next(o.id for o in self.libraries.values() if o.list_id == number)}, {}
            case ["sites", _, "pages", "microsoft.graph.sitePage"]:
                listed = [
                    {k: v for k, v in one.items() if k != "canvasLayout"} for one in self.pages.values()
                ]
                return 200, {"value": listed}, {}
            case ["sites", _, "pages", number, "microsoft.graph.sitePage"] if number in self.pages:
                return 200, self.pages[number], {}
        return None

    def _get_of_drive(
        self, path: str, query: dict[str, str], prefer: str
    ) -> tuple[int, Any, dict[str, str]] | None:
        match path.strip("/").split("/"):
            case ["drives", number, "root", "delta"] if number in self.libraries:
                assert "deltashowsharingchanges" in prefer
                if self.deltas_left is not None:
                    self.deltas_left -= 1
                    if self.deltas_left < 0:
                        return 503, {}, {"Retry-After": "100000"}
                return self._delta(self.libraries[number], query)
            case ["drives", number, "items", item, "permissions"] if number in self.libraries:
                rights = self.libraries[number].rights.get(item)
                return (404, {}, {}) if rights is None else (200, {"value": rights}, {})
            case ["drives", number, "root:", *below] if number in self.libraries:
                found = self.libraries[number].find(below)
                return (200, found, {}) if found else None
            case ["drives", number, "items", item, "content"] if number in self.libraries:
                place = f"http://{self.download_host}:{self.port}/{number}/{item}?tempauth=once"
                return 302, {}, {"Location": place}
        return None

    def _delta(self, library: Library, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        since, skip = int(query.get("token", "0")), int(query.get("skip", "0"))
        here = f"{self.next_host or f'http://{GRAPH_HOST}:{self.port}'}/v1.0/drives/{library.id}/root/delta"
        if "token" in query and since < self.oldest:
            headers = {"Location": f"{here}?skip=0"} if self.resync_location else {}
            return 410, {"error": {"code": "resyncChangesApplyDifferences", "message": "Too old."}}, headers
        changes = library.log[since:] if "token" in query else list(library.items.values())
        root = library.items[f"{library.id}-root"]
        some = [root, *changes[skip : skip + self.at_a_time]]
        token = f"token={since}&" if "token" in query else ""
        if skip + self.at_a_time < len(changes) or self.endless:
            return 200, {"value": some, "@odata.nextLink": f"{here}?{token}skip={skip + self.at_a_time}"}, {}
        return 200, {"value": some, "@odata.deltaLink": f"{here}?token={len(library.log)}"}, {}

    def _download(self, path: str) -> web.Response:
        _, number, item = path.split("/")
        return web.Response(body=self.libraries[number].bodies[item], content_type="application/octet-stream")


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "No."}}, status=status)

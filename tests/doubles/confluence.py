"""A Confluence of our own, Cloud or Data Center: one space over HTTP, with what the documented API refuses.

Written after developer.atlassian.com: Confluence Cloud REST API v1 (content search, content restrictions,
group by id) and v2 (spaces, pages, blog posts, space permissions), Confluence Data Center REST API
(content, space permissions) and its JSON-RPC service. It wants its token in every call (401), answers with
links to the next page as the services do, and asks for patience with 429 and Retry-After. What else it does
is set on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.builders.serving import served
from tests.builders.source_reading import HERE

SPACE = "HR"
SPACE_ID = "98306"


@dataclass
class Content:
    """A page or blog post. `users` and `groups` are whom it is restricted to."""

    id: str
    title: str
    html: str
    version: int = 1
    type: str = "page"
    ancestors: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hides_restrictions: bool = False
    webui: str = ""


@dataclass
class File:
    """A file that is attached to a page."""

    id: str
    page: str
    title: str
    body: bytes
    media_type: str = "application/octet-stream"
    version: int = 1
    download: str = ""


@dataclass
class Confluence:
    """See the module. `subjects` are who may see the space: (type, name or id)."""

    cloud: bool
    authorization: str
    context: str = "/wiki"
    contents: dict[str, Content] = field(default_factory=dict[str, Content])
    files: dict[str, File] = field(default_factory=dict[str, File])
    subjects: list[tuple[str, str]] = field(default_factory=lambda: [("group", "staff")])
    at_a_time: int = 2
    busy: list[str] = field(default_factory=list[str])
    forbidden: set[str] = field(default_factory=set[str])
    has_permissions_api: bool = True
    next_host: str = ""
    unlisted: set[str] = field(default_factory=set[str])
    endless: bool = False
    asked: list[str] = field(default_factory=list[str])
    port: int = 0

    def add(self, *contents: Content) -> None:
        """Have these pages, in place of those with the same id."""
        self.contents.update((one.id, one) for one in contents)

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix(self.context)
        self.asked.append(f"{request.method} {path}")
        if path.startswith("/signed/"):  # another service, which wants no token and must get none
            assert "Authorization" not in request.headers
            return web.Response(body=self.files[path.removeprefix("/signed/")].body)
        if request.headers.get("Authorization") != self.authorization:
            return web.json_response({"message": "Unauthorized"}, status=401)
        if self.busy:
            return web.json_response({}, status=429, headers={"Retry-After": self.busy.pop(0)})
        if any(path.startswith(one) for one in self.forbidden):
            return web.json_response({"message": "Forbidden"}, status=403)
        if sent := self._answer_about_files(request, path):
            return sent
        found = self._cloud(request, path) if self.cloud else await self._data_center(request, path)
        return (
            web.json_response({"message": "Not found"}, status=404)
            if found is None
            else web.json_response(found)
        )

    def _answer_about_files(self, request: web.Request, path: str) -> web.Response | None:
        parts = path.strip("/").split("/")
        if request.query.get("cql") == f'space = "{SPACE}" and type = attachment':
            return web.json_response(self._list_files(request))
        if parts[-1] in self.files and parts[:-1] in (
            ["api", "v2", "attachments"],
            ["rest", "api", "content"],
        ):
            return web.json_response({"id": parts[-1], "status": "current"})
        if self.cloud and parts[:3] == ["rest", "api", "content"] and parts[4:] and parts[-1] == "download":
            place = f"http://media.example.com:{self.port}/signed/{parts[-2]}"
            return web.Response(status=302, headers={"Location": place})
        if not self.cloud and parts[0] == "download":
            found = [one for one in self.files.values() if one.title == parts[-1]]
            return web.Response(body=found[0].body) if found else None
        return None

    def _list_files(self, request: web.Request) -> Any:
        assert request.query["expand"] == "version,container"
        return self._page(request, [self._describe_file(one) for one in self.files.values()], "start")

    def _describe_file(self, one: File) -> dict[str, Any]:
        link = f"/download/attachments/{one.page}/{one.title}?version={one.version}&api=v2"
        return {
            "id": one.id,
            "type": "attachment",
            "status": "current",
            "title": one.title,
            "version": {"number": one.version},
            "container": {"id": one.page, "type": "page"},
            "extensions": {"mediaType": one.media_type, "fileSize": len(one.body)},
            "_links": {"download": one.download or link},
        }

    def _cloud(self, request: web.Request, path: str) -> Any:  # noqa: PLR0911 - a path each
        match path.strip("/").split("/"):
            case ["api", "v2", "spaces"]:
                known = [{"id": SPACE_ID, "key": SPACE}] if request.query["keys"] == SPACE else []
                return {"results": known, "_links": {}}
            case ["api", "v2", "spaces", _, "permissions"]:
                return self._page(request, [self._cloud_permission(*one) for one in self.subjects], "cursor")
            case ["api", "v2", "pages" | "blogposts" as kind, number]:
                return self._body(kind.removesuffix("s"), number, request.query.get("body-format", ""))
            case ["rest", "api", "group", "by-id"]:
                return {
                    "type": "group",
                    "id": request.query["id"],
                    "name": request.query["id"].removeprefix("id-"),
                }
            case ["rest", "api", "content", "search"]:
                assert request.query["cql"] == f'space = "{SPACE}" and type in (page, blogpost)'
                return self._page(request, [self._describe(one) for one in self._listed()], "cursor")
            case ["rest", "api", "content", number, "restriction"]:
                return self._restriction(number)
        return None

    async def _data_center(self, request: web.Request, path: str) -> Any:  # noqa: PLR0911 - a path each
        match path.strip("/").split("/"):
            case ["rest", "api", "space", "HR"]:
                return {"id": int(SPACE_ID), "key": SPACE}
            case ["rest", "api", "space", "HR", "permissions"] if self.has_permissions_api:
                return [self._permission(*one) for one in self.subjects]
            case ["rpc", "json-rpc", "confluenceservice-v2"]:
                assert (await request.json())["method"] == "getSpacePermissionSets"
                return {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "result": [{"type": "VIEWSPACE", "spacePermissions": self._old()}],
                }
            case ["rest", "api", "content"]:
                kind = request.query["type"]
                listed = [self._describe(one) for one in self._listed() if one.type == kind]
                return self._page(request, listed, "start")
            case ["rest", "api", "content", number, "restriction"]:
                return self._restriction(number)
            case ["rest", "api", "content", number]:
                return self._body("", number, request.query.get("expand", "").removeprefix("body."))
        return None

    def _listed(self) -> list[Content]:
        return [one for one in self.contents.values() if one.id not in self.unlisted]

    def _page(self, request: web.Request, items: list[Any], by: str) -> dict[str, Any]:
        """Return a page of a list, with the link to the next one as the services write it."""
        start = int(request.query.get(by, "0"))
        end = start + min(self.at_a_time, int(request.query.get("limit", "25")))
        links = {"base": f"http://{request.host}{self.context}", "context": self.context}
        if end < len(items) or self.endless:
            given = urlencode({**request.query, by: end})
            rooted = request.path if "/api/v2/" in request.path else request.path.removeprefix(self.context)
            links["next"] = f"{self.next_host}{rooted}?{given}"
        return {"results": items[start:end] or (items[:1] if self.endless else []), "_links": links}

    def _describe(self, one: Content) -> dict[str, Any]:
        described: dict[str, Any] = {
            "id": one.id,
            "type": one.type,
            "status": "current",
            "title": one.title,
            "version": {"number": one.version},
            "ancestors": [{"id": above, "type": "page"} for above in one.ancestors],
            "_links": {"webui": one.webui or f"/spaces/{SPACE}/pages/{one.id}"},
        }
        if not one.hides_restrictions:
            described["restrictions"] = {"read": {"operation": "read", "restrictions": self._named(one)}}
        return described

    def _named(self, one: Content) -> dict[str, Any]:
        key = "accountId" if self.cloud else "userKey"
        users = [{"type": "known", key: user} for user in one.users]
        groups = [{"type": "group", "name": group, "id": f"id-{group}"} for group in one.groups]
        return {
            "user": {"results": users, "start": 0, "limit": 200, "size": len(users)},
            "group": {"results": groups, "start": 0, "limit": 200, "size": len(groups)},
        }

    def _restriction(self, number: str) -> Any:
        if number not in self.contents:
            return None
        return {"results": [{"operation": "read", "restrictions": self._named(self.contents[number])}]}

    def _body(self, kind: str, number: str, form: str) -> Any:
        one = self.contents.get(number)
        if one is not None and not form and kind in {"", one.type}:
            return {"id": number, "title": one.title, "status": "current"}
        if one is None or form != "export_view" or (kind and kind != one.type):
            return None
        return {"id": number, "title": one.title, "body": {"export_view": {"value": one.html}}}

    def _permission(self, kind: str, name: str) -> dict[str, Any]:
        subject = {"group": {"type": "group", "name": name}, "user": {"type": "user", "userKey": name}}
        found: dict[str, Any] = {
            "operation": {"targetType": "space", "operationKey": "read"},
            "spaceKey": SPACE,
        }
        return found | ({"subject": subject[kind]} if kind in subject else {})

    def _cloud_permission(self, kind: str, name: str) -> dict[str, Any]:
        number = f"id-{name}" if kind == "group" else name
        return {
            "principal": {"type": kind, "id": number},
            "operation": {"key": "read", "targetType": "space"},
        }

    def _old(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "VIEWSPACE",
                "userName": name if kind == "user" else None,
                "groupName": name if kind == "group" else None,
            }
            for kind, name in self.subjects
        ]


@asynccontextmanager
async def serve_on_loopback(answer: Any) -> AsyncGenerator[int]:
    """Serve every path of a site; gives the port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with served(app, host=HERE, auto_decompress=True) as url:
        yield int(url.rpartition(":")[2])
    await asyncio.sleep(0)

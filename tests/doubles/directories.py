"""Microsoft Graph's and Slack's lists of what a person is in, as their documentation has them.

Graph: a token first; `transitiveMemberOf` with an OData cast needs `ConsistencyLevel: eventual` and `$count`;
at most 999 a page, the next one behind `@odata.nextLink` with a `$skiptoken`; 429 with `Retry-After`, 403
without the permission, 404 for nobody of the tenant.

Slack: `users.conversations` by POST with JSON or form; `limit` at most 999; the next page behind
`response_metadata.next_cursor`, "" on the last; of private channels only those that the bot is in, too; 429
with `Retry-After`, `missing_scope` as an answer with status 200.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

PAGE_OF_GRAPH = 3
"""Groups a page: few, so that three pages need no thousand groups."""


class GraphService:
    """The token endpoint and the groups of people. `statuses` are what the next requests get instead."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = groups
        self.statuses: list[int] = []
        self.asked: list[str] = []
        self.next_base = ""
        self.app = web.Application()
        self.app.router.add_post("/oauth2/v2.0/token", self._token)
        self.app.router.add_get("/v1.0/users/{person}/transitiveMemberOf/microsoft.graph.group", self._list)

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600})

    async def _list(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        person, query = request.match_info["person"], request.query
        self.asked.append(person)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            headers = {"Retry-After": "0"} if status in {429, 503} else {}
            return web.json_response({"error": {"code": "x"}}, status=status, headers=headers)
        if query.get("$count") != "true" or request.headers.get("ConsistencyLevel") != "eventual":
            return web.json_response({"error": {"code": "Request_UnsupportedQuery"}}, status=400)
        assert 1 <= int(query.get("$top", "100")) <= 999
        if person not in self._groups:
            return web.json_response({"error": {"code": "Request_ResourceNotFound"}}, status=404)
        first = int(query.get("$skiptoken", "0"))
        some = self._groups[person][first : first + PAGE_OF_GRAPH]
        body: dict[str, Any] = {
            "value": [{"@odata.type": "#microsoft.graph.group", "id": one} for one in some]
        }
        if first + PAGE_OF_GRAPH < len(self._groups[person]):
            base = self.next_base or str(request.url.origin())
            skip = f"$select=id&$top=999&$count=true&$skiptoken={first + PAGE_OF_GRAPH}"
            body["@odata.nextLink"] = f"{base}{request.path}?{skip}"
        return web.json_response(body)


class SlackMemberships:
    """`users.conversations` of one workspace. `bot_in` are the private channels that the bot is in."""

    def __init__(self, channels: Mapping[str, Sequence[str]], private: Collection[str] = ()) -> None:
        self._channels = channels
        self._private = set(private)
        self.bot_in: set[str] = set()
        self.errors: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.app = web.Application()
        self.app.router.add_post("/users.conversations", self._list)

    async def _list(self, request: web.Request) -> web.Response:
        given = await request.json()
        self.asked.append(given)
        if self.errors and (error := self.errors.pop(0)):
            limited = error == "ratelimited"
            headers = {"Retry-After": "0"} if limited else {}
            return web.json_response(
                {"ok": False, "error": error}, status=429 if limited else 200, headers=headers
            )
        assert 1 <= int(given["limit"]) <= 999
        mine = [one for one in self._channels.get(given["user"], ()) if self._shows(one, given["types"])]
        first = int(given.get("cursor") or 0)
        some = mine[first : first + 2]
        cursor = str(first + 2) if first + 2 < len(mine) else ""
        channels = [{"id": one, "is_channel": True} for one in some]
        return web.json_response(
            {"ok": True, "channels": channels, "response_metadata": {"next_cursor": cursor}}
        )

    def _shows(self, channel: str, types: str) -> bool:
        kind = "private_channel" if channel in self._private else "public_channel"
        return kind in types.split(",") and (channel not in self._private or channel in self.bot_in)

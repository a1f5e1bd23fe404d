"""Notion over HTTP, as far as pages are read: search and block children, by pages, with what the API refuses.

Written after developers.notion.com: 401 without the integration's token, 400 without a version, cursors
that are ids, 429 with Retry-After (request limits), pages in the trash among the results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "ntn-SECRET"  # noqa: S105


def number(of: int) -> str:
    return f"{of:08x}-0000-0000-0000-000000000000"


def block(of: int, kind: str, text: str = "", below: int = 0, **more: Any) -> dict[str, Any]:
    value = {"rich_text": [{"type": "text", "plain_text": text}], **more}
    return {"object": "block", "id": number(of), "type": kind, kind: value, "has_children": bool(below)}


@dataclass
class Notion:
    """See the module. `blocks` are those below a page or block, by its number."""

    pages: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    blocks: dict[int, list[dict[str, Any]]] = field(default_factory=dict[int, list[dict[str, Any]]])
    at_a_time: int = 2
    busy: list[str] = field(default_factory=list[str])
    endless: bool = False
    unlisted: set[int] = field(default_factory=set[int])
    asked: list[str] = field(default_factory=list[str])
    port: int = 0

    def add(
        self, of: int, title: str, edited: str = "2026-11-30T10:00:00.000Z", parent: int = 0, **more: Any
    ) -> None:
        above = {"type": "page_id", "page_id": number(parent)} if parent else {"type": "workspace"}
        properties = {"Name": {"id": "title", "type": "title", "title": [{"plain_text": title}]}}
        url = f"https://www.notion.so/{title}-{number(of).replace('-', '')}"
        page = {"object": "page", "id": number(of), "url": url, "last_edited_time": edited, "parent": above}
        self.pages[of] = {**page, "properties": properties, **more}

    async def answer(self, request: web.Request) -> web.Response:  # noqa: PLR0911 - a path each
        self.asked.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"object": "error", "code": "unauthorized"}, status=401)
        if request.headers.get("Notion-Version") != "2022-06-28":
            return web.json_response({"object": "error", "code": "missing_version"}, status=400)
        if self.busy:
            return web.json_response({}, status=429, headers={"Retry-After": self.busy.pop(0)})
        match request.path.strip("/").split("/"):
            case ["v1", "search"]:
                asked = await request.json()
                assert asked["filter"] == {"property": "object", "value": "page"}
                listed = [page for of, page in self.pages.items() if of not in self.unlisted]
                return self._page(listed, asked.get("start_cursor", ""))
            case ["v1", "pages", one] if int(one[:8], 16) in self.pages:
                return web.json_response(self.pages[int(one[:8], 16)])
            case ["v1", "blocks", one, "children"] if int(one[:8], 16) in self.blocks:
                return self._page(self.blocks[int(one[:8], 16)], request.query.get("start_cursor", ""))
        return web.json_response({"object": "error", "code": "object_not_found"}, status=404)

    def _page(self, items: list[dict[str, Any]], cursor: str) -> web.Response:
        start = int(cursor[:8], 16) if cursor else 0
        end = start + self.at_a_time
        more = end < len(items) or self.endless
        shown = items[start:end] or items[:1]
        following = number(end) if more else None
        return web.json_response({"results": shown, "has_more": more, "next_cursor": following})

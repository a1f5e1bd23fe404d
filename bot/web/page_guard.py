"""The guard of a page that only some people may see: who looks, may they, and did they mean it.

    a browser on this machine, where the chat page is served     is its reviewer, or the machine's operator
    whoever shows a pass that the bot gave them in their chat    is who they were there (bot/page_passes.py)
    anybody else                                                 sees the empty page, and nothing in it

Every request is authorised anew, not only changes. No cookie lets anybody in: a browser here proves by its
headers and by the token of the page that it was our page which sent a change, and a pass comes in a header.
The page itself is the same for everybody; where nobody can come in from elsewhere, not even that is shown.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from aiohttp import web

from bot.page_language import PAGE_SCRIPTS, describe_language, list_tags, translate_page
from bot.page_passes import Gate, Page, PagePasses, Visitor
from bot.web.access import (
    HEADERS,
    Handler,
    RefusedError,
    check_peer,
    check_same_origin,
    check_token,
    read_object,
    refuse,
)
from bot.web.chat_page import STATIC
from core.records import Channel
from core.translation import ENGLISH, mark, say, set_language
from feedback.store.base import StoreUnavailable

Serve = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]
ASK_FOR_A_LINK = mark(
    "Say “{page} page” to the bot in your personal chat: it answers with a link to this page."
)
ENDED = mark("Your session has ended. Ask the bot again: “{page} page”.")
USED = mark("This link has already been used or has expired. Ask the bot again: “{page} page”.")
NOT_NOW = mark("The store cannot be reached right now. Please try again in a minute.")
_TRANSLATED: frozenset[Page] = frozenset({"reviews"})
"""Pages that are in their reader's language; the others are in English, with all that is said on them."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class PageGuard:
    """Lets people in to one page. `gates` say who may, by the channel where they said who they are.

    `local` is who a browser on this machine is, None where the page is not for browsers here.
    """

    page: Page
    passes: PagePasses
    gates: Mapping[str, Gate]
    local: Visitor | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    async def admit(self, request: web.Request) -> Visitor:
        """Return who this is, and may. Raises RefusedError."""
        given = request.headers.get("Authorization", "")
        visitor = self._read_pass(given) if given else self._find_local(request)
        gate = self.gates.get(visitor.channel)
        refusal = await gate.refusal(visitor.directory_id) if gate else say("This page is not open to you.")
        if refusal:
            raise RefusedError(403, refusal, "not_allowed")
        return visitor

    def _read_pass(self, given: str) -> Visitor:
        visitor = self.passes.read(self.page, given.removeprefix("Bearer ").strip())
        if visitor is None:
            raise RefusedError(401, say(ENDED, page=self.page), "pass_ended")
        return visitor

    def _find_local(self, request: web.Request) -> Visitor:
        if self.local is None or not _is_here(request):
            raise RefusedError(401, say(ASK_FOR_A_LINK, page=self.page), "pass_needed")
        check_same_origin(request)
        if request.method != "GET":
            check_token(request, self.token)
        return self.local

    def routes(self, reads: Mapping[str, Serve], posts: Mapping[str, Serve]) -> list[web.RouteDef]:
        """Return the page, its files, and what it reads and sends, by their paths below the page's."""
        base = f"/{self.page}"
        return [
            web.get(base, self._guard(self._show), allow_head=False),
            web.get(base + "/files/{name}", self._guard(_serve_file), allow_head=False),
            web.post(base + "/pass", self._guard(self._exchange)),
            *(
                web.get(f"{base}/{path}", self._admit(serve), allow_head=False)
                for path, serve in reads.items()
            ),
            *(web.post(f"{base}/{path}", self._admit(serve)) for path, serve in posts.items()),
        ]

    def _admit(self, serve: Serve) -> Handler:
        async def serve_admitted(request: web.Request) -> web.StreamResponse:
            return await serve(request, await self.admit(request))

        return self._guard(serve_admitted)

    def _guard(self, handler: Handler) -> Handler:
        async def handle_guarded(request: web.Request) -> web.StreamResponse:
            set_language(*(list_tags(request) if self.page in _TRANSLATED else (ENGLISH,)))
            try:
                if set(self.gates) <= {str(Channel.LOCAL)}:
                    check_peer(request)
                response = await handler(request)
            except RefusedError as refused:
                response = refuse(refused)
            except StoreUnavailable:
                response = refuse(RefusedError(503, say(NOT_NOW), "unavailable"))
            response.headers.update(HEADERS)
            if "Cache-Control" not in response.headers:
                response.headers["Cache-Control"] = "no-store"
            return response

        return handle_guarded

    async def _show(self, request: web.Request) -> web.StreamResponse:
        local = self.local is not None and _is_here(request)
        told = describe_language(request, PAGE_SCRIPTS)
        config = {"token": self.token if local else "", "local": local, "texts": told["texts"]}
        theme = request.cookies.get("askpage-theme", "")
        html = translate_page(STATIC / f"{self.page}.html")
        html = html.replace("{{config}}", escape(json.dumps(config)))
        html = html.replace("{{theme}}", theme if theme in ("light", "dark") else "system")
        return web.Response(text=html, content_type="text/html")

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        given = await self.passes.exchange(self.page, str((await read_object(request)).get("link", "")))
        if given is None:
            raise RefusedError(401, say(USED, page=self.page), "pass_needed")
        return web.json_response({"pass": given})


def _is_here(request: web.Request) -> bool:
    """Tell whether a browser on this machine asks, under a name of this machine and not through a proxy."""
    try:
        check_peer(request)
    except RefusedError:
        return False
    return True


async def _serve_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    path = STATIC / name
    content_type = _TYPES.get(path.suffix)
    if content_type is None or "/" in name or not path.is_file():
        raise RefusedError(404, say("There is no such file."), "not_found")
    return web.FileResponse(path, headers={"Content-Type": content_type, "Cache-Control": "no-cache"})

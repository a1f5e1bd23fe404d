"""The dashboard: is the bot right, liked, fast and used? `/dashboard` and its `/dashboard/data`.

Who may see what:

    a browser on this machine, while the chat page is on (its Robin may review)   everything
    whoever shows the reviewers' token, from anywhere                             everything
    whoever shows the dashboard's token, from anywhere                            all but what people asked
    anybody else                                                                  nothing

A token comes in the header `Authorization: Bearer …`: no cookie, so no other web site's page can use it, and
a name that is rebound to this machine is of no use to whoever has no token. The page itself is the same for
everybody.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from bot.web.access import HEADERS, Handler, RefusedError, check_peer, check_same_origin, refuse
from bot.web.chat_page import STATIC
from bot.web.dashboard.data import RANGES, DashboardData, Query
from feedback.store.base import StoreError

FILES = {
    "palette.css": "text/css",
    "dashboard.css": "text/css",
    "dashboard.js": "text/javascript",
    "plot.js": "text/javascript",
    "figures.js": "text/javascript",
    "learning.js": "text/javascript",
    "element.js": "text/javascript",
    "asking.js": "text/javascript",
    "gaps.js": "text/javascript",
    "tokens.js": "text/javascript",
    "export.js": "text/javascript",
    "logo.svg": "image/svg+xml",
}
_LONGEST = 200
"""Longest name that is filtered by, characters."""


@dataclass(frozen=True, slots=True)
class DashboardAccess:
    """Who is let in: `local` browsers on this machine, and who has a token ("": nobody has).

    The token of `reviewers` also shows what people asked.
    """

    local: bool
    token: str = ""
    reviewers: str = ""

    @property
    def has_tokens(self) -> bool:
        """Whether anybody can come in from elsewhere."""
        return bool(self.token or self.reviewers)


def dashboard_routes(
    data: DashboardData, access: DashboardAccess, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[web.RouteDef]:
    """Return the page, its files and its figures."""

    async def page(request: web.Request) -> web.StreamResponse:
        theme = request.cookies.get("askpage-theme", "")
        html = (STATIC / "dashboard.html").read_text("utf-8")
        html = html.replace("{{theme}}", theme if theme in ("light", "dark") else "system")
        return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in FILES:
            raise RefusedError(404, "There is no such file.", "not_found")
        headers = {"Content-Type": FILES[name], "Cache-Control": "no-cache", **HEADERS}
        return web.FileResponse(STATIC / name, headers=headers)

    async def figures(request: web.Request) -> web.StreamResponse:
        questions = may_read_questions(request, access)
        try:
            body = await data.read(parse_query(request), now(), questions=questions)
        except StoreError:
            raise RefusedError(503, "The store cannot be read just now.", "unavailable") from None
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    return [
        web.get("/dashboard", _guard(page, access), allow_head=False),
        web.get("/dashboard/files/{name}", _guard(file, access), allow_head=False),
        web.get("/dashboard/data", _guard(figures, access), allow_head=False),
    ]


def _guard(handler: Handler, access: DashboardAccess) -> Handler:
    """Wrap a handler: where nobody can come in from elsewhere, not even the page is shown there."""

    async def handle_guarded(request: web.Request) -> web.StreamResponse:
        try:
            if not access.has_tokens:
                check_peer(request)
                check_is_open(access)
            response = await handler(request)
        except RefusedError as refusal:
            response = refuse(refusal)
        response.headers.update(HEADERS)
        return response

    return handle_guarded


def check_is_open(access: DashboardAccess) -> None:
    """Refuse everybody where neither the chat page is on nor a token is set."""
    if not access.local:
        raise RefusedError(403, "The dashboard is closed: set dashboard_token, or serve the chat page.")


def may_read_questions(request: web.Request, access: DashboardAccess) -> bool:
    """Tell whether who may see the figures may also read what people asked; refuse who may see nothing."""
    given = request.headers.get("Authorization", "")
    if given:
        return _check_right(given.removeprefix("Bearer "), access)
    if access.local:
        try:
            check_peer(request)
        except RefusedError:
            if not access.has_tokens:
                raise
        else:
            check_same_origin(request)
            return True
    raise RefusedError(401, "Show your token to see the figures.", "token_needed")


def _check_right(token: str, access: DashboardAccess) -> bool:
    """Compare with both tokens, always, and for the same time whatever is given."""
    given = token.strip().encode("utf-8", "surrogateescape")
    reviewer = hmac.compare_digest(given, access.reviewers.encode()) and bool(access.reviewers)
    known = hmac.compare_digest(given, access.token.encode()) and bool(access.token)
    if not (reviewer or known):
        raise RefusedError(401, "This token opens nothing here.", "token_unknown")
    return reviewer


def parse_query(request: web.Request) -> Query:
    """Read what is asked for. Raises RefusedError for a range that there is not."""
    asked = {name: request.query.get(name, "")[:_LONGEST] for name in ("channel", "version", "site")}
    span = request.query.get("range", "auto")
    if span not in RANGES:
        raise RefusedError(400, f"A range is one of {', '.join(RANGES)}.", "bad_request")
    return Query(span, **asked)

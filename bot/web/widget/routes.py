"""The routes of the widget: its script, its panel, and what the panel sends and follows.

    site's page ── <script src="/widget.js"> ──> a button, which opens
    panel (an iframe of our origin) ── POST /widget/session, /widget/…, with its session ──> Chats

The panel is a page of ours in a frame: what is asked, what is answered and the session are out of reach of
the scripts of the site around it, and the site's rules for scripts and styles need no exceptions for ours.
It is served for one site at a time, and browsers show it nowhere else (`frame-ancestors`). No other origin is
ever let in to read (CORS): whatever is sent has to come from the panel itself.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from aiohttp import web

from bot.http import LOOPBACK_NAMES
from bot.page_language import list_script_texts, list_tags, translate_page
from bot.web.access import CONTENT_SECURITY_POLICY, Handler, RefusedError, read_object, refuse
from bot.web.chat_page import ADAPTIVE_CARDS, STATIC, BotKnowledge
from bot.web.chats import Chats
from bot.web.conversations import Conversation
from bot.web.widget.limits import RateLimits
from bot.web.widget.questions import ask_about, check_link, parse_page
from bot.web.widget.sessions import Session, Sessions
from core.sites import find_origin
from core.text import Json
from core.translation import mark, say, set_language
from feedback.store.base import StoreUnavailable

Serve = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
ELSEWHERE = mark("A page of another website sent this.")
NO_SITE = mark(
    "This site may not show the assistant. The operator of the bot can add the site to widget_origins."
)
IN_A_PAGE = mark("This panel belongs in a web page: open it there with its button.")
NOT_NOW = mark("I could not save this. Please try again in a minute.")
NO_FILE = mark("There is no such file.")
NOT_YOURS = mark("This conversation no longer exists. Start a new one.")
VISIT_COOKIE = "askpage-visit"
MOST_STREAMS = 4
"""Panels that one visitor may follow at once; the one that was opened first ends at its next beat."""
FILES = {
    "palette.css": "text/css",
    "chat.css": "text/css",
    "panel.css": "text/css",
    "logo.svg": "image/svg+xml",
    ADAPTIVE_CARDS.name: "text/javascript",
    **dict.fromkeys(
        (
            "actions.js",
            "cards.js",
            "composer.js",
            "element.js",
            "feedback.js",
            "language.js",
            "lines.js",
            "message.js",
            "panel.js",
            "panel-wire.js",
            "thread.js",
            "wire.js",
        ),
        "text/javascript",
    ),
}
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class WidgetParts:
    """What the routes are made of; `public_url` is where browsers find the bot, "" for this machine alone."""

    chats: Chats
    sessions: Sessions
    limits: RateLimits
    knows: BotKnowledge
    public_url: str = ""
    root: Path = STATIC.parent.parent


class WidgetPage:
    """The script, the panel and its routes. One per process."""

    def __init__(self, parts: WidgetParts) -> None:
        self._parts = parts
        self._chats = parts.chats
        self._sessions = parts.sessions
        self._cards = parts.root / ADAPTIVE_CARDS
        self._streams: dict[str, list[object]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return them."""
        return [
            web.get("/widget.js", self._guard(self._serve_script), allow_head=False),
            web.get("/widget/panel", self._guard(self._show), allow_head=False),
            web.get("/widget/files/{name}", self._guard(self._serve_file), allow_head=False),
            web.post("/widget/session", self._guard(self._begin_session)),
            web.post("/widget/conversations", self._admit(self._begin)),
            web.post("/widget/end", self._admit(self._end)),
            web.post("/widget/stop", self._admit(self._stop)),
            web.post("/widget/activities", self._admit(self._take)),
            web.get("/widget/events", self._admit(self._follow), allow_head=False),
        ]

    # Doors

    def _guard(self, handler: Handler) -> Handler:
        async def handle_guarded(request: web.Request) -> web.StreamResponse:
            set_language(*list_tags(request))
            try:
                if request.method != "GET":
                    self._check_sender(request)
                response = await handler(request)
            except RefusedError as refused:
                response = refuse(refused)
            except StoreUnavailable:
                response = refuse(RefusedError(503, say(NOT_NOW), "unavailable"))
            if not response.prepared:
                for name, value in _headers("'none'").items():
                    response.headers.setdefault(name, value)
            return response

        return handle_guarded

    def _admit(self, serve: Serve) -> Handler:
        async def serve_admitted(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
                raise RefusedError(403, say(ELSEWHERE), "elsewhere")
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            session = self._sessions.read(given)
            self._parts.limits.count_action(session.visitor)
            return await serve(request, session)

        return self._guard(serve_admitted)

    def _check_sender(self, request: web.Request) -> None:
        """Refuse what was not sent by a page of ours: a browser says whose page it was."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or request.headers.get("Origin") != self._find_own_origin(request):
            raise RefusedError(403, say(ELSEWHERE), "elsewhere")

    def _find_own_origin(self, request: web.Request) -> str:
        """Return the origin of the panel; without a public address the bot is this machine's alone."""
        if self._parts.public_url:
            return find_origin(self._parts.public_url)
        host = request.headers.get("Host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return f"http://{host}" if name.lower() in LOOPBACK_NAMES else ""

    # What a site's page loads

    async def _serve_script(self, _: web.Request) -> web.StreamResponse:
        headers = {
            "Content-Type": "text/javascript; charset=utf-8",
            "Cache-Control": "public, max-age=300",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return web.FileResponse(STATIC / "widget.js", headers=headers)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = self._cards if name == self._cards.name else STATIC / name
        if name not in FILES or not path.is_file():
            raise RefusedError(404, say(NO_FILE), "not_found")
        return web.FileResponse(path, headers={"Content-Type": FILES[name], "Cache-Control": "no-cache"})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        """Serve the panel for one site, with a ticket for it."""
        origin = request.query.get("origin", "")
        if origin not in self._sessions.origins:
            raise RefusedError(403, say(NO_SITE), "not_allowed")
        if request.headers.get("Sec-Fetch-Dest", "iframe") != "iframe":
            raise RefusedError(403, say(IN_A_PAGE), "not_framed")
        theme = request.query.get("theme", "")
        config = {
            "ticket": self._sessions.make_ticket(origin),
            "origin": origin,
            "suggestions": list(self._parts.knows.suggestions()),
            "loading": self._chats.loading(),
            "texts": list_script_texts(),
        }
        page = translate_page(STATIC / "panel.html")
        page = page.replace("{{theme}}", theme if theme in ("light", "dark") else "system")
        page = page.replace("{{config}}", escape(json.dumps(config)))
        return web.Response(text=page, content_type="text/html", headers=_headers(origin))

    # What the panel sends

    async def _begin_session(self, request: web.Request) -> web.StreamResponse:
        """Exchange a visit, or a ticket, for a session; a visit is of the site that the ticket names."""
        body = await read_object(request)
        ticket = str(body.get("ticket") or "")
        visit = str(body.get("visit") or request.cookies.get(VISIT_COOKIE, ""))
        origin = self._sessions.check_ticket(ticket) if ticket else ""
        session = self._find_visit(visit, origin)
        if session is None:
            self._parts.limits.count_visitor(origin)
            session = self._sessions.begin(origin)
        self._sessions.use_up(ticket)  # nothing waited since it was checked
        mine = self._chats.conversations.of_person(session.visitor)
        visit = self._sessions.sign_visit(session)
        told = {
            "session": self._sessions.sign(session),
            "visit": visit,
            "conversation": mine[0].id if mine else "",
        }
        return web.json_response(told, headers={"Set-Cookie": self._make_cookie(visit)})

    def _make_cookie(self, visit: str) -> str:
        """Return the cookie by which a browser is the same visitor on the site's next page.

        It is kept for panels on that one site (`Partitioned`), sent to `/widget/session` alone, and no script
        sees it. Browsers that keep no such cookies bring a new visitor with every page.
        """
        age_s = round(self._sessions.visit_s)
        return (
            f"{VISIT_COOKIE}={visit}; Path=/widget/session; Max-Age={age_s}; HttpOnly; Secure; SameSite=None;"
            " Partitioned"
        )

    def _find_visit(self, visit: str, origin: str) -> Session | None:
        """Return the session of who was here before; None where a ticket lets somebody new in."""
        try:
            session = self._sessions.renew(visit)
        except RefusedError:
            if origin:
                return None
            raise
        return session if origin in ("", session.origin) else None

    async def _begin(self, _: web.Request, session: Session) -> web.StreamResponse:
        person = {"id": session.visitor, "name": "Visitor", "origin": session.origin}
        return web.json_response({"id": (await self._chats.begin(person, welcome=False)).id})

    async def _end(self, request: web.Request, session: Session) -> web.StreamResponse:
        await self._chats.end(self._find(await read_object(request), session))
        return web.json_response({})

    async def _stop(self, request: web.Request, session: Session) -> web.StreamResponse:
        await self._chats.stop(self._find(await read_object(request), session))
        return web.json_response({})

    async def _take(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Take one thing that the visitor did; of a message it is looked at what it is about."""
        body = await read_object(request)
        chat = self._find(body, session)
        page = parse_page(body.get("page"), self._sessions.origins)
        activity = self._chats.build(body, chat)
        if activity["type"] in ("message", "messageUpdate"):
            check_link(activity, self._sessions.origins, self._parts.knows.pages)
            self._parts.limits.count_question(session.origin)
            activity = ask_about(activity, page)
        return web.json_response(await self._chats.take(chat, activity))

    async def _follow(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Send a conversation's changes until the browser goes away, or the session ends."""
        chat = self._find({"conversation": request.query.get("conversation", "")}, session)
        mine = object()
        streams = self._streams.setdefault(session.visitor, [])
        streams.append(mine)
        del streams[:-MOST_STREAMS]

        def tell() -> Json | None:
            going_on = mine in streams and not self._sessions.has_ended(session)
            return {"loading": self._chats.loading()} if going_on else None

        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", **_headers("'none'")}
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            with contextlib.suppress(ConnectionResetError):
                await self._chats.follow(response, chat, request.query.get("after", ""), tell)
        finally:
            if mine in streams:
                streams.remove(mine)
            if not streams:
                self._streams.pop(session.visitor, None)
        return response

    def _find(self, body: Json, session: Session) -> Conversation:
        """Return a visitor's own conversation. Raises RefusedError."""
        chat = self._chats.conversations.get(str(body.get("conversation") or ""))
        person = chat.person if chat else {}
        if chat is None or (person["id"], person.get("origin")) != (session.visitor, session.origin):
            raise RefusedError(404, say(NOT_YOURS), "gone")
        return chat


def _headers(ancestors: str) -> dict[str, str]:
    """Return the headers of a page that `ancestors` may frame; a panel works in isolated pages, too."""
    policy = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
    framed = ancestors != "'none'"
    return _COMMON | {
        "Content-Security-Policy": policy,
        "Cross-Origin-Resource-Policy": "cross-origin" if framed else "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }

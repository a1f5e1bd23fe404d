"""The tab's page and what it asks for: each request with a token of Entra (`bot/teams/tab/tokens.py`).

    GET  /teams/tab                  the page, the same for everybody, in a frame of Teams only
    GET  /teams/tab/files/NAME       its files
    GET  /teams/tab/overview         what somebody asked, what changed because of them, pages, privacy
    POST /teams/tab/export           an address with their data, good for minutes
    POST /teams/tab/learning         {"press", "on"}: whether the bot may learn from them
    POST /teams/tab/delete           {"press", "sure": true}: delete everything of theirs

No cookie lets anybody in, so that no other web site can do anything in somebody's name. `press` names a
press: the same one twice is one.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

from bot.channels.asides.my_overview import MyOverviews
from bot.channels.handler import Recognise
from bot.channels.incoming import MalformedError
from bot.channels.privacy_handler import PrivacyTerms
from bot.dialogs.privacy import EVERYWHERE, DataLinks, Privacy
from bot.http import read_body
from bot.page_language import list_tags, translate_page
from bot.teams.auth import KeysUnavailableError, KeyTimes
from bot.teams.package import TAB
from bot.teams.tab.drawing import draw_overview
from bot.teams.tab.tokens import ForeignPerson, TabConfig, TabPerson, TabTokens
from core.records import Channel
from core.translation import get_language, list_texts, mark, say, set_language
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

PATH = TAB
SCRIPTS = "bot/teams/tab/static/"
HERE = Path(__file__).parent / "static"
SHARED = Path(__file__).parents[2] / "static"
TEAMS_JS = "MicrosoftTeams.min.js"
_NPM = Path(__file__).parents[3] / "node_modules" / "@microsoft" / "teams-js" / "dist" / "umd" / TEAMS_JS
_FILES = {
    "tab.js": (HERE, "text/javascript"),
    "tab.css": (HERE, "text/css"),
    "palette.css": (SHARED, "text/css"),
    "dates.js": (SHARED, "text/javascript"),
    "element.js": (SHARED, "text/javascript"),
    "language.js": (SHARED, "text/javascript"),
    "logo.svg": (SHARED, "image/svg+xml"),
}
FRAMES = (
    "https://teams.microsoft.com",
    "https://*.teams.microsoft.com",
    "https://*.cloud.microsoft",
    "https://*.teams.microsoft.us",
)
"""Teams' hosts, those of the government's cloud last.

Source: https://learn.microsoft.com/microsoftteams/platform/tabs/how-to/tab-requirements
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script';"
    f" trusted-types 'none'; frame-ancestors {' '.join(FRAMES)}",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MOST_BYTES = 4_096
_PRESS = re.compile(r"[0-9a-f-]{32,36}")
SIGN_IN = mark("Teams could not tell who you are. Please close this tab and open it again.")
FOREIGN = mark("This bot is not for your organisation.")
NOT_NOW = mark("I cannot reach my records right now. Please open this tab again in a minute.")
NOT_SENT_HERE = mark("This tab does not send such a request, so nothing was done.")
NO_LIBRARY = (
    "Microsoft’s library for tabs is not installed: run `make setup`, or set ASKPAGE_TEAMS_TAB=false."
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[web.Request, TabPerson], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class TabServices:
    """What the tab stands on, as it is wired for every channel."""

    overviews: MyOverviews
    privacy: Privacy
    links: DataLinks
    recognise: Recognise
    pseudonym: Callable[[str], str]
    terms: PrivacyTerms
    site_url: str


class TabPage:
    """Serves the tab. One per process, made inside a running event loop; close it."""

    def __init__(self, config: TabConfig, services: TabServices, times: KeyTimes | None = None) -> None:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._tokens = TabTokens(config, self._session, times)
        self._services = services

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    def routes(self) -> list[web.RouteDef]:
        """Return the page, its files, and what it asks for."""
        return [
            web.get(PATH, _guard(_show), allow_head=False),
            web.get(PATH + "/files/{name}", _guard(_serve_file), allow_head=False),
            web.get(PATH + "/overview", self._admit(self._overview), allow_head=False),
            web.post(PATH + "/export", self._admit(self._export)),
            web.post(PATH + "/learning", self._admit(self._choose)),
            web.post(PATH + "/delete", self._admit(self._delete)),
        ]

    def _admit(self, serve: Serve) -> Handler:
        async def serve_admitted(request: web.Request) -> web.StreamResponse:
            person = await self._tokens.check(request.headers.get("Authorization", ""))
            await self._services.recognise(person.directory_id)
            return await serve(request, person)

        return _guard(serve_admitted)

    async def _overview(self, _: web.Request, person: TabPerson) -> web.StreamResponse:
        services = self._services
        mine = await services.overviews.read(
            services.pseudonym(person.directory_id), person.directory_id, find_conversation(person)
        )
        return web.json_response(draw_overview(mine, services.terms.retention, services.site_url))

    async def _export(self, _: web.Request, person: TabPerson) -> web.StreamResponse:
        links = self._services.links
        name = self._services.pseudonym(person.directory_id)
        link = links.link(EVERYWHERE, name, str(find_conversation(person)["id"]))
        address = self._services.terms.public_url.rstrip("/") + links.address(link)
        return web.json_response({"url": address, "until": link.expires_at.isoformat()})

    async def _choose(self, request: web.Request, person: TabPerson) -> web.StreamResponse:
        said = await _read_press(request, "on")
        name = self._services.pseudonym(person.directory_id)
        await self._services.privacy.choose(name, out=not said["on"], source=f"tab:{said['press']}")
        return web.json_response({"learning": said["on"]})

    async def _delete(self, request: web.Request, person: TabPerson) -> web.StreamResponse:
        said = await _read_press(request, "sure")
        if said["sure"] is not True:
            raise MalformedError(say(NOT_SENT_HERE))
        name = self._services.pseudonym(person.directory_id)
        deletion = await self._services.privacy.delete(name, f"tab:{said['press']}", "")
        return web.json_response({"state": "done" if deletion.is_gone else "begun"})


def find_conversation(person: TabPerson) -> dict[str, str]:
    """Return what stands for a person's own chat: nobody else sees their tab."""
    return {
        "channelId": str(Channel.TEAMS),
        "conversationType": "personal",
        "id": f"tab:{person.directory_id}",
        "tenantId": person.tenant,
    }


def _guard(handler: Handler) -> Handler:
    async def handle_guarded(request: web.Request) -> web.StreamResponse:
        set_language(*list_tags(request))
        try:
            response = await handler(request)
        except PermissionError as error:
            log.warning("refused a request of the tab: %s", error)
            foreign = isinstance(error, ForeignPerson)
            response = _say(403 if foreign else 401, say(FOREIGN if foreign else SIGN_IN))
        except MalformedError as error:
            response = _say(error.status, str(error))
        except (KeysUnavailableError, StoreError) as error:
            log.warning("the tab cannot be served now: %s", error)
            response = _say(503, say(NOT_NOW))
            response.headers["Retry-After"] = "5"
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return handle_guarded


async def _show(request: web.Request) -> web.StreamResponse:
    """Show the page in the language of Teams, which the page learns there; before that in the browser's."""
    set_language(request.query.get("language", ""), *list_tags(request))
    texts = json.dumps({"texts": list_texts(get_language(), (SCRIPTS,))})
    page = translate_page(HERE / "tab.html").replace("{{config}}", escape(texts))
    return web.Response(text=page, content_type="text/html")


async def _serve_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    folder, kind = _FILES.get(name, (None, ""))
    path = find_teams_js() if name == TEAMS_JS else folder / name if folder else None
    if path is None:
        return _say(404, say("There is no such file."))
    headers = {"Content-Type": kind or "text/javascript", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)


def find_teams_js() -> Path | None:
    """Return Microsoft's library: beside the page, where a wheel has it, or as npm installs it."""
    return next((path for path in (HERE / TEAMS_JS, _NPM) if path.is_file()), None)


async def _read_press(request: web.Request, field: str) -> dict[str, Any]:
    """Read a press: its name, and a truth value in a field. Raises MalformedError."""
    if request.content_type != "application/json":
        raise MalformedError(say(NOT_SENT_HERE), 415)
    try:
        body = await read_body(request, MOST_BYTES)
    except web.HTTPUnsupportedMediaType as error:
        raise MalformedError(error.text or say(NOT_SENT_HERE), 415) from None
    if body is None:
        raise MalformedError(say(NOT_SENT_HERE), 413)
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError(say(NOT_SENT_HERE)) from None
    said = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    press = said.get("press")
    if not isinstance(said.get(field), bool) or not isinstance(press, str) or not _PRESS.fullmatch(press):
        raise MalformedError(say(NOT_SENT_HERE))
    return said


def _say(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)

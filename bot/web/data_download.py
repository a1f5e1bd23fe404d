"""Serves the file with a person's data to whoever holds a link to it (`bot/dialogs/privacy.py`).

On the chat page a link opens only while the conversation that it was made for is there and is still that
person's; elsewhere it leads to `public_url`. A link that was made before the person's data was deleted,
wherever that was asked for, opens nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bot.dialogs.privacy import EVERYWHERE, HERE, DataLinks, Link, Privacy
from bot.page_language import list_tags
from bot.web.access import only_from_here
from core.translation import mark, say, set_language
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

GONE = mark("This link has expired or was changed. Ask the bot again: “export my data”.")
DELETED = mark("The data behind this link was deleted. For newer data, ask the bot again: “export my data”.")
NOT_NOW = mark("Your data cannot be read right now. Please open the link again in a minute.")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class DataDownload:
    """The routes behind links to a person's data."""

    def __init__(self, links: DataLinks, privacy: Privacy) -> None:
        self._links = links
        self._privacy = privacy

    def routes(self) -> list[web.RouteDef]:
        """Return what links from Teams open."""

        async def give(request: web.Request) -> web.StreamResponse:
            set_language(*list_tags(request))
            return await self._give(self._links.read(EVERYWHERE, request.match_info["token"]))

        return [web.get(EVERYWHERE + "{token}", give, allow_head=False)]

    def local_routes(
        self, owner: Callable[[str], str], pseudonym: Callable[[str], str]
    ) -> list[web.RouteDef]:
        """Return what links from the chat page open; `owner` is whose a conversation is ("": it is gone)."""

        async def give(request: web.Request) -> web.StreamResponse:
            set_language(*list_tags(request))
            link = self._links.read(HERE, request.match_info["token"])
            directory_id = owner(link.conversation) if link else ""
            theirs = link and directory_id and pseudonym(directory_id) == link.person
            return await self._give(link if theirs else None)

        return [web.get(HERE + "{token}", only_from_here(give, token=""), allow_head=False)]

    async def _give(self, link: Link | None) -> web.Response:
        if link is None:
            return web.Response(status=404, text=say(GONE), headers=HEADERS)
        try:
            if await self._privacy.was_deleted_since(link.person, link.made_at):
                return web.Response(status=410, text=say(DELETED), headers=HEADERS)
            told: dict[str, Any] = await self._privacy.export(link.person)
        except StoreError:
            log.exception("somebody's data could not be read for them")
            return web.Response(status=503, text=say(NOT_NOW), headers={**HEADERS, "Retry-After": "5"})
        name = f"askpage-my-data-{datetime.now(UTC):%Y-%m-%d}.json"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        text = json.dumps(told, indent=1, ensure_ascii=True)
        return web.Response(text=text, content_type="application/json", headers=HEADERS | disposition)

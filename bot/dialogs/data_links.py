"""The file with a person's data: the link to it, sealed and for a few minutes, and what it opens.

On the chat page the link opens only while the conversation that it was made for is there and is still that person's; in
Teams it leads to `public_url`. The seal is over all that the link says, so a changed one opens nothing. One that was
made before the person's data was deleted, wherever that was asked for, opens nothing either.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from bot.card_tokens import EXPORT, Seals
from bot.dialogs.privacy import Privacy
from bot.web.access import only_from_here
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

VALID_S = 600
HERE, EVERYWHERE = "/local/export/", "/privacy/export/"
MAX_TOKEN_CHARACTERS = 2_000
GONE = "This link is too old, or was altered. Ask the bot again: “export my data”."
DELETED = "What this link led to was deleted. Ask the bot again for what there is since: “export my data”."
NOT_NOW = "Your data cannot be read just now. Please open the link again in a minute."
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: whose data, for which conversation, since when (seconds), and below which path."""

    path: str
    person: str
    conversation: str
    made: float

    @property
    def made_at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.made, UTC)

    @property
    def expires_at(self) -> datetime:
        """When it stops working."""
        return self.made_at + timedelta(seconds=VALID_S)


class Exports:
    """Makes links and serves what they open."""

    def __init__(self, privacy: Privacy, seals: Seals) -> None:
        self._privacy = privacy
        self._seals = seals

    def link(self, path: str, person: str, conversation: str) -> Link:
        """Return a link that works from now on; `path` is HERE or EVERYWHERE."""
        return Link(path, person, conversation, round(time.time(), 6))

    def address(self, link: Link) -> str:
        """Return a link's path."""
        says = json.dumps([link.person, link.conversation, link.made]).encode()
        text = base64.urlsafe_b64encode(says).decode().rstrip("=")
        return f"{link.path}{text}.{self._seals.make(EXPORT, f'{link.path}{text}', {})}"

    def read(self, path: str, token: str) -> Link | None:
        """Return what a link says; None for one that is not ours, was altered, or is too old."""
        text, _, seal = token.partition(".")
        if len(token) > MAX_TOKEN_CHARACTERS or not self._seals.fits(seal, EXPORT, f"{path}{text}", {}):
            return None
        person, conversation, made = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        link = Link(path, person, conversation, made)
        return link if made <= time.time() and datetime.now(UTC) < link.expires_at else None

    def routes(self) -> list[web.RouteDef]:
        """Return what links from Teams open."""

        async def give(request: web.Request) -> web.StreamResponse:
            return await self._give(self.read(EVERYWHERE, request.match_info["token"]))

        return [web.get(EVERYWHERE + "{token}", give, allow_head=False)]

    def local_routes(
        self, owner: Callable[[str], str], pseudonym: Callable[[str], str]
    ) -> list[web.RouteDef]:
        """Return what links from the chat page open; `owner` is whose a conversation is ("": it is gone)."""

        async def give(request: web.Request) -> web.StreamResponse:
            link = self.read(HERE, request.match_info["token"])
            directory_id = owner(link.conversation) if link else ""
            theirs = link and directory_id and pseudonym(directory_id) == link.person
            return await self._give(link if theirs else None)

        return [web.get(HERE + "{token}", only_from_here(give, token=""), allow_head=False)]

    async def _give(self, link: Link | None) -> web.Response:
        if link is None:
            return web.Response(status=404, text=GONE, headers=HEADERS)
        try:
            if await self._privacy.was_deleted_since(link.person, link.made_at):
                return web.Response(status=410, text=DELETED, headers=HEADERS)
            told: dict[str, Any] = await self._privacy.export(link.person)
        except StoreError:
            log.exception("somebody's data could not be read for them")
            return web.Response(status=503, text=NOT_NOW, headers={**HEADERS, "Retry-After": "5"})
        name = f"askpage-my-data-{datetime.now(UTC):%Y-%m-%d}.json"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        text = json.dumps(told, indent=1, ensure_ascii=True)
        return web.Response(text=text, content_type="application/json", headers=HEADERS | disposition)

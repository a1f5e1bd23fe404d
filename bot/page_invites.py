"""Links to pages for who asks for them in chat: "reviews page" for reviewers, "admin page" for operators.

A link is for one person, so it is given only in that person's own chat with the bot.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.channels.incoming import Incoming
from bot.channels.message import Connector, plain_message
from bot.page_passes import LINK_S, Gate, Page, PagePasses, Visitor
from core.translation import mark, say, say_count

log = logging.getLogger(__name__)

IN_YOUR_CHAT = mark("The link is for you alone: please ask me in your personal chat with me.")
NOT_AN_OPERATOR = mark("Only operators may do this, and you are not one of them. Nothing was changed.")
_PAGES: Mapping[str, Page] = {
    "reviews page": "reviews",
    "review page": "reviews",
    "admin page": "admin",
}


class Operators:
    """The people who may change how the bot runs, by their ids in the directory."""

    def __init__(self, ids: frozenset[str]) -> None:
        self._ids = frozenset(one.casefold() for one in ids)

    async def refusal(self, directory_id: str) -> str:
        """Return why somebody may not, "" when they may."""
        return "" if directory_id and directory_id.casefold() in self._ids else say(NOT_AN_OPERATOR)


@dataclass(frozen=True, slots=True)
class PageInvites:
    """Takes the words that ask for a page. `gates` know who may see which page, of those who speak here."""

    passes: PagePasses
    gates: Mapping[Page, Gate]
    site_url: str

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Send a link; False where something else was said."""
        page = _PAGES.get(" ".join(incoming.text.lower().strip(" .!?").split()))
        if page is None:
            return False
        said = await self._answer(page, incoming, person)
        await connector.send(incoming.reference, plain_message(said))
        return True

    async def _answer(self, page: Page, incoming: Incoming, person: str) -> str:
        if refusal := await self.gates[page].refusal(incoming.directory_id):
            log.warning("somebody who may not asked for the page %s", page)
            return refusal
        if not incoming.personal:
            return say(IN_YOUR_CHAT)
        name, channel = incoming.user["name"] or "Somebody", str(incoming.conversation["channelId"])
        visitor = Visitor(person, incoming.directory_id, name, channel, incoming.conversation)
        address = self.site_url + self.passes.make_link(page, visitor)
        return say_count(
            "This opens the page in your name, once, within {count} minute: {address}",
            "This opens the page in your name, once, within {count} minutes: {address}",
            round(LINK_S / 60),
            address=address,
        )

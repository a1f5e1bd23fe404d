"""Chats with reviewers of Teams who never wrote to the bot: begun once for each, so that cards reach them.

Who is named in `reviewers` (an Entra object id) and has said nothing yet gets a chat in the bot's tenant; the
app has to be installed for them (docs/teams.md). Where that fails it is tried again later. Whoever then says
"reviewers stop" is left alone: a mark stays that they were reached.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.channel import Undeliverable
from bot.channels.incoming import Reference
from bot.channels.message import OpensChats
from bot.channels.review_handler import ReviewHandler
from core.records import Channel
from feedback.reviews.repository import CardDestination, ReviewRepository, parse_reader, place_of_reviewer
from feedback.store.base import moment
from feedback.store.documents import Document

log = logging.getLogger(__name__)

KIND = "reached"
SERVICE_URL = "https://smba.trafficmanager.net/teams/"
"""Where Teams takes what is said unasked, as Microsoft documents it for the public cloud.
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages"""


@dataclass(frozen=True, slots=True)
class TeamsAddress:
    """Where the bot lives: its app id, its tenant, and the service that conversations are begun at."""

    app_id: str
    tenant_id: str
    service_url: str = SERVICE_URL


async def begin_chat(connector: OpensChats, address: TeamsAddress, directory_id: str) -> Reference:
    """Begin the chat with somebody of the bot's tenant, or return it. Raises Undeliverable and OSError."""
    where = {"serviceUrl": address.service_url, "channelId": str(Channel.TEAMS)}
    where |= {"tenantId": address.tenant_id, "id": ""}
    return await connector.open_chat(
        Reference(where, {"id": f"28:{address.app_id}"}, {"id": directory_id}, "")
    )


class ReviewerChats:
    """Begins them. One per process."""

    def __init__(
        self,
        repository: ReviewRepository,
        reviews: ReviewHandler,
        connector: OpensChats,
        pseudonym: Callable[[str], str],
        address: TeamsAddress,
    ) -> None:
        self._repository = repository
        self._reviews = reviews
        self._connector = connector
        self._pseudonym = pseudonym
        self._address = address

    async def reach(self, reviewers: Sequence[str]) -> int:
        """Begin a chat with each who was not reached yet; return how many were. Raises StoreError."""
        places = {one.id for one in await self._repository.places()}
        reached = 0
        for directory_id in reviewers:
            person = self._pseudonym(directory_id)
            if await self._repository.documents.get(KIND, person) is None:
                is_known = place_of_reviewer(person) in places
                reached += is_known or await self._begin(directory_id, person)
        return reached

    async def _begin(self, directory_id: str, person: str) -> bool:
        try:
            chat = await begin_chat(self._connector, self._address, directory_id)
        except (Undeliverable, OSError) as error:
            log.warning("a reviewer is not reached; is the app installed for them? %s", error)
            return False
        place_id = place_of_reviewer(person)
        contact = Reference(chat.conversation, chat.bot, {}, "").dump()
        await self._reviews.send_cards_to(CardDestination(place_id, contact, parse_reader(place_id)))
        now = moment(datetime.now(UTC))
        await self._repository.documents.put(Document(KIND, person, "", person=person, order=now))
        return True

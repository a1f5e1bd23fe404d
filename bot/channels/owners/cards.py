"""Brings the cards about gaps to the owners of pages, each in their own chat with the bot.

It works off the outbox with card sync (`bot/channels/card_sync.py`), so no two processes post the same at
once, and what a channel does not take stays for the next round. A card is shown where its owner has a chat
with the bot. With one who never wrote a chat is begun where a channel was told to (`begin_chat`); otherwise
they get it once they say "gaps". Pages that not everyone may read have
no cards: a card whose page is closed since, or whose questions are deleted, is taken from the screen.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bot.card_tokens import GAP, CardSigner
from bot.cards.gap import OwnerCardView, build_gap_card
from bot.channel import Undeliverable
from bot.channels.asides.one_person import Connect, ContactCipher, find_route
from bot.channels.card_sync import CardSync, post_card, run_all
from bot.channels.incoming import Reference
from bot.channels.owners.people import Owners
from bot.readers.access import PageAccess
from core.records import Channel
from feedback.gaps.authors import AUTHOR, is_author, read_author
from feedback.gaps.owner_cards import (
    OUTBOX_PREFIX,
    OwnerCard,
    find_decision,
    list_cards,
    list_decisions,
    list_steps,
    read_card,
    remove_card,
)
from feedback.gaps.report import is_current
from feedback.privacy.deletion_log import list_excluded
from feedback.reviews.repository import PostedMessage, ReviewRepository, place_of_reviewer
from feedback.store.base import FeedbackStore

log = logging.getLogger(__name__)

BeginChat = Callable[[str], Awaitable[Reference]]
"""A person's directory id → their chat with the bot, begun now. Raises Undeliverable and OSError."""
_IN_SLACK = f"{Channel.SLACK}:"
MOST_SHOWN = 10
"""Cards that "gaps" shows at once."""


@dataclass(frozen=True, slots=True)
class OwnerPlace:
    """What cards of owners need of the bot: who owners are, what everyone may read, and ways to people."""

    owners: Owners
    access: PageAccess
    signer: CardSigner
    connect: Connect
    pseudonym: Callable[[str], str]
    cipher: ContactCipher
    site_url: str = ""


class OwnerCards:
    """Shows them. One per process."""

    def __init__(self, store: FeedbackStore, repository: ReviewRepository, place: OwnerPlace) -> None:
        self._store = store
        self._repository = repository
        self._place = place
        self._wake: Callable[[], None] = lambda: None
        self.begin_chat: dict[Channel, BeginChat] = {}

    @property
    def owners(self) -> Owners:
        return self._place.owners

    @property
    def repository(self) -> ReviewRepository:
        return self._repository

    def join(self, card_sync: CardSync) -> None:
        """Let card sync bring the entries of owners' cards here."""
        self._wake = card_sync.wake
        card_sync.add_handler(OUTBOX_PREFIX, self.look_after)

    async def find_open(self, name: str) -> OwnerCard | None:
        """Return a card that may still be shown: everyone may read its page, and its questions are kept."""
        card = await read_card(self._repository.documents, name)
        if card is None or not self._place.access.may_read(frozenset(), [card.page]):
            return None
        excluded = await list_excluded(self._repository.documents)
        return card if await is_current(self._store, card.gap, excluded) else None

    async def view(self, card: OwnerCard, signature: str = "") -> OwnerCardView:
        """Return a card as it is now."""
        steps = await list_steps(self._repository.documents, card.id)
        return OwnerCardView(card, find_decision(steps), len(steps), signature, self._place.site_url)

    async def look_after(self, name: str) -> None:
        """Show a card to its owners, or take it back. Raises StoreError and OSError."""
        card = await self.find_open(name)
        if card is None:
            await remove_card(self._repository, name)
            return
        entry = f"{OUTBOX_PREFIX}{name}"
        shown = {one.place: one for one in await self._repository.list_shown(entry)}
        for person, directory_id in (await self._list_people(card)).items():
            place = place_of_reviewer(person)
            chat = await self._find_chat(person) or await self._begin_chat(person, directory_id)
            if chat and place not in shown:
                shown[place] = PostedMessage(entry, place, chat.dump(), "", "")
        await run_all([partial(self._show, one, card) for one in shown.values()])

    async def show_to(self, person: str, directory_id: str, chat: Reference) -> int:
        """Show somebody the cards of their pages anew that wait for them; return how many there are."""
        waiting = await self._list_waiting(directory_id)
        for card in waiting[:MOST_SHOWN]:
            entry, place = f"{OUTBOX_PREFIX}{card.id}", place_of_reviewer(person)
            before = {one.place: one for one in await self._repository.list_shown(entry)}.get(place)
            await self._show(PostedMessage(entry, place, chat.dump(), "", ""), card)
            if before is not None and before.message_id:
                await self._repository.leave_card(before)
        self._wake()
        return len(waiting)

    async def tell_others(self, name: str) -> None:
        """Have a card drawn anew wherever it is on screen."""
        steps = await list_steps(self._repository.documents, name)
        if steps:
            await self._repository.add_outbox_entry(f"{OUTBOX_PREFIX}{name}", steps[-1].at)
            self._wake()

    async def _list_waiting(self, directory_id: str) -> Sequence[OwnerCard]:
        """Return the cards of somebody's pages that nobody has decided about, those of most people first."""
        decided = await list_decisions(self._repository.documents)
        cards = [card for card in await list_cards(self._repository.documents) if card.id not in decided]
        mine = [card for card in cards if await self.is_owner(directory_id, card)]
        found = [card for card in mine if await self.find_open(card.id) is not None]
        return sorted(found, key=lambda card: (-card.gap.people, card.gap.name))

    async def is_owner(self, directory_id: str, card: OwnerCard) -> bool:
        """Tell whether somebody is one of the people behind a page's owner, or its author."""
        if self.owners.owns(directory_id, card.gap.owner):
            return True
        return bool(directory_id) and self._place.pseudonym(directory_id) in await self._list_people(card)

    async def may_own(self, directory_id: str) -> bool:
        """Tell whether somebody owns pages at all. Raises StoreError."""
        if self.owners.owns_any(directory_id):
            return True
        person = self._place.pseudonym(directory_id) if directory_id else ""
        return bool(person) and await is_author(self._repository.documents, person)

    async def _list_people(self, card: OwnerCard) -> Mapping[str, str]:
        """Return the people behind a card's owner: pseudonym → directory id, "" where that cannot be read."""
        named = self.owners.list_people(card.gap.owner)
        found = {self._place.pseudonym(directory_id): directory_id for directory_id in named}
        if card.gap.owner == AUTHOR:
            author = await read_author(self._repository.documents, card.page)
            found |= {author.person: self._place.cipher.decrypt(author.way)} if author else {}
        return found

    async def _begin_chat(self, person: str, directory_id: str) -> Reference | None:
        """Begin a chat with somebody who never wrote, where a channel here does that; None if it fails."""
        begin = self.begin_chat.get(Channel.SLACK if directory_id.startswith(_IN_SLACK) else Channel.TEAMS)
        if begin is None or not directory_id:
            return None
        try:
            chat = await begin(directory_id)
        except (Undeliverable, OSError) as error:
            log.warning("the owner of a page is not reached; is the app installed for them? %s", error)
            return None
        contact = Reference(chat.conversation, chat.bot, {}, "")
        await self._repository.put_contact(str(chat.conversation["id"]), contact.dump(), person)
        return contact

    async def _find_chat(self, person: str) -> Reference | None:
        """Return a chat of one person with the bot that this process has a way to."""
        for contact in await self._repository.contacts_of(person):
            route = find_route(self._place.connect, contact)
            if route is not None and route[0].personal:
                return route[0]
        return None

    async def _show(self, posted: PostedMessage, card: OwnerCard) -> None:
        route = find_route(self._place.connect, posted.reference)
        if route is None:
            log.info("a card for the owner of a page waits for a process that reaches its chat")
            return
        view = await self.view(card, self._place.signer.sign(GAP, card.id, route[0].conversation))
        if view.shown_version != posted.stamp:
            await post_card(self._repository, posted, route, build_gap_card(view), view.shown_version)

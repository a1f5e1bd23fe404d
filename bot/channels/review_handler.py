"""What reviewers do in chat: the buttons of review cards, and a few words that they say to the bot.

    reviewers here     in a channel or chat: the cards come here from now on
    reviewers stop     they do not any more
    queue              the next cards, here and now; "queue 2" those after them
    verified answers   what is served, to edit or withdraw it (bot/channels/verified_pages.py)

and what everyone may ask: "what changed because of me?". Only reviewers may act; each action is authorised
anew.

`Reviewers` are people by their directory id (Entra object id), and members of directory groups. The channel's
token vouches for the id. A name or a channel's own user id is no proof and is never looked at.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from bot.card_tokens import REVIEW, BadAction
from bot.cards.elements import Card
from bot.cards.notice import changes_card
from bot.cards.review import queue_card, review_card
from bot.cards.review_actions import to_reviewed
from bot.cards.verified import NO_MORE
from bot.channels.asides.my_overview import read_changes
from bot.channels.incoming import CardAction, Incoming, find_place
from bot.channels.message import Connector, InvokeReply, asking, card_message, plain_message, saying, showing
from bot.channels.review_actions import NOT_READ, Presser, ReviewActions, Seen, read_press
from bot.channels.verified_pages import VerifiedPages, VerifiedQuery, parse_query
from bot.dialogs.review import GONE, Refused
from core.bounded_dict import BoundedDict
from core.readers import Audience
from core.records import Answer, Citation, Verdict
from core.translation import mark, say
from feedback.privacy.audit import AuditAction
from feedback.reviews.repository import CardDestination, ReviewRepository, parse_reader
from feedback.store.base import StoreUnavailable

IsMember = Callable[[str, Sequence[str]], Awaitable[bool]]
"""(directory id, group ids) → whether the person is in one of the groups. Raises OSError."""

log = logging.getLogger(__name__)

NOT_A_REVIEWER = mark("Only reviewers may do this, and you are not one of them. Nothing was changed.")
NO_DIRECTORY = mark("I cannot look up who is a reviewer right now. Nothing was changed; please try again.")
REMEMBERED_S = 300.0
REMEMBERED = 10_000


class Reviewers:
    """Knows who may decide about answers."""

    def __init__(
        self, ids: Collection[str], groups: Sequence[str] = (), is_member: IsMember | None = None
    ) -> None:
        self._ids = frozenset(one.casefold() for one in ids)
        self._groups = tuple(groups)
        self._is_member = is_member
        self._known: BoundedDict[str, tuple[bool, float]] = BoundedDict(REMEMBERED)

    async def refusal(self, directory_id: str) -> str:
        """Return why somebody may not do what reviewers do, "" when they may."""
        try:
            allowed = await self.allows(directory_id)
        except OSError as error:
            log.warning("the directory does not say who is a reviewer: %s", error)
            return say(NO_DIRECTORY)
        return "" if allowed else say(NOT_A_REVIEWER)

    async def allows(self, directory_id: str) -> bool:
        """Tell whether somebody may review. Raises OSError when the directory of groups does not answer."""
        person = directory_id.casefold()
        if not person:
            return False
        if person in self._ids:
            return True
        if not self._groups or self._is_member is None:
            return False
        member, until = self._known.get(person, (False, 0.0))
        if until < time.monotonic():
            member = await self._is_member(person, self._groups)
            self._known[person] = (member, time.monotonic() + REMEMBERED_S)
        return member


QUEUE_LENGTH = 5
COUNTS_LATER = mark("Your decision is saved here, and takes effect once I can reach my records again.")
_OF_VERIFIED = frozenset({"review.verified", "review.edit", "review.withdraw"})
"""Buttons of the card of a verified answer."""
_QUEUE = re.compile(r"(?:review )?queue(?: (\d{1,4}))?")
WHAT_CHANGED = re.compile(
    r"what (has )?changed because of me\b|was hat sich meinetwegen geändert|was hat sich durch mich geändert"
    r"|qué (?:ha cambiado|cambió) gracias a mí|qu'est-ce qui a changé grâce à moi|私の声で変わったこと",
    re.IGNORECASE,
)


def clean_command(text: str) -> str:
    """Return what was said as commands are written: in small letters, without stops around it."""
    return " ".join(text.lower().replace("’", "'").strip(" .!?¡¿。？").split())


_Command = Callable[[Incoming, str], Awaitable[str | Card]]


class ReviewHandler:
    """Takes what reviewers say and press, and asks whether they may. One per channel."""

    def __init__(self, actions: ReviewActions, reviewers: Reviewers) -> None:
        self._actions = actions
        self._store = actions.store
        self._reviewing = actions.reviewing
        self._card_sync = actions.card_sync
        self._signer = actions.card_sync.signer
        self._reviewers = reviewers
        self._verified = VerifiedPages(
            self._store, self._repository, self._signer, actions.card_sync.site_url
        )
        self._verified.access = actions.card_sync.audiences.access

    @property
    def _repository(self) -> ReviewRepository:
        return self._reviewing.repository

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is one of the words above; False for anything else, which is a question."""
        words = clean_command(incoming.text)
        if WHAT_CHANGED.match(words):
            changes = changes_card(await self.changes(person, await self._find_audience(incoming)))
            await connector.send(incoming.reference, card_message(changes))
            return True
        command = self._find_command(words, incoming.text)
        if command is None:
            return False
        refusal = await self._refusal(incoming)
        said = refusal or await command(incoming, person)
        message = plain_message(said) if isinstance(said, str) else card_message(said)
        await connector.send(incoming.reference, message)
        return True

    def _find_command(self, words: str, text: str) -> _Command | None:
        """Return what these words ask for; `text` is what was said, with its capital letters."""
        if query := parse_query(text):
            return partial(self._list_verified, query)
        if queue := _QUEUE.fullmatch(words):
            return partial(self._queue, max(1, int(queue.group(1) or 1)))
        commands: Mapping[str, _Command] = {
            "reviewers here": self._cards_here,
            "reviewers stop": self._no_cards_here,
        }
        return commands.get(words)

    async def may_review(self, incoming: Incoming) -> bool:
        """Tell whether somebody reviews; also where the directory does not answer, they do not."""
        return not await self._refusal(incoming)

    async def open_chat(self, incoming: Incoming, person: str) -> None:
        """Somebody opened a chat of the local page: a reviewer's is where the cards go."""
        if incoming.directory_id and not await self._refusal(incoming):
            await self._subscribe(incoming, person)

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a review card says. Raises BadAction."""
        if action.verb == "review.refresh":
            return await self._show_own_view(incoming, action, person)
        if refusal := await self._refusal(incoming):
            log.warning("somebody who is no reviewer pressed %s", action.verb)
            return saying(refusal, refused=True)
        self._check_signature(incoming, action)
        seen = await self._read_visible(incoming, action.answer_id)
        if action.verb == "review.verified":
            return await self._open_verified(incoming, action, person, seen)
        presser = Presser(incoming.conversation, incoming.directory_id)
        wish = read_press(incoming, action, person)
        try:
            doubt = None if action.inputs.get("sure") is True else self._actions.find_doubt(wish, seen)
            if doubt is not None:
                return asking(await self._draw(incoming, action, person, seen, doubt))
            review = await self._actions.perform(wish, presser, seen)
        except Refused as refused:
            self._reviewing.wake()  # the card that was pressed may be an old one
            return saying(str(refused), refused=True)
        return await self._answer_press(incoming, action, person, (seen[0], review))

    async def _show_own_view(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Return a review as whoever looks at it may see it: only a reviewer gets something to press."""
        self._check_signature(incoming, action)
        answer, review = await self._read_visible(incoming, action.answer_id)
        if answer is None or review is None:
            answer, review = await self._actions.read(action.answer_id)
        if answer is None or review is None:
            raise BadAction(say(GONE))
        decides = not await self._refusal(incoming)
        words = await self._store.feedback_on(answer.id)
        view = self._card_sync.view_review(review, answer, words, action.signature)
        people = self._card_sync.own_views.find_people(incoming.conversation)
        view = replace(view, reader=person, decides=decides, people=people)
        return showing(review_card(view, self._card_sync.site_url))

    async def _answer_press(
        self, incoming: Incoming, action: CardAction, person: str, seen: Seen
    ) -> InvokeReply:
        """Show what a press has led to; without a review it waits for the store."""
        if seen[1] is None:
            return saying(say(COUNTS_LATER))
        try:
            return showing(await self._draw(incoming, action, person, seen))
        except StoreUnavailable:  # it was there a moment ago, when this was done
            return saying(say("It is done."))

    async def _open_verified(
        self, incoming: Incoming, action: CardAction, person: str, seen: Seen
    ) -> InvokeReply:
        """Show one verified answer in the place of the list."""
        answer, review = seen
        asker = answer.question.asker if answer else ""
        await self._reviewing.audit.write(
            person, AuditAction.OPENED, answer_id=action.answer_id, person=asker
        )
        shown = to_reviewed(answer, review.passages if review else ()) if answer else None
        audience = await self._find_audience(incoming)
        card = await self._verified.draw_one(shown, incoming, audience) if shown else None
        return showing(card) if card else saying(say(NO_MORE), refused=True)

    async def _list_verified(self, query: VerifiedQuery, incoming: Incoming, person: str) -> Card:
        await self._reviewing.audit.write(person, AuditAction.READ_VERIFIED)
        return await self._verified.draw_list(query, incoming, person, await self._find_audience(incoming))

    async def draw_card(self, incoming: Incoming, action: CardAction) -> Card:
        """Return the card of a review as it is now, for a form of it. Raises BadAction."""
        if refusal := await self._refusal(incoming):
            log.warning("somebody who is no reviewer opened %s", action.verb)
            raise BadAction(refusal)
        self._check_signature(incoming, action)
        return await self._draw(incoming, action, "", await self._read_visible(incoming, action.answer_id))

    async def _read_visible(self, incoming: Incoming, answer_id: str) -> Seen:
        """Return an answer and its review, where whoever reads this conversation may. Raises BadAction.

        What they may not is refused as if it were not there; a store that is away says so later.
        """
        audience = await self._find_audience(incoming)
        try:
            answer, review = await self._actions.read(answer_id)
        except StoreUnavailable:
            return NOT_READ
        if answer is not None and not self._card_sync.audiences.access.may_see(audience, answer, review):
            raise BadAction(say(GONE))
        return answer, review

    async def _find_audience(self, incoming: Incoming) -> Audience:
        return await self._card_sync.audiences.find(incoming.conversation, incoming.directory_id)

    async def _draw(
        self,
        incoming: Incoming,
        action: CardAction,
        person: str,
        seen: Seen,
        doubt: Citation | None = None,
    ) -> Card:
        """Return the card that a press leads to, of what was read for it. Raises BadAction."""
        answer, review = seen
        if answer is None or review is None:
            answer, review = await self._actions.read(action.answer_id)
        if answer is None or review is None:
            raise BadAction(say(GONE))
        if action.verb in _OF_VERIFIED:
            audience = await self._find_audience(incoming)
            shown = to_reviewed(answer, review.passages)
            if card := await self._verified.draw_one(shown, incoming, audience):
                return card
        words = await self._store.feedback_on(answer.id)
        view = self._card_sync.view_review(review, answer, words, action.signature)
        people = self._card_sync.own_views.find_people(incoming.conversation)
        view = replace(view, reader=person if incoming.personal else "", doubt=doubt, people=people)
        return review_card(view, self._card_sync.site_url)

    def _check_signature(self, incoming: Incoming, action: CardAction) -> None:
        self._signer.check(action.signature, REVIEW, action.answer_id, incoming.conversation)

    async def _refusal(self, incoming: Incoming) -> str:
        """Return why somebody may not do what reviewers do, "" for a reviewer, whose room is remembered."""
        refusal = await self._reviewers.refusal(incoming.directory_id)
        if not refusal:
            self._card_sync.own_views.note_reviewer(incoming.conversation, str(incoming.user["id"]))
        return refusal

    # Words

    async def _cards_here(self, incoming: Incoming, person: str) -> str:
        await self._subscribe(incoming, person)
        return say("From now on, review cards come here. Say “reviewers stop” to end this.")

    async def _no_cards_here(self, incoming: Incoming, person: str) -> str:
        stopped = await self._repository.remove_place(find_place(incoming, person))
        return (
            say("Review cards no longer come here.")
            if stopped
            else say("Review cards did not come here before.")
        )

    async def _subscribe(self, incoming: Incoming, person: str) -> None:
        place_id = find_place(incoming, person)
        reference = incoming.channel_contact.dump()
        await self.send_cards_to(CardDestination(place_id, reference, parse_reader(place_id)))

    async def send_cards_to(self, place: CardDestination) -> None:
        """Let a place have the cards from now on, and those that wait already. Raises StoreError."""
        await self._repository.put_place(place)
        waiting = await self._actions.queue.list_waiting(place.reviewer)
        for review in waiting[:QUEUE_LENGTH]:
            await self._repository.add_outbox_entry(review.answer_id, datetime.now(UTC))
        await self._card_sync.fill_destination()
        self._reviewing.wake()

    async def _queue(self, page: int, incoming: Incoming, person: str) -> str | Card:
        place = CardDestination(find_place(incoming, person), incoming.contact.dump())
        await self._reviewing.audit.write(person, AuditAction.READ_QUEUE)
        access, audience = self._card_sync.audiences.access, await self._find_audience(incoming)
        waiting = await self._actions.queue.list_visible(person, access, audience)
        page = min(page, max(1, -(-len(waiting) // QUEUE_LENGTH)))
        first = (page - 1) * QUEUE_LENGTH
        some = waiting[first : first + QUEUE_LENGTH]
        for review in some:
            answer = await self._store.answer(review.answer_id)
            if answer is not None:
                asker = answer.question.asker
                await self._reviewing.audit.write(
                    person, AuditAction.OPENED, answer_id=answer.id, person=asker
                )
                await self._card_sync.show_anew(review, place)
        if not waiting:
            return say("Nothing is waiting for a review.")
        return queue_card(first + 1, len(some), len(waiting), page)

    async def changes(self, person: str, audience: Audience = frozenset()) -> list[tuple[Answer, Verdict]]:
        """Return what changed because of somebody that an audience may see, the newest change first.

        Raises StoreError.
        """
        access = self._card_sync.audiences.access
        return await read_changes(self._store, self._repository, access, person, audience)

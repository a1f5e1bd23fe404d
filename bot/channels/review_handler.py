"""What reviewers do in chat: the buttons of review cards, and a few words that they say to the bot.

    reviewers here     in a channel or chat: the cards come here from now on
    reviewers stop     they do not any more
    queue              the next cards, here and now

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
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from bot.card_tokens import REVIEW
from bot.cards.elements import Card
from bot.cards.notice import changes_card
from bot.cards.review import CORRECTION_CHARACTERS, review_card, spans
from bot.channels.card_sync import CardSync
from bot.channels.incoming import BadAction, CardAction, Incoming, find_place
from bot.channels.message import Connector, InvokeReply, card_message, plain_message, saying, showing
from bot.dialogs.privacy import WISH
from bot.dialogs.review import Refused, Reviewing
from bot.dialogs.review_queue import ReviewQueue
from core.bounded_dict import BoundedDict
from core.records import Answer, Citation, Review, Ruling, Skip, Verdict
from feedback.privacy.audit import AuditAction
from feedback.reviews.repository import CardDestination, ReviewRepository, parse_reader
from feedback.store.base import DeferredActions, Entry, FeedbackStore, StoreUnavailable

IsMember = Callable[[str, Sequence[str]], Awaitable[bool]]
"""(directory id, group ids) → whether the person is in one of the groups. Raises OSError."""

log = logging.getLogger(__name__)

NOT_A_REVIEWER = "Only reviewers may do this, and you are not one of them. Nothing was changed."
NO_DIRECTORY = (
    "I cannot ask the directory who is a reviewer right now. Nothing was changed; please try again."
)
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
            return NO_DIRECTORY
        return "" if allowed else NOT_A_REVIEWER

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
MAX_NOTE = 500
MAX_NAME = 80
COUNTS_LATER = "Your decision is kept here, and goes live as soon as my store is back."
NO_CLAIM = "This cannot be claimed right now. You can decide at once all the same, or try again in a minute."
DELETED = "This is not here any more: its question was deleted."
MAX_QUOTED = 200

_RULINGS = {
    "review.approve": Ruling.APPROVED,
    "review.correct": Ruling.CORRECTED,
    "review.not_on_page": Ruling.NOT_ON_PAGE,
    "review.reject": Ruling.REJECTED,
}
_CHANGED = re.compile(r"what (has )?changed because of me\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReviewAction:
    """What a reviewer who may do so wants done, and `place`, a Reference as JSON, where they hear of it.

    `at` is ISO text; `source` names the press, so that the same one twice is one.
    """

    verb: str
    answer_id: str
    round: int
    person: str
    name: str
    at: str
    source: str
    place: str
    text: str = ""
    span: str = ""
    note: str = ""
    channel: str = ""


class ReviewActions:
    """Does what permitted reviewers want, now or once the store is back. One per process, for any channel."""

    def __init__(
        self,
        store: FeedbackStore,
        reviewing: Reviewing,
        card_sync: CardSync,
        later: DeferredActions,
        queue: ReviewQueue,
    ) -> None:
        self.store = store
        self.queue = queue
        self.reviewing = reviewing
        self.card_sync = card_sync
        self._later = later
        later.register(WISH, self._do_later)

    async def perform(self, wish: ReviewAction) -> Review | None:
        """Do what a reviewer wants; None where it waits for the store. Raises Refused and BadAction."""
        if wish.verb != "review.claim":
            return await self._later.attempt(partial(self._do, wish), WISH, asdict(wish))
        try:
            return await self._do(wish)
        except StoreUnavailable as error:
            log.info("a review was not claimed: %s", error)
            raise Refused(NO_CLAIM) from error

    async def _do(self, wish: ReviewAction) -> Review:
        at = datetime.fromisoformat(wish.at)
        if wish.verb == "review.claim":
            return await self.reviewing.claim(wish.answer_id, wish.round, wish.person, wish.name)
        if wish.verb == "review.skip":
            return await self.reviewing.skip(wish.answer_id, wish.round, Skip(wish.person, wish.note, at))
        ruling = _RULINGS[wish.verb]
        verdict = Verdict(
            wish.person, wish.name, ruling, at, note=wish.note, source=wish.source, channel=wish.channel
        )
        if ruling is Ruling.CORRECTED:
            verdict = replace(verdict, text=wish.text, citation=await self._find_span(wish))
        return await self.reviewing.rule(wish.answer_id, wish.round, verdict)

    async def _find_span(self, wish: ReviewAction) -> Citation | None:
        """Return the place on the page that a correction stands on."""
        answer, review = (
            await self.store.answer(wish.answer_id),
            await self.reviewing.desk.review(wish.answer_id),
        )
        if answer is None:
            raise Refused(DELETED)
        known = dict(spans(self.card_sync.to_reviewed(answer, review)))
        if wish.span and wish.span not in known:
            raise BadAction("Please choose one of the places that the card offers.")
        return known.get(wish.span)

    async def _do_later(self, entry: Entry) -> None:
        """Do what waited for the store; whoever wanted it hears if it cannot be."""
        wish = ReviewAction(**entry)
        try:
            await self._do(wish)
        except (Refused, BadAction) as refused:
            question = await self.store.answer(wish.answer_id)
            about = f" on “{question.question.text[:MAX_QUOTED]}”" if question else ""
            await self.card_sync.say(wish.place, f"What you decided{about} could not be taken up: {refused}")


class ReviewHandler:
    """Takes what reviewers say and press, and asks whether they may. One per channel."""

    def __init__(self, actions: ReviewActions, reviewers: Reviewers) -> None:
        self._actions = actions
        self._store = actions.store
        self._reviewing = actions.reviewing
        self._card_sync = actions.card_sync
        self._seals = actions.card_sync.seals
        self._reviewers = reviewers

    @property
    def _desk(self) -> ReviewRepository:
        return self._reviewing.desk

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is one of the words above; False for anything else, which is a question."""
        words = " ".join(incoming.text.lower().strip(" .!?").split())
        if _CHANGED.match(words):
            changes = changes_card(await self.changes(person))
            await connector.send(incoming.reference, card_message(changes))
            return True
        commands: Mapping[str, Callable[[Incoming, str], Awaitable[str]]] = {
            "reviewers here": self._cards_here,
            "reviewers stop": self._no_cards_here,
            "queue": self._queue,
            "review queue": self._queue,
        }
        command = commands.get(words)
        if command is None:
            return False
        refusal = await self._refusal(incoming)
        sentence = refusal or await command(incoming, person)
        if sentence:
            await connector.send(incoming.reference, plain_message(sentence))
        return True

    async def open_chat(self, incoming: Incoming, person: str) -> None:
        """Somebody opened a chat of the local page: a reviewer's is where the cards go."""
        if incoming.directory_id and not await self._refusal(incoming):
            await self._subscribe(incoming, person)

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a review card says. Raises BadAction."""
        if refusal := await self._refusal(incoming):
            log.warning("somebody who is no reviewer pressed %s", action.verb)
            return saying(refusal, refused=True)
        if not self._seals.fits(action.seal, REVIEW, action.answer_id, incoming.conversation):
            raise BadAction("This card was not sent to this conversation. Nothing was changed.")
        wish = _wish(incoming, action, person)
        try:
            review = await self._actions.perform(wish)
        except Refused as refused:
            self._reviewing.wake()  # the card that was pressed may be an old one
            return saying(str(refused), refused=True)
        if review is None:
            return saying(COUNTS_LATER)
        try:
            return showing(await self._card(review, action))
        except StoreUnavailable:  # it was there a moment ago, when this was done
            return saying("It is done.")

    async def draw_card(self, incoming: Incoming, action: CardAction) -> Card:
        """Return the card of a review as it is now, for a form of it. Raises BadAction."""
        if refusal := await self._refusal(incoming):
            log.warning("somebody who is no reviewer opened %s", action.verb)
            raise BadAction(refusal)
        if not self._seals.fits(action.seal, REVIEW, action.answer_id, incoming.conversation):
            raise BadAction("This card was not sent to this conversation. Nothing was changed.")
        review = await self._desk.review(action.answer_id)
        if review is None:
            raise BadAction(DELETED)
        return await self._card(review, action)

    async def _card(self, review: Review, action: CardAction) -> Card:
        answer = await self._store.answer(review.answer_id)
        if answer is None:
            raise BadAction(DELETED)
        words = await self._store.feedback_on(answer.id)
        view = self._card_sync.view_review(review, answer, words, action.seal)
        return review_card(view, self._card_sync.site_url)

    async def _refusal(self, incoming: Incoming) -> str:
        return await self._reviewers.refusal(incoming.directory_id)

    # Words

    async def _cards_here(self, incoming: Incoming, person: str) -> str:
        await self._subscribe(incoming, person)
        return "From now on, answers to review come here. Say “reviewers stop” to end that."

    async def _no_cards_here(self, incoming: Incoming, person: str) -> str:
        stopped = await self._desk.remove_place(find_place(incoming, person))
        return "No more cards come here." if stopped else "No cards came here before."

    async def _subscribe(self, incoming: Incoming, person: str) -> None:
        place_id = find_place(incoming, person)
        reference = incoming.channel_contact.dump()
        await self.send_cards_to(CardDestination(place_id, reference, parse_reader(place_id)))

    async def send_cards_to(self, place: CardDestination) -> None:
        """Let a place have the cards from now on, and those that wait already. Raises StoreError."""
        await self._desk.put_place(place)
        waiting = await self._actions.queue.list_next(QUEUE_LENGTH)
        for review in waiting:
            await self._desk.leave_errand(review.answer_id, datetime.now(UTC))
        await self._card_sync.fill_destination()
        self._reviewing.wake()

    async def _queue(self, incoming: Incoming, person: str) -> str:
        place = CardDestination(find_place(incoming, person), incoming.contact.dump())
        await self._reviewing.audit.write(person, AuditAction.READ_QUEUE)
        waiting = await self._actions.queue.list_next(QUEUE_LENGTH)
        for review in waiting:
            answer = await self._store.answer(review.answer_id)
            if answer is not None:
                asker = answer.question.asker
                await self._reviewing.audit.write(
                    person, AuditAction.OPENED, answer_id=answer.id, person=asker
                )
                await self._card_sync.show_anew(review, place)
        return "" if waiting else "Nothing waits for a review."

    async def changes(self, person: str) -> list[tuple[Answer, Verdict]]:
        """Return what changed because of somebody, the newest change first. Raises StoreError."""
        changes: list[tuple[Answer, Verdict]] = []
        told = dict.fromkeys(notice.answer_id for notice in reversed(await self._desk.notices_to(person)))
        for answer_id in told:
            answer, review = await self._store.answer(answer_id), await self._desk.review(answer_id)
            verdict = (review.ruling or review.earlier) if review else None
            if answer is not None and verdict is not None:
                changes.append((answer, verdict))
        return changes


def _wish(incoming: Incoming, action: CardAction, person: str) -> ReviewAction:
    """Read what a button says. Raises BadAction."""
    wish = ReviewAction(
        verb=action.verb,
        answer_id=action.answer_id,
        round=action.round,
        person=person,
        name=incoming.user["name"][:MAX_NAME] or "A reviewer",
        at=datetime.now(UTC).isoformat(),
        source=incoming.question_id if incoming.id else uuid4().hex,
        place=incoming.contact.dump(),
        channel=str(incoming.conversation["channelId"]),
    )
    if action.verb == "review.claim":
        return wish
    if action.verb == "review.skip":
        reason = action.text_input("reason", MAX_NOTE)
        if not reason:
            raise BadAction("Please say why you skip it.")
        return replace(wish, note=reason)
    if action.verb not in _RULINGS:
        raise BadAction("This card has no such action.")
    text, span = action.text_input("text", CORRECTION_CHARACTERS), action.text_input("span", MAX_NOTE)
    corrects = _RULINGS[action.verb] is Ruling.CORRECTED
    if corrects and not text:
        raise BadAction("Please write the right answer first.")
    wish = replace(wish, note=action.text_input("note", MAX_NOTE))
    return replace(wish, text=text, span=span) if corrects else wish

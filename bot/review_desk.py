"""What reviewers do in chat: the buttons of review cards, and a few words that they say to the bot.

    reviewers here     in a channel or chat: the cards come here from now on
    reviewers stop     they do not any more
    queue              the next cards, here and now

and what everyone may ask: "what changed because of me?". Only reviewers may act; each action is authorised anew.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.activities import Incoming, card_message, place_of, plain_message, reference_of
from bot.cards.notice import changes_card
from bot.cards.review import CORRECTION_CHARACTERS, ReviewView, review_card, spans
from bot.courier import Courier
from bot.delivery import Connector
from bot.dialogs.review import Refused, Reviewing
from bot.invokes import BadAction, CardAction, InvokeReply, saying, showing, text_input
from bot.reviewers import Reviewers
from bot.seals import REVIEW, Seals, home_of
from feedback.desk import WAITING, Desk, Place
from feedback.store import FeedbackStore
from records import Answer, Review, Ruling, Skip, Verdict

log = logging.getLogger(__name__)

QUEUE_LENGTH = 5
MAX_NOTE = 500
MAX_NAME = 80
NOT_A_REVIEWER = "Only reviewers may do this, and you are not one of them. Nothing was changed."
NO_DIRECTORY = (
    "I cannot ask the directory who is a reviewer right now. Nothing was changed; please try again."
)

_RULINGS = {
    "review.approve": Ruling.APPROVED,
    "review.correct": Ruling.CORRECTED,
    "review.not_on_page": Ruling.NOT_ON_PAGE,
    "review.reject": Ruling.REJECTED,
}
_CHANGED = re.compile(r"what (has )?changed because of me\b", re.IGNORECASE)


class ReviewDesk:
    """Takes what reviewers do, asks whether they may, and has it done. One per channel."""

    def __init__(
        self, store: FeedbackStore, reviewing: Reviewing, reviewers: Reviewers, seals: Seals, courier: Courier
    ) -> None:
        self._store = store
        self._reviewing = reviewing
        self._reviewers = reviewers
        self._seals = seals
        self._courier = courier

    @property
    def _desk(self) -> Desk:
        return self._reviewing.desk

    async def told(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is one of the words above; False for anything else, which is a question."""
        words = " ".join(incoming.text.lower().strip(" .!?").split())
        if _CHANGED.match(words):
            await connector.send(incoming.conversation, await self._changes(incoming, person))
            return True
        commands: Mapping[str, Callable[[Incoming], Awaitable[str]]] = {
            "reviewers here": self._cards_here,
            "reviewers stop": self._no_cards_here,
            "queue": self._queue,
            "review queue": self._queue,
        }
        command = commands.get(words)
        if command is None:
            return False
        refusal = await self._refusal(incoming)
        sentence = refusal or await command(incoming)
        if sentence:
            await connector.send(incoming.conversation, plain_message(reference_of(incoming), sentence))
        return True

    async def joined(self, incoming: Incoming) -> None:
        """Somebody opened a chat of the local page: a reviewer's is where the cards go."""
        if incoming.directory_id and not await self._refusal(incoming):
            await self._subscribe(incoming, f"person:{incoming.directory_id}")

    async def acted(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a review card says. Raises BadAction."""
        if refusal := await self._refusal(incoming):
            log.warning("somebody who is no reviewer pressed %s", action.verb)
            return saying(refusal)
        if not self._seals.fits(action.seal, REVIEW, action.answer_id, incoming.conversation):
            raise BadAction("This card was not sent to this conversation. Nothing was changed.")
        answer = await self._store.answer(action.answer_id)
        if answer is None:
            return saying("This is not here any more: its question was deleted.")
        try:
            review = await self._do(incoming, action, person, answer)
        except Refused as refused:
            self._reviewing.wake()  # the card that was pressed may be an old one
            return saying(str(refused))
        return showing(await self._card(review, answer, action))

    async def _do(self, incoming: Incoming, action: CardAction, person: str, answer: Answer) -> Review:
        name = incoming.user["name"][:MAX_NAME] or "A reviewer"
        now = datetime.now(UTC)
        if action.verb == "review.claim":
            return await self._reviewing.claim(answer.id, action.round, person, name)
        if action.verb == "review.skip":
            reason = text_input(action, "reason", MAX_NOTE)
            if not reason:
                raise BadAction("Please say why you skip it.")
            return await self._reviewing.skip(answer.id, action.round, Skip(person, reason, now))
        ruling = _RULINGS.get(action.verb)
        if ruling is None:
            raise BadAction("This card has no such action.")
        source = incoming.question_id if incoming.id else ""
        verdict = Verdict(person, name, ruling, now, note=text_input(action, "note", MAX_NOTE), source=source)
        if ruling is Ruling.CORRECTED:
            verdict = await self._correction(verdict, action, answer)
        return await self._reviewing.rule(answer.id, action.round, verdict)

    async def _correction(self, verdict: Verdict, action: CardAction, answer: Answer) -> Verdict:
        text, span = text_input(action, "text", CORRECTION_CHARACTERS), text_input(action, "span", MAX_NOTE)
        if not text:
            raise BadAction("Please write the right answer first.")
        review = await self._desk.review(answer.id)
        known = dict(spans(self._courier.as_reviewed(answer, review)))
        if span and span not in known:
            raise BadAction("Please choose one of the places that the card offers.")
        return replace(verdict, text=text, citation=known.get(span))

    async def _card(self, review: Review, answer: Answer, action: CardAction) -> dict[str, Any]:
        words = await self._store.feedback_on(answer.id)
        view = ReviewView(
            review, self._courier.as_reviewed(answer, review), words, action.seal, datetime.now(UTC)
        )
        return review_card(view, self._courier.site_url)

    async def _refusal(self, incoming: Incoming) -> str:
        """Return why somebody may not do this, "" when they may."""
        try:
            allowed = await self._reviewers.allows(incoming.directory_id)
        except OSError as error:
            log.warning("the directory does not say who is a reviewer: %s", error)
            return NO_DIRECTORY
        return "" if allowed else NOT_A_REVIEWER

    # Words

    async def _cards_here(self, incoming: Incoming) -> str:
        await self._subscribe(incoming, _place_id(incoming))
        return "From now on, answers to review come here. Say “reviewers stop” to end that."

    async def _no_cards_here(self, incoming: Incoming) -> str:
        stopped = await self._desk.remove_place(_place_id(incoming))
        return "No more cards come here." if stopped else "No cards came here before."

    async def _subscribe(self, incoming: Incoming, place_id: str) -> None:
        personal = incoming.conversation.get("conversationType") == "personal"
        reference = place_of(incoming, whole_channel=True).dump()
        await self._desk.put_place(Place(place_id, reference, incoming.directory_id if personal else ""))
        waiting, _ = await self._desk.reviews(WAITING, QUEUE_LENGTH)
        for review in waiting:
            await self._desk.leave_errand(review.answer_id, datetime.now(UTC))
        self._reviewing.wake()

    async def _queue(self, incoming: Incoming) -> str:
        place = Place(_place_id(incoming), place_of(incoming).dump())
        waiting, _ = await self._desk.reviews(WAITING, QUEUE_LENGTH)
        for review in waiting:
            await self._courier.show_anew(review, place)
        return "" if waiting else "Nothing waits for a review."

    async def _changes(self, incoming: Incoming, person: str) -> dict[str, Any]:
        changes: list[tuple[Answer, Verdict]] = []
        for notice in reversed(await self._desk.notices_to(person)):
            answer, review = (
                await self._store.answer(notice.answer_id),
                await self._desk.review(notice.answer_id),
            )
            verdict = (review.ruling or review.earlier) if review else None
            if answer is not None and verdict is not None:
                changes.append((answer, verdict))
        return card_message(reference_of(incoming), changes_card(changes))


def _place_id(incoming: Incoming) -> str:
    """Name a place: a reviewer's own chat by the reviewer, however often it begins anew; others by themselves."""
    if incoming.conversation.get("conversationType") == "personal":
        return f"person:{incoming.directory_id}"
    return home_of(incoming.conversation)

"""Taking rulings back, and editing them: undo on a card, and withdraw and edit of a verified answer.

Of two people who change a ruling at once one wins, and the other hears who it was (`Refused`). From then on
nothing is served of the ruling that ended; cards, the asker's message and notices follow by the entry in the
outbox that is left before (bot/channels/card_sync.py), whoever is killed in between.

What a process that serves nobody changes, as the command line does (`open_taking_back`), stands in the store
at once: bots ask there before they serve a verified answer, and learn the rest when they next look
(`review_interval_s`). It knows no verified answers by heart and has no model that tells like questions, so an
edit from here finds no other answer that says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bot.cards.rulings import say_already_changed
from bot.dialogs.review import GONE, Refused, Reviewing
from core.records import Answer, Review, Ruling, RulingChange, Verdict, VerifiedAnswer
from core.translation import mark, say
from feedback.analytics import events
from feedback.privacy.audit import AuditAction
from feedback.reviews.paraphrases import Paraphrase
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.ruling_changes import (
    edit,
    keep_past_round,
    take_back_own,
    withdraw,
    write_past_round,
)
from feedback.store.base import FeedbackStore
from feedback.store.rows import WholeStore

NOT_RULED = mark("Nobody has decided on this, so there is nothing to undo.")
SAME_TEXT = mark("The answer already says that. Nothing was changed.")
Change = Callable[[Review], Review]


class TakingBack:
    """Changes rulings. `second_for_corrections` is the setting `second_reviewer`: an edit waits, too."""

    def __init__(
        self, reviewing: Reviewing, store: FeedbackStore, *, second_for_corrections: bool = False
    ) -> None:
        self.reviewing = reviewing
        self._store = store
        self._second = second_for_corrections

    @property
    def _repository(self) -> ReviewRepository:
        return self.reviewing.repository

    async def take_back(self, answer_id: str, round_: int, change: RulingChange) -> Review:
        """Take back the ruling of a round, anybody's, or one's own that waits for a second reviewer.

        The same press twice is one. Raises Refused and StoreError.
        """

        def begin_again(review: Review) -> Review:
            if _is_same_press(review, change):
                return review
            if review.round == round_ and _waits_with_own(review, change.reviewer):
                return take_back_own(review, change)
            _check_in_force(review, round_, change.reviewer)
            return withdraw(review, change)

        review = await self._end_round(answer_id, round_, change, begin_again, AuditAction.TOOK_BACK)
        await self.reviewing.unpublish(review)
        return review

    async def edit(self, answer_id: str, round_: int, change: RulingChange, verdict: Verdict) -> Review:
        """Put a correction in the place of the ruling of a round. Raises Refused and StoreError."""

        def correct(review: Review) -> Review:
            if _is_same_press(review, change):
                return review
            _check_in_force(review, round_, change.reviewer)
            ruling = review.ruling
            if ruling and (ruling.ruling, ruling.text, ruling.citation) == _compare(verdict):
                raise Refused(say(SAME_TEXT))
            return edit(review, change, verdict, needed=2 if self._second and not review.blind else 1)

        review = await self._end_round(answer_id, round_, change, correct, AuditAction.EDITED)
        if review.settled_at is None:
            await self.reviewing.unpublish(review)
        elif answer := await self.reviewing.publish(review):
            events.review_ruled(answer, review)
        return review

    async def _end_round(
        self, answer_id: str, round_: int, change: RulingChange, apply: Change, action: AuditAction
    ) -> Review:
        """Change a review, and keep the round that ends with it: before, so that a crash loses nothing."""
        before, answer = await self._read(answer_id)
        ends = before.settled_at is not None and before.round == round_
        if ends:
            await keep_past_round(self._repository, before, change.kind)
        review = await self.reviewing.change(answer_id, apply, (change.reviewer, action))
        if ends and review.round == round_ + 1 and _is_mine(review, change):
            await write_past_round(self._repository, before, change.kind)
            events.review_opened(answer, review.reasons[0], review.round)
        return review

    async def _read(self, answer_id: str) -> tuple[Review, Answer]:
        review, answer = await self._repository.review(answer_id), await self._store.answer(answer_id)
        if review is None or answer is None:
            raise Refused(say(GONE))
        return review, answer


def build_correction(change: RulingChange, text: str, channel: str = "") -> Verdict:
    """Return the ruling that an edit gives; its place on the page is added by whoever knows it."""
    return Verdict(
        change.reviewer,
        change.reviewer_name,
        Ruling.CORRECTED,
        change.changed_at,
        text,
        note=change.reason,
        source=change.source,
        channel=channel,
    )


def _compare(verdict: Verdict) -> tuple[object, ...]:
    return verdict.ruling, verdict.text, verdict.citation


def _is_mine(review: Review, change: RulingChange) -> bool:
    """Tell whether it was this change that began the round: its ruling and kind are filled in by then."""
    known = review.change
    return known is not None and replace(known, kind=change.kind, before=change.before) == change


def _is_same_press(review: Review, change: RulingChange) -> bool:
    known = review.change
    return known is not None and bool(change.source) and (known.source, known.reviewer) == _press(change)


def _press(change: RulingChange) -> tuple[str, str]:
    return change.source, change.reviewer


def _waits_with_own(review: Review, reviewer: str) -> bool:
    return review.settled_at is None and any(one.reviewer == reviewer for one in review.verdicts)


def _check_in_force(review: Review, round_: int, reviewer: str) -> None:
    """Raise Refused where the ruling of this round is not in force any more, or never was."""
    change = review.change
    if review.round > round_ and change is not None:
        raise Refused(say_already_changed(change, reviewer))
    if review.round != round_:
        raise Refused(
            say("This has been reviewed again since this card was made: please use the newest card.")
        )
    if review.settled_at is None:
        raise Refused(say(NOT_RULED))


class NothingServed:
    """The verified answers of a process that serves none (`bot.dialogs.review.Known`)."""

    def put(self, verified: VerifiedAnswer) -> None:
        """Serve nothing."""

    def drop(self, answer_id: str) -> None:
        """Nothing is served."""

    def all(self) -> Sequence[VerifiedAnswer]:
        """Return nothing."""
        return ()

    def find_conflicts(self, verified: VerifiedAnswer, /) -> Sequence[VerifiedAnswer]:
        """Return nothing: nothing tells here which questions are alike."""
        return ()

    def get_public(self, answer_id: str, /) -> VerifiedAnswer | None:
        """Return nothing."""
        return None

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell of no two texts that they ask the same."""
        return [False for _ in others]

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn nothing."""

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn nothing."""

    def forget_asker(self, asker: str, /) -> None:
        """Nothing is known."""


def open_taking_back(
    store: WholeStore, repository: ReviewRepository, *, second_for_corrections: bool
) -> TakingBack:
    """Return what changes rulings in a store; bots show what follows from it."""
    reviewing = Reviewing(repository, store, NothingServed())
    return TakingBack(reviewing, store, second_for_corrections=second_for_corrections)

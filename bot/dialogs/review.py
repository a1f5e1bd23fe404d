"""Answers go to reviewers; what they decide is live at once.

    flag, consider ──> a Review waits ──> claim ──> rule ──> settled: a VerifiedAnswer, cards, notices
                            ^                                              │
                            └────────── stale: its page has changed ───────┘

Every change compares versions, so of two reviewers at once one wins, and the other hears who it was and what
they did (`Refused`). What must be seen elsewhere is left in the outbox for the card sync
(bot/channels/card_sync.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urldefrag

from bot.cards.rulings import say_already_ruled, say_card_is_old
from bot.dialogs.review_queue import ReviewOrder
from bot.dialogs.similar_questions import KnowsParaphrases
from bot.readers.access import PageAccess
from core import telemetry
from core.readers import reading_as
from core.records import (
    Answer,
    AnswerKind,
    Citation,
    Passage,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Skip,
    Verdict,
    VerifiedAnswer,
)
from core.translation import format_ago, format_span, mark, say
from feedback.analytics import events
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.ruling_changes import LATER, drop_overruled, forget_past_round, read_standing
from feedback.reviews.sampling import count_needed, derive_stratum, draw_weight
from feedback.store.base import FeedbackStore, StoreError, StoreUnavailable
from feedback.store.documents import TRIES

log = logging.getLogger(__name__)

DECLINED_FOR = timedelta(days=30)
DECLINED_LIMIT = 500
"""How many declined questions a new one is compared with."""
GONE = mark("This no longer exists: its question was deleted.")


class Refused(Exception):
    """What a reviewer asked for cannot be done now; the message is a sentence for them."""


class Known(KnowsParaphrases, Protocol):
    """The verified answers that are served (`bot/dialogs/verified_answers.py`)."""

    def put(self, verified: VerifiedAnswer) -> None:
        """Serve it from now on, in the place of an older one from the same answer; a stale one no more."""
        ...

    def drop(self, answer_id: str) -> None:
        """Serve it no more."""
        ...

    def all(self) -> Sequence[VerifiedAnswer]:
        """Return what is served."""
        ...

    def find_conflicts(self, verified: VerifiedAnswer, /) -> Sequence[VerifiedAnswer]:
        """Return the older answers to the same question that say something else."""
        ...

    def get_public(self, answer_id: str, /) -> VerifiedAnswer | None:
        """Return what was verified of an answer; its question is "" where its words may be personal."""
        ...

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell which texts ask the same."""
        ...


LookAgain = Callable[[Question], Awaitable[Sequence[Passage]]]
"""Finds what the pages say on a question now."""


async def _nowhere(_: Question) -> Sequence[Passage]:
    return ()


async def _learn_nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """What goes to reviewers, how they work, and whom it concerns; see the settings of the same names."""

    lease_s: float = 900.0
    sample_share: float = 0.05
    double_share: float = 0.2
    second_for_corrections: bool = False
    low_support: float = 0.6
    low_confidence: float = 0.4
    declined_by: int = 3
    order: ReviewOrder = "oldest"
    tell_served_days: float = 14.0


class Reviewing:
    """Decides what becomes a review, and how it ends.

    Calls `wake` when the card sync has something to do, and `learn` when what is served may have changed.
    """

    def __init__(
        self,
        repository: ReviewRepository,
        store: FeedbackStore,
        known: Known,
        rules: ReviewRules | None = None,
        look_again: LookAgain = _nowhere,
    ) -> None:
        self.repository = repository
        self.wake: Callable[[], None] = lambda: None
        self.on_forget: list[Callable[[str], None]] = []
        self.learn: Callable[[], Awaitable[None]] = _learn_nothing
        self.audit = Audit(repository.documents)
        self._store = store
        self._known = known
        self._rules = rules or ReviewRules()
        self._look_again = look_again
        self.access = PageAccess()
        self._seen = ""

    # What goes to reviewers

    async def flag(self, answer: Answer, reason: ReviewReason) -> None:
        """Send an answer to reviewers. A settled review stays settled: complainers are told of its ruling."""
        if answer.from_file:  # a file is its conversation's alone
            return
        now = datetime.now(UTC)
        await self.repository.add_outbox_entry(answer.id, now)
        fresh = Review(answer.id, (reason,), now, derive_stratum(answer))
        if await self.repository.add_review(fresh):
            events.review_opened(answer, reason, fresh.round)
        else:
            await self.change(answer.id, lambda review: _with_reason(review, reason))
        self.wake()

    async def consider(self, answer: Answer) -> None:
        """Check an answer just delivered: whether it is doubtful, often declined, or in the sample.

        Not one from a file: that is its conversation's alone, and no reviewer reads it.
        """
        if answer.from_file:
            return
        if doubt := self._doubt(answer):
            await self.flag(answer, doubt)
        if answer.abstained and answer.verified_by is None:
            await self._consider_declined(answer)
        weight = await self._draw_sample_weight(answer)
        if weight:
            await self._put_in_sample(answer, weight)

    def _doubt(self, answer: Answer) -> ReviewReason | None:
        """Return why an answer is doubtful. A quotation stands on its page, so its support says nothing."""
        low = self._rules
        if answer.abstained:
            return None
        if answer.confidence is not None and answer.confidence < low.low_confidence:
            return ReviewReason.LOW_CONFIDENCE
        wrote = answer.kind is AnswerKind.ANSWERED
        if wrote and answer.support is not None and answer.support < low.low_support:
            return ReviewReason.LOW_SUPPORT
        return None

    async def _consider_declined(self, answer: Answer) -> None:
        known = await self.repository.list_declined(answer.answered_at - DECLINED_FOR, DECLINED_LIMIT)
        await self.repository.add_declined(answer)
        question = answer.question
        others = [one for one in known if one[3] == question.page_url and one[0] != answer.id]
        texts = [text for _, _, text, _ in others]
        same = await asyncio.to_thread(self._known.alike, question.text, texts)
        alike = [one for one, is_same in zip(others, same, strict=True) if is_same]
        if len({question.asker, *(asker for _, asker, _, _ in alike)}) < self._rules.declined_by:
            return
        for answer_id, *_ in alike:  # one of them stands for all
            if await self.repository.review(answer_id) is not None:
                return
        await self.flag(answer, ReviewReason.DECLINED)

    async def _draw_sample_weight(self, answer: Answer) -> int:
        """Return how many answers this one stands for in the sample, 0 when it is not in it."""
        if self._rules.sample_share <= 0:
            return 0
        stratum = derive_stratum(answer)
        number = await self.repository.next_number(f"sample|{stratum}")
        return draw_weight(stratum, number, self._rules.sample_share)

    async def _put_in_sample(self, answer: Answer, weight: int) -> None:
        await self.flag(answer, ReviewReason.SAMPLE)
        needed = count_needed(answer.id, self._rules.double_share)
        await self.change(
            answer.id,
            lambda review: (
                replace(review, weight=float(weight), needed=needed) if not review.weight else review
            ),
        )

    # What reviewers do

    async def claim(self, answer_id: str, round_: int, reviewer: str, name: str) -> Review:
        """Hold a review for a while; raises Refused when somebody else does, or it is settled."""
        now = datetime.now(UTC)
        until = now + timedelta(seconds=self._rules.lease_s)

        def take(review: Review) -> Review:
            _check(review, round_, reviewer, now)
            return replace(review, claimed_by=reviewer, claimed_name=name, claimed_until=until)

        return await self.change(answer_id, take, (reviewer, AuditAction.CLAIMED))

    async def release(self, answer_id: str) -> Review:
        """Let go of a claim that ran out, so that the card says so. Raises Refused if the review is gone."""
        now = datetime.now(UTC)
        await self.repository.add_outbox_entry(answer_id, now)

        def let_go(review: Review) -> Review:
            ran_out = review.claimed_until is not None and review.claimed_until <= now
            return _clear_claim(review) if ran_out and review.settled_at is None else review

        return await self.change(answer_id, let_go)

    async def skip(self, answer_id: str, round_: int, skip: Skip) -> Review:
        """Leave a review to others, and say why."""

        def leave(review: Review) -> Review:
            _check(review, round_, skip.reviewer, skip.skipped_at)
            others = tuple(one for one in review.skips if one.reviewer != skip.reviewer)
            return _clear_claim(replace(review, skips=(*others, skip)))

        return await self.change(answer_id, leave, (skip.reviewer, AuditAction.SKIPPED))

    async def rule(self, answer_id: str, round_: int, verdict: Verdict) -> Review:
        """Decide. The same activity twice is one verdict. Raises Refused: who was first, and with what."""
        now = datetime.now(UTC)

        def decide(review: Review) -> Review:
            known = [(one.source, one.reviewer) for one in review.verdicts]
            if verdict.source and (verdict.source, verdict.reviewer) in known:
                return review
            _check(review, round_, verdict.reviewer, verdict.given_at, deciding=True)
            given = _apply_consent(review, verdict)
            decided = _clear_claim(replace(review, verdicts=(*review.verdicts, given)))
            return self._settle_if_enough(decided, now)

        with telemetry.span("ruling"):
            review = await self.change(answer_id, decide, (verdict.reviewer, AuditAction.RULED))
            if review.settled_at is not None and (answer := await self.publish(review)):
                events.review_ruled(answer, review)
        return review

    def _settle_if_enough(self, review: Review, now: datetime) -> Review:
        *before, last = review.verdicts
        needed = review.needed
        if review.blind:
            disagree = len(before) == 1 and before[0].ruling is not last.ruling
            needed = 3 if disagree else needed  # somebody has to decide between the two
        elif self._rules.second_for_corrections and last.ruling is Ruling.CORRECTED:
            needed = 2
        # after all that was before, also by another machine's clock
        settled_at = max(now, review.opened_at + LATER) if len(review.verdicts) >= needed else None
        return replace(review, needed=needed, settled_at=settled_at)

    async def publish(self, review: Review) -> Answer | None:
        """Serve the ruling from now on; return the answer, if it is there. Doing it twice changes nothing."""
        answer, verdict = await self._store.answer(review.answer_id), review.ruling
        if answer is None or verdict is None:
            return None
        telemetry.link(answer.question.trace)
        seen = replace(answer, passages=review.passages or answer.passages)
        verified = build_verified_answer(seen, verdict, review.settled_at or verdict.given_at)
        await forget_past_round(self.repository, review.answer_id, review.round)
        if verified is None:
            await self.unpublish(review)
            return answer
        kept = await self.repository.read_verified(answer.id)
        if kept is None or kept.verified_at != verified.verified_at:
            await self.repository.put_verified(verified)
            await asyncio.to_thread(self._known.put, verified)
            for other in await asyncio.to_thread(self._known.find_conflicts, verified):
                await self.reopen(other, ReviewReason.CONFLICT)
            await self._follow_change(review.answer_id, review.version, review.round)
        await self.learn()
        return answer

    async def _follow_change(self, answer_id: str, version: int, round_: int) -> None:
        """Serve what holds where a ruling was taken back or edited while it was about to be served."""
        if await self.repository.read_review_version(answer_id) == version:
            return
        now = await self.repository.review(answer_id)
        if now is not None and now.round != round_:
            await self.follow(now)

    async def follow(self, review: Review) -> None:
        """Serve what a review says now, and nothing that it does not say any more."""
        if review.settled_at is not None:
            await self.publish(review)
        elif review.change is not None:
            await self.unpublish(review)

    async def unpublish(self, review: Review) -> None:
        """Serve no earlier ruling on an answer any more. Doing it twice changes nothing."""
        await drop_overruled(self.repository, review)
        await self.refresh(review.answer_id)
        await self.learn()

    async def refresh(self, answer_id: str) -> VerifiedAnswer | None:
        """Know by heart what holds of an answer, and return it: another process may have changed it."""
        standing = await read_standing(self.repository, answer_id)
        if standing is None:
            self._known.drop(answer_id)
        else:
            await asyncio.to_thread(self._known.put, standing)
        return standing

    async def catch_up(self) -> Sequence[VerifiedAnswer]:
        """Serve what any process verified, and drop what was taken back; return all that is served."""
        changes, self._seen = await self.repository.list_verified_since(self._seen)
        for answer_id, verified in changes:
            if verified is None:
                self._known.drop(answer_id)
            else:
                await asyncio.to_thread(self._known.put, verified)
        await self.learn()
        return self._known.all()

    async def reopen(self, verified: VerifiedAnswer, reason: ReviewReason = ReviewReason.STALE) -> None:
        """Stop serving a verified answer, since its page has changed, and let reviewers look again."""
        now = datetime.now(UTC)
        passages: tuple[Passage, ...] = ()
        self._known.drop(verified.answer_id)
        await self.repository.add_outbox_entry(verified.answer_id, now)

        def begin_again(review: Review) -> Review:
            if review.settled_at is None or (review.settled_at != verified.verified_at):
                return review  # somebody reopened it, or ruled anew
            return Review(
                review.answer_id,
                (reason,),
                now,
                review.stratum,
                round=review.round + 1,
                passages=passages,
                earlier=review.ruling,
                version=review.version,
            )

        before = await self.repository.review(verified.answer_id)
        answer = await self._store.answer(verified.answer_id)
        if answer is not None and before is not None and before.settled_at == verified.verified_at:
            with reading_as(self.access.list_principals(answer)):  # who sees the review may read all of them
                passages = tuple(await self._look_again(answer.question))
            await self.repository.keep_round(before)
            reopened = await self.change(verified.answer_id, begin_again)
            if reopened.settled_at is None:
                await self.repository.keep_round(
                    before, anew=True
                )  # `forget_past_round` may have come between
                events.review_opened(answer, reason, reopened.round)
        await self.repository.put_verified(replace(verified, stale_at=now))
        await self.refresh(verified.answer_id)  # somebody may have ruled anew
        self.wake()

    def forget(self, answer_id: str) -> None:
        """Serve no more what came from this answer: its question was deleted."""
        self._known.drop(answer_id)
        for forget in self.on_forget:
            forget(answer_id)

    async def change(
        self, answer_id: str, change: Callable[[Review], Review], act: tuple[str, AuditAction] | None = None
    ) -> Review:
        """Change a review, also against others. `act`: who does what, for those who see the card."""
        for _ in range(TRIES):
            review = await self.repository.review(answer_id)
            if review is None:
                raise Refused(say(GONE))
            changed = change(review)
            if changed == review:
                return review
            if act:
                if not _holds(review, act[0]):  # whoever does was marked a moment ago, when they claimed
                    await self.repository.mark_reviewer(answer_id, act[0])
                await self.repository.add_outbox_entry(answer_id, datetime.now(UTC))
            if await self.repository.change_review(changed):
                self.wake()
                if act:
                    await self._record(answer_id, *act)
                return replace(changed, version=review.version + 1)
        raise StoreUnavailable(f"the review of {answer_id} changes too fast")

    async def _record(self, answer_id: str, reviewer: str, act: AuditAction) -> None:
        """Write into the audit trail what a reviewer has done; it is done, whether that works or not."""
        try:
            answer = await self._store.answer(answer_id)
            asker = answer.question.asker if answer else ""
            await self.audit.write(reviewer, act, answer_id=answer_id, person=asker)
        except StoreError:
            log.exception("the audit trail misses that a reviewer %s", act)


def _holds(review: Review, reviewer: str) -> bool:
    until = review.claimed_until
    return review.claimed_by == reviewer and until is not None and until > datetime.now(UTC)


def build_verified_answer(answer: Answer, verdict: Verdict, verified_at: datetime) -> VerifiedAnswer | None:
    """Return what a ruling lets the next asker have; None for a rejected question."""
    if verdict.ruling is Ruling.REJECTED:
        return None
    declined = verdict.ruling is Ruling.NOT_ON_PAGE
    text, citations = _extract_approved(answer)
    abstained = answer.abstained or declined
    if verdict.ruling is Ruling.CORRECTED:
        citations = (verdict.citation,) if verdict.citation else ()
        text = f"{verdict.text} [1]" if citations else verdict.text
        abstained = False
    elif declined:
        text, citations = "", ()
    hashes = {urldefrag(passage.url).url: passage.page_hash for passage in answer.passages}
    cited = {urldefrag(citation.url).url for citation in citations if not abstained} & hashes.keys()
    return VerifiedAnswer(
        answer_id=answer.id,
        question_text=answer.question.text,
        page_url=answer.question.page_url,
        text=text,
        citations=citations,
        passages=answer.passages,
        pages=tuple((url, hashes[url]) for url in hashes if url in (cited or hashes)),
        abstained=abstained,
        verified_by=verdict.reviewer,
        verified_at=verified_at,
        trace=answer.question.trace,
        written_on=_derive_written_on(answer, verdict),
    )


def _extract_approved(answer: Answer) -> tuple[str, tuple[Citation, ...]]:
    """Return what an approved answer says and stands on: of a quotation its words, not the other places."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            return answer.text, answer.citations
        case AnswerKind.QUOTED:
            return f"{answer.text} [1]" if answer.citations else answer.text, answer.citations[:1]
        case AnswerKind.DECLINED:
            return "", answer.citations


def _derive_written_on(answer: Answer, verdict: Verdict) -> str:
    """Return the channel where a reviewer wrote the text that a ruling lets stand, "" if none did."""
    if verdict.ruling is Ruling.CORRECTED:
        return verdict.channel
    return answer.written_on if verdict.ruling is Ruling.APPROVED else ""


def _with_reason(review: Review, reason: ReviewReason) -> Review:
    if review.settled_at is not None or reason in review.reasons:
        return review
    return replace(review, reasons=(*review.reasons, reason))


def _clear_claim(review: Review) -> Review:
    return replace(review, claimed_by="", claimed_name="", claimed_until=None)


def _apply_consent(review: Review, verdict: Verdict) -> Verdict:
    """Approving what waits for consent is ruling the same."""
    proposal = review.proposal
    if proposal is None or verdict.ruling is not Ruling.APPROVED:
        return verdict
    return replace(verdict, ruling=proposal.ruling, text=proposal.text, citation=proposal.citation)


def _check(review: Review, round_: int, reviewer: str, now: datetime, *, deciding: bool = False) -> None:
    """Raise Refused where this reviewer may not act on the review now."""
    ruling = review.ruling
    if ruling is not None:
        raise Refused(say_already_ruled(ruling, reviewer))
    if review.round != round_:
        raise Refused(say_card_is_old(review))
    if reviewer in [verdict.reviewer for verdict in review.verdicts]:
        raise Refused(say("You have already decided on this; a second reviewer has been asked."))
    held = review.claimed_until is not None and review.claimed_until > now
    if held and review.claimed_by != reviewer:
        rest = format_span((review.claimed_until or now) - now)
        raise Refused(
            say("{name} has claimed this; the claim ends in {span}.", name=review.claimed_name, span=rest)
        )
    if deciding and review.claimed_by == reviewer and not held:
        raise Refused(
            say(
                "Your claim expired {ago}. Claim it again, then decide: a colleague may be working on it.",
                ago=format_ago(review.claimed_until or now),
            )
        )

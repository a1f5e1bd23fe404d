"""Rulings that are taken back or edited: how a review goes on, and which verified answer still stands.

    settled, round n ── withdraw ──> waits, round n + 1          both remember in `Review.change` who did it,
                     ── edit ──────> settled, round n + 1        why, and which ruling ended

The review is the one record that decides: a change of it by its version is the moment from which the old
ruling holds no more, and of two people who change it at once one wins. The verified answer follows it, and
counts only while it is that of the ruling in force (`read_standing`): a process that is killed in between
leaves nothing that is served. An earlier ruling does not come back by itself: nobody has looked whether it
is still right, so the review is open again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core.records import ChangeKind, Review, Ruling, RulingChange, Verdict, VerifiedAnswer
from feedback.reviews.repository import DROPPED, ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Document, change_document
from feedback.store.serialization import from_json

_BLIND_REVIEWERS = 2
LATER = timedelta(microseconds=1)


def withdraw(review: Review, change: RulingChange) -> Review:
    """Return a settled review open again; the judgement of a sampled answer is made anew, too."""
    return Review(
        review.answer_id,
        review.reasons,
        _after(review, change.changed_at),
        review.stratum,
        weight=review.weight,
        needed=min(review.needed, _BLIND_REVIEWERS) if review.weight else 1,
        round=review.round + 1,
        passages=review.passages,
        change=replace(change, kind=ChangeKind.WITHDRAWN, before=review.ruling),
        version=review.version,
    )


def take_back_own(review: Review, change: RulingChange) -> Review:
    """Return a review that waits for a second reviewer without the ruling that the first one gave.

    It was never in force, and nobody was told of it: the audit trail says that it was taken back.
    """
    return replace(review, verdicts=tuple(one for one in review.verdicts if one.reviewer != change.reviewer))


def edit(review: Review, change: RulingChange, verdict: Verdict, needed: int) -> Review:
    """Return a settled review with another ruling: at once where one reviewer is `needed`.

    An edited correction says what the bot should have said, and the bot was wrong before: the judgement of a
    sampled answer stays with the first ruling then.
    """
    opened_at = _after(review, change.changed_at)
    return Review(
        review.answer_id,
        review.reasons,
        opened_at,
        review.stratum,
        weight=0.0 if _keeps_weight(review) else review.weight,
        needed=needed,
        round=review.round + 1,
        verdicts=(verdict,),
        settled_at=opened_at if needed == 1 else None,
        passages=review.passages,
        change=replace(change, kind=ChangeKind.EDITED, before=review.ruling),
        version=review.version,
    )


def _after(review: Review, at: datetime) -> datetime:
    """Return a time after all that a review has had, however the clocks of two machines differ."""
    return max(at, (review.settled_at or review.opened_at) + LATER)


def build_past_round(review: Review, kind: ChangeKind) -> Review:
    """Return the round that a change ends, as it is kept: a judgement that does not hold weighs nothing."""
    if kind is ChangeKind.EDITED and _keeps_weight(review):
        return review
    return replace(review, weight=0.0)


def _keeps_weight(review: Review) -> bool:
    return review.ruling is not None and review.ruling.ruling is Ruling.CORRECTED


async def keep_past_round(repository: ReviewRepository, review: Review, kind: ChangeKind) -> None:
    """Keep the round that a change is about to end, where nothing is kept of it yet."""
    await repository.keep_round(build_past_round(review, kind))


async def write_past_round(repository: ReviewRepository, review: Review, kind: ChangeKind) -> None:
    """Keep the round that a change has ended, in the place of what somebody slower had kept of it."""
    await repository.keep_round(build_past_round(review, kind), anew=True)


async def forget_past_round(repository: ReviewRepository, answer_id: str, round_: int) -> None:
    """Forget that a round has ended which has not: whoever was about to end it was killed, or too slow.

    Who ends it in this moment writes it anew, so it has another version then, and stays.
    """
    name = f"{answer_id}|{round_}"
    kept = await repository.documents.get("past_review", name, answer_id)
    if kept is None:
        return
    now = await repository.review(answer_id)
    if now is not None and now.round == round_:
        await repository.documents.remove("past_review", name, answer_id, version=kept.version)


async def read_standing(repository: ReviewRepository, answer_id: str) -> VerifiedAnswer | None:
    """Return the verified answer that came from an answer, None where its ruling is not in force any more."""
    verified, review = await asyncio.gather(repository.read_verified(answer_id), repository.review(answer_id))
    if verified is None or review is None or review.settled_at == verified.verified_at:
        return verified
    return verified if verified.stale_at is not None else None


async def drop_overruled(repository: ReviewRepository, review: Review) -> None:
    """Drop the verified answer of an earlier ruling, but none that came meanwhile. Doing it twice is once."""

    def drop(kept: Document | None) -> Document | None:
        if kept is None or not kept.body or kept.state == DROPPED:
            return None
        verified_at = from_json(VerifiedAnswer, kept.body).verified_at
        if verified_at > (review.settled_at or review.opened_at):
            return None
        return replace(kept, body="", state=DROPPED, order=moment(datetime.now(UTC)))

    await change_document(
        repository.documents, Document("verified", review.answer_id, "", review.answer_id), drop
    )


@dataclass(frozen=True, slots=True)
class PastRuling:
    """One step in the history of a ruling: what was decided at `since`, and who ended it, if somebody did.

    `holds`: it is in force. One that neither holds nor was ended went stale with its page.
    """

    round: int
    ruling: Verdict
    since: datetime
    ended: RulingChange | None = None
    holds: bool = False


async def read_history(repository: ReviewRepository, answer_id: str) -> Sequence[PastRuling]:
    """Return the rulings on an answer, oldest first."""
    rounds = {
        one.round: one for one in reversed(await repository.rounds(answer_id))
    }  # the present one counts
    latest = max(rounds, default=0)
    found: list[PastRuling] = []
    for number, one in sorted(rounds.items()):
        if one.ruling is None or one.settled_at is None:
            continue
        after = rounds.get(number + 1)
        ended = after.change if after else None
        found.append(PastRuling(number, one.ruling, one.settled_at, ended, holds=number == latest))
    return found

"""What feedback and reviews say so far: response rates, accuracy, agreement of reviewers, votes by version.

Only the random sample is unbiased, so accuracy is computed from nothing else; each answer in it counts for as
many as it stands for (`Review.weight`). `version_stats_since` reads the answers since a time with what was
said about them, and all questions once: which of them failed is in no index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from core.records import Feedback, FeedbackKind, Review
from feedback.metrics.daily import Records, answers_between
from feedback.metrics.definitions import is_right
from feedback.metrics.statistics import Share, Weighted
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.reviews.unmatched import count_unmatched
from feedback.store.base import FeedbackStore, moment
from feedback.store.rows import every, every_answer, every_row


@dataclass(frozen=True, slots=True)
class FormRate:
    """How many answers had a form below them, and to how many of them somebody said something."""

    asked: int
    said: int

    @property
    def share(self) -> float:
        """Return the response rate, 0 to 1."""
        return self.said / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """`accuracy` is None while nothing of the sample is settled.

    `kappa` while nobody judged the same as another. `accuracy_interval` covers the true accuracy in 95 of 100
    samples.

    `rulings` and `waiting` count reviews, `untied` words that belong to no known answer, by their kind.
    """

    forms: dict[str, FormRate]
    waiting: int
    rulings: dict[str, int]
    sampled: int
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None
    double_reviewed: int
    kappa: float | None
    untied: dict[str, int] = field(default_factory=dict[str, int])


async def report(store: FeedbackStore, repository: ReviewRepository) -> Report:
    """Read everything once. Raises StoreError."""
    reviews = [review async for review in _reviews(repository)]
    settled = [review for review in reviews if review.ruling is not None]
    sample = [review for review in settled if review.weight > 0]
    double = [review.verdicts[:2] for review in reviews if review.blind and len(review.verdicts) > 1]
    pairs = [(str(one.ruling), str(two.ruling)) for one, two in double]
    share = estimate_accuracy(sample)
    return Report(
        forms=await _forms(store),
        waiting=len(reviews) - len(settled),
        rulings=dict(Counter(str(review.ruling.ruling) for review in settled if review.ruling)),
        sampled=len(sample),
        accuracy=accuracy(sample),
        accuracy_interval=(share.low, share.high) if share else None,
        double_reviewed=len(pairs),
        kappa=cohens_kappa(pairs),
        untied=await count_unmatched(repository.documents),
    )


def accuracy(sample: Sequence[Review]) -> float | None:
    """Return the share of the questions that were answered rightly, or rightly declined.

    Rejected ones are no questions, and do not count.
    """
    share = estimate_accuracy(sample)
    return share.value if share else None


def estimate_accuracy(sample: Sequence[Review]) -> Share | None:
    """Return the same with its interval (feedback/metrics/definitions.py)."""
    sums = Weighted()
    for review in sample:
        right = is_right(review)
        if right is not None:
            sums.add(review.weight, right=right)
    return sums.share()


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return how much more two reviewers agree than chance would: 1 always, 0 as chance does (Cohen 1960).

    None where there is no pair, or where both always said one and the same: chance explains everything then.
    """
    if not pairs:
        return None
    observed = sum(one == two for one, two in pairs) / len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    expected = sum(first[said] * second[said] for said in first) / len(pairs) ** 2
    return (observed - expected) / (1 - expected) if expected < 1 else None


_NOT_ASKED_FOR = frozenset({FeedbackKind.IMPLICIT, FeedbackKind.SIMILAR})
"""Kinds of words that no form of feedback asks for."""


async def _forms(store: FeedbackStore) -> dict[str, FormRate]:
    asked: Counter[str] = Counter()
    said: Counter[str] = Counter()
    async for answer in every_answer(store):
        form = answer.form or "unknown"
        words = await store.feedback_on(answer.id)
        asked[form] += 1
        said[form] += any(word.kind not in _NOT_ASKED_FOR and not word.withdrawn_at for word in words)
    return {form: FormRate(asked[form], said[form]) for form in sorted(asked)}


async def _reviews(repository: ReviewRepository) -> AsyncIterator[Review]:
    """Yield every review in its present round, then the earlier rounds."""
    for listed in (
        partial(repository.reviews, WAITING),
        partial(repository.reviews, SETTLED),
        repository.past_reviews,
    ):
        async for review in every(listed):
            yield review


_MOST_STARS = 5


@dataclass(slots=True)
class VersionStats:
    """What is known of one model version.

    `votes` are numbers from 0 to 1, `seconds` the response times of its answers; `failed` counts questions
    without an answer.
    """

    votes: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    failed: int = 0


async def version_stats_since(
    store: Records, since: datetime, drawn: Callable[[str], str]
) -> dict[str, VersionStats]:
    """Return what is known by model version. Raises StoreError.

    `drawn` names the version that answers a conversation: a question that failed has no answer that could
    tell. Verified answers are no version's work. A vote counts for the answer that it is about, however late
    it comes.
    """
    said: dict[str, VersionStats] = {}
    answered: set[str] = set()
    async for answer in answers_between(store, since, datetime.max.replace(tzinfo=UTC)):
        answered.add(answer.question.id)
        if answer.verified_by is not None:
            continue
        one = said.setdefault(answer.model_version, VersionStats())
        one.seconds.append((answer.answered_at - answer.question.asked_at).total_seconds())
        one.votes += parse_votes(await store.feedback_on(answer.id))
    async for row in every_row(store, "question"):
        # a `message_id` of "" tells that its asker stopped it
        done = row.fields["asked_at"] >= moment(since) and row.fields["message_id"]
        if done and row.fields["id"] not in answered:
            said.setdefault(drawn(row.fields["conversation"]), VersionStats()).failed += 1
    return said


def parse_votes(words: Sequence[Feedback]) -> list[float]:
    """Return everybody's last thumb and stars as numbers from 0 to 1; what was taken back is no vote."""
    votes: list[float] = []
    for word in words:
        if word.withdrawn_at is not None:
            continue
        if word.kind is FeedbackKind.THUMB:
            votes.append(float(word.value == "like"))
        elif word.kind is FeedbackKind.STARS:
            votes.append((int(word.value) - 1) / (_MOST_STARS - 1))
    return votes

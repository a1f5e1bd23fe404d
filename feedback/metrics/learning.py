"""Figures of learning: how soon corrections reach people, how many they reach, what reviews make of accuracy.

    settled reviews of the span ──┐
    verified answers, as kept ────┼──> Learning
    the sums of its days ─────────┘    (reach and judgements: feedback/metrics/definitions.py)

A ruling is a settled review that lets something stand, so that it becomes a verified answer: all but "not a
real question". The same question ruled on again, after its page has changed, is another ruling.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

from core.records import AnswerKind, Review, Ruling
from feedback.metrics.calibration import Calibration, calibrate
from feedback.metrics.daily import Records, find_reviewed_text, sum_up
from feedback.metrics.definitions import is_right
from feedback.metrics.reach import Reach, Served
from feedback.metrics.statistics import Weighted
from feedback.metrics.timeline import (
    FEW,
    Bucket,
    Timeline,
    Value,
    convert_share,
    difference,
    of_days,
    rate_share,
)
from feedback.reviews.repository import SETTLED, ReviewRepository
from feedback.store.base import moment
from feedback.store.rows import every

TOP = 10
"""So many rulings are named: those that served most, and the newest corrections that served nobody."""
CALIBRATED = 500
"""So many judged answers of the sample are compared with their confidence at most."""
_AT_ONCE = 16
LEAST_REVIEWS = 20
"""Of fewer reviews between the earlier and the later half of a sample nothing is said: what a hundred of them
bring would be a guess five times as long as what was seen."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How long something took, seconds: of `count` the median, and what 95 of 100 stay below.

    Both are values that were seen ("nearest rank"); None of none.
    """

    count: int
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class RulingReach:
    """A ruling and what was served from it in the span. `served` is None where nothing was.

    `text` is the question that was reviewed.
    """

    answer_id: str
    text: str
    ruling: Ruling
    settled_at: datetime
    served: Served | None


Unknown = Literal["few_judged", "few_reviews"]
"""Why nothing is said of points: too few answers of the sample are judged, or too few reviews lie between."""


@dataclass(frozen=True, slots=True)
class Points:
    """How accuracy goes with reviews: percentage points for each 100 settled ones, with a 95 % interval.

    `judged` answers of the random sample are compared, with `reviews` settled between the middle of the
    earlier half of them and that of the later. `value` is None, and `unknown` says why, where that is too
    little to tell.
    """

    judged: int
    reviews: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unknown: Unknown | None = None


@dataclass(frozen=True, slots=True)
class Learning:
    """What reviews did in a span.

    `reviews` were settled in it, `rulings` of them let something stand, and of these `reached` had somebody
    who got it. `lag` is how long that took, `lags` the same by the channel of who got it first, and `kept`
    how long a ruling took until it stood in the store. `answers` were served from rulings in the span,
    however old the rulings are; their shares are of those of which it is known. `unserved` rulings of the
    span were served to nobody; `idle_count` of them changed what the bot had said, and `idle` are the newest
    of these. A later ruling on the same question takes the place of an earlier one, which then serves nobody.
    """

    begin: datetime
    end: datetime
    reviews: int
    rulings: int
    reached: Value | None
    unserved: int
    lag: Lag
    lags: Mapping[str, Lag]
    kept: Lag
    answers: int
    same: Value | None
    other: Value | None
    down: Value | None
    wrong: Value | None
    points: Points
    idle_count: int = 0
    top: Sequence[RulingReach] = ()
    idle: Sequence[RulingReach] = ()
    calibration: Calibration = field(default_factory=partial(calibrate, ()))


async def measure(
    store: Records, repository: ReviewRepository, timeline: Timeline, now: datetime
) -> Learning:
    """Compute the figures of a timeline, until now, over all channels and sites. Raises StoreError."""
    begin = timeline.begin
    settled = await _read_settled(repository, begin)
    rulings = {moment(one.settled_at): one for one in settled if one.settled_at and lets_stand(one)}
    by_channel = _sum_reach(timeline.buckets)
    total = Reach()
    for reach in by_channel.values():
        total.merge(reach)
    unserved = [at for at in rulings if at not in total.rulings]
    idle = [rulings[at] for at in sorted(unserved, reverse=True) if is_correction(rulings[at])]
    reached = len(rulings) - len(unserved)
    lags = measure_lags(rulings.keys(), by_channel)
    served = list(total.rulings.values())
    answers, compared = sum(one.answers for one in served), sum(one.same + one.other for one in served)
    return Learning(
        begin=begin,
        end=now,
        reviews=len(settled),
        rulings=len(rulings),
        reached=compute_share(reached, len(rulings)),
        unserved=len(unserved),
        lag=summarise([lag for some in lags.values() for lag in some]),
        lags={channel: summarise(some) for channel, some in sorted(lags.items())},
        kept=summarise(await _read_kept_lags(repository, begin)),
        answers=answers,
        same=compute_share(sum(one.same for one in served), compared),
        other=compute_share(sum(one.other for one in served), compared),
        down=compute_share(sum(one.down for one in served), answers),
        wrong=compute_share(sum(one.wrong for one in served), answers),
        points=compute_points(timeline.buckets, [one.settled_at for one in settled if one.settled_at]),
        idle_count=len(idle),
        top=await _list_top(store, repository, total),
        idle=await _list_idle(store, repository, idle),
        calibration=calibrate(await _read_confidences(store, settled)),
    )


async def _read_confidences(store: Records, settled: Sequence[Review]) -> list[tuple[float, bool]]:
    """Return how sure the bot was of the newest judged answers of the sample, and whether it was right."""
    judged = [one for one in settled if one.weight > 0 and is_right(one) is not None]
    judged = sorted(judged, key=lambda one: one.settled_at or one.opened_at)[-CALIBRATED:]
    found: list[tuple[float, bool]] = []
    for first in range(0, len(judged), _AT_ONCE):
        some = judged[first : first + _AT_ONCE]
        answers = await asyncio.gather(*(store.answer(one.answer_id) for one in some))
        for review, answer in zip(some, answers, strict=True):
            if answer is None or answer.confidence is None or answer.kind is AnswerKind.DECLINED:
                continue
            found.append((answer.confidence, is_right(review) is True))
    return found


async def measure_days(store: Records, repository: ReviewRepository, count: int, now: datetime) -> Learning:
    """Compute the figures of so many days until now from the records alone. Raises StoreError."""
    last = now.astimezone(UTC).date()
    wanted: list[date] = [last - timedelta(days=back) for back in range(count)]
    days = [await sum_up(store, repository, day, now) for day in wanted]
    return await measure(store, repository, of_days(days, last, count), now)


async def _read_settled(repository: ReviewRepository, begin: datetime) -> list[Review]:
    """Return the rounds of reviews that were settled since a time, also those that have begun again."""
    listings = (partial(repository.reviews, SETTLED), repository.past_reviews)
    return [one for listed in listings async for one in every(listed, (moment(begin), ""))]


def lets_stand(review: Review) -> bool:
    """Tell whether a settled review becomes a verified answer."""
    return review.ruling is not None and review.ruling.ruling is not Ruling.REJECTED


def is_correction(review: Review) -> bool:
    """Tell whether a ruling changes what the bot had said."""
    return review.ruling is not None and review.ruling.ruling in {Ruling.CORRECTED, Ruling.NOT_ON_PAGE}


def _sum_reach(buckets: Iterable[Bucket]) -> dict[str, Reach]:
    by_channel: defaultdict[str, Reach] = defaultdict(Reach)
    for bucket in buckets:
        for group, sums in bucket.groups.items():
            by_channel[group.channel].merge(sums.reach)
    return by_channel


# Correction lag


def measure_lags(rulings: Iterable[str], by_channel: Mapping[str, Reach]) -> dict[str, list[float]]:
    """Return how long each ruling took to reach somebody, seconds, by the channel of who got it first.

    Correction lag is the time from the moment at which a ruling was settled to the first answer that has it
    (`Answer.verified_at`). Most of it is the time until somebody asks again. A ruling that nobody got has no
    lag: to count it as an infinite one would measure how rare questions are. Whether nobody asked, or the bot
    did not know the question again, no record tells.
    """
    firsts: dict[str, tuple[str, str]] = {}
    for channel, reach in by_channel.items():
        for ruled_at, served in reach.rulings.items():
            firsts[ruled_at] = min(
                firsts.get(ruled_at, (served.first_at, channel)), (served.first_at, channel)
            )
    lags: defaultdict[str, list[float]] = defaultdict(list)
    for ruled_at in rulings:
        if ruled_at in firsts:
            first_at, channel = firsts[ruled_at]
            lags[channel].append(_measure_seconds(ruled_at, first_at))
    return lags


async def _read_kept_lags(repository: ReviewRepository, begin: datetime) -> list[float]:
    """Return how long rulings took until they stood in the store, seconds: the part that is the bot's own.

    The process that heard the ruling serves it from memory right after that, the others once they have looked
    for what is new (`review_interval_s`); of those moments there is no record. Only what is served still
    counts, and was written once.
    """
    return [
        _measure_seconds(moment(verified.verified_at), kept_at)
        async for kept_at, verified in every(repository.list_kept_verified, (moment(begin), ""))
        if kept_at and verified.verified_at >= begin
    ]


def _measure_seconds(begin: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def summarise(lags: Sequence[float]) -> Lag:
    """Return the median and the 95th percentile: of n values those with rank ceil(share * n)."""
    ordered = sorted(lags)
    if not ordered:
        return Lag(0, None, None)
    half, most = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
    return Lag(len(ordered), half, most)


# Reach


def compute_share(part: int, whole: int) -> Value | None:
    """Return a share with Wilson's interval; None of nothing."""
    return rate_share(part / whole, whole) if whole else None


async def _list_top(store: Records, repository: ReviewRepository, reach: Reach) -> list[RulingReach]:
    """Return the rulings that served most, of equal ones the newest; without those that are not kept."""
    ordered = sorted(reach.rulings.items(), key=lambda one: (one[1].answers, one[0]), reverse=True)
    found: list[RulingReach] = []
    for ruled_at, served in ordered:
        review = await repository.find_settled(datetime.fromisoformat(ruled_at))
        if review is not None and (one := await _describe(store, repository, review, served)):
            found.append(one)
        if len(found) == TOP:
            break
    return found


async def _list_idle(
    store: Records, repository: ReviewRepository, reviews: Iterable[Review]
) -> list[RulingReach]:
    found: list[RulingReach] = []
    for review in reviews:
        if one := await _describe(store, repository, review, None):
            found.append(one)
        if len(found) == TOP:
            break
    return found


async def _describe(
    store: Records, repository: ReviewRepository, review: Review, served: Served | None
) -> RulingReach | None:
    if review.settled_at is None or review.ruling is None:
        return None
    text = await find_reviewed_text(store, repository, review.settled_at)
    if text is None:
        return None
    return RulingReach(review.answer_id, text, review.ruling.ruling, review.settled_at, served)


# Points per 100 reviews


@dataclass(slots=True)
class _Half:
    """Some of the judged answers, and the sum of the reviews before each, weighted as the answers are."""

    judged: Weighted
    reviews: float = 0.0

    def add(self, judged: Weighted, before: float) -> None:
        self.judged.merge(judged)
        self.reviews += judged.total * before

    @property
    def middle(self) -> float:
        return self.reviews / self.judged.total


def compute_points(buckets: Sequence[Bucket], settled: Sequence[datetime]) -> Points:
    """Return how many percentage points accuracy gains with each 100 settled reviews.

    The judged answers of the random sample (the only ones that accuracy is computed from) are cut in two by
    the time of their answers. The difference of the two accuracies, divided by the reviews that were settled
    between the middles of the halves, is the slope of accuracy over reviews: Wald's grouping estimator (1940,
    "The fitting of straight lines if both variables are subject to error"). Its interval is that of the
    difference (Newcombe 1998), divided likewise. An answer's day has, on the mean, half of the day's reviews
    behind it. The figure tells what went along with reviews, whatever the cause: new models and new pages
    count, too.
    """
    early, late = _cut_in_two(buckets, settled)
    judged = early.judged.count + late.judged.count
    if min(early.judged.count, late.judged.count) < FEW:
        return Points(judged, 0.0, unknown="few_judged")
    between = late.middle - early.middle
    if between < LEAST_REVIEWS:
        return Points(judged, between, unknown="few_reviews")
    now, before = convert_share(late.judged.share()), convert_share(early.judged.share())
    bounds = difference(now, before) if now and before else None
    if now is None or before is None or bounds is None:
        return Points(judged, between, unknown="few_judged")
    points = 100 * 100 / between
    return Points(
        judged, between, (now.value - before.value) * points, bounds[0] * points, bounds[1] * points
    )


def _cut_in_two(buckets: Sequence[Bucket], settled: Sequence[datetime]) -> tuple[_Half, _Half]:
    """Cut the judged answers into two halves of buckets that are as equal as they can be."""
    judged = [bucket.sums(lambda _: True).judged for bucket in buckets]
    half = sum(one.count for one in judged) / 2
    early, late = _Half(Weighted()), _Half(Weighted())
    ordered = sorted(settled)
    until_each = [*(bisect_left(ordered, bucket.begin) for bucket in buckets[1:]), len(ordered)]
    before, seen = 0, 0
    for one, until in zip(judged, until_each, strict=True):
        part = early if seen + one.count / 2 <= half else late
        part.add(one, (before + until) / 2)
        before, seen = until, seen + one.count
    return early, late

"""Figures over time: by week, day or hour, for the plots of the dashboard.

Spans of equal length with the sums of each group of answers, and the points of the plots. Everything is the
sum of `Sums`, so a filter leaves groups out, and a longer span is the sum of shorter ones. What few people
tell, reviewers of the sample and those who give stars, is taken over the week until each day (`WEEK`). Days
that are not over, and stores of a few hours, have figures by the hour or less, computed from the records:
every answer of the span is read, so there is a bound to them.

A `Value` is a figure as it is shown: with the number that it rests on, and with an interval where it is a
share; `judge_tone` says whether a change is more than chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from feedback.metrics.daily import Backlog, Day, Group, Groups, Records, Worst, find_sums, read_known
from feedback.metrics.definitions import Known, Sums, add_answer, add_turn, compute_figures
from feedback.metrics.statistics import Share, wilson
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import moment

SHORT = timedelta(days=2)
"""Data of no longer than this are shown by the hour."""
MOST = 3000
"""So many answers of a span are read; of more, only the days are shown."""
_STEPS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
_MOST_BUCKETS = 48
_Found = tuple[Known, datetime | None]


class TooMany(Exception):
    """The span has more answers than are read at once. Nobody sees this: days are shown instead."""


def choose_step(span: timedelta) -> timedelta:
    """Return the shortest step that needs no more than 48 buckets for a span, and an hour at most."""
    return next((step for step in _STEPS if span <= _MOST_BUCKETS * step), _STEPS[-1])


async def of_short_store(
    store: Records, repository: ReviewRepository, now: datetime
) -> tuple[Timeline, Worst] | None:
    """Compute the time from the first to the last answer of all.

    None where that is more than two days, or none is there. Raises TooMany and StoreError.
    """
    first = await store.answers_after(("", ""), 1)
    if not first:
        return None
    begin = first[0].answered_at
    if await store.answers_after((moment(begin + SHORT), ""), 1):
        return None
    found = await _read(store, repository, begin, begin + SHORT)
    return _build_timeline(found, (begin, max(known.answer.answered_at for known, _ in found)), now)


async def of_span(
    store: Records, repository: ReviewRepository, span: tuple[datetime, datetime], now: datetime
) -> tuple[Timeline, Worst]:
    """Compute a span from its records. Raises TooMany and StoreError."""
    return _build_timeline(await _read(store, repository, *span), span, now)


async def _read(store: Records, repository: ReviewRepository, begin: datetime, end: datetime) -> list[_Found]:
    found: list[_Found] = []
    async for one in read_known(store, repository, begin, end):
        found.append(one)
        if len(found) > MOST:
            raise TooMany
    return found


def _build_timeline(
    found: Sequence[_Found], span: tuple[datetime, datetime], now: datetime
) -> tuple[Timeline, Worst]:
    step = choose_step(span[1] - span[0])
    start = _floor(span[0], step)
    buckets = [Bucket(start + number * step) for number in range((span[1] - start) // step + 1)]
    bad = Worst()
    for known, before in found:
        sums = find_sums(buckets[(known.answer.answered_at - start) // step].groups, known.answer)
        add_answer(sums, known, now)
        add_turn(sums, known.answer, before)
        bad.hear(known)
    return Timeline(step, buckets), bad


def _floor(time: datetime, step: timedelta) -> datetime:
    day = datetime.combine(time.astimezone(UTC).date(), datetime.min.time(), UTC)
    return day + (time - day) // step * step


WEEK = 7
SMOOTHED = ("accuracy", "precision", "quote_precision", "satisfaction", "liked_share")

Chosen = Callable[[Group], bool]


@dataclass(slots=True)
class Bucket:
    """A span of time from `begin` on. `known` is False before the first answer that there are figures of."""

    begin: datetime
    groups: Groups = field(default_factory=dict[Group, Sums])
    known: bool = True
    backlog: Backlog | None = None

    def sums(self, chosen: Chosen) -> Sums:
        """Return the sum of the chosen groups."""
        total = Sums()
        for group, sums in self.groups.items():
            if chosen(group):
                total.merge(sums)
        return total


@dataclass(frozen=True, slots=True)
class Timeline:
    """Buckets of one length, oldest first; `before` are as many of the time before, where there are any.

    `smoothed` says over how many buckets a point of the figures in SMOOTHED is taken. `earlier` names the
    model versions that answered before it began.
    """

    step: timedelta
    buckets: Sequence[Bucket]
    before: Sequence[Bucket] = ()
    smoothed: int = 1
    earlier: frozenset[str] = frozenset()

    @property
    def begin(self) -> datetime:
        """When it begins."""
        return self.buckets[0].begin

    @property
    def end(self) -> datetime:
        """When it ends."""
        return self.buckets[-1].begin + self.step


@dataclass(frozen=True, slots=True)
class Marked:
    """A model version that has answers in the timeline.

    `bucket` is where its first ones are, None: before it.
    """

    name: str
    bucket: int | None
    answers: Sequence[int]
    values: Values


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is shown.

    Every figure's points, its value over the whole time and in the time before, the versions.
    """

    points: dict[str, list[Value | None]]
    now: Values
    before: Values
    versions: Sequence[Marked]


def of_days(days: Sequence[Day], last: date, count: int) -> Timeline:
    """Return so many days until `last`, and as many before; a day that nothing is kept of had no answers."""
    kept = {day.day: day for day in days}
    first_known = min((day for day, one in kept.items() if one.groups), default=last)
    both = [_bucket(last - timedelta(days=back), kept, first_known) for back in range(2 * count - 1, -1, -1)]
    return Timeline(timedelta(days=1), both[count:], both[:count], WEEK, find_versions(both[:count]))


def find_versions(spans: Iterable[Bucket | Day]) -> frozenset[str]:
    """Name the model versions that answered in some spans."""
    return frozenset(group.model_version for span in spans for group in span.groups)


def _bucket(day: date, kept: dict[date, Day], first_known: date) -> Bucket:
    begin, found = datetime.combine(day, time(), UTC), kept.get(day)
    if found is None:
        return Bucket(begin, known=day >= first_known)
    return Bucket(begin, found.groups, day >= first_known, found.backlog)


def draw(timeline: Timeline, chosen: Chosen) -> Drawn:
    """Compute what is shown of the chosen groups."""
    sums = [bucket.sums(chosen) for bucket in timeline.buckets]
    before = [bucket.sums(chosen) for bucket in timeline.before]
    plain = [compute_values(one) for one in sums]
    points = {
        name: [
            values[name] if bucket.known else None
            for values, bucket in zip(plain, timeline.buckets, strict=True)
        ]
        for name in BETTER
    }
    if timeline.smoothed > 1:
        smooth = [
            compute_values(_total(_window([*before, *sums], len(before) + at, timeline.smoothed)))
            for at in range(len(sums))
        ]
        for name in SMOOTHED:
            points[name] = [values[name] for values in smooth]
    return Drawn(points, compute_values(_total(sums)), _before(timeline, before), _versions(timeline, chosen))


def _before(timeline: Timeline, sums: Sequence[Sums]) -> Values:
    """Return the figures of the time before; how many answers there were only where all of it is known."""
    values = compute_values(_total(sums))
    whole = bool(timeline.before) and all(bucket.known for bucket in timeline.before)
    return values if whole else {**values, "answers": None}


def _window(sums: Sequence[Sums], at: int, width: int) -> Sequence[Sums]:
    return sums[max(0, at + 1 - width) : at + 1]


def _total(sums: Sequence[Sums]) -> Sums:
    total = Sums()
    for one in sums:
        total.merge(one)
    return total


def _versions(timeline: Timeline, chosen: Chosen) -> list[Marked]:
    """Return the versions with answers in the timeline, in the order in which they began."""
    earlier = timeline.earlier
    names = dict.fromkeys(
        group.model_version for bucket in timeline.buckets for group in sorted(bucket.groups)
    )
    ordered = sorted(names, key=lambda name: name not in earlier)
    return [_mark_version(timeline, chosen, name, begins=name not in earlier) for name in ordered]


def _mark_version(timeline: Timeline, chosen: Chosen, name: str, *, begins: bool) -> Marked:
    sums = [
        bucket.sums(lambda group: group.model_version == name and chosen(group))
        for bucket in timeline.buckets
    ]
    first = next(
        at
        for at, bucket in enumerate(timeline.buckets)
        if any(g.model_version == name for g in bucket.groups)
    )
    return Marked(
        name, first if begins else None, [one.answers for one in sums], compute_values(_total(sums))
    )


FEW = 30
"""Fewer judgements, ratings or answers than this say little: of 30 the interval of a share is up to 0.34
wide."""
NOTICED = 0.05
"""A figure that has no interval has changed when it did so by this share of what it was."""

Tone = Literal["better", "worse", "same", "unclear"]


@dataclass(frozen=True, slots=True)
class Value:
    """A figure and how many it rests on; `low` and `high` are bounds of a share, with 95 % confidence."""

    value: float
    count: int
    low: float | None = None
    high: float | None = None


Values = Mapping[str, Value | None]

BETTER: Mapping[str, Literal[-1, 0, 1]] = {
    "accuracy": 1,
    "precision": 1,
    "quote_precision": 1,
    "satisfaction": 1,
    "liked_share": 1,
    "ignore_rate": -1,
    "response_p50_s": -1,
    "response_p95_s": -1,
    "first_token_p50_s": -1,
    "first_token_p95_s": -1,
    "answers": 0,
    "time_on_tool_s": 1,
    "verified_share": 0,
    "answered_share": 0,
    "quoted_share": 0,
    "abstained_share": 0,
}
"""Every figure, and whether more of it is better (1), worse (-1) or neither."""


def compute_values(sums: Sums) -> dict[str, Value | None]:
    """Return every figure (feedback/metrics/definitions.py says what it means) with its count.

    None where nothing is known.
    """
    figures = compute_figures(sums)
    counts = {
        "satisfaction": sums.starred,
        "response_p50_s": sums.response.count,
        "response_p95_s": sums.response.count,
        "first_token_p50_s": sums.first_token.count,
        "first_token_p95_s": sums.first_token.count,
        "answers": sums.answers,
        "time_on_tool_s": sums.sessions,
    }
    shares = {
        "liked_share": sums.likes + sums.dislikes,
        "ignore_rate": sums.closed,
        "verified_share": sums.answers,
        "answered_share": sums.answers,
        "quoted_share": sums.answers,
        "abstained_share": sums.answers,
    }
    known: dict[str, Value | None] = {
        name: convert_share(getattr(figures, name)) for name in ("accuracy", "precision", "quote_precision")
    }
    known |= {name: _attach_count(getattr(figures, name), count) for name, count in counts.items()}
    known |= {name: rate_share(getattr(figures, name), count) for name, count in shares.items()}
    return {name: known[name] for name in BETTER}


def convert_share(share: Share | None) -> Value | None:
    """Return a share with its interval as a value."""
    return None if share is None else Value(share.value, share.count, share.low, share.high)


def _attach_count(value: float | None, count: int) -> Value | None:
    return None if value is None else Value(value, count)


def rate_share(value: float | None, count: int) -> Value | None:
    """Return a share of so many with Wilson's interval; None of none."""
    return None if value is None else Value(value, count, *wilson(value, count))


def judge_tone(name: str, now: Value | None, before: Value | None) -> Tone | None:
    """Tell whether a figure is better than it was; "unclear" where there are too few to say.

    None: nothing to compare. The difference of two shares has an interval, too (Newcombe 1998, from Wilson's
    bounds): where zero lies in it, the change may be chance. A figure without bounds has to change by a
    twentieth.
    """
    if now is None or before is None:
        return None
    better = BETTER[name]
    if not better:
        return "same"
    if min(now.count, before.count) < FEW:
        return "unclear"
    if not _has_changed(now, before):
        return "same"
    return "better" if (now.value > before.value) == (better > 0) else "worse"


def _has_changed(now: Value, before: Value) -> bool:
    bounds = difference(now, before)
    if bounds is None:
        return abs(now.value - before.value) >= NOTICED * abs(before.value)
    return bounds[0] > 0 or bounds[1] < 0


def difference(now: Value, before: Value) -> tuple[float, float] | None:
    """Return the bounds of how much a share has changed, with 95 % confidence; None for what is no share."""
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return None
    changed = now.value - before.value
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    return changed - down, changed + up

"""Figures by the hour, or less, computed from the records: for days that are not over, and for stores of a few hours.

Every answer of the span is read, so there is a bound to them; beyond it the days' documents have to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from feedback.daily import Records, known_between, sums_of
from feedback.desk import Desk
from feedback.figures import Known, add_answer, add_turn
from feedback.store import moment
from feedback.timeline import Bucket, Timeline
from feedback.worst import Worst

SHORT = timedelta(days=2)
"""Data of no longer than this are shown by the hour."""
MOST = 3000
"""So many answers of a span are read; of more, only the days are shown."""
_STEPS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
_MOST_BUCKETS = 48
_Found = tuple[Known, datetime | None]


class TooMany(Exception):
    """The span has more answers than are read at once. Nobody sees this: days are shown instead."""


def step_of(span: timedelta) -> timedelta:
    """Return the shortest step that needs no more than 48 buckets for a span, and an hour at most."""
    return next((step for step in _STEPS if span <= _MOST_BUCKETS * step), _STEPS[-1])


async def of_short_store(store: Records, desk: Desk, now: datetime) -> tuple[Timeline, Worst] | None:
    """Compute the time from the first to the last answer of all; None where that is more than two days, or none is there.

    Raises TooMany and StoreError.
    """
    first = await store.answers_after(("", ""), 1)
    if not first:
        return None
    begin = first[0].answered_at
    if await store.answers_after((moment(begin + SHORT), ""), 1):
        return None
    found = await _read(store, desk, begin, begin + SHORT)
    return _summed(found, (begin, max(known.answer.answered_at for known, _ in found)), now)


async def of_span(
    store: Records, desk: Desk, span: tuple[datetime, datetime], now: datetime
) -> tuple[Timeline, Worst]:
    """Compute a span from its records. Raises TooMany and StoreError."""
    return _summed(await _read(store, desk, *span), span, now)


async def _read(store: Records, desk: Desk, begin: datetime, end: datetime) -> list[_Found]:
    found: list[_Found] = []
    async for one in known_between(store, desk, begin, end):
        found.append(one)
        if len(found) > MOST:
            raise TooMany
    return found


def _summed(
    found: Sequence[_Found], span: tuple[datetime, datetime], now: datetime
) -> tuple[Timeline, Worst]:
    step = step_of(span[1] - span[0])
    start = _floor(span[0], step)
    buckets = [Bucket(start + number * step) for number in range((span[1] - start) // step + 1)]
    bad = Worst()
    for known, before in found:
        sums = sums_of(buckets[(known.answer.answered_at - start) // step].groups, known.answer)
        add_answer(sums, known, now)
        add_turn(sums, known.answer, before)
        bad.hear(known)
    return Timeline(step, buckets), bad


def _floor(time: datetime, step: timedelta) -> datetime:
    day = datetime.combine(time.astimezone(UTC).date(), datetime.min.time(), UTC)
    return day + (time - day) // step * step

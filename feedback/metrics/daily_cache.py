"""A cache of the documents with the figures of each day.

They are read once, and again only where they changed; the days that are not summed up yet are computed. A
year of documents is some tens of megabytes of JSON in a busy company, so what was parsed is remembered by its
version, and the store is asked at most once in FRESH_S seconds, however many people look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from feedback.metrics import daily
from feedback.metrics.daily import Backlog, Day, Rated, Records, Worst
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Document

FRESH_S = 20.0
MOST_LIVE = 200
"""So many answers that are not summed up yet are read on the spot; more wait for the job."""


@dataclass(frozen=True, slots=True)
class DaysRead:
    """The days of a span. `as_of` is when they were computed, None: never.

    `live`: up to now, without the job.
    """

    days: Sequence[Day]
    rated: Sequence[Rated]
    as_of: datetime | None
    live: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    first: date
    last: date
    until: float
    read: DaysRead


class DailyCache:
    """Reads the days of one store."""

    def __init__(self, store: Records, repository: ReviewRepository, fresh_s: float = FRESH_S) -> None:
        self._store = store
        self._repository = repository
        self._documents = repository.documents
        self._fresh_s = fresh_s
        self._parsed: dict[str, tuple[int, Day]] = {}
        self._kept: list[_Kept] = []
        self._backlog: tuple[float, Backlog] | None = None
        self._turn = asyncio.Lock()

    async def read(self, first: date, last: date, now: datetime) -> DaysRead:
        """Return a span of days; `last` is today. Raises StoreError."""
        async with self._turn:
            clock = time.monotonic()
            self._kept = [one for one in self._kept if one.until > clock]
            for one in self._kept:
                if one.first <= first and one.last == last:
                    return one.read
            read = await self._read(first, last, now)
            self._kept.append(_Kept(first, last, clock + self._fresh_s, read))
            return read

    async def backlog(self, now: datetime) -> Backlog:
        """Return how many reviews wait, and for how long. Raises StoreError."""
        async with self._turn:
            if self._backlog is None or self._backlog[0] <= time.monotonic():
                self._backlog = (time.monotonic() + self._fresh_s, await daily.backlog(self._repository, now))
            return self._backlog[1]

    async def _read(self, first: date, last: date, now: datetime) -> DaysRead:
        found = await daily.list_day_documents(self._documents, daily.KIND, first, last)
        days = {day.day: day for day in await asyncio.to_thread(self._parse, found)}
        rated = await daily.read_worst(self._documents, first, last)
        as_of = await daily.read_rollup_time(self._documents)
        begin = as_of.date() if as_of else await self._first_day()
        if begin is None:
            return DaysRead([*days.values()], rated, as_of, live=True)
        if not await self._few_since(begin):
            return DaysRead([*days.values()], rated, as_of, live=False)
        since = [max(begin, first) + timedelta(days=n) for n in range((last - max(begin, first)).days + 1)]
        bad = Worst()
        for day in since:
            kept = days.get(day)
            days[day] = await daily.sum_up(self._store, self._repository, day, now, bad.hear)
            days[day].backlog = kept.backlog if kept else None
        rated = [*daily.without_days(rated, set(since)), *bad.rated]
        return DaysRead([*days.values()], rated, now, live=True)

    def _parse(self, found: Sequence[Document]) -> list[Day]:
        for document in found:
            known = self._parsed.get(document.id)
            if known is None or known[0] != document.version:
                self._parsed[document.id] = (document.version, daily.read(document))
        return [self._parsed[document.id][1] for document in found]

    async def _first_day(self) -> date | None:
        first = await self._store.answers_after(("", ""), 1)
        return first[0].answered_at.astimezone(UTC).date() if first else None

    async def _few_since(self, day: date) -> bool:
        begin = moment(datetime.combine(day, datetime.min.time(), UTC))
        return len(await self._store.answers_after((begin, ""), MOST_LIVE + 1)) <= MOST_LIVE

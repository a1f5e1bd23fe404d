"""Sums up the figures of every day, and writes each day's into a document (feedback/metrics/daily.py).

Each day's worst-rated answers are noted, too (feedback/metrics/daily.py).

Run as: askpage jobs run roll_up_metrics

What is new since the last run decides which days are computed: new answers, words that came late, reviews
that were settled since; all days, where an older version of the program summed them up and knew less. A day
is always computed from all its records, so running twice gives the same. Days whose records are no longer
kept stay as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from functools import partial

from feedback.metrics import daily
from feedback.metrics.daily import Worst
from feedback.reviews.repository import SETTLED, ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Documents
from feedback.store.rows import every, every_row
from jobs.registry import JobContext, Result, Store

AGAIN = timedelta(hours=2)
"""Clocks differ, and answers of the last half hour were not old enough to be ignored then."""


async def run(context: JobContext) -> Result:
    """Bring the days' documents up to date. Raises StoreError."""
    kept_days = context.settings.retention.questions_days
    return await roll_up(context.store, datetime.now(UTC), keep_days=kept_days)


async def roll_up(store: Store, now: datetime, *, keep_days: int = 0) -> Result:
    """Bring the days' documents up to date; return what was computed. Raises StoreError.

    `keep_days` is how long answers are kept (0: for ever): an older day has lost some of its records.
    """
    repository = ReviewRepository(store.documents)
    since = await _place(store.documents)
    oldest = (now - timedelta(days=keep_days)).date() if keep_days else date.min
    touched = {day async for day in _find_touched_days(store, repository, since)} | {now.date()}
    days = sorted(day for day in touched if day > oldest)
    answers = 0
    for day in days:
        [*before] = await daily.read_days(store.documents, day, day)
        bad = Worst()
        summed = await daily.sum_up(store, repository, day, now, bad.hear)
        today = day == now.date()
        summed.backlog = (
            await daily.backlog(repository, now) if today else before[0].backlog if before else None
        )
        await daily.keep(store.documents, summed)
        await daily.keep_worst(store.documents, day, bad.rated)
        answers += daily.select([summed]).answers
    await daily.mark_rolled_up(store.documents, now)
    return {"days": len(days), "answers": answers}


async def _place(documents: Documents) -> datetime | None:
    last = await daily.read_complete_time(documents)
    return last - AGAIN if last else None


async def _find_touched_days(
    store: Store, repository: ReviewRepository, since: datetime | None
) -> AsyncIterator[date]:
    """Yield the days of the answers that something happened to."""
    begin = since or datetime.min.replace(tzinfo=UTC)
    async for answer in daily.answers_between(store, begin, datetime.max.replace(tzinfo=UTC)):
        yield answer.answered_at.date()
    if since is None:
        return
    async for answer_id in _find_judged(store, repository, moment(since)):
        answer = await store.answer(answer_id)
        if answer is not None:
            yield answer.answered_at.date()


async def _find_judged(store: Store, repository: ReviewRepository, since: str) -> AsyncIterator[str]:
    """Yield the answers with a word, or a settled review, since a time."""
    async for row in every_row(store, "feedback"):
        if row.fields["changed_at"] >= since:
            yield row.fields["answer_id"]
    for listed in (
        partial(repository.reviews, SETTLED),
        repository.past_reviews,
    ):  # a settled one may have begun again
        async for review in every(listed, (since, "")):
            yield review.answer_id

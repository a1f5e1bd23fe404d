"""The use of verified answers: how many later answers each one served, by the moment at which it was settled.

From the sums of the days that are kept (`feedback/metrics/daily.py`) and, of what was answered since those
were made, from the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from feedback.metrics.daily import answers_between, read_complete_time, read_days, select
from feedback.store.base import FeedbackStore, moment
from feedback.store.documents import Documents

USE_DAYS = 90
"""How far back it is counted."""


async def count_use(store: FeedbackStore, documents: Documents, now: datetime) -> Mapping[str, int]:
    """Return how many answers each ruling served in USE_DAYS: {when it was settled, UTC ISO text: count}.

    Raises StoreError. Whole days count; what was summed up of a day is not read again.
    """
    begin = now - timedelta(days=USE_DAYS)
    summed_until = max(begin, await read_complete_time(documents) or begin)
    days = await read_days(documents, begin.date(), summed_until.date())
    counts = {at: served.answers for at, served in select(days).reach.rulings.items()}
    async for answer in answers_between(store, summed_until, now):
        if answer.verified_at is not None:
            at = moment(answer.verified_at)
            counts[at] = counts.get(at, 0) + 1
    return counts

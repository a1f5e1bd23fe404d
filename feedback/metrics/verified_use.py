"""The use of verified answers: how many later answers each one served, by the moment at which it was settled.

From the sums of the days that are kept (`feedback/metrics/daily.py`) and, of what was answered since those
were made, from the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from feedback.metrics.daily import answers_between, read_complete_time, read_days, select
from feedback.metrics.reach import Reach, Served
from feedback.store.base import FeedbackStore, moment
from feedback.store.documents import Documents

USE_DAYS = 90
"""How far back it is counted."""


async def read_use(store: FeedbackStore, documents: Documents, now: datetime) -> Mapping[str, Served]:
    """Return what each ruling served in USE_DAYS: {when it was settled, UTC ISO text: what}.

    Raises StoreError. Whole days count; what was summed up of a day is not read again. Of an answer since the
    last summing up it is known that it was served, and not yet in which words, and what people said of it.
    """
    begin = now - timedelta(days=USE_DAYS)
    summed_until = max(begin, await read_complete_time(documents) or begin)
    reach = Reach()
    reach.merge(select(await read_days(documents, begin.date(), summed_until.date())).reach)
    async for answer in answers_between(store, summed_until, now):
        if answer.verified_at is not None:
            reach.add(moment(answer.verified_at), Served(moment(answer.answered_at), answers=1))
    return reach.rulings


async def count_use(store: FeedbackStore, documents: Documents, now: datetime) -> Mapping[str, int]:
    """Return how many answers each ruling served in USE_DAYS. Raises StoreError."""
    return {at: served.answers for at, served in (await read_use(store, documents, now)).items()}

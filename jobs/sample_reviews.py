"""Looks at delivered answers that nobody looked at: a process was killed, or the store was away.

Run as: askpage jobs run sample_reviews

Whoever delivers an answer decides at once whether reviewers see it: because it is doubtful, because it was
declined to many, or because it is drawn into the random sample; then it marks the answer. This job does the
same for those that lack the mark. They may be no random ones (an answer that nobody looked at came in a bad
moment), so leaving them out would make the sample one of good moments only.

It goes along answers and marks in the order in which they were written, from where the last run ended, and
never back before the first mark: older answers were looked at by a version that left none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

from core.records import Answer
from feedback.metrics import daily
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore, moment
from feedback.store.documents import Document, Documents
from feedback.store.rows import every
from jobs.registry import JobContext, Result, Store

PLACE = "sampled"
GRACE = timedelta(minutes=10)
"""The process that delivered a younger answer may still look at it itself."""
GIVEN_UP = timedelta(days=7)
"""An answer that was not delivered for so long is waited for no more."""

Consider = Callable[[Answer, str], Awaitable[None]]
"""(answer, the message that it was delivered as) → what whoever delivers it does with it, mark included."""


async def run(context: JobContext) -> Result:
    """Look at them as the bot does. Raises StoreError."""
    async with context.services() as borrowed:
        return await sample_reviews(context.store, borrowed.parts.looking.look_at, datetime.now(UTC))


async def sample_reviews(store: Store, consider: Consider, now: datetime) -> Result:
    """Look at what nobody looked at; return how many answers were passed and looked at. Raises StoreError."""
    repository = ReviewRepository(store.documents)
    begin = await _begin(store.documents, repository)
    if begin is None:
        return {"answers": 0, "considered": 0}
    passed = considered = 0
    place: datetime | None = None  # the oldest that is still to come
    async for answer, marked in _with_marks(store, repository, begin, now - GRACE):
        passed += 1
        if marked:
            continue
        message_id = await store.find_message(answer.question.id)
        if message_id:
            await consider(answer, message_id)
            considered += 1
        elif answer.answered_at > now - GIVEN_UP:
            place = place or answer.answered_at
    await store.documents.put(Document(PLACE, "last", "", order=moment(place or max(begin, now - GRACE))))
    return {"answers": passed, "considered": considered}


async def _begin(documents: Documents, repository: ReviewRepository) -> datetime | None:
    last = await documents.get(PLACE, "last")
    if last is not None:
        return datetime.fromisoformat(last.order)
    marks, _ = await repository.list_considered(1)
    return datetime.fromisoformat(marks[0][0]) if marks else None


async def _with_marks(
    store: FeedbackStore, repository: ReviewRepository, begin: datetime, end: datetime
) -> AsyncIterator[tuple[Answer, bool]]:
    """Yield the answers of a span of time, and whether each is marked: two lists in the same order."""
    marks = every(repository.list_considered, (moment(begin), ""))
    mark = await anext(marks, None)
    async for answer in daily.answers_between(store, begin, end):
        here = (moment(answer.answered_at), answer.id)
        while mark is not None and mark < here:
            mark = await anext(marks, None)
        yield answer, mark == here

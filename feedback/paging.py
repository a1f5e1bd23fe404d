"""Everything of a list that stores give in pages, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from feedback.store import FeedbackStore, moment
from records import Answer

PAGE = 200
T = TypeVar("T")
Place = tuple[str, str]
"""Where to go on: (order, id) of the last one."""
Listed = Callable[[int, Place], Awaitable[tuple[Sequence[T], Place]]]
"""(how many, after which place) → some, and the place of the last of them."""

START: Place = ("", "")


async def every(listed: Listed[T], after: Place = START) -> AsyncIterator[T]:
    """Yield all that come after a place. Raises StoreError."""
    while True:
        page, after = await listed(PAGE, after)
        for one in page:
            yield one
        if len(page) < PAGE:
            return


async def every_answer(store: FeedbackStore, after: Place = START) -> AsyncIterator[Answer]:
    """Yield the answers that were written after a place, oldest first. Raises StoreError."""
    while page := await store.answers_after(after, PAGE):
        for answer in page:
            yield answer
        after = (moment(page[-1].answered_at), page[-1].id)

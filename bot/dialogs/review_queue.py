"""The order in which waiting reviews are offered: wishes for an expert, then the oldest or what teaches most.

What a ruling teaches is how many people would get it, times how much it can change: the questions of the
last days that ask the same (`bot/channels/previews.py`, this one among them), times how unsure the bot was.
That is uncertainty sampling weighted by density (Settles and Craven 2008, "An analysis of active learning
strategies for sequence labeling tasks", information density): a doubtful answer that nobody asks for again
is worth little, and so is a sure one that many ask for.

The random sample is offered beside it, every second card at least while any of it waits, and the first: who
takes one card at a time would otherwise leave it lying. Accuracy is computed from nothing else, so within the
sample the order stays that of time: to choose among drawn answers would undo the draw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from bot.cards.review_actions import RulingPreview
from bot.readers.access import PageAccess, PageOfIt, list_pages
from core.bounded_dict import BoundedDict
from core.readers import Audience
from core.records import Answer, Review, ReviewReason
from feedback.reviews.repository import WAITING, ReviewRepository
from feedback.store.base import FeedbackStore

ReviewOrder = Literal["oldest", "teaches_most"]
MOST_WAITING = 1_000
"""So many of the oldest waiting reviews are counted and put in order."""
_AT_ONCE = 20
_REMEMBERED = 5_000
"""Answers whose pages are known by heart: they never change, and what waits is counted again and again."""
_UNKNOWN = 0.5
"""How unsure an answer was that nothing judged: verified answers, and older records."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    review: Review
    worth: float


class ReviewQueue:
    """The waiting reviews of one store. `preview` returns what a ruling would serve, None while unknown."""

    def __init__(
        self,
        store: FeedbackStore,
        repository: ReviewRepository,
        preview: Callable[[str], RulingPreview | None],
        order: ReviewOrder = "oldest",
    ) -> None:
        self._store = store
        self._repository = repository
        self._preview = preview
        self._order = order
        self._pages: BoundedDict[str, tuple[PageOfIt, ...]] = BoundedDict(_REMEMBERED)

    async def list_waiting(self, reader: str = "") -> Sequence[Review]:
        """Return the reviews that are to be offered, in their order. Raises StoreError.

        Whoever asked for an expert waits for an answer, so those come first. Left out is what `reader` (a
        pseudonym) has ruled on already, where a second reviewer is asked.
        """
        waiting, _ = await self._repository.reviews(WAITING, MOST_WAITING)
        open_ = [one for one in waiting if reader not in {given.reviewer for given in one.verdicts}]
        experts = [one for one in open_ if ReviewReason.EXPERT in one.reasons]
        others = [one for one in open_ if ReviewReason.EXPERT not in one.reasons]
        return [*await self._put_in_order(experts), *await self._put_in_order(others)]

    async def list_visible(self, reader: str, access: PageAccess, audience: Audience) -> Sequence[Review]:
        """Return those that an audience may see: all of whose pages it may read. Raises StoreError."""
        waiting, now = await self.list_waiting(reader), access.freeze()
        if not now.has_restricted:
            return waiting
        found: list[Review] = []
        for first in range(0, len(waiting), _AT_ONCE):
            some = waiting[first : first + _AT_ONCE]
            pages = await asyncio.gather(*(self._list_pages(one.answer_id) for one in some))
            found += [
                review
                for review, of_it in zip(some, pages, strict=True)
                if now.allows(audience, (*of_it, *list_pages(None, review)))
            ]
        return found

    async def _list_pages(self, answer_id: str) -> tuple[PageOfIt, ...]:
        known = self._pages.get(answer_id)
        if known is None:
            answer = await self._store.answer(answer_id)
            known = list_pages(answer) if answer is not None else ()
            self._pages[answer_id] = known
        return known

    async def _put_in_order(self, reviews: Sequence[Review]) -> Sequence[Review]:
        if self._order == "oldest":
            return reviews
        sample = [review for review in reviews if review.weight > 0]
        others = await self._sort([one for one in reviews if one.weight <= 0])
        return interleave(sample, others)

    async def _sort(self, reviews: Sequence[Review]) -> list[Review]:
        """Return reviews by what they teach, the most first; of equal ones the oldest."""
        found: list[_Candidate] = []
        for first in range(0, len(reviews), _AT_ONCE):
            some = reviews[first : first + _AT_ONCE]
            answers = await asyncio.gather(*(self._store.answer(one.answer_id) for one in some))
            found += [
                _Candidate(review, compute_worth(answer, self._preview(answer.id)))
                for review, answer in zip(some, answers, strict=True)
                if answer is not None
            ]
        return [one.review for one in sorted(found, key=lambda one: -one.worth)]


def compute_worth(answer: Answer, preview: RulingPreview | None) -> float:
    """Return how many questions ask what was asked here, this one among them, times how unsure the bot was.

    Unsure is 1 less the confidence, 0 to 1. While the questions are not counted yet, this one counts alone.
    """
    unsure = _UNKNOWN if answer.confidence is None else 1 - answer.confidence
    return (1 + (preview.count if preview else 0)) * unsure


def interleave(sample: Sequence[Review], others: Sequence[Review]) -> list[Review]:
    """Return both in turns, the sample's first; where one ends, the rest of the other follows."""
    turns = zip_longest(sample, others)
    return [review for turn in turns for review in turn if review is not None]

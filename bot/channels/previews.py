"""Previews of rulings: how many recent questions ask what is under review, so would get what is decided.

Cards never wait for one. A card is drawn with what is known; what is not is computed beside everything else,
one review at a time, and the card is drawn again where there is something to tell. Only counts come out of
here: no reviewer reads what other people asked.

Texts are embedded at a rate that leaves the processor to people's questions: the newest first, for WORK_S
seconds a review, and as long a pause after each batch as it took. What was embedded once is at hand for the
next review, so that soon all recent questions are.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.cards.review_actions import RulingPreview
from core.bounded_dict import BoundedDict
from core.records import Answer, Ruling
from core.text import normalise_text
from feedback.metrics.report import parse_votes
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore, StoreError, moment
from feedback.store.rows import every_answer
from model.text.question import is_follow_up

log = logging.getLogger(__name__)

DAYS = 90
MOST_ANSWERS = 2_000
"""So many of the newest answers are looked at."""
MOST_JUDGED = 100
"""So many of the questions that ask the same are looked up, how they were rated."""
WORK_S = 5.0
BATCH = 20
FRESH_S = 600.0
"""So long the recent questions are those that were read, and an incomplete preview is not tried again."""
KEPT_S = 3600.0
_KEPT = 2_000
_WAITING = 500


class AskAlike(Protocol):
    """What knows questions again (`bot/dialogs/verified_answers.py`)."""

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell which texts ask the same."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    answer_id: str
    text: str
    page_url: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Recent:
    """The newest answered questions, newest first. `whole`: these are all of the last DAYS days."""

    asked: Sequence[_Asked]
    whole: bool
    until: float


@dataclass(frozen=True, slots=True)
class _Made:
    preview: RulingPreview
    until: float


class RulingPreviews:
    """One per process; `run` computes what `peek` did not have, until it is cancelled."""

    def __init__(
        self, store: FeedbackStore, repository: ReviewRepository, known: AskAlike, work_s: float = WORK_S
    ) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._store = store
        self._repository = repository
        self._known = known
        self._work_s = work_s
        self._made: BoundedDict[str, _Made] = BoundedDict(_KEPT)
        self._wanted: dict[str, None] = {}
        self._news = asyncio.Event()
        self._recent = _Recent((), whole=False, until=0.0)

    def peek(self, answer_id: str) -> RulingPreview | None:
        """Return the preview for an answer, None where it is not known yet; then it will be."""
        made = self._made.get(answer_id)
        if (made is None or made.until <= time.monotonic()) and len(self._wanted) < _WAITING:
            self._wanted[answer_id] = None
            self._news.set()
        return made.preview if made else None

    def forget(self, answer_id: str) -> None:
        """Forget a question that was deleted."""
        self._made.pop(answer_id, None)
        self._wanted.pop(answer_id, None)
        kept = [one for one in self._recent.asked if one.answer_id != answer_id]
        self._recent = _Recent(kept, self._recent.whole, self._recent.until)

    async def run(self) -> None:
        """Compute what is wanted, as it comes."""
        while True:
            self._news.clear()
            while self._wanted:
                answer_id = next(iter(self._wanted))
                try:
                    await self.compute(answer_id)
                except StoreError as error:
                    log.info("a card has no preview yet: %s", error)
                except Exception:
                    log.exception("a preview failed; its card goes without")
                self._wanted.pop(answer_id, None)
            await self._news.wait()

    async def compute(self, answer_id: str) -> None:
        """Compute the preview for an answer, and draw its card again if that tells something new."""
        answer = await self._store.answer(answer_id)
        if answer is None:
            return
        before = self._made.get(answer_id)
        preview, complete = await self._look(answer)
        self._made[answer_id] = _Made(preview, time.monotonic() + (KEPT_S if complete else FRESH_S))
        if preview.count > (before.preview.count if before else 0):
            await self._repository.add_outbox_entry(answer_id, datetime.now(UTC))
            self.wake()

    async def _look(self, answer: Answer) -> tuple[RulingPreview, bool]:
        """Return the preview, and whether all that is recent was looked at."""
        question = answer.question
        if is_follow_up(question.text):  # needs the question before it, and is never served to another one
            return RulingPreview(0, 0, 0, DAYS), True
        recent = await self._read_recent()
        others = [
            one for one in recent.asked if one.page_url == question.page_url and one.answer_id != answer.id
        ]
        same, seen = await self._find_same(question.text, others)
        right = sum([await self._is_right(one.answer_id) for one in same[:MOST_JUDGED]])
        complete = seen == len(others)
        days = DAYS if recent.whole and complete else _count_days(others[:seen])
        return RulingPreview(len(same), right, seen, days), complete

    async def _find_same(self, text: str, others: Sequence[_Asked]) -> tuple[list[_Asked], int]:
        """Return those that ask the same, and how many were looked at before the time was over.

        Equal words are looked at once.
        """
        by_words: defaultdict[str, list[_Asked]] = defaultdict(list)
        for one in others:
            by_words[normalise_text(one.text)].append(one)
        groups = list(by_words.values())
        same: list[_Asked] = []
        seen, worked_s = 0, 0.0
        for first in range(0, len(groups), BATCH):
            if worked_s > self._work_s:
                break
            batch = groups[first : first + BATCH]
            started = time.monotonic()
            flags = await asyncio.to_thread(self._known.alike, text, [group[0].text for group in batch])
            took_s = time.monotonic() - started
            worked_s += took_s
            same += [one for group, is_same in zip(batch, flags, strict=True) if is_same for one in group]
            seen += sum(map(len, batch))
            await asyncio.sleep(took_s)
        return same, seen

    async def _is_right(self, answer_id: str) -> bool:
        """Tell whether a reviewer approved an answer; of one without a ruling, whether people liked it."""
        review = await self._repository.review(answer_id)
        if review is not None and review.ruling is not None:
            return review.ruling.ruling is Ruling.APPROVED
        votes = parse_votes(await self._store.feedback_on(answer_id))
        return bool(votes) and sum(votes) / len(votes) > 1 / 2

    async def _read_recent(self) -> _Recent:
        if self._recent.until <= time.monotonic():
            asked, whole = await read_recent(self._store, datetime.now(UTC))
            self._recent = _Recent(asked, whole, time.monotonic() + FRESH_S)
        return self._recent


async def read_recent(store: FeedbackStore, now: datetime) -> tuple[Sequence[_Asked], bool]:
    """Return the newest answered questions, newest first, and whether these are all of the last DAYS days.

    Stores give answers from a time on: it goes back until there are enough. Follow-up questions are left
    out. Raises StoreError.
    """
    days = 1
    while True:
        newest: deque[_Asked] = deque(maxlen=MOST_ANSWERS)
        count = 0
        async for answer in every_answer(store, (moment(now - timedelta(days=min(days, DAYS))), "")):
            question = answer.question
            count += 1
            if not answer.stopped and not is_follow_up(question.text):
                newest.append(_Asked(answer.id, question.text, question.page_url, question.asked_at))
        if count >= MOST_ANSWERS or days >= DAYS:
            return list(reversed(newest)), days >= DAYS and count <= MOST_ANSWERS
        days *= 4


def _count_days(asked: Sequence[_Asked]) -> int:
    """Return how many days the oldest of some questions is ago."""
    if not asked:
        return 0
    oldest = min(one.asked_at for one in asked)
    return max(1, math.ceil((datetime.now(UTC) - oldest) / timedelta(days=1)))

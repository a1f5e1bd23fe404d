"""Unmet questions: which answers left their asker without what was asked, and how that is known.

    declined      the bot said that the pages do not say it
    unused        a quotation that nobody rated, asked on about or opened the source of, in half an hour
    corrected     a reviewer gave another answer, or said that it is not on the page
    rated_down    somebody called the answer bad, and no reviewer approved it

What a reviewer rejected was no real question. A decline that a reviewer approved is unmet all the same: the
page does not say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.records import Answer, AnswerKind, Feedback, Review, Ruling, Verdict
from feedback.reviews.ratings import Scale, list_opinions
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore, moment
from feedback.store.rows import every_answer, every_few

_UNUSED_AFTER = timedelta(minutes=30)
_WRONG = frozenset({Ruling.CORRECTED, Ruling.NOT_ON_PAGE})


class Lack(StrEnum):
    """How it is known that an answer was not what was asked for."""

    DECLINED = "declined"
    UNUSED = "unused"
    CORRECTED = "corrected"
    RATED_DOWN = "rated_down"


def _is_open(_: Answer, __: Review | None) -> bool:
    return False


def _stands_alone(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class AskedRules:
    """Whose answers are looked at.

    `excluded` are pseudonyms of people of whom nothing is learned: neither what they asked nor what they said
    counts. `is_restricted` tells of answers that not everyone may see, `follows` of questions that need the
    one before them.
    """

    excluded: Collection[str] = ()
    is_restricted: Callable[[Answer, Review | None], bool] = _is_open
    follows: Callable[[str], bool] = _stands_alone
    scale: Scale = field(default_factory=Scale)


@dataclass(frozen=True, slots=True)
class AskedAnswer:
    """An answer with what is lacking in it (nothing: it was met), and the reviewer's ruling, if any."""

    answer: Answer
    lacks: frozenset[Lack]
    ruling: Verdict | None = None

    @property
    def text(self) -> str:
        """The question, as it was asked."""
        return self.answer.question.text

    @property
    def correction(self) -> str:
        """What a reviewer said in place of the answer, "" for nothing."""
        ruled = self.ruling is not None and self.ruling.ruling is Ruling.CORRECTED
        return self.ruling.text.strip() if ruled and self.ruling else ""


def find_lacks(
    answer: Answer, words: Sequence[Feedback], ruling: Verdict | None, scale: Scale, now: datetime
) -> frozenset[Lack]:
    """Tell what is lacking in an answer."""
    lacks: set[Lack] = set()
    approved = ruling is not None and ruling.ruling is Ruling.APPROVED
    if answer.kind is AnswerKind.DECLINED:
        lacks.add(Lack.DECLINED)
    if ruling is not None and ruling.ruling in _WRONG:
        lacks.add(Lack.CORRECTED)
    if not approved and any(one.good < 0 for one in list_opinions(words, scale)):
        lacks.add(Lack.RATED_DOWN)
    old = now - answer.answered_at > _UNUSED_AFTER
    if answer.kind is AnswerKind.QUOTED and old and not words and ruling is None:
        lacks.add(Lack.UNUSED)
    return frozenset(lacks)


async def read_asked(
    store: FeedbackStore, repository: ReviewRepository, rules: AskedRules, since: datetime, now: datetime
) -> AsyncIterator[AskedAnswer]:
    """Yield what was answered since a time, met or not, oldest first. Raises StoreError."""

    async def judge(answer: Answer) -> AskedAnswer | None:
        words, review = await asyncio.gather(store.feedback_on(answer.id), repository.review(answer.id))
        ruling = review.ruling if review else None
        rejected = ruling is not None and ruling.ruling is Ruling.REJECTED
        if rejected or rules.is_restricted(answer, review):
            return None
        # A report trains nothing, so what a channel's terms keep from training counts here, too.
        heard = [
            replace(word, trainable=True)
            for word in words
            if word.giver not in rules.excluded and word.withdrawn_at is None
        ]
        return AskedAnswer(answer, find_lacks(answer, heard, ruling, rules.scale, now), ruling)

    async for some in every_few(every_answer(store, (moment(since), ""))):
        for one in await asyncio.gather(*(judge(answer) for answer in some if _is_question(answer, rules))):
            if one is not None:
                yield one


def _is_question(answer: Answer, rules: AskedRules) -> bool:
    """Tell whether this stands alone, and may be looked at."""
    question = answer.question
    skipped = answer.stopped or answer.from_file or question.asker in rules.excluded
    return not skipped and bool(question.text.strip()) and not rules.follows(question.text)

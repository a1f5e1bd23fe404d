"""What tests of training examples share: reviewed answers, made in one line, in a store or handed over."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Timings,
    Verdict,
)
from feedback.examples.convert import Candidate, ExampleRules, Refusal, Reviewed, build_candidate
from feedback.examples.poisoning import compare_raters, compare_reviewers
from feedback.examples.select import Trusted
from feedback.reviews.repository import ReviewRepository
from feedback.store.cosmos import CosmosStore
from feedback.store.sqlite import SqliteStore
from tests.doubles.cosmos import a_cosmos

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
NOT_HERE = "That is not on this page."
LEAVE = "https://example.com/leave"
RULES = ExampleRules(not_on_page=NOT_HERE)

Store = SqliteStore | CosmosStore
STORES = ("sqlite", "cosmos")
"""The parameters of a fixture that opens an `either_store`."""


@asynccontextmanager
async def either_store(request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Store]:
    """Open the empty store that a fixture's parameter names."""
    async with AsyncExitStack() as closing:
        opened: Store
        if request.param == "cosmos":
            _, config = await closing.enter_async_context(a_cosmos(request.getfixturevalue("cosmos_url")))
            opened = await CosmosStore.open(config)
        else:
            opened = SqliteStore.open(folder / "store.sqlite3")
        closing.push_async_callback(opened.close)
        yield opened


def passage(
    text: str = "You get 26 days of leave.", url: str = f"{LEAVE}#days", page_hash: str = "ab12"
) -> Passage:
    return Passage(url, "Leave", "Days", text, page_hash, NOON)


def asked(number: int, ask: str = "", *, by: str = "alex", **changes: Any) -> Question:
    plain = Question(
        id=f"chat/{number}",
        text=ask or f"How many days of leave, part {number}?",
        asker=by,
        conversation="chat",
        channel=Channel.TEAMS,
        asked_at=NOON + timedelta(seconds=number),
        language="en",
    )
    return replace(plain, **changes)


def answered(to: Question, text: str = "26 days [1].", **changes: Any) -> Answer:
    seen = (passage(),)
    plain = Answer(
        id=f"a{to.id.rpartition('/')[2].zfill(5)}",
        question=to,
        text=text,
        passages=seen,
        citations=(Citation(seen[0].url, "Leave", "Days", "26 days"),),
        model_version="base",
        timings=Timings(),
        answered_at=to.asked_at,
    )
    return replace(plain, **changes)


def declined(to: Question, **changes: Any) -> Answer:
    return answered(to, NOT_HERE, kind=AnswerKind.DECLINED, **changes)


def verdict(
    ruling: Ruling, text: str = "", *, by: str = "robin", at: datetime = NOON, **changes: Any
) -> Verdict:
    return replace(Verdict(by, by.title(), ruling, at, text=text), **changes)


def settled(
    answer: Answer,
    *verdicts: Verdict,
    reasons: Sequence[ReviewReason] = (ReviewReason.LOW_SUPPORT,),
    **changes: Any,
) -> Review:
    at = verdicts[-1].given_at
    plain = Review(answer.id, tuple(reasons), NOON, verdicts=verdicts, settled_at=at)
    return replace(plain, **changes)


def thumb(on: Answer, by: str, value: str = "dislike", **changes: Any) -> Feedback:
    return replace(Feedback(on.id, by, FeedbackKind.THUMB, value, trainable=True, given_at=NOON), **changes)


def approved(
    number: int, ask: str = "", *, by: str = "alex", reviewer: str = "robin", **changes: Any
) -> Reviewed:
    answer = answered(asked(number, ask, by=by), **changes)
    return Reviewed(settled(answer, verdict(Ruling.APPROVED, by=reviewer, at=_at(number))), answer, ())


def corrected(
    number: int,
    ask: str,
    right: str = "It is 30 days.",
    *,
    by: str = "alex",
    reviewer: str = "robin",
    **changes: Any,
) -> Reviewed:
    answer = answered(asked(number, ask, by=by), **changes)
    return Reviewed(
        settled(answer, verdict(Ruling.CORRECTED, right, by=reviewer, at=_at(number))), answer, ()
    )


def _at(number: int) -> datetime:
    return NOON + timedelta(minutes=number % 1000)


@dataclass
class Made:
    """What some reviews make without a store."""

    candidates: list[Candidate] = field(default_factory=list[Candidate])
    refused: list[Refusal] = field(default_factory=list[Refusal])
    trusted: Trusted = field(default_factory=Trusted)


def made(reviews: Iterable[Reviewed], rules: ExampleRules = RULES) -> Made:
    """Do what `feedback/examples/collect.py` does with a store."""
    found = Made()
    for one in reviews:
        compare_reviewers(found.trusted.reviewers, one.review)
        compare_raters(found.trusted.raters, (one.review, one.answer), one.words, rules.scale)
        candidate = build_candidate(one, rules)
        if isinstance(candidate, Candidate):
            found.candidates.append(candidate)
        else:
            found.refused.append(candidate)
    return found


async def keep(store: Store, reviews: Iterable[Reviewed]) -> ReviewRepository:
    """Keep reviews in a store, with their questions, answers and feedback."""
    repository = ReviewRepository(store.documents)
    for one in reviews:
        await store.add_question(one.answer.question)
        await store.add_answer(one.answer)
        for word in one.words:
            await store.put_feedback(word)
        await repository.add_review(one.review)
    return repository

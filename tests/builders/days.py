"""A store with days of questions, ratings and rulings, for tests of jobs and figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.records import Answer, Feedback, FeedbackKind, Review, ReviewReason, Ruling, Verdict
from feedback.reviews.repository import ReviewRepository
from feedback.store.cosmos import CosmosStore
from feedback.store.sqlite import SqliteStore
from jobs.registry import Store
from tests.builders.records import answer, question
from tests.doubles.cosmos import a_cosmos

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = MONDAY + timedelta(days=2)


@pytest.fixture(params=("sqlite", "cosmos"))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with AsyncExitStack() as closing:
        if request.param == "cosmos":
            _, config = await closing.enter_async_context(a_cosmos(request.getfixturevalue("cosmos_url")))
            opened: Any = await CosmosStore.open(config)
        else:
            opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
        closing.push_async_callback(opened.close)
        yield opened


async def ask(store: Store, number: int, at: datetime, **changes: Any) -> Answer:
    """Keep a question that was asked a second before its answer."""
    asked = question(
        number, asked_at=at - timedelta(seconds=1), asker=f"p{number}", conversation=f"c{number}"
    )
    given = replace(answer(asked, answered_at=at), **changes)
    await store.add_question(asked)
    return await store.add_answer(given)


def stars(on: Answer, value: int, at: datetime, giver: str = "p") -> Feedback:
    return Feedback(on.id, giver, FeedbackKind.STARS, str(value), trainable=True, given_at=at)


async def settle(store: Store, on: Answer, ruling: Ruling, at: datetime, weight: float = 5.0) -> None:
    """Let reviewers rule on a sampled answer."""
    repository = ReviewRepository(store.documents)
    review = Review(on.id, (ReviewReason.SAMPLE,), on.answered_at, weight=weight)
    await repository.add_review(review)
    kept = await repository.review(on.id)
    assert kept is not None
    verdict = Verdict("r", "R", ruling, at)
    assert await repository.change_review(replace(kept, verdicts=(verdict,), settled_at=at))

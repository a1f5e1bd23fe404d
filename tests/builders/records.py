"""Records for tests of stores: a question, its answer, a thumb."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.records import Answer, Channel, Citation, Feedback, FeedbackKind, Passage, Question, Timings
from feedback.store.base import ALONE, FeedbackStore, ProcessLease
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.sqlite import SqliteStore
from tests.doubles.cosmos import a_cosmos

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


Opening = Callable[..., Awaitable[FeedbackStore]]
"""Opens the store of one test, once for every process that a test wants."""


@pytest.fixture(params=("sqlite", "cosmos"))
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    async with AsyncExitStack() as closing:
        config: CosmosConfig | None = None
        if request.param == "cosmos":
            url = request.getfixturevalue("cosmos_url")
            _, config = await closing.enter_async_context(a_cosmos(url))

        async def opening(hold: ProcessLease = ALONE) -> FeedbackStore:
            store: FeedbackStore = (
                await CosmosStore.open(config, hold=hold)
                if config
                else SqliteStore.open(tmp_path / "store.sqlite3", hold=hold)
            )
            closing.push_async_callback(store.close)
            return store

        yield opening


@pytest.fixture
async def store(opening: Opening) -> FeedbackStore:
    return await opening()


def question(number: int = 1, **changes: object) -> Question:
    plain = Question(
        id=f"chat/{number}",
        text=f"How many days of leave, part {number}?",
        asker="a1",
        conversation="chat",
        channel=Channel.TEAMS,
        asked_at=NOON + timedelta(seconds=number),
        page_url="https://example.com/leave",
        reply_to='{"service":"x"}',
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def answer(to: Question, id_: str = "", **changes: object) -> Answer:
    passage = Passage("https://example.com/leave#days", "Leave", "Days", "You get 26 days.", "ab12", NOON)
    plain = Answer(
        id=id_ or f"answer to {to.id}",
        question=to,
        text="26 days [1].",
        passages=(passage, replace(passage, text="Ask your supervisor.")),
        citations=(Citation(passage.url, "Leave", "Days", "26 days"),),
        model_version="base",
        timings=Timings(search_s=0.01, time_to_first_token_s=None, total_s=1.25),
        answered_at=to.asked_at + timedelta(milliseconds=1500),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def thumb(on: Answer, value: str = "like", seconds: int = 60, **changes: object) -> Feedback:
    given_at = NOON + timedelta(seconds=seconds)
    plain = Feedback(on.id, "a1", FeedbackKind.THUMB, value, trainable=True, given_at=given_at)
    return replace(plain, **changes)  # type: ignore[arg-type]

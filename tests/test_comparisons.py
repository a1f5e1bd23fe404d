"""Comparisons in the store: they come back as they were, wait until they are posted, and the newest is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feedback.comparisons import Comparisons, id_of
from feedback.cosmos import CosmosStore
from feedback.documents import Documents
from feedback.sqlite import SqliteStore
from records import ComparedAnswer, ComparedFigure, Comparison, Decision
from tests.cosmos import a_cosmos

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(params=("sqlite", "cosmos"))
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    async with AsyncExitStack() as closing:
        if request.param == "cosmos":
            _, config = await closing.enter_async_context(a_cosmos(request.getfixturevalue("cosmos_url")))
            opened: Any = await CosmosStore.open(config)
        else:
            opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
        closing.push_async_callback(opened.close)
        yield opened.documents


def a_comparison(**changes: object) -> Comparison:
    made = Comparison(
        candidate="v2",
        live="v1",
        dataset="d" * 64,
        decision=Decision.PROMOTE,
        reasons=("F1 rose from 0.31 to 0.40.",),
        figures=(ComparedFigure("f1", 0.31, 0.40, 0.02, 0.16), ComparedFigure("abstention", None, 0.5)),
        questions=240,
        compared_at=NOW,
        worst=(ComparedAnswer("How \0 long?", "30 days", "30 days [1]", "It varies."),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_a_comparison_comes_back_as_it_was(documents: Documents) -> None:
    comparisons = Comparisons(documents)
    assert await comparisons.get(id_of(a_comparison())) is None
    id_ = await comparisons.put(a_comparison())
    assert await comparisons.get(id_) == a_comparison()


async def test_what_was_posted_waits_no_more_and_putting_it_again_changes_nothing(
    documents: Documents,
) -> None:
    comparisons = Comparisons(documents)
    first = await comparisons.put(a_comparison())
    second = await comparisons.put(a_comparison(compared_at=NOW + timedelta(hours=1)))
    assert [id_ for id_, _ in await comparisons.waiting()] == [first, second]
    await comparisons.mark_posted(first)
    assert await comparisons.put(a_comparison()) == first
    assert [id_ for id_, _ in await comparisons.waiting()] == [second]
    assert await comparisons.get(first) == a_comparison()


async def test_the_newest_comparison_is_known_of_one_candidate_and_of_all(documents: Documents) -> None:
    comparisons = Comparisons(documents)
    assert await comparisons.latest() is None
    newest = a_comparison(candidate="v3", compared_at=NOW + timedelta(days=1))
    for one in (newest, a_comparison(), a_comparison(compared_at=NOW - timedelta(days=1))):
        await comparisons.put(one)
    assert await comparisons.latest() == newest
    assert await comparisons.latest("v2") == a_comparison()
    assert await comparisons.latest("v4") is None

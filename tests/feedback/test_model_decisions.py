"""Comparisons in the store: back as they were, waiting until they are posted, and the newest is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from feedback.reviews.model_decisions import get, latest, mark_posted, put, since, strike_out, waiting
from feedback.store.documents import Documents
from tests.builders.comparisons import NOW, a_comparison
from tests.builders.examples import either_store


@pytest.fixture(params=("sqlite", "cosmos"))
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    async with either_store(request, tmp_path) as store:
        yield store.documents


async def test_a_comparison_comes_back_as_it_was(documents: Documents) -> None:
    assert await get(documents, "v2") is None
    await put(documents, a_comparison(), ["a1"])
    assert await get(documents, "v2") == a_comparison()


async def test_what_is_compared_anew_or_loses_an_answer_waits_to_be_posted_again(
    documents: Documents,
) -> None:
    await put(documents, a_comparison(), ["a1"])
    await put(documents, a_comparison(candidate="v3", compared_at=NOW + timedelta(hours=1)))
    first, second = await waiting(documents)
    assert (first.id, second.id) == ("v2", "v3")
    assert await mark_posted(documents, first)
    assert [one.id for one in await waiting(documents)] == ["v3"]
    assert await strike_out(documents, ["a1"]) == 1
    assert await get(documents, "v2") == a_comparison(worst=())
    assert [one.id for one in await waiting(documents)] == ["v2", "v3"]
    await put(documents, a_comparison(candidate="v3", questions=9, compared_at=NOW + timedelta(hours=1)))
    assert not await mark_posted(documents, second), "it is another one by now"
    assert [one.id for one in await waiting(documents)] == ["v2", "v3"]


async def test_the_newest_comparison_is_known_and_those_since_a_time(documents: Documents) -> None:
    assert await latest(documents) is None
    newest = a_comparison(candidate="v3", compared_at=NOW + timedelta(days=1))
    for one in (newest, a_comparison(), a_comparison(candidate="v1", compared_at=NOW - timedelta(days=1))):
        await put(documents, one)
    assert await latest(documents) == newest
    assert await since(documents, NOW - timedelta(hours=1)) == ["v2", "v3"]

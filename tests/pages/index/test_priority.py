"""Indexing steps aside while somebody waits for an answer, for a bounded time, and only indexing does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from core.records import Hit
from pages.index.embeddings import HashedEmbedder
from pages.index.priority import step_aside, yielding_to
from pages.index.sqlite import FileIndex
from tests.builders.pages import LEAVE, TRAVEL, page


async def test_work_steps_aside_in_its_threads_and_tasks_and_others_do_not() -> None:
    asked: list[str] = []

    def somebody_waits() -> bool:
        asked.append("?")
        return len(asked) % 3 != 0

    def step() -> float:
        began = time.monotonic()
        step_aside()
        return time.monotonic() - began

    outside = asyncio.Event()

    async def somebody_else() -> None:
        await outside.wait()
        await asyncio.to_thread(step)

    other = asyncio.create_task(somebody_else())
    with yielding_to(somebody_waits):
        assert await asyncio.to_thread(step) >= 0.04
        await asyncio.create_task(asyncio.to_thread(step))
        assert len(asked) == 6
    outside.set()
    await other
    step()
    assert len(asked) == 6


def test_the_wait_before_a_step_is_bounded() -> None:
    with yielding_to(lambda: True):
        began = time.monotonic()
        step_aside(0.05)
        assert 0.05 <= time.monotonic() - began < 5


@pytest.fixture
def two_pages() -> list[str]:
    return ["/site/leave", "/site/travel"]


async def _find(index: FileIndex, question: str) -> list[str]:
    hits: list[Hit] = await index.search(question, limit=9)
    return [hit.passage.url.partition("#")[0] for hit in hits]


async def test_an_index_that_was_made_in_another_way_is_finished_page_by_page(
    tmp_path: Path, two_pages: list[str]
) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    for url, text in zip(two_pages, (LEAVE, TRAVEL), strict=True):
        await index.add(page(url, text), source="docs")
    await index.close()
    index = await FileIndex.open(tmp_path, HashedEmbedder(), passage_tokens=7, finished=False)
    assert index.unfinished() == two_pages
    assert await _find(index, "leave") == []
    await index.finish(two_pages[0])
    assert set(await _find(index, "leave")) == {two_pages[0]}
    await index.close()
    embedder = HashedEmbedder()
    index = await FileIndex.open(tmp_path, embedder, passage_tokens=7, finished=False)
    assert (index.unfinished(), embedder.texts_seen) == (two_pages[1:], 0)
    await index.close()
    index = await FileIndex.open(tmp_path, HashedEmbedder(), passage_tokens=7)
    assert index.unfinished() == []
    assert set(await _find(index, "leave taxi")) == set(two_pages)
    await index.close()


async def test_while_many_pages_are_written_searches_do_not_take_all_into_account_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.index.sqlite._LATE_S", 1000.0)
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    await index.add(page("/site/leave", LEAVE), source="docs")
    with index.writing_many():
        assert await _find(index, "leave taxi") == ["/site/leave"]
        await index.add(page("/site/travel", TRAVEL), source="docs")
        assert await _find(index, "leave taxi") == ["/site/leave"]
        [hit] = await index.search("taxi", limit=1, page_url="/site/travel")
        assert hit.passage.text == TRAVEL
        await index.remove("/site/leave")  # what is gone is never shown, late or not
        assert await _find(index, "leave taxi") == ["/site/travel"]
        monkeypatch.setattr("pages.index.sqlite._LATE_S", 0.0)
        monkeypatch.setattr(index, "_took_s", 0.0)
        await index.add(page("/site/parks", "Parks are open."), source="docs")
        assert set(await _find(index, "leave taxi parks")) == {"/site/travel", "/site/parks"}
    await index.add(page("/site/keys", "Keys are in room 12."), source="docs")
    assert "/site/keys" in await _find(index, "keys")
    await index.close()

"""Pages for tests of the index and the chat page: leave, travel, and hostile ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Page, Section
from pages.index.base import Indexes
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.parse.extract import page_hash
from tests.doubles.cosmos_pages import a_page_container, machines

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEAVE = "Everyone gets 26 days of leave.\n\nPart-timers get leave by their hours."
TRAVEL = "Book flights in the travel tool.\n\nKeep every receipt of a taxi."

Opening = Callable[[HashedEmbedder], Awaitable[Indexes]]
"""Opens the index of one test, once for every process that a test wants."""


@pytest.fixture(params=("file", "cosmos"))
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    async with AsyncExitStack() as closing:
        if request.param == "cosmos":
            url = request.getfixturevalue("cosmos_url")
            _, _, config = await closing.enter_async_context(a_page_container(url))
            yield await closing.enter_async_context(machines(config))
            return

        async def open_file(embedder: HashedEmbedder) -> Indexes:
            index = await FileIndex.open(tmp_path, embedder)
            closing.push_async_callback(index.close)
            return index

        yield open_file


@pytest.fixture
def embedder() -> HashedEmbedder:
    return HashedEmbedder()


@pytest.fixture
async def index(opening: Opening, embedder: HashedEmbedder) -> Indexes:
    return await opening(embedder)


def page(url: str, *texts: str, title: str = "Handbook") -> Page:
    sections = tuple(Section(f"Part {n}", f"part-{n}", text) for n, text in enumerate(texts, 1))
    return Page(url, title, sections, page_hash(title, sections), NOON)


async def texts(index: Indexes, question: str, *, limit: int = 9, page_url: str | None = None) -> list[str]:
    return [hit.passage.text for hit in await index.search(question, limit=limit, page_url=page_url)]


HOSTILE = (
    '<img src=x onerror="document.title=1"> <script>document.title=2</script> '
    "![a](https://evil.example/a.png) "
    "[b](https://evil.example/b) [1](javascript:alert(1)) https://evil.example/c **bold** [7] <b>bold</b>"
)

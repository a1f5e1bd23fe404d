# pyright: reportUnknownMemberType=false
# azure-cosmos types its options as Any.
"""The page index in Azure Cosmos DB for NoSQL, which several machines share: an `Indexes`.

    index = await CosmosIndex.open(PagesConfig("https://….documents.azure.com"), embedder)

What one machine writes the others know within seconds: each follows the change feed of the entries, and keeps the list
of pages in memory (pages/cosmos_index_table.py). How pages are written is in pages/cosmos_index_pages.py, how they are
searched in pages/cosmos_index_search.py, what lies in the container in pages/cosmos_index_schema.py. The container is
made by `askpage store init`, never by this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from http import HTTPStatus

import numpy as np
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from pages.cosmos_index_items import Items, explained
from pages.cosmos_index_pages import Pace, Pages
from pages.cosmos_index_schema import ENTRIES, PagesConfig, client_of
from pages.cosmos_index_search import Found, HybridSearch
from pages.cosmos_index_table import Row, Table, key_of
from pages.embed import Embeds, Vectors
from pages.indexing import IndexUnavailable, PageEntry
from pages.passages import searched_text
from pages.questions import question_vector
from pages.ranking import Ranking, Words, asked_terms, terms
from pages.sentence_vectors import best, spans
from records import Hit, Page, Passage

log = logging.getLogger(__name__)

_LOOKS = 3
"""How often a search asks for more where much of what it found is not to be shown."""


class CosmosIndex:
    """See the module. `open` it, `close` it; it belongs to one event loop."""

    shared = True

    def __init__(
        self, items: Items, search: HybridSearch, embedder: Embeds, passage_tokens: int, pace: Pace
    ) -> None:
        self._items = items
        self._search = search
        self._embedder = embedder
        self._ranking = Ranking()
        self._pace = pace
        self._table = Table()
        self._pages = Pages(items, self._table, embedder, passage_tokens, pace)
        self._place = ""
        self._known_at = float("-inf")
        self._following = asyncio.Lock()
        self._closing = AsyncExitStack()

    @classmethod
    async def open(
        cls, config: PagesConfig, embedder: Embeds, *, passage_tokens: int = 180, pace: Pace | None = None
    ) -> CosmosIndex:
        """Connect, and learn which pages there are. Raises IndexUnavailable.

        Pages that were made with another embedder are not found, and those that were cut in another way are found as
        they are, until their source is read again.
        """
        async with AsyncExitStack() as closing:
            client = client_of(config)
            closing.push_async_callback(client.close)  # it is half open when it cannot be opened
            database = client.get_database_client(config.database)
            container = database.get_container_client(config.container)
            with explained(config.timeout_s):
                async with asyncio.timeout(config.timeout_s):
                    await closing.enter_async_context(client)
                    await _must_exist(container, config)
            items = Items(container, timeout_s=config.timeout_s)
            search = HybridSearch(client, database, container)
            index = cls(items, search, embedder, passage_tokens, pace or Pace())
            await index._follow()
            for name, work in (("follow", index._follow), ("tidy", index._pages.tidy)):
                running = asyncio.create_task(index._again(work), name=f"{name} the page index")
                closing.push_async_callback(_stop, running)
            index._closing = closing.pop_all()
        return index

    async def close(self) -> None:
        """Stop following, and let go of the connections."""
        await self._closing.aclose()

    def entry(self, url: str) -> PageEntry | None:
        """Return what this machine knows of a page."""
        row = self._table.row(key_of(url))
        return None if row is None else row.entry

    def entries(self) -> list[PageEntry]:
        """Return the pages that this machine knows, by URL."""
        return [row.entry for row in self._table.rows()]

    async def page(self, url: str) -> Page | None:
        """Return a page, or None."""
        for _ in range(2):
            row = self._table.row(key_of(url))
            if row is None:
                return None
            page = await self._pages.read(row)
            if page is not None:
                return page
            await self._follow()
        return None

    async def add(self, page: Page, *, source: str | None) -> bool:
        """See `Indexes.add`."""
        return await self._pages.add(page, source)

    async def touch(self, url: str, *, source: str | None, fetched_at: datetime) -> None:
        """See `Indexes.touch`."""
        await self._pages.touch(url, source, fetched_at)

    async def remove(self, url: str) -> bool:
        """See `Indexes.remove`."""
        return await self._pages.remove(url)

    async def search(self, question: str, *, limit: int, page_url: str | None = None) -> list[Hit]:
        """See `Indexes.search`. The service fuses words and meaning and does not tell its BM25 scores.

        So those of a hit come from the candidates alone: which of the question's words are rare among them. What is current is decided before: what is called current then is whole until long after the search.
        """
        await self._be_current()
        rows = self._table.as_it_is()
        page = None if page_url is None else rows.get(key_of(page_url))
        if not rows or limit < 1 or (page_url is not None and page is None):
            return []
        where = self._where(page)
        vector = await asyncio.to_thread(question_vector, self._embedder, question, self._ranking.part)
        candidates: list[tuple[Found, Row]] = []
        wanted = max(2 * limit + 10, self._ranking.candidates + 10)
        for _ in range(_LOOKS):
            found = await self._items.found(self._search.find(question, vector, where, wanted))
            candidates = _current(found, rows)
            if len(candidates) >= limit or len(found) < wanted:
                break
            wanted *= 4
        most = max(limit, self._ranking.candidates)
        return await asyncio.to_thread(self._ranked, candidates[:most], question, vector, limit)

    def _ranked(
        self, candidates: Sequence[tuple[Found, Row]], question: str, vector: Vectors, limit: int
    ) -> list[Hit]:
        texts = [searched_text(row.entry.title, one.heading, one.text) for one, row in candidates]
        words = Words([terms(text) for text in texts]).scores(asked_terms(question))
        meaning = np.array([one.similarity for one, _ in candidates], np.float32)
        sentences = [spans(one.sentences, vector) for one, _ in candidates]
        nearest = [best(found, one.similarity) for found, (one, _) in zip(sentences, candidates, strict=True)]
        scores = self._ranking.sum(words, meaning, np.array(nearest, np.float32))
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return [
            Hit(
                _passage(*candidates[at]),
                float(scores[at]),
                float(meaning[at]),
                float(words[at]),
                sentences[at],
            )
            for at in order[:limit]
        ]

    async def overwrite(self) -> None:
        """Nothing is left over here: the service overwrites by itself."""

    async def warm(self) -> None:
        """Learn what has changed."""
        await self._follow()

    def _where(self, page: Row | None) -> str:
        """Return which passages are searched: of this page, or of all that a source named."""
        which = f"c.kind = 'passage' AND c.embedder = '{self._pages.embedder_id}'"
        if page is None:
            return f"{which} AND c.public = true"
        return f"c.pk = '{page.key}' AND {which} AND c.generation = '{page.generation}'"

    async def _be_current(self) -> None:
        """Make sure that what the table calls current has not been deleted since."""
        if time.monotonic() - self._known_at > self._pace.stale_s:
            await self._follow()

    async def _follow(self) -> None:
        async with self._following:
            asked_at = time.monotonic()
            changes, self._place = await self._items.changes(ENTRIES, self._place)
            self._table.follow(changes)
            self._known_at = asked_at

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._pace.every_s)
            try:
                await work()
            except IndexUnavailable as unavailable:
                log.info("the shared page index is away: %s", unavailable)
            except Exception:
                log.exception("the shared page index could not be looked after; it is tried again")


def _current(found: Iterable[Found], rows: Mapping[str, Row]) -> list[tuple[Found, Row]]:
    """Return what is current, each text once, and the rows of their pages."""
    current: dict[str, tuple[Found, Row]] = {}
    for one in found:
        row = rows.get(one.key)
        if row is not None and row.generation == one.generation:
            current.setdefault(" ".join(one.text.split()), (one, row))
    return list(current.values())


def _passage(found: Found, row: Row) -> Passage:
    return Passage(
        url=found.url,
        title=row.entry.title,
        heading=found.heading,
        text=found.text,
        page_hash=row.entry.page_hash,
        fetched_at=row.entry.fetched_at,
    )


async def _must_exist(container: ContainerProxy, config: PagesConfig) -> None:
    try:
        await container.read()
    except CosmosHttpResponseError as error:
        if error.status_code != HTTPStatus.NOT_FOUND:
            raise
        raise IndexUnavailable(
            f"There is no container {config.database}/{config.container} in Cosmos DB: run `askpage store init`."
        ) from error


async def _stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running])

"""The page index in Azure Cosmos DB for NoSQL, which several machines share: an `Indexes`.

    index = await CosmosIndex.open(PagesConfig("https://….documents.azure.com"), embedder)

What one machine writes the others know within seconds: each follows the change feed of the entries, and keeps
the list of pages in memory (pages/index/cosmos_schema.py). How pages are written is in
pages/index/cosmos_pages.py, how they are searched in pages/index/cosmos.py, what lies in the container in
pages/index/cosmos_schema.py. The container is made by `askpage store init`, never by this.

A search in the shared page index: one hybrid query of Cosmos DB, which LangChain's vector store writes and
sends.

    SELECT …, VectorDistance(…) FROM c WHERE …
    ORDER BY RANK RRF(FullTextScore(…), VectorDistance(…)) OFFSET 0 LIMIT n

The store (`langchain-azure-cosmosdb`) is used for its query and for nothing else:

- its own opening makes databases and containers, which an identity's data role does not allow;
- it writes with new random ids or fails on known ones, in batches of 100 of any size, embeds all again and
  keeps what it was given in one property; replacing a page safely needs more (pages/index/cosmos.py);
- it waits without end: the caller bounds it;
- it takes conditions as text, so only our own words and hexadecimal digits go into them.

Its `TOP @limit` is documented, but that a number in a hybrid query may be a parameter is reported otherwise
for OFFSET and LIMIT; literal ones are documented and run in the SDK's own tests against the service, so it
gets those.
"""

# pyright: reportUnknownMemberType=false
# azure-cosmos types its options as Any.

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from azure.cosmos import PartitionKey
from langchain_azure_cosmosdb import AsyncAzureCosmosDBNoSqlVectorSearch
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from core.cosmos_client import PARTITION, Charges, Connected, CosmosContainer
from core.readers import Readers
from core.records import Hit, Page, Passage
from pages.index.base import IndexUnavailable, PageEntry
from pages.index.chunking import build_search_text
from pages.index.cosmos_pages import Pace, Pages
from pages.index.cosmos_schema import (
    ENTRIES,
    ERRORS,
    PagesConfig,
    Row,
    Table,
    compute_page_key,
    full_text_policy,
    indexing_policy,
    vector_policy,
)
from pages.index.embeddings import Embeds, Vectors, best, spans
from pages.index.ranking import Ranking, WordIndex, embed_question, to_keywords, to_question_terms, to_terms
from pages.readers import ReaderRules

log = logging.getLogger(__name__)

_LOOKS = 3
"""How often a search asks for more where much of what it found is not to be shown."""

SEARCH = "hybrid search"
"""What a search's request charge is counted under."""
_MOST_WORDS = 30
"""Words of a question that are looked for: each costs, and a question hardly has more."""
_MOST_CLOSED = 5_000
"""So many closed pages are named in a query, which may have half a megabyte; more are left out afterwards."""
_ALWAYS_THERE = ("text", "url", "heading", "pk", "generation")
_SHOWN = (*_ALWAYS_THERE, "sentences")


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as the container has it; `key` and `generation` say of which version of which page.

    `sentences` is a block of pages/index/embeddings.py, an empty one of a passage that was kept before there
    were any.
    """

    text: str
    url: str
    heading: str
    key: str
    generation: str
    sentences: bytes
    similarity: float


class HybridSearch:
    """Finds passages by words and meaning."""

    def __init__(self, connected: Connected, charges: Charges) -> None:
        """The client stays its owner's to close; what a search costs is counted in `charges`."""
        self._store = AsyncAzureCosmosDBNoSqlVectorSearch(
            cosmos_client=connected.client,
            database=connected.database,
            container=connected.container,
            embedding=_Embeddings(),
            vector_embedding_policy=vector_policy(),
            indexing_policy=indexing_policy(),
            full_text_policy=full_text_policy(),
            cosmos_container_properties={"partition_key": PartitionKey(PARTITION)},
            cosmos_database_properties={},
            vector_search_fields={"text_field": "text", "embedding_field": "vector"},
            create_container=False,
            full_text_search_enabled=True,
            request_charge_callback=lambda cost: charges.add(SEARCH, cost.request_charge, cost.request_count),
        )

    async def find(self, question: str, vector: Vectors, where: str, limit: int) -> Sequence[Found]:
        """Return what is nearest of the passages that a condition on `c` chooses, nearest first.

        `vector` is the question's.

        A question without a word that could be looked for is compared by its meaning alone.
        """
        words = " ".join(to_keywords(question)[:_MOST_WORDS])
        _asked.set(vector)
        try:
            found = await self._nearest(question, words, where, limit, _SHOWN)
        except KeyError:  # the store takes no items that lack something: some are older than sentences
            found = await self._nearest(question, words, where, limit, _ALWAYS_THERE)
        return [_parse_found(document.page_content, document.metadata, score) for document, score in found]

    async def _nearest(
        self, question: str, words: str, where: str, limit: int, shown: Sequence[str]
    ) -> list[tuple[Document, float]]:
        return await self._store.asimilarity_search_with_score(
            question,
            k=limit,
            search_type="hybrid" if words else "vector",
            where=where,
            offset_limit=f"OFFSET 0 LIMIT {limit:d}",
            projection_mapping={name: name for name in shown},
            full_text_rank_filter=[{"search_field": "searched", "search_text": words}] if words else None,
        )


_asked: ContextVar[Vectors] = ContextVar("the vector of the question that this task asks")


class _Embeddings(Embeddings):
    """What the store embeds a question with: it has been embedded already."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise TypeError("passages are written with the vectors that they have, never through this store")

    def embed_query(self, text: str) -> list[float]:
        return [float(number) for number in _asked.get()]

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def _parse_found(text: str, shown: dict[str, Any], similarity: float) -> Found:
    return Found(
        text,
        shown["url"],
        shown["heading"],
        shown["pk"],
        shown["generation"],
        base64.b64decode(shown.get("sentences", "")),
        similarity=float(similarity),
    )


class CosmosIndex:
    """See the module. `open` it, `close` it; it belongs to one event loop."""

    shared = True

    def __init__(
        self,
        items: CosmosContainer,
        search: HybridSearch,
        embedder: Embeds,
        passage_tokens: int,
        pace: Pace,
        rules: ReaderRules,
    ) -> None:
        self._rules = rules
        self._restricted: tuple[int, Mapping[str, Readers]] = (-1, {})
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
        cls,
        config: PagesConfig,
        embedder: Embeds,
        *,
        passage_tokens: int = 180,
        pace: Pace | None = None,
        rules: ReaderRules | None = None,
    ) -> CosmosIndex:
        """Connect, and learn which pages there are. Raises IndexUnavailable.

        Pages that were made with another embedder are not found, and those that were cut in another way are
        found as they are, until their source is read again.
        """
        async with AsyncExitStack() as closing:
            items = CosmosContainer(config, ERRORS)
            closing.push_async_callback(items.close)
            search = HybridSearch(await items.open(), items.charges)
            index = cls(items, search, embedder, passage_tokens, pace or Pace(), rules or ReaderRules())
            await index._follow()
            for name, work in (("follow", index._follow), ("tidy", index._pages.tidy)):
                running = asyncio.create_task(index._again(work), name=f"{name} the page index")
                closing.push_async_callback(_stop, running)
            index._closing = closing.pop_all()
        return index

    @property
    def charges(self) -> Charges:
        """What the operations have cost so far."""
        return self._items.charges

    async def close(self) -> None:
        """Stop following, and let go of the connections."""
        await self._closing.aclose()

    def entry(self, url: str) -> PageEntry | None:
        """Return what this machine knows of a page."""
        row = self._table.row(compute_page_key(url))
        return None if row is None else self._entry(row)

    def entries(self) -> list[PageEntry]:
        """Return the pages that this machine knows, by URL."""
        return [self._entry(row) for row in self._table.rows()]

    def _entry(self, row: Row) -> PageEntry:
        return replace(row.entry, readers=self._readers(row))

    def _readers(self, row: Row) -> Readers:
        entry = row.entry
        return self._rules.narrow(entry.readers, entry.url, entry.source)

    def restricted(self) -> Mapping[str, Readers]:
        """See `Indexes.restricted`; a removed page is remembered as long as its entry is."""
        changes, found = self._restricted
        if changes != self._table.changes:
            changes = self._table.changes
            every = ((row.entry.url, self._readers(row)) for row in self._table.every_row())
            now = {url: readers for url, readers in every if readers.restricted}
            found = found if now == found else now
            self._restricted = (changes, found)
        return found

    async def page(self, url: str) -> Page | None:
        """Return a page, or None."""
        for _ in range(2):
            row = self._table.row(compute_page_key(url))
            if row is None:
                return None
            page = await self._pages.read(row)
            if page is not None:
                return replace(page, readers=self._readers(row))
            await self._follow()
        return None

    async def add(self, page: Page, *, source: str | None) -> bool:
        """See `Indexes.add`."""
        return await self._pages.add(page, source)

    async def touch(
        self,
        url: str,
        *,
        source: str | None,
        fetched_at: datetime,
        readers: Readers | None = None,
        etag: str | None = None,
    ) -> None:
        """See `Indexes.touch`."""
        await self._pages.touch(url, source, fetched_at, readers, etag)

    async def remove(self, url: str) -> bool:
        """See `Indexes.remove`."""
        return await self._pages.remove(url)

    async def search(
        self, question: str, *, limit: int, page_url: str | None = None, audience: Collection[str] = ()
    ) -> list[Hit]:
        """See `Indexes.search`. The service fuses words and meaning and does not tell its BM25 scores.

        So those of a hit come from the candidates alone: which of the question's words are rare among them.
        What is current is decided before: what is called current then is whole until long after the search.
        So is what the audience may read: the service leaves out other pages before it ranks, and so do we.
        """
        await self._be_current()
        closed = {compute_page_key(url) for url, one in self.restricted().items() if not one.allow(audience)}
        rows = {key: row for key, row in self._table.as_it_is().items() if key not in closed}
        page = None if page_url is None else rows.get(compute_page_key(page_url))
        if not rows or limit < 1 or (page_url is not None and page is None):
            return []
        where = self._where(page, sorted(closed)[:_MOST_CLOSED])
        vector = await asyncio.to_thread(embed_question, self._embedder, question, self._ranking.part)
        candidates: list[tuple[Found, Row]] = []
        wanted = max(2 * limit + 10, self._ranking.candidates + 10)
        for _ in range(_LOOKS):
            found = await self._items.run_bounded(
                SEARCH, partial(self._search.find, question, vector, where, wanted)
            )
            candidates = _current(found, rows)
            if len(candidates) >= limit or len(found) < wanted:
                break
            wanted *= 4
        most = max(limit, self._ranking.candidates)
        return await asyncio.to_thread(self._rank_candidates, candidates[:most], question, vector, limit)

    def _rank_candidates(
        self, candidates: Sequence[tuple[Found, Row]], question: str, vector: Vectors, limit: int
    ) -> list[Hit]:
        texts = [build_search_text(row.entry.title, one.heading, one.text) for one, row in candidates]
        words = WordIndex([to_terms(text) for text in texts]).scores(to_question_terms(question))
        meaning = np.array([one.similarity for one, _ in candidates], np.float32)
        sentences = [spans(one.sentences, vector) for one, _ in candidates]
        nearest = [best(found, one.similarity) for found, (one, _) in zip(sentences, candidates, strict=True)]
        scores = self._ranking.sum(words, meaning, np.array(nearest, np.float32))
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return [
            Hit(
                _passage(*candidates[at], self._readers(candidates[at][1])),
                float(scores[at]),
                float(meaning[at]),
                float(words[at]),
                sentences[at],
            )
            for at in order[:limit]
        ]

    async def overwrite(self) -> None:
        """Nothing is left over here: the service overwrites by itself."""

    def writing_many(self) -> AbstractContextManager[None]:
        """The server's index follows by itself."""
        return nullcontext()

    def unfinished(self) -> list[str]:
        """Return none: pages are found as they are until their source is read again."""
        return []

    async def finish(self, url: str) -> None:
        """No page is kept without its passages."""

    async def warm(self) -> None:
        """Learn what has changed."""
        await self._follow()

    def _where(self, page: Row | None, closed: Sequence[str] = ()) -> str:
        """Return which passages are searched: of this page, or of all from sources but the closed ones."""
        which = f"c.kind = 'passage' AND c.embedder = '{self._pages.embedder_id}'"
        if page is None:
            keys = ", ".join(f"'{key}'" for key in closed)
            return f"{which} AND c.public = true" + (f" AND NOT (c.pk IN ({keys}))" if closed else "")
        return f"c.pk = '{page.key}' AND {which} AND c.generation = '{page.generation}'"

    async def _be_current(self) -> None:
        """Make sure that what the table calls current has not been deleted since."""
        if time.monotonic() - self._known_at > self._pace.stale_s:
            await self._follow()

    async def _follow(self) -> None:
        async with self._following:
            asked_at = time.monotonic()
            changes, self._place = await self._items.changes(self._place, ENTRIES)
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


def _passage(found: Found, row: Row, readers: Readers) -> Passage:
    return Passage(
        readers=readers,
        url=found.url,
        title=row.entry.title,
        heading=found.heading,
        text=found.text,
        page_hash=row.entry.page_hash,
        fetched_at=row.entry.fetched_at,
    )


async def _stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running])

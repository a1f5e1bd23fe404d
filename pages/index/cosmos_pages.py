"""Pages in the shared index.

Read, replaced and removed, while others do the same and any of them may be cut off. The passages of a page
are written under a new `generation`, and its entry, which says which generation is current, is written last.
Who searches shows passages of current generations only, so that a page is seen as it was or as it is: never a
part of it, never both. Generations never come back: what is written under one is the work of one writer.

What a writer would leave behind is noted before it can come to be: its own generation, until the entry names
it, and the one that it replaces. What is noted is deleted when it is due, by whichever machine is there then,
unless it is current: the replaced passages after `grace_s`, while which every machine has learnt of the
change, the passages of a write that was cut off after `abandoned_s`. A writer that takes half as long gives
up. The note of what is still current then stays, since a slow writer may be about to replace it, and is
looked at again after `abandoned_s`.

Of two machines that change a page at once, the entry's etag lets one through. The other looks again: the same
text needs nothing, a text that was fetched earlier gives way.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from core.cosmos_client import CosmosContainer, Item
from core.readers import Readers
from core.records import Page
from pages.index.base import IndexUnavailable, PageEntry
from pages.index.chunking import RECIPE, SearchablePassage, prepare_passages
from pages.index.cosmos_schema import (
    ENTRIES,
    FORGOTTEN_S,
    Leftover,
    Row,
    Table,
    compute_page_key,
    to_item,
    to_row,
)
from pages.index.embeddings import Embeds, Known, pack, unpack_known
from pages.sections import dump_section, load_sections

_ATTEMPTS = 5
_MOMENT = timedelta(minutes=1)
"""Between two readings of an unchanged page that are so close only the first one is noted."""
_PART = 400_000
"""Characters of a page's JSON in one item: writing them as JSON once more may double them."""
_PATIENCE_S = 120.0
"""How much longer than for their own a machine waits to delete what others left."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the shared index is looked at (`every_s`), and how long what is left over stays, seconds.

    Nothing is searched by a table that is older than `stale_s`; `grace_s` is several times longer. `now` is
    the clock.
    """

    every_s: float = 2.0
    stale_s: float = 10.0
    grace_s: float = 60.0
    abandoned_s: float = 600.0
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as the container has it; a removed page has a row, one that was never there has none."""

    row: Row | None
    etag: str | None

    @property
    def page(self) -> Row | None:
        """The row of a page that is there."""
        return None if self.row is None or self.row.removed else self.row


@dataclass(frozen=True, slots=True)
class Vectors:
    """What has been embedded: the vectors of passages by their text, and the sentences'."""

    passages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    sentences: Known = field(default_factory=dict[bytes, bytes])


class Pages:
    """Reads and writes pages; `table` learns of every change made here at once."""

    def __init__(
        self, items: CosmosContainer, table: Table, embedder: Embeds, passage_tokens: int, pace: Pace
    ) -> None:
        self._items = items
        self._table = table
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._pace = pace
        self._recipe = f"{RECIPE}: {embedder.name}, {passage_tokens}"
        self._mine: set[str] = set()
        self.embedder_id = hashlib.sha256(embedder.name.encode()).hexdigest()[:12]

    async def read(self, row: Row) -> Page | None:
        """Return the page of a row; None when it has been replaced for longer than its parts stay."""
        found = await self._items.query(
            "SELECT c.number, c.parts, c.body FROM c"
            " WHERE c.pk = @pk AND c.generation = @generation AND c.kind = 'body'",
            row.key,
            pk=row.key,
            generation=row.generation,
        )
        found.sort(key=lambda part: part["number"])
        if not found or len(found) != found[0]["parts"]:
            return None
        sections = json.loads("".join(part["body"] for part in found))
        entry = row.entry
        return Page(
            url=entry.url,
            title=entry.title,
            sections=load_sections(sections),
            page_hash=entry.page_hash,
            fetched_at=entry.fetched_at,
            etag=entry.etag,
            readers=entry.readers,
            label=entry.label,
        )

    async def add(self, page: Page, source: str | None) -> bool:
        """See `Indexes.add`."""
        vectors = Vectors()
        for attempt in range(_ATTEMPTS):
            kept = await self._look(page.url)
            if attempt and kept.page is not None and kept.page.entry.fetched_at > page.fetched_at:
                return False
            if kept.page is not None and self._is_kept(kept.page, page.page_hash, source):
                own = page if source is not None else kept.page.entry
                now = kept.page.like(fetched_at=page.fetched_at, etag=page.etag, readers=own.readers)
                await self._note(kept, now.like(label=own.label))
                return False
            if await self._replace(page, source, kept, vectors):
                return kept.page is None or kept.page.entry.page_hash != page.page_hash
        raise _too_many(page.url)

    async def touch(
        self,
        url: str,
        source: str | None,
        fetched_at: datetime,
        readers: Readers | None = None,
        etag: str | None = None,
    ) -> None:
        """See `Indexes.touch`."""
        kept = await self._look(url)
        row = kept.page
        if row is None:
            return
        said = row.entry.readers if readers is None or source is None else readers
        if self._is_kept(row, row.entry.page_hash, source):
            called = row.entry.etag if etag is None else etag
            await self._note(kept, row.like(fetched_at=fetched_at, readers=said, etag=called))
            return
        page = await self.read(row)
        if page is not None:
            called = page.etag if etag is None else etag
            await self.add(replace(page, fetched_at=fetched_at, readers=said, etag=called), source)

    async def remove(self, url: str) -> bool:
        """See `Indexes.remove`."""
        for _ in range(_ATTEMPTS):
            kept = await self._look(url)
            if kept.page is None:
                return False
            await self._leave(kept.page.key, kept.page.generation, self._pace.grace_s)
            if await self._put(kept, replace(kept.page, generation="")):
                return True
        raise _too_many(url)

    async def tidy(self) -> None:
        """Delete what is left over and due."""
        now = self._pace.now()
        for leftover in list(self._table.leftovers.values()):
            patience = 0.0 if leftover.id in self._mine else _PATIENCE_S
            if leftover.due + patience <= now:
                await self._delete(leftover)

    def _is_kept(self, row: Row, page_hash: str, source: str | None) -> bool:
        """Tell whether a page's passages can stay as they are."""
        public = row.entry.source is not None or source is None  # or it becomes so now
        return public and row.entry.page_hash == page_hash and row.recipe == self._recipe

    async def _look(self, url: str) -> Kept:
        item = await self._items.read(ENTRIES, compute_page_key(url))
        if item is None:
            return Kept(None, None)
        row = to_row(item)
        self._table.put(row)
        return Kept(row, item["_etag"])

    async def _note(self, kept: Kept, row: Row) -> None:
        before = kept.page
        assert before is not None  # noqa: S101
        moment = abs(row.entry.fetched_at - before.entry.fetched_at) < _MOMENT
        same = _list_facts(row.entry) == _list_facts(before.entry)
        if not (moment and same):
            await self._put(kept, row)  # who was faster has looked at the page just now, too

    async def _put(self, kept: Kept, row: Row) -> bool:
        """Write an entry over the one that was looked at; False when another one is there."""
        before = kept.row.written if kept.row is not None else 0
        row = replace(row, written=max(time.time_ns() // 1000, before + 1))
        item = to_item(row, pk=ENTRIES, ttl=FORGOTTEN_S if row.removed else -1)
        if not await (
            self._items.create(item) if kept.etag is None else self._items.replace(item, kept.etag)
        ):
            return False
        self._table.put(row)
        return True

    async def _replace(self, page: Page, source: str | None, kept: Kept, vectors: Vectors) -> bool:
        """Write a page and make it current; False when another writer was faster."""
        before = kept.page
        passages = await asyncio.to_thread(
            prepare_passages, page, self._embedder.count_tokens, self._passage_tokens
        )
        blocks = await self._embed(passages, before, vectors)
        named = source is not None
        source = source if named or before is None else before.entry.source
        own = page if named or kept.row is None else kept.row.entry  # also if removed
        facts = (page.url, page.title, page.page_hash, page.fetched_at, len(passages), source, page.etag)
        entry = PageEntry(*facts, own.readers, own.label)
        row = Row(entry, f"{compute_page_key(page.page_hash)[:16]}-{secrets.token_hex(4)}", self._recipe, 0)
        began = time.monotonic()
        mine = await self._leave(row.key, row.generation, self._pace.abandoned_s)
        await self._items.create_all(
            row.key, [*self._passage_items(row, passages, vectors, blocks), *_bodies(row, page)]
        )
        if before is not None:
            await self._leave(before.key, before.generation, self._pace.grace_s)
        if time.monotonic() - began > self._pace.abandoned_s / 2:
            raise IndexUnavailable(f"Writing the page {page.url} took too long.")
        if not await self._put(kept, row):
            return False
        await self._drop(mine)
        return True

    async def _embed(
        self, passages: Sequence[SearchablePassage], before: Row | None, vectors: Vectors
    ) -> list[bytes]:
        """Fill `vectors`, and return the sentences of each; embed only what the page did not say before."""
        if before is not None and before.recipe == self._recipe:
            known = await self._items.query(
                "SELECT c.searched, c.vector, c.sentences FROM c"
                " WHERE c.pk = @pk AND c.generation = @generation AND c.kind = 'passage'",
                before.key,
                pk=before.key,
                generation=before.generation,
            )
            vectors.passages.update((item["searched"], item["vector"]) for item in known)
            vectors.sentences.update(unpack_known(base64.b64decode(item["sentences"]) for item in known))
        new = [text for text in dict.fromkeys(one.text for one in passages) if text not in vectors.passages]
        if new:
            found = await asyncio.to_thread(self._embedder.embed, new)
            for text, vector in zip(new, found, strict=True):
                vectors.passages[text] = [round(float(number), 7) for number in vector]
        return await asyncio.to_thread(
            pack, [one.sentences for one in passages], vectors.sentences, self._embedder
        )

    def _passage_items(
        self, row: Row, passages: Sequence[SearchablePassage], vectors: Vectors, blocks: Sequence[bytes]
    ) -> list[Item]:
        return [
            {
                **_build_item_base(row, "passage", number),
                "public": row.entry.source is not None,
                "embedder": self.embedder_id,
                "searched": one.text,
                "text": one.passage.text,
                "url": one.passage.url,
                "heading": one.passage.heading,
                "vector": vectors.passages[one.text],
                "sentences": base64.b64encode(block).decode(),
            }
            for number, (one, block) in enumerate(zip(passages, blocks, strict=True))
        ]

    async def _leave(self, key: str, generation: str, after_s: float) -> Leftover:
        """Note that passages are left over then, unless they are current."""
        leftover = Leftover(key, generation, self._pace.now() + after_s)
        await self._items.upsert(
            {
                "id": leftover.id,
                "pk": ENTRIES,
                "kind": "leftover",
                "of": key,
                "generation": generation,
                "due": leftover.due,
                "mark": leftover.mark,
                "ttl": FORGOTTEN_S,
            }
        )
        self._mine.add(leftover.id)
        self._table.leftovers[leftover.id] = leftover
        return leftover

    async def _delete(self, leftover: Leftover) -> None:
        entry = await self._items.read(ENTRIES, leftover.key)
        if entry is not None and entry["generation"] == leftover.generation:
            again = self._pace.now() + self._pace.abandoned_s
            self._table.leftovers[leftover.id] = replace(leftover, due=again)
            return
        found = await self._items.query(
            "SELECT c.id FROM c WHERE c.pk = @pk AND c.generation = @generation",
            leftover.key,
            pk=leftover.key,
            generation=leftover.generation,
        )
        await self._items.together([partial(self._items.delete, leftover.key, item["id"]) for item in found])
        await self._drop(leftover)

    async def _drop(self, leftover: Leftover) -> None:
        await self._items.delete(ENTRIES, leftover.id)
        self._table.leftovers.pop(leftover.id, None)
        self._mine.discard(leftover.id)


def _bodies(row: Row, page: Page) -> list[Item]:
    text = json.dumps([dump_section(one) for one in page.sections])
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
    return [
        {**_build_item_base(row, "body", number), "parts": len(parts), "body": part}
        for number, part in enumerate(parts)
    ]


def _build_item_base(row: Row, kind: str, number: int) -> Item:
    return {
        "id": f"{row.generation}.{kind}.{number:05d}",
        "pk": row.key,
        "kind": kind,
        "generation": row.generation,
        "number": number,
    }


def _too_many(url: str) -> IndexUnavailable:
    return IndexUnavailable(f"The page {url} is being changed by others all the time.")


def _list_facts(entry: PageEntry) -> tuple[object, ...]:
    """Return what may change of a page whose text does not."""
    return entry.etag, entry.readers, entry.label

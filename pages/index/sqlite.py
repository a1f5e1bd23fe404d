"""The page index of one machine (`Indexes`): one SQLite file of passages, searched from memory.

    await FileIndex.open(folder, embedder) ─ add(page) ─ search(question, limit=2) → [Hit, ...]

The file is the truth; every process keeps what searching needs (vectors and words) in memory and takes over
what another process wrote before its next search. Work on the file runs in threads; the look-ups `entry` and
`entries` are short enough to wait for.

    IndexUnavailable   the file is damaged, locked, newer than this program, or the disk is full; the message
                       says which

A page without a source was pasted by somebody: it answers questions about itself, and no others. Who may
read a page is kept as its source says; the rules of the settings are applied at each look, so that a new rule
holds at once.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import wraps
from itertools import islice
from pathlib import Path
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from core.readers import Readers
from core.records import Hit, Page, Passage, Span
from pages.index.base import PageEntry
from pages.index.chunking import RECIPE, SearchablePassage, prepare_passages
from pages.index.embeddings import Embeds, Vectors, best, pack, spans, unpack_known
from pages.index.ranking import Ranking, embed_question, to_question_terms
from pages.index.snapshot import IndexChanges, IndexSnapshot, Scope
from pages.index.sqlite_schema import (
    connect,
    dump_readers,
    dump_sections,
    explain_errors,
    load_readers,
    parse_entry,
    parse_page,
)
from pages.readers import ReaderRules

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
log = logging.getLogger(__name__)

_LOOKS = 3
"""How often a search begins anew because a page that it found was replaced, before it makes the writers
wait."""

_LATE_S = 2.0
"""While many pages are written, the memory of all pages is built anew this often, seconds; at least ten times
what it takes, beside the writing. Searches meanwhile take one up to four times as old."""

_AT_ONCE = 500
"""Passages whose sentences are read with one statement; SQLite takes a bounded number of values."""

_ENTRIES = (
    "SELECT p.url, p.title, p.page_hash, p.fetched_at, p.source, p.etag, p.readers, p.label,"
    " (SELECT count(*) FROM passages WHERE page_id = p.id) AS passages FROM pages p"
)


def _in_thread(
    method: Callable[Concatenate[Any, _Given], _Result],
) -> Callable[Concatenate[Any, _Given], CoroutineType[Any, Any, _Result]]:
    """Make a method that blocks one that is awaited while a thread runs it."""

    @wraps(method)
    async def run(self: Any, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        return await asyncio.to_thread(method, self, *args, **kwargs)

    return run


class FileIndex:
    """See the module. `open` it, `close` it."""

    shared = False

    def __init__(
        self,
        connection: sqlite3.Connection,
        embedder: Embeds,
        passage_tokens: int,
        ranking: Ranking,
        rules: ReaderRules,
    ) -> None:
        self._rules = rules
        self._restricted: tuple[str, Mapping[str, Readers]] = ("", {})
        self._connection = connection
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._ranking = ranking
        self._lock = threading.RLock()  # around the connection
        self._loading = threading.Lock()  # around the replacement of the memory; never taken inside _lock
        self._memory = IndexSnapshot.empty()
        self._built_at, self._took_s = float("-inf"), 0.0
        self._writing_many = 0

    @classmethod
    async def open(
        cls,
        folder: Path,
        embedder: Embeds,
        *,
        passage_tokens: int = 180,
        ranking: Ranking | None = None,
        rules: ReaderRules | None = None,
        finished: bool = True,
    ) -> FileIndex:
        """Open the index in a folder, or begin one. Raises IndexUnavailable.

        `passage_tokens` is the longest passage, in word pieces of the embedder. An index that was made with
        another embedder or another length is made anew from the pages it holds, which takes a while; unless
        it is to be `finished`, whoever opens it does that later, page by page. `rules` narrow who may read a
        page.
        """
        connection = await asyncio.to_thread(connect, folder / "index.sqlite3")
        index = cls(connection, embedder, passage_tokens, ranking or Ranking(), rules or ReaderRules())
        await asyncio.to_thread(index._follow_recipe)
        if finished:
            for url in await asyncio.to_thread(index.unfinished):
                await index.finish(url)
        return index

    async def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @_in_thread
    def add(self, page: Page, *, source: str | None) -> bool:
        """Keep a page in place of what was known under its URL; True when its text is new or changed.

        Unchanged text costs nothing; of a changed page, only changed passages are embedded. A page that a
        source named does not become a pasted one when somebody pastes its address.
        """
        known = self._find_row(page.url)
        if known is not None and known["page_hash"] == page.page_hash:
            self._note_unchanged(known, source, page.fetched_at, page.etag, page.readers)
            if source is not None:
                self._note_looks(known, page)
            return False
        self._write(page, source)
        return True

    def _note_looks(self, known: sqlite3.Row, page: Page) -> None:
        """Note what is no part of a page's text: its label, the levels of its headings, its links."""
        sections = dump_sections(page)
        if (page.label, sections) != (known["label"], known["sections"]):
            with self._transaction() as connection:
                connection.execute(
                    "UPDATE pages SET label = ?, sections = ? WHERE url = ?", (page.label, sections, page.url)
                )

    def _note_unchanged(
        self,
        known: sqlite3.Row,
        source: str | None,
        fetched_at: datetime,
        etag: str | None,
        readers: Readers | None,
    ) -> None:
        kept = known["readers"] if readers is None or source is None else dump_readers(readers)
        with self._transaction():
            self._connection.execute(
                "UPDATE pages SET fetched_at = ?, etag = ?, source = coalesce(?, source), readers = ?"
                " WHERE url = ?",
                (fetched_at.isoformat(), etag, source, kept, known["url"]),
            )
            if kept != known["readers"] or (known["source"] is None and source is not None):
                self._count_change()

    @_in_thread
    def touch(
        self,
        url: str,
        *,
        source: str | None,
        fetched_at: datetime,
        readers: Readers | None = None,
        etag: str | None = None,
    ) -> None:
        """Note that a known page was found unchanged, by this source or (None) by somebody who pasted it."""
        row = self._find_row(url)
        if row is not None:
            kept = row["etag"] if etag is None else etag
            self._note_unchanged(row, source, fetched_at, kept, readers)

    def restricted(self) -> Mapping[str, Readers]:
        """Return who may read the pages that not everyone may read; removed ones are closed as they were."""
        changes = self._count_changes()
        known, found = self._restricted
        if known != changes or not changes:
            rows = self._all(
                "SELECT url, source, readers FROM pages UNION ALL SELECT url, NULL, readers FROM closed"
            )
            every = ((row["url"], self._readers(row)) for row in rows)  # of a page, what was closed is last
            now = {url: readers for url, readers in every if readers.restricted}
            found = found if now == found else now
            self._restricted = (changes, found)
        return found

    def _readers(self, row: sqlite3.Row) -> Readers:
        """Return who may read a page, by its source and by the rules."""
        return self._rules.narrow(load_readers(row["readers"]), row["url"], row["source"])

    def _count_changes(self) -> str:
        rows = self._all("SELECT value FROM facts WHERE name = 'changes'")
        return str(rows[0]["value"]) if rows else ""

    @_in_thread
    def remove(self, url: str) -> bool:
        """Forget a page; False when it was not known."""
        with self._transaction():
            row = self._find_row(url)
            if row is not None and (readers := self._readers(row)).restricted:
                self._connection.execute(
                    "INSERT OR REPLACE INTO closed VALUES (?, ?)", (url, dump_readers(readers))
                )
            removed = self._connection.execute("DELETE FROM pages WHERE url = ?", (url,)).rowcount > 0
            if removed:
                self._count_change()
        return removed

    @_in_thread
    def overwrite(self) -> None:
        """Carry the write-ahead log over into the file, and empty it: it still holds what was forgotten."""
        with self._lock, explain_errors():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @_in_thread
    def page(self, url: str) -> Page | None:
        """Return the page with this URL (without a fragment), or None."""
        row = self._find_row(url)
        return None if row is None else replace(parse_page(row), readers=self._readers(row))

    def entry(self, url: str) -> PageEntry | None:
        """Return what is known of a page, without its text."""
        return next((self._entry(row) for row in self._all(f"{_ENTRIES} WHERE p.url = ?", (url,))), None)

    def entries(self) -> list[PageEntry]:
        """Return all pages, by URL."""
        return [self._entry(row) for row in self._all(f"{_ENTRIES} ORDER BY p.url")]

    def _entry(self, row: sqlite3.Row) -> PageEntry:
        return replace(parse_entry(row), readers=self._readers(row))

    @_in_thread
    def search(
        self, question: str, *, limit: int, page_url: str | None = None, audience: Collection[str] = ()
    ) -> list[Hit]:
        """Return the passages nearest to a question, of one page or of all that a source named.

        The same text is returned once, however many pages have it. What an audience may not read is neither
        ranked nor weighed.
        """
        for look in range(_LOOKS):
            memory = self._current() if look or page_url else self._recent() or self._current()
            hits = self._hits(memory.scope(page_url, audience), memory, question, limit)
            if hits is not None:
                return self._still_open(hits, audience)
        # Others write faster than we look. In one transaction nothing changes under us; it comes last, since
        # whoever writes or searches in this process waits for it.
        with self._loading, self._transaction("BEGIN"):
            memory = self._update_memory(self._read_changes(self._memory))
            return self._hits(memory.scope(page_url, audience), memory, question, limit) or []

    def _still_open(self, hits: list[Hit], audience: Collection[str]) -> list[Hit]:
        """Leave out what was closed since: while many pages are written the memory is some seconds old."""
        return [hit for hit in hits if hit.passage.readers.allow(audience)]

    def _hits(self, scope: Scope, memory: IndexSnapshot, question: str, limit: int) -> list[Hit] | None:
        """Return what is nearest; None when a page was replaced meanwhile: half of it is not shown."""
        if not scope.rows.size or limit < 1:
            return []
        if self._ranking.corrects:
            question = scope.spelling.correct_question(
                question, lambda word: self._embedder.count_tokens(word) == 1
            )
        vector = embed_question(self._embedder, question, self._ranking.part)
        meaning = scope.compare(vector)
        words = scope.words.scores(to_question_terms(question))[scope.places]
        fused = self._ranking.fuse(words, meaning)
        order = _different(memory, scope, np.argsort(-fused, kind="stable").tolist())
        places = list(islice(order, max(limit, self._ranking.candidates)))
        sentences = self._spans([int(memory.ids[scope.rows[place]]) for place in places], vector)
        if sentences is None:
            return None
        scores = fused[places]
        if self._ranking.candidates:
            nearest = [best(found, meaning[place]) for place, found in zip(places, sentences, strict=True)]
            scores = self._ranking.sum(words[places], meaning[places], np.array(nearest, np.float32))
        nearest_first: list[int] = np.argsort(-scores, kind="stable").tolist()
        hits: list[Hit] = []
        for at in nearest_first[:limit]:
            place = places[at]
            passage = self._passage(int(memory.ids[scope.rows[place]]))
            if passage is None:
                return None
            hits.append(
                Hit(passage, float(scores[at]), float(meaning[place]), float(words[place]), sentences[at])
            )
        return hits

    def _spans(self, passage_ids: Sequence[int], question: Vectors) -> list[tuple[Span, ...]] | None:
        """Return the sentences of passages; None when one of them is gone."""
        found: dict[int, bytes] = {}
        for at in range(0, len(passage_ids), _AT_ONCE):
            some = passage_ids[at : at + _AT_ONCE]
            rows = self._all(
                f"SELECT id, sentences FROM passages WHERE id IN ({', '.join('?' * len(some))})",  # noqa: S608 - marks
                tuple(some),
            )
            found.update((row["id"], row["sentences"]) for row in rows)
        if len(found) < len(passage_ids):
            return None
        return [spans(found[one], question) for one in passage_ids]

    @contextmanager
    def writing_many(self) -> Generator[None]:
        """Let searches of all pages see what is written in the block some seconds late."""
        self._writing_many += 1
        try:
            yield
        finally:
            self._writing_many -= 1

    @_in_thread
    def warm(self) -> None:
        """Load what searching needs, so that the next search is not the one that waits for it."""
        self._current().scope(None)

    def _write(self, page: Page, source: str | None) -> None:
        found = prepare_passages(page, self._embedder.count_tokens, self._passage_tokens)
        vectors = self._embed_passages(page.url, [one.text for one in found])
        blocks = self._embed_sentences(page.url, found)
        sections = dump_sections(page)
        with self._transaction() as connection:
            known = self._find_row(page.url)
            connection.execute("DELETE FROM pages WHERE url = ?", (page.url,))
            page_id = connection.execute(
                "INSERT INTO pages (url, title, sections, page_hash, fetched_at, etag, source, readers,"
                " label) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    page.url,
                    page.title,
                    sections,
                    page.page_hash,
                    page.fetched_at.isoformat(),
                    page.etag,
                    source if known is None or source is not None else known["source"],
                    dump_readers(page.readers) if known is None or source is not None else known["readers"],
                    page.label if known is None or source is not None else known["label"],
                ),
            ).lastrowid
            connection.execute("DELETE FROM closed WHERE url = ? AND ? IS NOT NULL", (page.url, source))
            connection.executemany(
                "INSERT INTO passages (page_id, url, heading, text, searched, vector, sentences)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        page_id,
                        one.passage.url,
                        one.passage.heading,
                        one.passage.text,
                        one.text,
                        vector.astype("<f2").tobytes(),
                        block,
                    )
                    for one, vector, block in zip(found, vectors, blocks, strict=True)
                ],
            )
            self._count_change()
        if self._writing_many and self._recent(1) is None:
            self._current()

    def _embed_passages(self, url: str, searched: list[str]) -> list[Vectors]:
        """Embed what the page did not say before."""
        rows = self._all(
            "SELECT searched, vector FROM passages WHERE page_id = (SELECT id FROM pages WHERE url = ?)",
            (url,),
        )
        known: dict[str, Vectors] = {
            row["searched"]: np.frombuffer(row["vector"], "<f2").astype(np.float32) for row in rows
        }
        new = [text for text in dict.fromkeys(searched) if text not in known]
        if new:
            known.update(zip(new, self._embedder.embed(new), strict=True))
        return [known[text] for text in searched]

    def _embed_sentences(self, url: str, found: Sequence[SearchablePassage]) -> list[bytes]:
        """Embed the sentences that the page did not have before."""
        rows = self._all(
            "SELECT sentences FROM passages WHERE page_id = (SELECT id FROM pages WHERE url = ?)", (url,)
        )
        known = unpack_known(row["sentences"] for row in rows)
        return pack([one.sentences for one in found], known, self._embedder)

    def _follow_recipe(self) -> None:
        """Drop all passages when they were made in another way; their pages are unfinished then."""
        recipe = f"{RECIPE}: {self._embedder.name}, {self._passage_tokens}"
        rows = self._all("SELECT value FROM facts WHERE name = 'recipe'")
        if rows and rows[0]["value"] == recipe:
            return
        with self._transaction() as connection:
            connection.execute("DELETE FROM passages")
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('recipe', ?)", (recipe,))
            self._count_change()
        if pages := len(self.unfinished()):
            log.warning("the page index was made in another way: reading its %d pages again", pages)

    def unfinished(self) -> list[str]:
        """Return the pages without passages, by URL."""
        without = "NOT EXISTS (SELECT 1 FROM passages WHERE page_id = pages.id)"
        return [row["url"] for row in self._all(f"SELECT url FROM pages WHERE {without} ORDER BY url")]  # noqa: S608 - ours

    @_in_thread
    def finish(self, url: str) -> None:
        """Cut and embed a page again."""
        row = self._find_row(url)
        if row is not None:
            self._write(parse_page(row), row["source"])

    def _current(self) -> IndexSnapshot:
        """Return what is searched, brought up to date with what this and other processes wrote."""
        with self._loading:
            with self._transaction("BEGIN"):
                changed = self._read_changes(self._memory)
            return self._update_memory(changed)

    def _recent(self, times: int = 4) -> IndexSnapshot | None:
        """Return the memory as it is while many pages are written, None for one that is too old."""
        age_s = time.monotonic() - self._built_at
        late_s = times * max(_LATE_S, 10 * self._took_s)
        return self._memory if self._writing_many and self._memory.ids.size and age_s < late_s else None

    def _update_memory(self, changed: IndexChanges | None) -> IndexSnapshot:
        """Take what was changed into the memory; `_loading` is held."""
        began = time.monotonic()
        if changed is not None:
            memory = self._memory.apply_changes(changed)
            if self._writing_many:  # before anybody searches it
                memory.scope(None)
            self._memory, self._took_s = memory, time.monotonic() - began
        self._built_at = time.monotonic()
        return self._memory

    def _read_changes(self, memory: IndexSnapshot) -> IndexChanges | None:
        """Read what was changed, in a transaction that is open."""
        changes = self._count_changes()
        if changes == memory.changes:
            return None
        pages = self._all("SELECT id, url, source, readers FROM pages")
        named = (row for row in pages if self._rules or row["readers"] is not None)
        readers = {row["id"]: self._readers(row) for row in named}
        return IndexChanges(
            changes,
            pages=pages,
            readers={page_id: one for page_id, one in readers.items() if one.restricted},
            passages=self._all("SELECT id, page_id FROM passages ORDER BY id"),
            new=self._all(
                "SELECT searched, text, vector FROM passages WHERE id > ? ORDER BY id", (memory.newest,)
            ),
        )

    def _passage(self, passage_id: int) -> Passage | None:
        rows = self._all(
            "SELECT s.url AS place, p.url, p.source, p.readers, p.title, s.heading, s.text, p.page_hash,"
            " p.fetched_at FROM passages s JOIN pages p ON p.id = s.page_id WHERE s.id = ?",
            (passage_id,),
        )
        for row in rows:
            return Passage(
                url=row["place"],
                title=row["title"],
                heading=row["heading"],
                text=row["text"],
                page_hash=row["page_hash"],
                fetched_at=datetime.fromisoformat(row["fetched_at"]),
                readers=self._readers(row),
            )
        return None

    def _find_row(self, url: str) -> sqlite3.Row | None:
        rows = self._all("SELECT * FROM pages WHERE url = ?", (url,))
        return rows[0] if rows else None

    def _all(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        with self._lock, explain_errors():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Generator[sqlite3.Connection]:
        with self._lock, explain_errors():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _count_change(self) -> None:
        self._connection.execute(
            "INSERT INTO facts VALUES ('changes', '1') ON CONFLICT DO UPDATE SET value = CAST(value AS "
            "INTEGER) + 1"
        )


def _different(memory: IndexSnapshot, scope: Scope, places: Iterable[int]) -> Iterator[int]:
    """Yield places whose text has not come before: the same passage may stand on many pages."""
    seen: set[int] = set()
    for place in places:
        text = memory.texts[int(scope.rows[place])]
        if text not in seen:
            seen.add(text)
            yield place

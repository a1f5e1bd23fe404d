"""Snapshot of the page index in memory, for searching: never changed, only replaced."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.bounded_dict import BoundedDict
from core.readers import Readers
from pages.index.embeddings import DIMENSIONS, Vectors
from pages.index.postings import Postings, SeenSpelling, SeenWords
from pages.index.ranking import Spelling, WordIndex, to_terms, vocabulary

Rows = NDArray[np.int64]
"""Numbers of passages in a Memory, ascending."""
_AUDIENCES = 64
"""So many choices of pages are remembered; each takes a few bytes a passage."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The passages that one search looks at, their vectors, and their places among those that `words` scores.

    `spelling` knows the words of those that `words` scores. `taken` are the rows of `vectors` that belong to
    `rows`, None where all do: what many passages have is not copied for each audience.
    """

    rows: Rows
    vectors: Vectors
    words: WordIndex | SeenWords
    spelling: Spelling
    places: Rows
    taken: Rows | None = None

    def compare(self, vector: Vectors) -> Vectors:
        """Return the cosine of a vector and each passage's."""
        # not `@`: BLAS spreads even this over threads that spin, 8 ms on a busy machine where this takes 0.3
        cosines = np.einsum("ij,j->i", self.vectors, vector)
        return cosines if self.taken is None else cosines[self.taken]


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """Changes read from the file: all pages and passage ids, and the passages that came since.

    `readers` has the pages that not everyone may read, by their ids.
    """

    changes: str
    pages: Sequence[sqlite3.Row]
    passages: Sequence[sqlite3.Row]
    new: Sequence[sqlite3.Row]
    readers: Mapping[int, Readers] = field(default_factory=dict[int, Readers])


@dataclass(frozen=True)
class IndexSnapshot:
    """Passages in the order of their ids; lists and arrays have one entry per passage.

    `changes` is the count of changes up to which it is current, `vocabulary` the different words of each
    passage, `texts` a hash of each text without its white space, `page_of` the page ids by URL, `pasted` the
    ids of pages that no source named, `readers` who may read the pages that not everyone may.
    """

    changes: str
    ids: Rows
    page_ids: Rows
    vectors: Vectors
    terms: Sequence[Sequence[str]]
    vocabulary: Sequence[Sequence[str]]
    texts: Sequence[int]
    page_of: Mapping[str, int]
    pasted: frozenset[int]
    readers: Mapping[int, Readers] = field(default_factory=dict[int, Readers])

    @classmethod
    def empty(cls) -> IndexSnapshot:
        """Return a memory of nothing."""
        none = np.zeros(0, np.int64)
        return cls("", none, none, np.zeros((0, DIMENSIONS), np.float32), (), (), (), {}, frozenset())

    @property
    def newest(self) -> int:
        """The highest passage id; ids only ever grow."""
        return int(self.ids[-1]) if self.ids.size else 0

    @cached_property
    def _public(self) -> Scope:
        """Every passage of a page that a source named. What somebody pasted does not even weigh the words."""
        rows = self._public_rows()
        return self._build_scope(rows, self._build_word_index(rows), self._build_spelling(rows))

    @cached_property
    def _postings(self) -> tuple[Postings, Postings, Spelling]:
        """What counts terms and words over any choice of passages; made where some pages are restricted."""
        spelling = self._build_spelling(np.arange(len(self.ids), dtype=np.int64))
        return Postings(self.terms), Postings(self.vocabulary), spelling

    @cached_property
    def _audiences(self) -> BoundedDict[frozenset[int], Scope]:
        return BoundedDict(_AUDIENCES)

    def _public_rows(self) -> Rows:
        return np.flatnonzero(~np.isin(self.page_ids, list(self.pasted))).astype(np.int64)

    def _build_scope(self, rows: Rows, words: WordIndex | SeenWords, spelling: Spelling) -> Scope:
        """Take the vectors out once, not at every search; all of them are not even copied."""
        vectors = self.vectors if len(rows) == len(self.ids) else self.vectors[rows]
        return Scope(rows, vectors, words, spelling, np.arange(len(rows)))

    def _build_word_index(self, rows: Rows) -> WordIndex:
        return WordIndex([self.terms[int(row)] for row in rows])

    def _build_spelling(self, rows: Rows) -> Spelling:
        return Spelling(word for row in rows for word in self.vocabulary[int(row)])

    def scope(self, page_url: str | None, audience: Collection[str] = ()) -> Scope:
        """Return what a search looks at: one page, or all that are not pasted; only what may be read."""
        if page_url is None:
            return self._seen(audience)
        page_id = self.page_of.get(page_url, -1)
        rows = np.flatnonzero(self.page_ids == page_id).astype(np.int64)
        if not self._may_read(page_id, audience):
            rows = rows[:0]
        if page_id in self.pasted:
            return self._build_scope(rows, self._build_word_index(rows), self._build_spelling(rows))
        seen = self._seen(audience)
        return replace(
            seen, rows=rows, vectors=self.vectors[rows], places=np.searchsorted(seen.rows, rows), taken=None
        )

    def _may_read(self, page_id: int, audience: Collection[str]) -> bool:
        readers = self.readers.get(page_id)
        return readers is None or readers.allow(audience)

    def _seen(self, audience: Collection[str]) -> Scope:
        """Return the pages that a source named and an audience may read; one for each choice of pages."""
        if not self.readers:
            return self._public
        closed = frozenset(one for one in self.readers if not self._may_read(one, audience))
        scope = self._audiences.get(closed)
        if scope is None:
            scope = self._audiences[closed] = self._build_seen(closed)
        return scope

    def _build_seen(self, closed: frozenset[int]) -> Scope:
        hidden = np.isin(self.page_ids, list(closed | self.pasted))
        rows = np.flatnonzero(~hidden).astype(np.int64)
        terms, words, spelling = self._postings
        return Scope(
            rows,
            self.vectors,
            SeenWords(terms, rows),
            SeenSpelling(spelling, words, rows),
            np.arange(len(rows)),
            taken=rows,
        )

    def apply_changes(self, read: IndexChanges) -> IndexSnapshot:
        """Return the memory after a change; what both have in common is taken over."""
        stay = np.isin(self.ids, [row["id"] for row in read.passages])
        kept = np.flatnonzero(stay).tolist()
        vectors = [np.frombuffer(row["vector"], "<f2").astype(np.float32) for row in read.new]
        memory = IndexSnapshot(
            changes=read.changes,
            ids=np.array([row["id"] for row in read.passages], np.int64),
            page_ids=np.array([row["page_id"] for row in read.passages], np.int64),
            vectors=np.vstack([self.vectors[stay], *vectors]),
            terms=[*(self.terms[row] for row in kept), *(to_terms(row["searched"]) for row in read.new)],
            vocabulary=[
                *(self.vocabulary[row] for row in kept),
                *(_different(vocabulary(row["searched"])) for row in read.new),
            ],
            texts=[
                *(self.texts[row] for row in kept),
                *(hash(" ".join(row["text"].split())) for row in read.new),
            ],
            page_of={row["url"]: row["id"] for row in read.pages},
            pasted=frozenset(row["id"] for row in read.pages if row["source"] is None),
            readers=read.readers,
        )
        memory._take_over(self)
        return memory

    def _take_over(self, before: IndexSnapshot) -> None:
        """Keep the counted words if the public passages are the same: a pasted page costs no recount."""
        if "_postings" in before.__dict__ and np.array_equal(self.ids, before.ids):
            self.__dict__["_postings"] = before._postings
        if "_public" not in before.__dict__:
            return
        rows = self._public_rows()
        if np.array_equal(self.ids[rows], before.ids[before._public.rows]):
            self.__dict__["_public"] = self._build_scope(rows, before._public.words, before._public.spelling)


def _different(words: Iterable[str]) -> tuple[str, ...]:
    """Return words once each; the same word of many passages is one string in memory."""
    return tuple(sys.intern(word) for word in set(words))

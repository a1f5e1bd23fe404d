"""Snapshot of the page index in memory, for searching: never changed, only replaced."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pages.index.embeddings import DIMENSIONS, Vectors
from pages.index.ranking import Spelling, WordIndex, to_terms, vocabulary

Rows = NDArray[np.int64]
"""Numbers of passages in a Memory, ascending."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The passages that one search looks at, their vectors, and their places among those that `words` scores.

    `spelling` knows the words of those that `words` scores.
    """

    rows: Rows
    vectors: Vectors
    words: WordIndex
    spelling: Spelling
    places: Rows


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """Changes read from the file: all pages and passage ids, and the passages that came since."""

    changes: str
    pages: Sequence[sqlite3.Row]
    passages: Sequence[sqlite3.Row]
    new: Sequence[sqlite3.Row]


@dataclass(frozen=True)
class IndexSnapshot:
    """Passages in the order of their ids; lists and arrays have one entry per passage.

    `changes` is the count of changes up to which it is current, `vocabulary` the different words of each
    passage, `texts` a hash of each text without its white space, `page_of` the page ids by URL, `pasted` the
    ids of pages that no source named.
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

    def _public_rows(self) -> Rows:
        return np.flatnonzero(~np.isin(self.page_ids, list(self.pasted))).astype(np.int64)

    def _build_scope(self, rows: Rows, words: WordIndex, spelling: Spelling) -> Scope:
        """Take the vectors out once, not at every search; all of them are not even copied."""
        vectors = self.vectors if len(rows) == len(self.ids) else self.vectors[rows]
        return Scope(rows, vectors, words, spelling, np.arange(len(rows)))

    def _build_word_index(self, rows: Rows) -> WordIndex:
        return WordIndex([self.terms[int(row)] for row in rows])

    def _build_spelling(self, rows: Rows) -> Spelling:
        return Spelling(word for row in rows for word in self.vocabulary[int(row)])

    def scope(self, page_url: str | None) -> Scope:
        """Return what a search looks at: one page, or all that are not pasted."""
        if page_url is None:
            return self._public
        page_id = self.page_of.get(page_url, -1)
        rows = np.flatnonzero(self.page_ids == page_id).astype(np.int64)
        if page_id in self.pasted:
            return self._build_scope(rows, self._build_word_index(rows), self._build_spelling(rows))
        public = self._public
        return replace(
            self._build_scope(rows, public.words, public.spelling), places=np.searchsorted(public.rows, rows)
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
        )
        memory._take_over(self)
        return memory

    def _take_over(self, before: IndexSnapshot) -> None:
        """Keep the counted words if the public passages are the same: a pasted page costs no recount."""
        if "_public" not in before.__dict__:
            return
        rows = self._public_rows()
        if np.array_equal(self.ids[rows], before.ids[before._public.rows]):
            self.__dict__["_public"] = self._build_scope(rows, before._public.words, before._public.spelling)


def _different(words: Iterable[str]) -> tuple[str, ...]:
    """Return words once each; the same word of many passages is one string in memory."""
    return tuple(sys.intern(word) for word in set(words))

"""Inverted index of words over passages, for searches that may see a part of them only.

BM25 weighs a word by how many passages have it, so a search that looked at all passages and hid some would
tell of the hidden ones by the order of the others. Here every figure (how many passages there are, how long
they are, how many have a word) is counted over the passages that may be seen, at each search: that takes
about a millisecond among 100,000 passages, where an index of its own for each choice of groups would take
seconds and as much memory again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pages.index.ranking import BM25_B, BM25_K1, Scores, Spelling

Rows = NDArray[np.int64]
_NONE: Rows = np.zeros(0, np.int64)


class Postings:
    """Which passages have a word, and how often. Rows are numbers of passages, ascending."""

    def __init__(self, passages: Sequence[Sequence[str]]) -> None:
        ids: dict[str, int] = {}
        self.lengths = np.array([len(words) for words in passages], np.int64)
        flat = np.fromiter((ids.setdefault(word, len(ids)) for words in passages for word in words), np.int64)
        count = max(1, len(passages))
        rows = np.repeat(np.arange(len(passages), dtype=np.int64), self.lengths)
        pairs, self._times = np.unique(flat * count + rows, return_counts=True)
        self._rows = (pairs % count).astype(np.int32)
        self._starts = np.searchsorted(pairs // count, np.arange(len(ids) + 1))
        self._ids = ids

    def find(self, word: str) -> tuple[Rows, Rows]:
        """Return the rows that have a word, and how often each has it."""
        place = self._ids.get(word)
        if place is None:
            return _NONE, _NONE
        part = slice(int(self._starts[place]), int(self._starts[place + 1]))
        return self._rows[part].astype(np.int64), self._times[part]


class SeenWords:
    """BM25 over the passages that may be seen, as `WordIndex` has it over all; `rows` are these."""

    def __init__(self, postings: Postings, rows: Rows) -> None:
        self._postings = postings
        self._rows = rows
        self._seen = np.zeros(len(postings.lengths), bool)
        self._seen[rows] = True
        lengths = postings.lengths[rows]
        self._mean = max(1e-9, float(lengths.mean())) if rows.size else 1.0

    def scores(self, question: Sequence[str]) -> Scores:
        """Return one score for each of `rows`: 0 where a passage has none of the question's terms."""
        scores = np.zeros(len(self._postings.lengths), np.float32)
        for term in question:
            rows, times = self._postings.find(term)
            seen = self._seen[rows]
            rows, times = rows[seen], times[seen]
            if not rows.size:
                continue
            rare = np.log(1 + (self._rows.size - rows.size + 0.5) / (rows.size + 0.5))
            length = 1 - BM25_B + BM25_B * self._postings.lengths[rows] / self._mean
            scores[rows] += (rare * times / (times + BM25_K1 * length)).astype(np.float32)
        return scores[self._rows]


class SeenSpelling(Spelling):
    """Mends typing errors with the words of the passages that may be seen, and with no others."""

    def __init__(self, everything: Spelling, words: Postings, rows: Rows) -> None:
        """`everything` knows the words of all passages, `words` which passage has which."""
        super().__init__(())
        self._everything = everything
        self._words = words
        self._seen = np.zeros(len(words.lengths), bool)
        self._seen[rows] = True

    def count(self, word: str) -> int:
        """Return how many passages have a word, of those that may be seen."""
        rows, _ = self._words.find(word)
        return int(self._seen[rows].sum())

    def list_near(self, word: str, far: int) -> list[str]:
        """Return the words with nearly the same letters."""
        return [known for known in self._everything.list_near(word, far) if self.count(known)]

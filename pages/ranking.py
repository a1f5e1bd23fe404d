"""Which passages are nearest to a question: by its words (BM25), by its meaning (embeddings), and by both.

The two rankings are fused by reciprocal rank (Cormack, Clarke, Büttcher, SIGIR 2009): a passage scores
`weight / (k + rank)` in each. The constants were chosen on two data sets, XQuAD and PolicyQA, so that neither alone
decides; `python -m benchmarks.retrieval` measures what they give.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# bm25s and PyStemmer come without types

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import bm25s
import numpy as np
from numpy.typing import NDArray
from Stemmer import Stemmer

Scores = NDArray[np.float32]
_WORD = re.compile(r"[^\W_]+")
_STOPWORDS = frozenset(
    _WORD.findall(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with"
    )
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the two rankings are weighed. A weight of 0 leaves one out, which only a benchmark wants."""

    words: float = 1.0
    meaning: float = 1.0
    k: float = 10.0

    def fuse(self, words: Scores, meaning: Scores) -> NDArray[np.floating]:
        """Return one score per passage; higher is nearer. A passage with none of the words is not ranked by them."""
        by_words = np.where(words > 0, self.words / (self.k + _ranks(words)), 0.0)
        return by_words + self.meaning / (self.k + _ranks(meaning))


class Words:
    """BM25 over some passages, in their order."""

    def __init__(self, passages: Sequence[Sequence[str]]) -> None:
        """Take each passage as its `terms`."""
        self._count = len(passages)
        self._known = {term for terms in passages for term in terms}
        self._bm25 = bm25s.BM25(k1=0.9, b=0.4, method="lucene")
        if self._known:
            self._bm25.index([list(terms) for terms in passages], show_progress=False)

    def scores(self, question: Sequence[str]) -> Scores:
        """Return one score per passage: 0 where a passage has none of the question's terms."""
        asked = [term for term in question if term in self._known]
        if not asked:
            return np.zeros(self._count, np.float32)
        return cast("Scores", self._bm25.get_scores(asked))


def terms(text: str) -> list[str]:
    """Return a text's words as BM25 compares them: case folded, without the commonest ones, English stems."""
    stemmer = Stemmer("english", 0)  # one per call: a stemmer is not safe between threads
    sound = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair would stop the stemmer
    words = [word for word in _WORD.findall(sound.casefold()) if word not in _STOPWORDS]
    return cast("list[str]", stemmer.stemWords(words))


def keywords(text: str) -> list[str]:
    """Return a text's words once each, case folded and without the commonest ones, for an index that knows stems."""
    words = _WORD.findall(text.encode("utf-8", "replace").decode("utf-8").casefold())
    return list(dict.fromkeys(word for word in words if word not in _STOPWORDS))


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """Return 1 for the highest score, 2 for the next; equal scores keep their order."""
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return ranks

"""Ranks passages by a question's words (BM25), its meaning, and the meaning of their best sentence.

First words and meaning choose candidates: their rankings are fused by reciprocal rank (Cormack, Clarke,
Büttcher, SIGIR 2009), where a passage scores `1 / (k + rank)` in each. Then the candidates are ranked by the
weighted sum of three scores, each in standard deviations from the candidates' mean: BM25, the cosine of the
passage, and the best cosine of one of its sentences. A long passage is near in general, its sentence in
particular, and a rare word is neither. The passage's counts three times as much as each of the others.

What people say around a question weighs less than what they ask: "I'm moving to Denver next month, how do I
change my address?" is embedded whole and once more by the part that asks; the part counts half
(`Ranking.part`). Taking the better of both cosines, or the part as much as the whole, loses what people say
first and mean ("We're relocating to Ohio. Where do I send the form?").

A word that the pages do not have is replaced by the near one that they have, if it is no word at all:

    Spelling(["vacation", "travel"]).correct_question("how much vacaiton", is_word) → "how much vacation"

Near is one edit (a letter more, less or other, or two neighbours swapped), two for long words that begin
alike; `is_word` tells of words that the pages do not happen to use. The known words are compared by how often
each letter occurs in them, all at once, and letter by letter only where that is near enough: a tenth of a
millisecond for a word among 8,000, without a dictionary of all misspellings in memory.

The constants were chosen on a handbook, XQuAD and PolicyQA together, so that none of them decides alone;
`python -m benchmarks.retrieval` measures what they give.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# bm25s and PyStemmer come without types

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import bm25s
import numpy as np
from numpy.typing import NDArray
from Stemmer import Stemmer

from core import sentences
from pages.index.embeddings import Embeds, Vectors

Scores = NDArray[np.float32]
_STOPWORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such that the their then there these
    they this to
    was will with
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_ASKING = frozenset(
    """
    what when where who whom which whose how why do does did can could should would i me my we us our you your
    he she
    his her am have has had get got here so about any some than
    """.split()  # noqa: SIM905
)
"""Words of a question that say that it is one. They are rare on pages, and would weigh more than what is
asked about."""
_NO_SPREAD = 1e-9
_FEW = 10
"""Candidates that are too few to compare with each other."""
_TYPICAL_WORDS, _TYPICAL_MEANING, _TYPICAL_SENTENCE = (3.7, 1.8), (0.28, 0.12), (0.32, 0.12)
"""Mean and standard deviation among the thirty candidates of a question, on average over a handbook's
questions."""
_WITHIN = re.compile(r"[._'\u2019\u00b7]+")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The weights of a candidate's three scores. A weight of 0 leaves one out, which only a benchmark wants.

    Words and meaning choose the candidates, each as much as the other. `candidates` is how many passages are
    compared by their sentences, too; 0 ranks by reciprocal rank alone. `part` is how much the part of a
    question that asks counts beside all of it (pages/index/ranking.py); `corrects` typing errors or not.
    """

    words: float = 0.6
    meaning: float = 1.8
    sentence: float = 0.6
    k: float = 10.0
    candidates: int = 30
    part: float = 0.5
    corrects: bool = True

    def fuse(self, words: Scores, meaning: Scores) -> NDArray[np.floating]:
        """Return one score per passage; higher is nearer.

        A passage with none of the words is not ranked by them.
        """
        by_words = np.where(words > 0, (self.words > 0) / (self.k + _ranks(words)), 0.0)
        return by_words + (self.meaning > 0) / (self.k + _ranks(meaning))

    def sum(self, words: Scores, meaning: Scores, sentence: Scores) -> NDArray[np.floating]:
        """Return one score per candidate; higher is nearer.

        `sentence` is the best cosine of one of its sentences.
        """
        return (
            self.words * _standardise_scores(words, _TYPICAL_WORDS)
            + self.meaning * _standardise_scores(meaning, _TYPICAL_MEANING)
            + self.sentence * _standardise_scores(sentence, _TYPICAL_SENTENCE)
        )


BM25_K1, BM25_B = 0.9, 0.4


class WordIndex:
    """BM25 over some passages, in their order."""

    def __init__(self, passages: Sequence[Sequence[str]]) -> None:
        """Take each passage as its `to_terms`."""
        self._count = len(passages)
        self._known = {term for terms in passages for term in terms}
        self._bm25 = bm25s.BM25(k1=BM25_K1, b=BM25_B, method="lucene")
        if self._known:
            self._bm25.index([list(terms) for terms in passages], show_progress=False)

    def scores(self, question: Sequence[str]) -> Scores:
        """Return one score per passage: 0 where a passage has none of the question's terms."""
        asked = [term for term in question if term in self._known]
        if not asked:
            return np.zeros(self._count, np.float32)
        return cast("Scores", self._bm25.get_scores(asked))


def to_terms(text: str) -> list[str]:
    """Return a text's words as BM25 compares them: case folded, without the commonest ones, English stems."""
    return _stems(word for word in vocabulary(text) if word not in _STOPWORDS)


def to_question_terms(question: str) -> list[str]:
    """Return a question's words as `to_terms` does, without question words if others are left."""
    return _stems(_select_asked_words(question))


def vocabulary(text: str) -> list[str]:
    """Return a text's words as a search knows them: "rules.html" and "x_y" are two, "1,000" is 1000."""
    sound = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair would stop the stemmer
    found: list[str] = []
    for word in sentences.words(sound):
        if word.isalnum():
            found.append(word)
        elif word[0].isdigit():
            found.append(word.replace(",", ""))
        else:
            found += [part for part in _WITHIN.split(word.removesuffix("'s")) if part]
    return found


def to_keywords(text: str) -> list[str]:
    """Return a question's words once each, for an index that knows stems; see `to_question_terms`."""
    return list(dict.fromkeys(_select_asked_words(text)))


def is_asked_about(word: str) -> bool:
    """Tell whether a word of a question is more than a common one, and not one that says that it is asked."""
    return word not in _STOPWORDS and word not in _ASKING


def _select_asked_words(question: str) -> list[str]:
    words = [word for word in vocabulary(question) if word not in _STOPWORDS]
    return [word for word in words if word not in _ASKING] or words


def _stems(words: Iterable[str]) -> list[str]:
    stemmer = Stemmer("english", 0)  # one per call: a stemmer is not safe between threads
    return [sys.intern(stem) for stem in cast("list[str]", stemmer.stemWords(list(words)))]


def _standardise_scores(scores: Scores, typical: tuple[float, float]) -> NDArray[np.floating]:
    """Return scores in standard deviations from their mean; all 0 where they are all the same.

    A page of a few passages says little of how near passages are that do not answer: what is `typical` stands
    in.
    """
    if scores.size < _FEW:
        return (scores - typical[0]) / typical[1]
    spread = float(scores.std())
    return (scores - scores.mean()) / spread if spread > _NO_SPREAD else np.zeros(len(scores))


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """Return 1 for the highest score, 2 for the next; equal scores keep their order."""
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return ranks


_SHORTEST_PART = 3
"""Words; "right?" asks nothing alone."""
_MOST = 2_000
"""Characters of a question that are looked at: nobody asks longer ones."""
_PARTS = re.compile(
    r"(?<=[.!?;:])\s+|(?<=[\u3002\uff01\uff1f\u061f\u0964])|(?<=\s)[\u2013\u2014-]\s|(?<=,)\s+"
)
_ASKS = re.compile(
    r"(?:(?:so|but|and|or|now|then|please)\s+)*(?:what|when|where|who|whom|which|whose|how|why|do|does|did"
    r"|can|could|should"
    r"|would|may|is|are|am|was|will|has|have)\b",
    re.IGNORECASE,
)


def find_asking_part(question: str) -> str:
    """Return the last part of a question that asks, or all of it."""
    parts = [part.strip() for part in _PARTS.split(question[:_MOST]) if len(part.split()) >= _SHORTEST_PART]
    asking = [part for part in parts if part.endswith(("?", "\uff1f", "\u061f")) or _ASKS.match(part)]
    return asking[-1] if asking else question


def embed_question(embedder: Embeds, question: str, part_weight: float) -> Vectors:
    """Return one vector, of length 1, for a question."""
    part = find_asking_part(question)
    if not part_weight or part == question.strip():
        return embedder.embed([question])[0]
    whole, asked = embedder.embed([question, part])
    vector = whole + np.float32(part_weight) * asked
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))


_SHORTEST = 5
"""Letters of a word that is corrected: shorter ones have too many neighbours."""
_SHORTEST_FAR = 8
"""Letters of a word that may be two edits away."""
_LONGEST = 32
_MOST_CORRECTED = 12
"""Words of one question that are looked up, which bounds what a question of rubbish costs."""
_COLUMNS = 32
_LETTERS = re.compile(r"[^\W\d_]+")


class Spelling:
    """Knows the words of some passages; `words` has each as often as there are passages with it."""

    def __init__(self, words: Iterable[str]) -> None:
        self._count: Mapping[str, int] = Counter(words)

    def correct_question(self, question: str, is_word: Callable[[str], bool]) -> str:
        """Return the question with its typing errors mended, as far as the pages tell."""
        looked_up = 0

        def mend_word(match: re.Match[str]) -> str:
            nonlocal looked_up
            word = match[0].casefold()
            if not _SHORTEST <= len(word) <= _LONGEST or self.count(word) or looked_up >= _MOST_CORRECTED:
                return match[0]
            if is_word(word):
                return match[0]
            looked_up += 1
            return self.nearest(word) or match[0]

        return _LETTERS.sub(mend_word, question)

    def nearest(self, word: str) -> str | None:
        """Return the known word with the fewest edits, preferring a like beginning and the commonest."""
        far = 2 if len(word) >= _SHORTEST_FAR else 1
        near: list[tuple[int, bool, int, str]] = []
        for known in self.list_near(word, far):
            edits = edit_distance(word, known, far)
            if edits <= far and (edits == 1 or known[0] == word[0]):
                near.append((edits, known[0] != word[0], -self.count(known), known))
        return min(near)[3] if near else None

    def count(self, word: str) -> int:
        """Return how many passages have a word."""
        return self._count.get(word, 0)

    def list_near(self, word: str, far: int) -> list[str]:
        """Return the words whose letters differ little; those within `far` edits are among them."""
        words, letters = self._letters
        differences = np.abs(letters - _letter_counts(word)).sum(axis=1, dtype=np.int16)
        return [words[place] for place in np.flatnonzero(differences <= 2 * far).tolist()]

    @cached_property
    def _letters(self) -> tuple[list[str], NDArray[np.int8]]:
        words = [word for word in self._count if _SHORTEST - 1 <= len(word) <= _LONGEST + 2]
        counts = np.zeros((len(words), _COLUMNS), np.int8)
        for row, word in enumerate(words):
            counts[row] = _letter_counts(word)
        return words, counts


def _letter_counts(word: str) -> NDArray[np.int8]:
    """Return how often each letter occurs.

    Letters that share a column only make words look nearer than they are.
    """
    columns = np.frombuffer(word.encode("utf-32-le", "surrogatepass"), np.uint32) % _COLUMNS
    return np.bincount(columns, minlength=_COLUMNS).astype(np.int8)


def edit_distance(one: str, other: str, most: int) -> int:
    """Return the edit distance of two words (Damerau, neighbours swapped once), `most` + 1 at most."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, known in enumerate(other, 1):
            edits = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != known))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == known:
                edits = min(edits, before[column - 2] + 1)
            line.append(edits)
        if min(line) > most:
            return most + 1
        before, above = above, line
    return min(above[-1], most + 1)

"""Typing errors in a question: a word that the pages do not have is replaced by the near one that they have.

    Spelling(["vacation", "travel"]).corrected("how much vacaiton", is_word) → "how much vacation"

Near is one edit (a letter more, less or other, or two neighbours swapped), two for long words that begin
alike. Only what is no word at all is replaced: `is_word` says so of words that the pages do not happen to
use. The known words are compared by how often each letter occurs in them, all at once, and letter by letter
only where that is near enough: a tenth of a millisecond for a word among 8,000, without a dictionary of all
misspellings in memory.

A question as it is searched: what people say around it weighs less than what they ask.

"I'm moving to Denver next month, how do I change my address?" is embedded whole and once more by the part
that asks; the part counts half (`Ranking.part`). Taking the better of both cosines, or the part as much as
the whole, loses what people say first and mean ("We're relocating to Ohio. Where do I send the form?");
`python -m benchmarks.retrieval` measures it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pages.index.embeddings import Embeds, Vectors

_SHORTEST_PART = 3
"""Words; "right?" asks nothing alone."""
_MOST = 2_000
"""Characters of a question that are looked at: nobody asks longer ones."""
_PARTS = re.compile(
    r"(?<=[.!?;:])\s+|(?<=[\u3002\uff01\uff1f\u061f\u0964])|(?<=\s)[\u2013\u2014-]\s|(?<=,)\s+"
)
_ASKS = re.compile(
    r"(?:(?:so|but|and|or|now|then|please)\s+)*(?:what|when|where|who|whom|which|whose|how|why|do|does|did|can|could|should"
    r"|would|may|is|are|am|was|will|has|have)\b",
    re.IGNORECASE,
)


def asking_part(question: str) -> str:
    """Return the last part of a question that asks, or all of it."""
    parts = [part.strip() for part in _PARTS.split(question[:_MOST]) if len(part.split()) >= _SHORTEST_PART]
    asking = [part for part in parts if part.endswith(("?", "\uff1f", "\u061f")) or _ASKS.match(part)]
    return asking[-1] if asking else question


def question_vector(embedder: Embeds, question: str, part_weight: float) -> Vectors:
    """Return one vector, of length 1, for a question."""
    part = asking_part(question)
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

    def corrected(self, question: str, is_word: Callable[[str], bool]) -> str:
        """Return the question with its typing errors mended, as far as the pages tell."""
        looked_up = 0

        def mended(match: re.Match[str]) -> str:
            nonlocal looked_up
            word = match[0].casefold()
            if not _SHORTEST <= len(word) <= _LONGEST or word in self._count or looked_up >= _MOST_CORRECTED:
                return match[0]
            if is_word(word):
                return match[0]
            looked_up += 1
            return self.nearest(word) or match[0]

        return _LETTERS.sub(mended, question)

    def nearest(self, word: str) -> str | None:
        """Return the known word with the fewest edits, of several one that begins alike, and the commonest."""
        words, letters = self._letters
        far = 2 if len(word) >= _SHORTEST_FAR else 1
        differences = np.abs(letters - _letter_counts(word)).sum(axis=1, dtype=np.int16)
        near: list[tuple[int, bool, int, str]] = []
        for place in np.flatnonzero(differences <= 2 * far).tolist():
            known = words[place]
            edits = edits_between(word, known, far)
            if edits <= far and (edits == 1 or known[0] == word[0]):
                near.append((edits, known[0] != word[0], -self._count[known], known))
        return min(near)[3] if near else None

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


def edits_between(one: str, other: str, most: int) -> int:
    """Return the edits from one word to another (Damerau's, neighbours swapped at most once), or `most` + 1."""
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

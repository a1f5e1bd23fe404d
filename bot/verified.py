"""The verified answers in memory, found by question: by the same words, or by nearly the same meaning.

A wrong match is worse than none: the cosine of two questions cannot tell 10 days from 30, or mothers from fathers. So
a near question must also have the same numbers, the same kind of question word and the same sense, and every word that
only one of the two has must have a neighbour in meaning in the other. The thresholds are measured
(`benchmarks/matching.py`, LOG.md).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.answering import follows
from model.grounding import content_words
from pages.embed import Embeds, Vectors
from records import Question, VerifiedAnswer

THRESHOLD = 0.84
"""Least cosine of two questions that ask the same."""
WORD_THRESHOLD = 0.5
"""Least cosine of a word and its neighbour in the other question."""
_CACHED = 4_000

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|without|cannot|un\w{4,})\b|n['’]t\b", re.IGNORECASE)
_KINDS = (
    ("when", re.compile(r"\bwhen\b|\bwhat (?:day|date|time)\b|\bsince when\b", re.IGNORECASE)),
    ("where", re.compile(r"\bwhere\b|\bin which (?:place|room|building)\b", re.IGNORECASE)),
    ("who", re.compile(r"\bwho(?:m|se)?\b", re.IGNORECASE)),
    ("why", re.compile(r"\bwhy\b|\bhow come\b|\bwhat for\b", re.IGNORECASE)),
    (
        "how many",
        re.compile(r"\bhow (?:many|much|long|often|far|old|soon|late|early|big|large|high)\b", re.IGNORECASE),
    ),
    ("how", re.compile(r"\bhow\b", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class _Known:
    verified: VerifiedAnswer
    plain: str
    vector: Vectors


class VerifiedAnswers:
    """Used from several threads at once."""

    def __init__(
        self, embedder: Embeds, *, threshold: float = THRESHOLD, word_threshold: float = WORD_THRESHOLD
    ) -> None:
        self._embedder = embedder
        self._threshold = threshold
        self._word_threshold = word_threshold
        self._known: dict[str, _Known] = {}
        self._changing = threading.Lock()
        self._vector = lru_cache(_CACHED)(self._embed)

    def put(self, verified: VerifiedAnswer) -> None:
        """Serve it from now on, in the place of an older one from the same answer; a stale one is served no more."""
        if verified.stale_at is not None:
            self.drop(verified.answer_id)
            return
        text = verified.question_text
        known = _Known(verified, plain(text), self._vector(text))
        with self._changing:
            others = {name: one for name, one in self._known.items() if name != verified.answer_id}
            self._known = others | {verified.answer_id: known}

    def drop(self, answer_id: str) -> None:
        """Serve it no more."""
        with self._changing:
            self._known = {name: one for name, one in self._known.items() if name != answer_id}

    def all(self) -> Sequence[VerifiedAnswer]:
        """Return what is served."""
        return [one.verified for one in self._known.values()]

    def find(self, question: Question) -> VerifiedAnswer | None:
        """Return the verified answer to a question; None for one that needs the question before it.

        Of several with the same words the one that was verified last wins, otherwise the nearest.
        """
        if follows(question.text):
            return None
        known = [one for one in self._known.values() if _in_scope(one.verified, question)]
        words = plain(question.text)
        same = [one for one in known if one.plain == words]
        if same:
            return max(same, key=lambda one: one.verified.verified_at).verified
        if not known:
            return None
        cosines = np.stack([one.vector for one in known]) @ self._vector(question.text)
        nearest: list[int] = np.argsort(-cosines).tolist()
        near = (known[place].verified for place in nearest if cosines[place] >= self._threshold)
        return next((one for one in near if self._guarded(question.text, one.question_text)), None)

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell which texts ask the same."""
        return [self.same(text, other) for other in others]

    def same(self, one: str, other: str) -> bool:
        """Tell whether two questions ask the same."""
        if plain(one) == plain(other):
            return True
        return self.cosine(one, other) >= self._threshold and self._guarded(one, other)

    def cosine(self, one: str, other: str) -> float:
        """Return how near two texts are, -1 to 1."""
        return float(self._vector(one) @ self._vector(other))

    def _guarded(self, one: str, other: str) -> bool:
        """Tell whether nothing speaks against two near questions asking the same."""
        if set(_NUMBER.findall(one)) != set(_NUMBER.findall(other)):
            return False
        if bool(_NEGATION.search(one)) != bool(_NEGATION.search(other)) or _kind(one) != _kind(other):
            return False
        words, others = content_words(one), content_words(other)
        return self._has_neighbours(words - others, others) and self._has_neighbours(others - words, words)

    def _has_neighbours(self, words: set[str], others: set[str]) -> bool:
        return all(
            any(self.cosine(word, other) >= self._word_threshold for other in others) for word in words
        )

    def _embed(self, text: str) -> Vectors:
        return self._embedder.embed([text])[0]


def plain(text: str) -> str:
    """Return a question's words, without case, punctuation and white space between them."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+(?:['’.,:]\w+)*", folded))


def _kind(question: str) -> str:
    return next((name for name, words in _KINDS if words.search(question)), "")


def _in_scope(verified: VerifiedAnswer, question: Question) -> bool:
    """Tell whether a verified answer is about the page that the question is about, or both about all pages."""
    if verified.page_url == question.page_url:
        return True
    return verified.page_url is None and [url for url, _ in verified.pages] == [question.page_url]

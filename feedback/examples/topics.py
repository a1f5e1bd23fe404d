"""What is asked about: questions in groups by meaning, each named by its most telling words.

Spherical k-means (Dhillon & Modha 2001, Machine Learning 42): vectors of length 1, nearness by cosine, a
group's centre is its mean scaled to length 1. It begins with the question nearest to the mean of all and,
again and again, the one that is farthest from those chosen (Gonzalez 1985), so the same questions make the
same groups.

A word tells a group by how often it stands there, against how often anywhere (class-based TF-IDF,
Grootendorst 2022, https://arxiv.org/abs/2203.05794).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
"""Texts → one vector a row, of length 1."""

MOST = 20
_ROUNDS = 25
_LABEL_WORDS = 3
_EMPTY_WORDS = frozenset(
    """
    about after also anyone before being come could does doing done find from gets give have having here into just
    know like long made make many more most much must need only other page please same should some such take tell
    than that their them then there these they this those time used using very want were what when where which will
    with within would your
    """.split()  # noqa: SIM905 - a list of words reads better so
)
"""English words that name no topic."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Groups: their centres, one a row, and their names."""

    centres: Vectors
    names: tuple[str, ...]

    def of(self, vectors: Vectors) -> list[int]:
        """Return the group of each vector."""
        nearest: list[int] = np.argmax(vectors @ self.centres.T, axis=1).tolist()
        return nearest


def find_topics(vectors: Vectors, words: Sequence[Collection[str]]) -> Topics:
    """Group questions; `words` are those of each that may name its group."""
    if not len(vectors):
        return Topics(np.zeros((0, 0), np.float32), ())
    count = min(MOST, max(1, round(math.sqrt(len(vectors) / 2))))
    centres = _settled(vectors, _beginnings(vectors, count))
    groups = np.argmax(vectors @ centres.T, axis=1)
    filled = sorted(set(groups.tolist()))
    centres = centres[filled]
    return Topics(centres, _names([filled.index(group) for group in groups.tolist()], words, len(filled)))


def _beginnings(vectors: Vectors, count: int) -> Vectors:
    chosen = [int(np.argmax(vectors @ vectors.mean(axis=0)))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def _settled(vectors: Vectors, centres: Vectors) -> Vectors:
    before: NDArray[Any] | None = None
    for _ in range(_ROUNDS):
        groups = np.argmax(vectors @ centres.T, axis=1)
        if before is not None and np.array_equal(groups, before):
            break
        sums = np.zeros_like(centres)
        np.add.at(sums, groups, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres).astype(np.float32)
        before = groups
    return centres


def _names(groups: Sequence[int], words: Sequence[Collection[str]], count: int) -> tuple[str, ...]:
    inside: list[Counter[str]] = [Counter() for _ in range(count)]
    for group, said in zip(groups, words, strict=True):
        inside[group].update(word for word in said if word not in _EMPTY_WORDS and word.isalpha())
    anywhere = sum(inside, Counter[str]())
    average = anywhere.total() / count
    names: list[str] = []
    for number, counts in enumerate(inside, start=1):
        name = _name(counts, anywhere, average) or "without a name"
        names.append(name if name not in names else f"{name} ({number})")
    return tuple(names)


def _name(counts: Counter[str], anywhere: Counter[str], average: float) -> str:
    def telling(word: str) -> float:
        return counts[word] * math.log(1 + average / anywhere[word])

    return ", ".join(sorted(counts, key=lambda word: (-telling(word), word))[:_LABEL_WORDS])

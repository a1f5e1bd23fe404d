"""How far two versions are apart, and whether that could be chance: both answered the same questions.

- *paired bootstrap*: the questions are drawn again, with replacement, many times; each time both versions are
  measured on the same ones. The middle 95 % of the differences are the interval (Efron & Tibshirani 1993,
  percentile method). It suits shares, and quotients such as precision whose denominator differs between the
  versions.
- *McNemar's exact test*: only questions that one version answers rightly and the other does not tell them
  apart. If they were equally good, each such question would be a coin's toss (McNemar 1947; exact form,
  two-sided).

The seed is fixed: the same answers give the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
SEED = 7
_MIDDLE = (2.5, 97.5)
_AT_ONCE = 2_000_000  # drawn questions that lie in memory together
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quotient:
    """A figure of one version, question by question: the sum of `counted` ÷ that of `of`."""

    counted: Sequence[float]
    of: Sequence[float]

    @property
    def value(self) -> float | None:
        """The figure on all questions; None where nothing is counted."""
        return sum(self.counted) / whole if (whole := sum(self.of)) else None


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a difference, after less before, with 95 % confidence."""

    low: float
    high: float


def bootstrap_difference(before: Quotient, after: Quotient) -> Interval | None:
    """Return the interval of a difference; None where nothing is counted on one of the sides."""
    if before.value is None or after.value is None:
        return None
    sides = [(np.array(side.counted, float), np.array(side.of, float)) for side in (before, after)]

    def compute_difference(drawn: NDArray[np.int64]) -> Numbers:
        old, new = (_quotients(counted[drawn].sum(axis=1), of[drawn].sum(axis=1)) for counted, of in sides)
        return new - old

    return _interval(np.concatenate([compute_difference(drawn) for drawn in _draws(len(before.of))]))


def bootstrap_percentile_difference(
    before: Sequence[float], after: Sequence[float], share: int
) -> Interval | None:
    """Return the interval of the difference of a percentile (0 to 100), such as p95 of the seconds."""
    if not before:
        return None
    old, new = np.array(before, float), np.array(after, float)
    found = [
        np.percentile(new[drawn], share, axis=1) - np.percentile(old[drawn], share, axis=1)
        for drawn in _draws(len(before))
    ]
    return _interval(np.concatenate(found))


def compute_mcnemar(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int, float]:
    """Return how many questions only the second answers rightly, how many only the first, and the p-value."""
    gained = sum(new and not old for old, new in zip(before, after, strict=True))
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    differing = gained + lost
    tail = sum(comb(differing, count) for count in range(min(gained, lost) + 1))
    return gained, lost, min(1.0, 2 * tail / 2**differing)


def _draws(count: int) -> list[NDArray[np.int64]]:
    drawn = np.random.default_rng(SEED)
    rows = max(1, min(DRAWS, _AT_ONCE // count))
    return [
        drawn.integers(0, count, (min(rows, DRAWS - begin), count), dtype=np.int64)
        for begin in range(0, DRAWS, rows)
    ]


def _quotients(counted: Numbers, of: Numbers) -> Numbers:
    """A draw in which nothing is counted tells nothing."""
    return np.divide(counted, of, out=np.full_like(counted, np.nan), where=of > 0)


def _interval(differences: Numbers) -> Interval | None:
    known = differences[~np.isnan(differences)]
    if not len(known):
        return None
    low, high = (float(bound) for bound in np.percentile(known, _MIDDLE))
    return Interval(low, high)

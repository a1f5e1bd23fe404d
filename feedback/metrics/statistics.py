"""Statistics that add up over days: percentiles in bounded memory, and shares with confidence intervals.

`QuantileSketch` is a quantile sketch (DDSketch: Masson, Rim and Lee, VLDB 2019): values are counted in
buckets whose bounds grow by a constant factor, so every percentile is right within 1 % of its value, whatever
the values are. Two sketches add up to the sketch of both. `Weighted` adds up judgements, of which each stands
for several answers; the interval of their share is Wilson's (1927).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACCURACY = 0.01
LEAST = 0.001
"""Smaller values count as this one: a millisecond, where values are seconds."""
_GROWTH = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GROWTH = math.log(_GROWTH)
_Z = 1.959964
"""Two-sided 95 % of a normal distribution."""


@dataclass(slots=True)
class QuantileSketch:
    """Bucket `n` counts the values above GROWTH ** (n - 1), up to GROWTH ** n."""

    buckets: Counter[int] = field(default_factory=Counter[int])

    @property
    def count(self) -> int:
        """Return how many values there are."""
        return self.buckets.total()

    def add(self, value: float) -> None:
        """Count a value."""
        self.buckets[math.ceil(math.log(max(value, LEAST)) / _LOG_GROWTH)] += 1

    def merge(self, other: QuantileSketch) -> None:
        """Count what another spread counts."""
        self.buckets.update(other.buckets)

    def percentile(self, share: float) -> float | None:
        """Return the value below or at which this share of the values lies (0.5 is the median).

        None without values. Of n values it is the one with rank ceil(share * n), the smallest with rank 1
        ("nearest rank").
        """
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return 2 * _GROWTH**bucket / (_GROWTH + 1)  # within ACCURACY of both bounds
        return None

    def dump(self) -> dict[str, int]:
        """Return it as JSON has it."""
        return {str(bucket): count for bucket, count in sorted(self.buckets.items())}

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> QuantileSketch:
        """Read what `dump` wrote."""
        return cls(Counter({int(bucket): int(count) for bucket, count in kept.items()}))


@dataclass(frozen=True, slots=True)
class Share:
    """A share, with the interval that covers the true one in 95 of 100 samples.

    `count` is how many were judged.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(slots=True)
class Weighted:
    """Weights of what was judged and of what was found right; `squares` is the sum of the squared weights."""

    total: float = 0.0
    right: float = 0.0
    squares: float = 0.0
    count: int = 0

    def add(self, weight: float, *, right: bool) -> None:
        """Count one judgement."""
        self.total += weight
        self.right += weight if right else 0.0
        self.squares += weight**2
        self.count += 1

    def merge(self, other: Weighted) -> None:
        """Count what another one counts."""
        self.total += other.total
        self.right += other.right
        self.squares += other.squares
        self.count += other.count

    def share(self) -> Share | None:
        """Return the weighted share; None where nothing was judged.

        The interval is Wilson's (1927), which holds for few judgements and for shares near 0 and 1, too.
        Judgements that stand for different numbers of answers tell less than as many equal ones: their number
        is cut down to (sum of weights)² / sum of squared weights (Kish 1965, "effective sample size").
        """
        if not self.total:
            return None
        value = self.right / self.total
        low, high = wilson(value, self.total**2 / self.squares)
        return Share(value, low, high, self.count)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the bounds of a share's 95 % confidence interval (Wilson 1927); `count` need not be whole."""
    middle = share + _Z**2 / (2 * count)
    reach = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)

"""How values spread: percentiles of any number of them in bounded memory, and of several days together.

Values are counted in buckets whose bounds grow by a constant factor, so every percentile is right within 1 %
of its value, whatever the values are (DDSketch: Masson, Rim and Lee, VLDB 2019). Two spreads add up to the
spread of both.
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


@dataclass(slots=True)
class Spread:
    """Bucket `n` counts the values above GROWTH ** (n - 1), up to GROWTH ** n."""

    buckets: Counter[int] = field(default_factory=Counter[int])

    @property
    def count(self) -> int:
        """Return how many values there are."""
        return self.buckets.total()

    def add(self, value: float) -> None:
        """Count a value."""
        self.buckets[math.ceil(math.log(max(value, LEAST)) / _LOG_GROWTH)] += 1

    def merge(self, other: Spread) -> None:
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
    def load(cls, kept: Mapping[str, Any]) -> Spread:
        """Read what `dump` wrote."""
        return cls(Counter({int(bucket): int(count) for bucket, count in kept.items()}))

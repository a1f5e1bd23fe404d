"""A token bucket: what may come at once, and how evenly more may come after it."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE_S = 60.0


@dataclass(slots=True)
class TokenBucket:
    """A bucket that holds `most` tokens and gains `per_minute` evenly; it held `held` at `seen_at` (seconds).

    Whoever has one says what time it is, so that several read one clock.
    """

    most: float
    per_minute: float
    held: float
    seen_at: float

    @classmethod
    def full(cls, most: float, per_minute: float, now: float) -> TokenBucket:
        """Return one that is full."""
        return cls(most, per_minute, most, now)

    def fill(self, now: float) -> None:
        """Add what was gained since it was seen last."""
        self.held = min(self.most, self.held + (now - self.seen_at) * self.per_minute / _MINUTE_S)
        self.seen_at = now

    def take(self) -> bool:
        """Take one token; False where there is none, and nothing is taken."""
        if self.held < 1:
            return False
        self.held -= 1
        return True

    @property
    def wait_s(self) -> float:
        """How long it takes until there is one, 0 where there is."""
        return max(0.0, (1 - self.held) * _MINUTE_S / self.per_minute)

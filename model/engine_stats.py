"""What an engine has done, in figures, and how long a queue of it takes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_LATENCIES = 32  # answers whose durations make the estimate
_FIRST_GUESS_S = 5.0  # duration of an answer, before there was one


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer took. `reason` is "eos", "stop" (a stop string) or "length"; tokens and seconds."""

    tokens_in: int
    tokens_reused: int
    tokens_out: int
    ttft_s: float
    total_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done since it was loaded. Times are seconds; None before the first answer."""

    active: int = 0
    waiting: int = 0
    answered: int = 0
    cancelled: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_reused: int = 0
    tokens_out: int = 0
    last_ttft_s: float | None = None
    mean_ttft_s: float | None = None
    tokens_per_s: float | None = None


@dataclass(slots=True)
class Tally:
    """The running sums. Its owner's lock guards it."""

    answered: int = 0
    cancelled: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_reused: int = 0
    tokens_out: int = 0
    last_ttft_s: float | None = None
    ttft_s: float = 0.0
    decode_s: float = 0.0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))

    def add(self, usage: Usage, duration_s: float) -> None:
        """Count one answer; `duration_s` is from the moment when its turn came."""
        self.answered += 1
        self.tokens_in += usage.tokens_in
        self.tokens_reused += usage.tokens_reused
        self.tokens_out += usage.tokens_out
        self.last_ttft_s = usage.ttft_s
        self.ttft_s += usage.ttft_s
        self.decode_s += usage.total_s - usage.ttft_s
        self.durations.append(duration_s)

    def wait_s(self, under_way: int, concurrent: int) -> float:
        """How long until `under_way` requests are served, judged by the last answers; at least a second.

        An answer's duration contains its neighbours' turns, so `concurrent` of them end in one duration. Those
        being worked on are taken to be half done.
        """
        typical_s = sum(self.durations) / len(self.durations) if self.durations else _FIRST_GUESS_S
        ahead = max(0, under_way - concurrent) + min(under_way, concurrent) / 2
        return max(1.0, typical_s * ahead / concurrent)

    def stats(self, *, active: int, waiting: int) -> EngineStats:
        """Return the figures."""
        decoded = self.tokens_out - self.answered  # the first token of an answer belongs to its prompt
        return EngineStats(
            active=active,
            waiting=waiting,
            answered=self.answered,
            cancelled=self.cancelled,
            refused=self.refused,
            tokens_in=self.tokens_in,
            tokens_reused=self.tokens_reused,
            tokens_out=self.tokens_out,
            last_ttft_s=self.last_ttft_s,
            mean_ttft_s=self.ttft_s / self.answered if self.answered else None,
            tokens_per_s=decoded / self.decode_s if decoded > 0 and self.decode_s > 0 else None,
        )

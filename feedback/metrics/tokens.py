"""What models read and wrote: tokens in sums that add up over days, and what they cost at a price.

A price is for the tokens of a model server that is not ours (`Tokens.ours`): what runs on machines of one's
own is paid for otherwise, and has no cost here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from core.records import Tokens

_MILLION = 1_000_000


@dataclass(slots=True)
class TokenSums:
    """The tokens of a group of answers; `answers` counts those of which they are known.

    `cached` are those among `read` that had been read before. What begins with `charged_` is the part of it
    that a server which is not ours counted.
    """

    answers: int = 0
    read: int = 0
    cached: int = 0
    written: int = 0
    charged_answers: int = 0
    charged_read: int = 0
    charged_cached: int = 0
    charged_written: int = 0

    def add(self, tokens: Tokens | None) -> None:
        """Add those of an answer; None where they are not known."""
        if tokens is None:
            return
        self.answers += 1
        self.read += tokens.read
        self.cached += tokens.cached
        self.written += tokens.written
        if not tokens.ours:
            self.charged_answers += 1
            self.charged_read += tokens.read
            self.charged_cached += tokens.cached
            self.charged_written += tokens.written

    def merge(self, more: TokenSums) -> None:
        """Add those of other answers."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(more, one.name))


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """What a million tokens cost at the model server, in `currency`; see the settings token_price_….

    0 for in and out: no price is known; 0 for cached: tokens that were read before cost as much as others.
    """

    per_million_in: float = 0.0
    per_million_out: float = 0.0
    per_million_cached: float = 0.0
    currency: str = "USD"

    @property
    def known(self) -> bool:
        """Whether a price is set."""
        return self.per_million_in > 0 or self.per_million_out > 0

    def compute_cost(self, sums: TokenSums) -> float | None:
        """Return what the tokens of some answers cost; None where no price is set, or nobody charges."""
        if not self.known or not sums.charged_answers:
            return None
        cached = self.per_million_cached or self.per_million_in
        new = sums.charged_read - sums.charged_cached
        whole = new * self.per_million_in + sums.charged_cached * cached
        return (whole + sums.charged_written * self.per_million_out) / _MILLION

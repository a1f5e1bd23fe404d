"""Figures as they are shown.

None without the number that it rests on, and whether a change is more than chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feedback.metrics.definitions import Share, Sums, figures_of, wilson

FEW = 30
"""Fewer judgements, ratings or answers than this say little: of 30 the interval of a share is up to 0.34
wide."""
NOTICED = 0.05
"""A figure that has no interval has changed when it did so by this share of what it was."""

Tone = Literal["better", "worse", "same", "unclear"]


@dataclass(frozen=True, slots=True)
class Value:
    """A figure and how many it rests on; `low` and `high` are bounds of a share, with 95 % confidence."""

    value: float
    count: int
    low: float | None = None
    high: float | None = None


Values = Mapping[str, Value | None]

BETTER: Mapping[str, Literal[-1, 0, 1]] = {
    "accuracy": 1,
    "precision": 1,
    "quote_precision": 1,
    "satisfaction": 1,
    "liked_share": 1,
    "ignore_rate": -1,
    "response_p50_s": -1,
    "response_p95_s": -1,
    "first_token_p50_s": -1,
    "first_token_p95_s": -1,
    "answers": 0,
    "time_on_tool_s": 1,
    "verified_share": 0,
    "answered_share": 0,
    "quoted_share": 0,
    "abstained_share": 0,
}
"""Every figure, and whether more of it is better (1), worse (-1) or neither."""


def values_of(sums: Sums) -> dict[str, Value | None]:
    """Return every figure (feedback/metrics/definitions.py says what it means) with its count.

    None where nothing is known.
    """
    figures = figures_of(sums)
    counts = {
        "satisfaction": sums.starred,
        "response_p50_s": sums.response.count,
        "response_p95_s": sums.response.count,
        "first_token_p50_s": sums.first_token.count,
        "first_token_p95_s": sums.first_token.count,
        "answers": sums.answers,
        "time_on_tool_s": sums.sessions,
    }
    shares = {
        "liked_share": sums.likes + sums.dislikes,
        "ignore_rate": sums.closed,
        "verified_share": sums.answers,
        "answered_share": sums.answers,
        "quoted_share": sums.answers,
        "abstained_share": sums.answers,
    }
    known: dict[str, Value | None] = {
        name: _sampled(getattr(figures, name)) for name in ("accuracy", "precision", "quote_precision")
    }
    known |= {name: _counted(getattr(figures, name), count) for name, count in counts.items()}
    known |= {name: _share(getattr(figures, name), count) for name, count in shares.items()}
    return {name: known[name] for name in BETTER}


def _sampled(share: Share | None) -> Value | None:
    return None if share is None else Value(share.value, share.count, share.low, share.high)


def _counted(value: float | None, count: int) -> Value | None:
    return None if value is None else Value(value, count)


def _share(value: float | None, count: int) -> Value | None:
    return None if value is None else Value(value, count, *wilson(value, count))


def tone_of(name: str, now: Value | None, before: Value | None) -> Tone | None:
    """Tell whether a figure is better than it was; "unclear" where there are too few to say.

    None: nothing to compare. The difference of two shares has an interval, too (Newcombe 1998, from Wilson's
    bounds): where zero lies in it, the change may be chance. A figure without bounds has to change by a
    twentieth.
    """
    if now is None or before is None:
        return None
    better = BETTER[name]
    if not better:
        return "same"
    if min(now.count, before.count) < FEW:
        return "unclear"
    if not _has_changed(now, before):
        return "same"
    return "better" if (now.value > before.value) == (better > 0) else "worse"


def _has_changed(now: Value, before: Value) -> bool:
    bounds = difference(now, before)
    if bounds is None:
        return abs(now.value - before.value) >= NOTICED * abs(before.value)
    return bounds[0] > 0 or bounds[1] < 0


def difference(now: Value, before: Value) -> tuple[float, float] | None:
    """Return the bounds of how much a share has changed, with 95 % confidence; None for what is no share."""
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return None
    changed = now.value - before.value
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    return changed - down, changed + up

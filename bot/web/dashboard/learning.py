"""The dashboard's section on learning, as JSON: how soon and whom corrections reach, and what reviews bring.

What the figures mean is in feedback/metrics/learning.py. They are of all channels, versions and sites,
whatever is chosen. What people asked is told with `questions` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from feedback.metrics.calibration import Calibration
from feedback.metrics.learning import Lag, Learning, Points, RulingReach
from feedback.metrics.timeline import Value

CLOSED = "(a question about what not everyone may read)"
_TEXT = 400
"""Longest text of a question, characters."""


def describe_learning(found: Learning, closed: Collection[str] = (), *, questions: bool) -> dict[str, Any]:
    """Return the figures, without the questions of `closed` answers.

    A share is {"value", "n", "low", "high"} or null, a lag has its count as "n".
    """
    return {
        "reviews": found.reviews,
        "rulings": found.rulings,
        "reached": describe_share(found.reached),
        "unserved": found.unserved,
        "lag": _describe_lag(found.lag),
        "lags": {channel: _describe_lag(lag) for channel, lag in found.lags.items()},
        "kept": _describe_lag(found.kept),
        "answers": found.answers,
        "same": describe_share(found.same),
        "other": describe_share(found.other),
        "down": describe_share(found.down),
        "wrong": describe_share(found.wrong),
        "points": _describe_points(found.points),
        "idle_count": found.idle_count,
        "calibration": _describe_calibration(found.calibration),
        "top": _describe_rulings(found.top, closed) if questions else None,
        "idle": _describe_rulings(found.idle, closed) if questions else None,
    }


def _describe_calibration(found: Calibration) -> dict[str, Any]:
    return {
        "n": found.judged,
        "gap": found.gap,
        "brier": found.brier,
        "bins": [
            {
                "begin": one.begin,
                "end": one.end,
                "confidence": one.confidence,
                "right": describe_share(one.right),
            }
            for one in found.bins
        ],
    }


def describe_share(share: Value | None) -> dict[str, Any] | None:
    """Return a share with its count and its interval."""
    if share is None:
        return None
    return {"value": share.value, "n": share.count, "low": share.low, "high": share.high}


def write_time(at: datetime) -> str:
    """Return a moment in UTC, to the second, as the page's scripts read it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _describe_lag(lag: Lag) -> dict[str, Any]:
    return {"n": lag.count, "p50_s": lag.p50_s, "p95_s": lag.p95_s}


def _describe_points(points: Points) -> dict[str, Any]:
    return {
        "value": points.value,
        "low": points.low,
        "high": points.high,
        "n": points.judged,
        "reviews": points.reviews,
        "unknown": points.unknown,
    }


def _describe_rulings(rulings: Sequence[RulingReach], closed: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            "question": CLOSED if one.answer_id in closed else one.text[:_TEXT],
            "ruling": str(one.ruling),
            "at": write_time(one.settled_at),
            "served": one.served.answers if one.served else 0,
            "same": one.served.same if one.served else 0,
            "other": one.served.other if one.served else 0,
            "down": one.served.down if one.served else 0,
            "wrong": one.served.wrong if one.served else 0,
        }
        for one in rulings
    ]

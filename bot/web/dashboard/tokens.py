"""The dashboard's section on tokens, as JSON: what models read and wrote, by time and version, and its cost.

A cost is null where no price is set, or where only models of ours answered. Answers of which no tokens are
known, as verified and older ones, are not among `answers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from feedback.metrics.daily import Group
from feedback.metrics.timeline import Bucket, Timeline
from feedback.metrics.tokens import TokenPrices, TokenSums

Json = dict[str, Any]


def describe_tokens(timeline: Timeline, wanted: Callable[[Group], bool], prices: TokenPrices) -> Json:
    """Return it for the wanted groups of answers."""
    by_version: defaultdict[str, TokenSums] = defaultdict(TokenSums)
    for bucket in timeline.buckets:
        for group, sums in bucket.groups.items():
            if wanted(group) and sums.tokens.answers:
                by_version[group.model_version].merge(sums.tokens)
    before = _add_up(timeline.before, wanted)
    return {
        "currency": prices.currency if prices.known else None,
        "now": _describe(_merge(by_version.values()), prices),
        "before": _describe(before, prices) if before.answers else None,
        "points": [
            _describe(_add_up([bucket], wanted), prices) if bucket.known else None
            for bucket in timeline.buckets
        ],
        "versions": [{"name": name, **_describe(sums, prices)} for name, sums in by_version.items()],
    }


def _add_up(buckets: Iterable[Bucket], wanted: Callable[[Group], bool]) -> TokenSums:
    groups = (one for bucket in buckets for one in bucket.groups.items())
    return _merge(sums.tokens for group, sums in groups if wanted(group))


def _merge(parts: Iterable[TokenSums]) -> TokenSums:
    total = TokenSums()
    for one in parts:
        total.merge(one)
    return total


def _describe(sums: TokenSums, prices: TokenPrices) -> Json:
    return {**asdict(sums), "cost": prices.compute_cost(sums)}

"""A logistic regression near known weights: few judged cases move it little (L2, Newton's method)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.answering.search_head import Numbers

_STEPS = 40
_DONE = 1e-8
_NO_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Cases:
    """Judged cases: a row of `features` each, in the order of `names`; 1 for what was right; its weight.

    The weights have a mean of 1.
    """

    names: tuple[str, ...]
    features: Numbers
    right: Numbers
    weight: Numbers

    def leave_out(self, at: int) -> Cases:
        """Return the other cases."""
        kept = np.arange(len(self.right)) != at
        return Cases(self.names, self.features[kept], self.right[kept], self.weight[kept])


def make_cases(rows: Sequence[Mapping[str, float]], right: Sequence[bool], weight: Sequence[float]) -> Cases:
    """Return cases of equally named features."""
    names = tuple(rows[0]) if rows else ()
    counted = np.array(weight, np.float64)
    features = np.array([[row[name] for name in names] for row in rows], np.float64)
    return Cases(names, features, np.array(right, np.float64), counted * (len(rows) / (counted.sum() or 1.0)))


def rate_cases(cases: Cases, weights: Mapping[str, float]) -> Numbers:
    """Return how likely each case is right; a feature without a weight counts nothing."""
    return _logistic(_sum_up(cases, weights))


def fit_near(cases: Cases, shipped: Mapping[str, float], ridge: float, bias_ridge: float) -> dict[str, float]:
    """Return weights for the cases' features, pulled towards the shipped ones.

    `ridge`: as so many cases, of each standardised feature; `bias_ridge` of what all cases have in common.
    """
    spread = cases.features.std(axis=0)
    spread[spread < _NO_SPREAD] = 1.0
    mean = cases.features.mean(axis=0)
    rows: Numbers = np.hstack([(cases.features - mean) / spread, np.ones((len(cases.right), 1))])
    pull = np.diag([ridge] * len(cases.names) + [bias_ridge])
    offset, moved = _sum_up(cases, shipped), np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        likely = _logistic(offset + rows @ moved)
        slope: Numbers = rows.T @ (cases.weight * (likely - cases.right)) + pull @ moved
        curve: Numbers = (rows * (cases.weight * likely * (1 - likely))[:, None]).T @ rows + pull
        step = np.asarray(np.linalg.solve(curve, slope), np.float64)
        moved = moved - step
        if np.abs(step).max() < _DONE:
            break
    own: Numbers = moved[:-1] / spread
    fitted = {name: round(shipped.get(name, 0.0) + float(own[at]), 4) for at, name in enumerate(cases.names)}
    return fitted | {"bias": round(shipped["bias"] + float(moved[-1] - own @ mean), 4)}


def compute_log_loss(likely: Numbers, right: Numbers) -> Numbers:
    """Return the loss of each case, in nats."""
    sure = np.clip(np.where(right > 0, likely, 1 - likely), 1e-9, 1.0)
    return -np.log(sure)


def _sum_up(cases: Cases, weights: Mapping[str, float]) -> Numbers:
    return cases.features @ np.array([weights.get(name, 0.0) for name in cases.names]) + weights["bias"]


def _logistic(total: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-np.clip(total, -30, 30)))

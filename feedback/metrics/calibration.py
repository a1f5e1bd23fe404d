"""Calibration: whether the bot is right as often as it says that it is sure.

Of the random sample alone, whose answers were judged whatever their confidence was; answers that declined
have none to be right by. A well calibrated bot is right to 80 % where it was 80 % sure (Dawid 1982). `gap` is
the expected calibration error (Naeini, Cooper and Hauskrecht 2015): how far confidence and truth lie apart,
over bins of equal width, weighted by their answers. `brier` is the mean squared error of the confidence
(Brier 1950): 0 is perfect, and 0.25 what always saying one half gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feedback.metrics.timeline import Value, rate_share

BINS = 5


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The answers with a confidence from `begin` up to `end`: how sure the bot was, and how often right."""

    begin: float
    end: float
    confidence: float
    right: Value


@dataclass(frozen=True, slots=True)
class Calibration:
    """Figures over `judged` answers; None where there is none."""

    judged: int
    gap: float | None
    brier: float | None
    bins: Sequence[CalibrationBin]


def calibrate(judged: Iterable[tuple[float, bool]]) -> Calibration:
    """Compare confidences, 0 to 1, with what reviewers found."""
    pairs = list(judged)
    if not pairs:
        return Calibration(0, None, None, ())
    bins: list[CalibrationBin] = []
    for number in range(BINS):
        some = [one for one in pairs if min(int(one[0] * BINS), BINS - 1) == number]
        if not some:
            continue
        share = sum(right for _, right in some) / len(some)
        value = rate_share(share, len(some))
        if value is not None:
            sure = sum(confidence for confidence, _ in some) / len(some)
            bins.append(CalibrationBin(number / BINS, (number + 1) / BINS, sure, value))
    gap = sum(abs(one.confidence - one.right.value) * one.right.count for one in bins) / len(pairs)
    brier = sum((confidence - right) ** 2 for confidence, right in pairs) / len(pairs)
    return Calibration(len(pairs), gap, brier, bins)

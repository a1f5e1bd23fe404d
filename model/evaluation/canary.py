"""Judges a canary by what is known of both versions: keep, roll back or promote.

    votes     thumbs and stars, each as a number from 0 to 1: the canary pleases less than the live version
    failures  questions that got no answer: more than may be, and more than the live version has
    seconds   it answers slower than the live version, by more than may be

This is asked again and again while the votes come in. A test that is meant to be asked once finds a
difference in mere noise sooner or later when it is asked often enough (benchmarks/canary.py shows how soon).
So the tests here hold at all times together: of the canaries that are as good as what they replace, at most
ALPHA are ever rolled back, however often one looks ("always valid": Robbins 1970; Johari, Pekelis and Walsh
2015, whose mixtures these are).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import median

from core.phrases import Phrase, join_phrases, mark, mark_count

ALPHA = 0.05
"""How many of the canaries that are good enough one test may take for bad ones."""
SPREAD = 0.1
"""The size of differences that the test of votes finds soonest; others it finds, too, a little later."""
_DEGREES = 12

_FAILS = mark(
    "It failed on {failed} of its {questions} questions, the live version on {live_failed} of "
    "{live_questions}; at most {allowed} % are allowed."
)
_SLOW = mark(
    "Its answers take {seconds} s, those of the live version {live_seconds} s (medians); at most "
    "{ratio} times as long is allowed."
)
_TOO_FEW = mark(
    "There are too few votes so far: {votes} on it and {live_votes} on the live version; each needs {needed}."
)
_VOTES = mark(
    "Votes on it: {votes}, on average {mean} of 1; on the live version: {live_votes}, on average {live_mean}."
)
_PLEASES_LESS = mark("People like it less.")
_MAY_PLEASE_LESS = mark("People may like it less, but that is not certain yet.")
_SO_FAR = mark("Nothing speaks against it so far.")
_WENT_WELL = mark_count("{count} day went well.", "{count} days went well.")


class Step(StrEnum):
    """The next step of a canary."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class CanaryRules:
    """When a canary goes, and when it stays; see the settings of these names with `canary_` before them.

    `days` of 0 promotes nothing: reviewers do.
    """

    margin: float = 0.02
    min_votes: int = 30
    max_error_rate: float = 0.05
    max_latency_ratio: float = 1.5
    days: float = 7.0


@dataclass(frozen=True, slots=True)
class CanaryStats:
    """Ratings and times of one version since the canary began.

    `votes` are numbers from 0 (thumb down, one star) to 1 (thumb up, five stars). `seconds` are the response
    times of its answers, and `failed` is how many questions got none.
    """

    votes: Sequence[float] = ()
    seconds: Sequence[float] = ()
    failed: int = 0

    @property
    def pleased(self) -> float | None:
        """The mean vote; None without votes."""
        return sum(self.votes) / len(self.votes) if self.votes else None

    @property
    def questions(self) -> int:
        """The number of questions that it got."""
        return len(self.seconds) + self.failed


@dataclass(frozen=True, slots=True)
class CanaryFinding:
    """The next step and a sentence that says why; `reason` is the word that telemetry has for it."""

    step: Step
    sentence: Phrase
    reason: str = ""


def judge_canary(live: CanaryStats, canary: CanaryStats, age: timedelta, rules: CanaryRules) -> CanaryFinding:
    """Decide the next step of a canary that is `age` old."""
    for look in (_fails, _is_slow, _pleases_less):
        if finding := look(live, canary, rules):
            return finding
    return _good_enough(live, canary, age, rules)


# Reasons to roll back


def _fails(live: CanaryStats, canary: CanaryStats, rules: CanaryRules) -> CanaryFinding | None:
    others = (live.failed + 1) / (live.questions + 2)  # Laplace: of few questions, nothing is certain
    if not is_surely_more(canary.failed, canary.questions, max(rules.max_error_rate, others)):
        return None
    return CanaryFinding(
        Step.ROLL_BACK,
        Phrase(
            _FAILS,
            failed=canary.failed,
            questions=canary.questions,
            live_failed=live.failed,
            live_questions=live.questions,
            allowed=round(100 * rules.max_error_rate),
        ),
        "errors",
    )


def _is_slow(live: CanaryStats, canary: CanaryStats, rules: CanaryRules) -> CanaryFinding | None:
    """Tell whether surely more than half of its answers take too long (sign test)."""
    if len(live.seconds) < rules.min_votes:
        return None
    limit_s = rules.max_latency_ratio * median(live.seconds)
    if not is_surely_more(sum(one > limit_s for one in canary.seconds), len(canary.seconds), 0.5):
        return None
    return CanaryFinding(
        Step.ROLL_BACK,
        Phrase(
            _SLOW,
            seconds=round(median(canary.seconds), 1),
            live_seconds=round(median(live.seconds), 1),
            ratio=rules.max_latency_ratio,
        ),
        "latency",
    )


def _pleases_less(live: CanaryStats, canary: CanaryStats, rules: CanaryRules) -> CanaryFinding | None:
    if min(len(live.votes), len(canary.votes)) < rules.min_votes:
        return None
    if not is_surely_less(canary.votes, live.votes, rules.margin):
        return None
    return CanaryFinding(
        Step.ROLL_BACK, join_phrases(Phrase(_PLEASES_LESS), _describe_votes(live, canary)), "satisfaction"
    )


def _good_enough(live: CanaryStats, canary: CanaryStats, age: timedelta, rules: CanaryRules) -> CanaryFinding:
    missing = rules.min_votes - min(len(live.votes), len(canary.votes))
    if missing > 0:
        votes = {"votes": len(canary.votes), "live_votes": len(live.votes)}
        return CanaryFinding(Step.KEEP, Phrase(_TOO_FEW, **votes, needed=rules.min_votes))
    compared = _describe_votes(live, canary)
    if not rules.days or age < timedelta(days=rules.days):
        return CanaryFinding(Step.KEEP, join_phrases(Phrase(_SO_FAR), compared))
    if (canary.pleased or 0.0) < (live.pleased or 0.0) - rules.margin:
        return CanaryFinding(Step.KEEP, join_phrases(Phrase(_MAY_PLEASE_LESS), compared))
    return CanaryFinding(Step.PROMOTE, join_phrases(Phrase.of_count(_WENT_WELL, age.days), compared))


def _describe_votes(live: CanaryStats, canary: CanaryStats) -> Phrase:
    return Phrase(
        _VOTES,
        votes=len(canary.votes),
        mean=round(canary.pleased or 0.0, 2),
        live_votes=len(live.votes),
        live_mean=round(live.pleased or 0.0, 2),
    )


# Tests that hold whenever one looks


def is_surely_less(votes: Sequence[float], others: Sequence[float], margin: float) -> bool:
    """Tell whether votes are lower than others, in the mean, by more than a margin.

    The difference has about a normal distribution with variance `noise`. Its confidence sequence with a
    normal mixture of standard deviation SPREAD is `reach` to the one side, at all times together.
    """
    noise = _noise(votes) + _noise(others)
    spread = SPREAD**2
    odds = math.log((noise + spread) / noise) + 2 * math.log(1 / (2 * ALPHA))
    reach = math.sqrt(noise * (noise + spread) / spread * odds)
    return sum(others) / len(others) - sum(votes) / len(votes) - reach > margin


def _noise(votes: Sequence[float]) -> float:
    """Return the variance of a mean.

    One best and one worst vote are added: ten equal votes do not say that all are.
    """
    count, total = len(votes) + 2, sum(votes) + 1
    squares = sum(one * one for one in votes) + 1
    return (squares / count - (total / count) ** 2) / count


def is_surely_more(found: int, count: int, share: float) -> bool:
    """Tell whether what was found in `found` of `count` cases happens in more than a share of all.

    The likelihood of what was found under each of several higher shares, over that under this one, is in the
    mean at most 1 if the true share is no higher; so is their mean value, and it ever exceeds 1 / ALPHA with
    probability ALPHA (Ville 1939). No distribution is assumed, and no case is too few.
    """
    if not found or share >= 1:
        return False
    logs = [
        found * math.log(higher / share) + (count - found) * math.log((1 - higher) / (1 - share))
        for higher in (share + (1 - share) * 0.5 ** (degree / 2) for degree in range(1, _DEGREES + 1))
    ]
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs) / _DEGREES) >= math.log(1 / ALPHA)

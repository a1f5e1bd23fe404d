"""How often a canary as good as the live version is rolled back by mere noise, and how soon a bad one is.

Run as: python -m benchmarks.canary [--canaries 1000] [--seed 1]

Simulated people: 5,000 questions to each canary and its live version together, a fifth of them the canary's;
a fifth of the answers get a thumb, 80 % of them up; 1 % of the questions fail; answers take 1 s (median,
log-normal). After every 100 questions it is asked what to do (`model/evaluation/canary.py`, with the rules as
they are by default), as the job does; the first "roll back" counts. Beside it stands what an ordinary test at
95 % (two shares, normal distribution) does to the same votes when it is asked as often.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from model.evaluation.canary import CanaryRules, CanaryStats, Step, judge_canary

QUESTIONS, LOOK_EVERY = 5_000, 100
SHARE, VOTED = 0.2, 0.2
Z = 1.959964


@dataclass(frozen=True)
class Kind:
    """What a version is like: the share of thumbs up, of failures, and the median response time."""

    pleases: float = 0.8
    fails: float = 0.01
    takes_s: float = 1.0


CANARIES = {
    "as good as the live version": Kind(),
    "pleases 0.02 less (the margin)": Kind(pleases=0.78),
    "pleases 0.1 less": Kind(pleases=0.7),
    "pleases 0.2 less": Kind(pleases=0.6),
    "pleases 0.3 less": Kind(pleases=0.5),
    "fails on 4 % (5 % may be)": Kind(fails=0.04),
    "fails on 10 %": Kind(fails=0.1),
    "fails on 30 %": Kind(fails=0.3),
    "takes 1.4 times as long (1.5 may be)": Kind(takes_s=1.4),
    "takes twice as long": Kind(takes_s=2.0),
}


@dataclass
class Known:
    """What has been heard of one version so far."""

    kind: Kind
    votes: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    failed: int = 0

    def ask(self, dice: random.Random) -> None:
        """Ask it one question."""
        if dice.random() < self.kind.fails:
            self.failed += 1
            return
        self.seconds.append(self.kind.takes_s * math.exp(dice.gauss(0, 0.5)))
        if dice.random() < VOTED:
            self.votes.append(float(dice.random() < self.kind.pleases))

    @property
    def heard(self) -> CanaryStats:
        return CanaryStats(self.votes, self.seconds, self.failed)


@dataclass(frozen=True)
class End:
    """How a canary ended: why rolled back ("": never), after how many questions; `naive`: the other test."""

    reason: str
    questions: int
    naive: bool


def one_canary(kind: Kind, dice: random.Random, rules: CanaryRules) -> End:
    """Let people ask until it is rolled back, or all have asked."""
    live, canary = Known(Kind()), Known(kind)
    naive = False
    reason, questions = "", 0
    for number in range(1, QUESTIONS + 1):
        (canary if dice.random() < SHARE else live).ask(dice)
        if number % LOOK_EVERY:
            continue
        naive = naive or ordinary(canary.votes, live.votes, rules.min_votes)
        if not reason:
            finding = judge_canary(live.heard, canary.heard, timedelta(0), rules)
            if finding.step is Step.ROLL_BACK:
                reason, questions = finding.reason, canary.heard.questions
    return End(reason, questions, naive)


def ordinary(votes: Sequence[float], others: Sequence[float], least: int) -> bool:
    """Tell whether an ordinary test finds the votes lower, at 95 % to both sides."""
    if min(len(votes), len(others)) < least:
        return False
    mine, theirs = statistics.fmean(votes), statistics.fmean(others)
    noise = mine * (1 - mine) / len(votes) + theirs * (1 - theirs) / len(others)
    return theirs - mine > Z * math.sqrt(noise)


def report(name: str, ends: Sequence[End]) -> None:
    """Print one line."""
    back = [end for end in ends if end.reason]
    reasons = ", ".join(
        f"{reason} {count}" for reason, count in Counter(end.reason for end in back).most_common()
    )
    after = f", after {statistics.median(end.questions for end in back):.0f} of its questions" if back else ""
    naive = sum(end.naive for end in ends) / len(ends)
    print(f"{name:42} rolled back {len(back) / len(ends):6.1%}{after} ({reasons}); ordinary test {naive:.1%}")


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--canaries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rules = CanaryRules()
    for name, kind in CANARIES.items():
        dice = random.Random(f"{options.seed} {name}")  # noqa: S311 - nothing secret
        report(name, [one_canary(kind, dice, rules) for _ in range(options.canaries)])
    strict, dice = replace(rules, margin=0.0), random.Random(options.seed)  # noqa: S311
    report("as good, and no margin", [one_canary(Kind(), dice, strict) for _ in range(options.canaries)])


if __name__ == "__main__":
    main()

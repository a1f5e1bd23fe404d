"""How far a person's judgement is trusted: how often it agreed with reviewers who did not know of it.

People who rate badly on purpose do it again and again, so they are found as people, not answer by answer:
filtering by user beats filtering by example (Ju et al. 2022, https://arxiv.org/abs/2208.03295). They are
measured by what they cannot choose: the random sample of answers, which part of the reviewers judge twice,
without seeing each other's ruling.

    agreement = (agreed + 8) / (compared + 10)
    trust     = (agreement - 0.5) / (0.8 - 0.5), cut to 0 … 1

The agreement is a posterior mean: whoever is not known yet counts like somebody who agreed in 8 of 10 cases
(a Beta(8, 2) prior on a rater's accuracy, which Dawid & Skene 1979, Applied Statistics 28, estimated without
one). So a newcomer is trusted fully, one contradiction takes little away, six in a row take all, and whoever
agrees no more often than a coin ends at 0, however much they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core.records import Answer, Feedback, FeedbackKind, Review, Ruling

_AGREED, _COMPARED = 8, 10
"""What somebody is imagined to have said before they said anything."""
_CHANCE = 0.5
_SURELY_GOOD = 4
"""Stars; three say neither."""


@dataclass(frozen=True, slots=True)
class RatingScale:
    """What a word says about an answer.

    Reactions by their channel's names, and so many stars or fewer are bad.
    """

    up: frozenset[str] = frozenset({"like", "heart", "laugh"})
    down: frozenset[str] = frozenset({"sad", "angry"})
    few_stars: int = 2

    def says_good(self, word: Feedback) -> bool | None:
        """Tell what somebody thinks of an answer; None when the word judges nothing, or was taken back."""
        if word.withdrawn_at is not None:
            return None
        match word.kind:
            case FeedbackKind.THUMB:
                return word.value == "like"
            case FeedbackKind.REACTION if word.value in self.up | self.down:
                return word.value in self.up
            case FeedbackKind.STARS:
                stars = int(word.value)
                return None if self.few_stars < stars < _SURELY_GOOD else stars > self.few_stars
            case _:
                return None

    def complainers(self, words: Sequence[Feedback]) -> frozenset[str]:
        """Return who sent an answer to the reviewers: by calling it bad, or by asking for an expert."""
        wish = (word.giver for word in words if word.kind is FeedbackKind.EXPERT and not word.withdrawn_at)
        return frozenset([*wish, *(word.giver for word in words if self.says_good(word) is False)])


@dataclass(slots=True)
class Agreements:
    """Who agreed how often: person → [agreed, compared]. As large as there are people."""

    counts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(self, person: str, *, agreed: bool) -> None:
        """Note one comparison."""
        counts = self.counts.setdefault(person, [0, 0])
        counts[0] += agreed
        counts[1] += 1

    def trust(self, person: str) -> float:
        """Return how far somebody is trusted, 0 to 1."""
        agreed, compared = self.counts.get(person, (0, 0))
        agreement = (agreed + _AGREED) / (compared + _COMPARED)
        expected = _AGREED / _COMPARED
        return round(min(1.0, max(0.0, (agreement - _CHANCE) / (expected - _CHANCE))), 3)

    def weighed_down(self) -> tuple[int, int]:
        """Return how many people are trusted less than fully, and how many not at all."""
        trusts = [self.trust(person) for person in self.counts]
        return sum(0 < trust < 1 for trust in trusts), sum(trust == 0 for trust in trusts)


def compare_raters(
    into: Agreements, reviewed: tuple[Review, Answer], words: Sequence[Feedback], scale: RatingScale
) -> None:
    """Compare what people said about an answer with what reviewers decided.

    Only the sample counts: elsewhere whoever complained chose the question. A declined answer disappoints
    also where it is right to decline, so it tells nothing about its rater; nor does somebody who calls one
    answer good and bad.
    """
    review, answer = reviewed
    ruling = review.ruling
    if ruling is None or not review.blind or answer.abstained or ruling.ruling is Ruling.REJECTED:
        return
    was_right = ruling.ruling is Ruling.APPROVED
    said: dict[str, set[bool]] = {}
    for word in words:
        good = scale.says_good(word) if word.trainable else None
        if good is not None:
            said.setdefault(word.giver, set()).add(good)
    for person, views in said.items():
        if len(views) == 1:
            into.add(person, agreed=views == {was_right})


def compare_reviewers(into: Agreements, review: Review) -> None:
    """Compare the rulings of reviewers who judged one answer blindly: agreed is who was not alone."""
    if not review.blind or len(review.verdicts) < 2:  # noqa: PLR2004 - two make a comparison
        return
    for place, verdict in enumerate(review.verdicts):
        into.add(verdict.reviewer, agreed=verdict.ruling in _others(review, place))


def _others(review: Review, place: int) -> Iterator[Ruling]:
    return (one.ruling for at, one in enumerate(review.verdicts) if at != place)

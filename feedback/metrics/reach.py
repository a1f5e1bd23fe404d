"""The reach of rulings: how many later answers each one served, in sums that add up over days.

A ruling that lets something stand becomes a verified answer, and every answer that is served from it carries
the moment at which it was settled (`Answer.verified_at`). That moment names the ruling here: it is in the
review, too, and it says nothing of anybody. Two reviews of one instance that were settled in the same
microsecond would count as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.records import Answer, Feedback, FeedbackKind
from core.text import normalise_text
from feedback.store.base import moment

_FEW_STARS = 2
"""So many stars or fewer are as bad as a thumb down."""


@dataclass(slots=True)
class Served:
    """What was served from one ruling: how many answers, and when the first was written (UTC ISO text).

    `same` were asked in the words of the question that was reviewed, but for case and punctuation; `other` in
    other words. Both leave out those of which that question is not kept any more. Somebody gave `down` of
    them a thumb down or few stars, and reviewers found `wrong` of them wrong afterwards.
    """

    first_at: str
    answers: int = 0
    same: int = 0
    other: int = 0
    down: int = 0
    wrong: int = 0

    def merge(self, more: Served) -> None:
        """Add what was served from the same ruling at another time, or elsewhere."""
        self.first_at = min(self.first_at, more.first_at)
        self.answers += more.answers
        self.same += more.same
        self.other += more.other
        self.down += more.down
        self.wrong += more.wrong


@dataclass(slots=True)
class Reach:
    """What was served from each ruling, by the moment at which it was settled (UTC ISO text)."""

    rulings: dict[str, Served] = field(default_factory=dict[str, Served])

    def add(self, ruled_at: str, served: Served) -> None:
        """Add what was served from a ruling."""
        known = self.rulings.get(ruled_at)
        if known is None:
            # a third of the time that `copy` takes; days of a busy company have thousands
            self.rulings[ruled_at] = Served(
                served.first_at, served.answers, served.same, served.other, served.down, served.wrong
            )
        else:
            known.merge(served)

    def merge(self, more: Reach) -> None:
        """Add the reach of another time, or of other answers."""
        for ruled_at, served in more.rulings.items():
            self.add(ruled_at, served)


def count_served(
    answer: Answer, reviewed_text: str | None, words: Sequence[Feedback], *, wrong: bool
) -> Served:
    """Return what one served answer counts for; `reviewed_text` is the question that was reviewed.

    None where that is not kept any more.
    """
    same = reviewed_text is not None and is_same(reviewed_text, answer.question.text)
    return Served(
        first_at=moment(answer.answered_at),
        answers=1,
        same=int(same),
        other=int(reviewed_text is not None and not same),
        down=int(any(map(_is_down, words))),
        wrong=int(wrong),
    )


def is_same(one: str, other: str) -> bool:
    """Tell whether two questions have the same words, but for case and punctuation."""
    return normalise_text(one) == normalise_text(other)


def _is_down(word: Feedback) -> bool:
    if word.withdrawn_at is not None:
        return False
    if word.kind is FeedbackKind.STARS:
        return int(word.value) <= _FEW_STARS
    return word.kind is FeedbackKind.THUMB and word.value == "dislike"

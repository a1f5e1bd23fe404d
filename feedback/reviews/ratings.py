"""Rated answers: which answers people said something about, and what each of them thinks in the end.

    await RatedAnswers(store.documents).mark(answer)     somebody rated it, or took that back
    list_opinions(words, scale)                          what each person thinks: 1 for good, -1 for bad

What people said is kept as feedback and nowhere else: a mark says only that there is something to look at,
and since when, so that every process finds it. It goes with its question, and has nobody's opinion in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from core.records import Answer, Feedback, FeedbackKind
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, change_document, every_document, put_new

KIND = "rated"
RATINGS = frozenset({FeedbackKind.THUMB, FeedbackKind.STARS, FeedbackKind.REACTION})
"""The kinds of words that say whether an answer is good."""
Direction = Literal["up", "down"]
UP: Final = "up"
DOWN: Final = "down"
_GOOD_STARS = 4
"""Stars; three say neither, where the setting does not call them few."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Scale:
    """What a word means: reactions by their channel's names, and `few_stars` or fewer are bad."""

    reactions: Mapping[str, Direction] = field(
        default_factory=lambda: {"like": UP, "heart": UP, "laugh": UP, "sad": DOWN, "angry": DOWN}
    )
    few_stars: int = 2

    def read_opinion(self, word: Feedback) -> int:
        """Return 1 for good, -1 for bad, 0 for neither and for what was taken back."""
        if word.withdrawn_at is not None:
            return 0
        match word.kind:
            case FeedbackKind.THUMB:
                return {"like": 1, "dislike": -1}.get(word.value, 0)
            case FeedbackKind.REACTION:
                return {"": 0, UP: 1, DOWN: -1}[self.reactions.get(word.value, "")]
            case FeedbackKind.STARS:
                stars = int(word.value)
                return -1 if stars <= self.few_stars else int(stars >= _GOOD_STARS)
            case _:
                return 0

    def list_complainers(self, words: Sequence[Feedback]) -> frozenset[str]:
        """Return who sent an answer to the reviewers: by calling it bad, or by asking for an expert."""
        wish = (word.giver for word in words if word.kind is FeedbackKind.EXPERT and not word.withdrawn_at)
        return frozenset([*wish, *(word.giver for word in words if self.read_opinion(word) < 0)])


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody (a pseudonym) thinks of an answer, 1 or -1, and since when."""

    giver: str
    good: int
    given_at: datetime


def list_opinions(words: Sequence[Feedback], scale: Scale) -> list[Opinion]:
    """Return what each person thinks of an answer: the last of their words that may be learned from.

    Whoever is not known, or took it back, thinks nothing.
    """
    newest: dict[str, Feedback] = {}
    for word in words:
        known = newest.get(word.giver)
        counts = word.kind in RATINGS and word.giver and word.withdrawn_at is None
        if counts and (known is None or known.given_at <= word.given_at):
            newest[word.giver] = word
    opinions = (
        Opinion(giver, scale.read_opinion(word), word.given_at)
        for giver, word in newest.items()
        if word.trainable
    )
    return [one for one in opinions if one.good]


class RatedAnswers:
    """Marks answers that were rated. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def mark(self, answer: Answer) -> None:
        """Let every process look at what people say about an answer."""
        now = moment(datetime.now(UTC))
        asker = answer.question.asker
        await put_new(self._documents, Document(KIND, answer.id, "{}", answer.id, asker, order=now))

    async def mark_again(self, answer_id: str) -> None:
        """Let every process look once more at an answer that was rated: somebody's words are gone."""

        def renew(kept: Document | None) -> Document | None:
            return replace(kept, order=moment(datetime.now(UTC))) if kept else None

        await change_document(self._documents, Document(KIND, answer_id, "", answer_id), renew)

    async def list_marked(self, since: datetime) -> Mapping[str, str]:
        """Return the answers that were rated since then, by when that was; the last rated stands last."""
        wanted = Wanted(KIND, after=(moment(since), ""), limit=_PAGE)
        return {one.id: one.order async for one in every_document(self._documents, wanted)}

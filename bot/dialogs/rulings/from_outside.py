"""Changing rulings from a process that serves nobody, as the command line does.

What it changes stands in the store at once: bots ask there before they serve a verified answer, and learn the
rest when they next look (`review_interval_s`). It knows no verified answers by heart and has no model that
tells like questions, so an edit from here finds no other answer that says something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.dialogs.review import Reviewing
from bot.dialogs.rulings.take_back import TakingBack
from core.records import VerifiedAnswer
from feedback.reviews.paraphrases import Paraphrase
from feedback.reviews.repository import ReviewRepository
from feedback.store.rows import WholeStore


class NothingServed:
    """The verified answers of a process that serves none (`bot.dialogs.review.Known`)."""

    def put(self, verified: VerifiedAnswer) -> None:
        """Serve nothing."""

    def drop(self, answer_id: str) -> None:
        """Nothing is served."""

    def all(self) -> Sequence[VerifiedAnswer]:
        """Return nothing."""
        return ()

    def find_conflicts(self, verified: VerifiedAnswer, /) -> Sequence[VerifiedAnswer]:
        """Return nothing: nothing tells here which questions are alike."""
        return ()

    def get_public(self, answer_id: str, /) -> VerifiedAnswer | None:
        """Return nothing."""
        return None

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell of no two texts that they ask the same."""
        return [False for _ in others]

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn nothing."""

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn nothing."""

    def forget_asker(self, asker: str, /) -> None:
        """Nothing is known."""


def open_taking_back(
    store: WholeStore, desk: ReviewRepository, *, second_for_corrections: bool
) -> TakingBack:
    """Return what changes rulings in a store; bots show what follows from it."""
    reviewing = Reviewing(desk, store, NothingServed())
    return TakingBack(reviewing, store, second_for_corrections=second_for_corrections)

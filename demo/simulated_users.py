"""The simulated people: those who ask and rate, some carelessly, and reviewers who know the references.

Everything that somebody does follows from the seed and the question, so a replay that was killed goes on with
the same people in the same moods, and doing the same twice is doing it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.dialogs.rate import Word
from core.records import Answer, Citation, FeedbackKind, Passage, Ruling, Verdict
from demo.questions import Asked
from model.answering.grounding import sentences
from model.evaluation.metrics import Judged

ASKERS = 40
REVIEWERS = ("robin", "kim", "noor")
_SILENT = 0.3
"""Share of the answers that nobody rates."""
_CARELESS = 0.1
"""Share of the words that say the opposite of what is so."""
_WITH_STARS = 0.5
_WRONGLY_APPROVED = 0.02
_STRICT_F1 = 0.6
_GOOD, _DECLINED_WELL, _DECLINED_BADLY, _BAD = (5, 4), (4, 3), (2, 3), (1, 2)
"""Stars in a good and in a worse mood."""


@dataclass(frozen=True, slots=True)
class People:
    """The cast of one replay."""

    seed: int

    def asker(self, asked: Asked) -> str:
        """Return who asks a question."""
        return f"asker-{self._number(asked, 'asker') % ASKERS}"

    def word(self, asked: Asked, judged: Judged) -> Word | None:
        """Return what the asker says of an answer; None for nothing."""
        if self._lot(asked, "silent") < _SILENT:
            return None
        stars = self.stars(asked, judged)
        if self._lot(asked, "form") < _WITH_STARS:
            return Word(FeedbackKind.STARS, str(stars))
        return Word(FeedbackKind.THUMB, "like" if stars > _DECLINED_BADLY[1] else "dislike")

    def stars(self, asked: Asked, judged: Judged) -> int:
        """Return how many stars the asker gives, said or not: what a round's satisfaction is the mean of."""
        if judged.answer.abstained:
            good, worse = _DECLINED_WELL if judged.correct else _DECLINED_BADLY
        else:
            good, worse = _GOOD if judged.correct else _BAD
        stars = worse if self._lot(asked, "mood") < _WITH_STARS else good
        return 6 - stars if self._lot(asked, "careless") < _CARELESS else stars

    def verdict(self, asked: Asked, judged: Judged) -> Verdict:
        """Return how a reviewer decides on an answer, who has the reference answer before them.

        They let stand what is right and brief, write the reference where it is not, and are wrong now and
        then.
        """
        reviewer = REVIEWERS[self._number(asked, "reviewer") % len(REVIEWERS)]
        ruling, text, citation = self._ruling(asked, judged)
        return Verdict(
            reviewer=reviewer,
            reviewer_name=reviewer.title(),
            ruling=ruling,
            given_at=datetime.now(UTC),
            text=text,
            citation=citation,
            source=f"{asked.id}|ruling",
        )

    def _ruling(self, asked: Asked, judged: Judged) -> tuple[Ruling, str, Citation | None]:
        answer = judged.answer
        if self._lot(asked, "slip") < _WRONGLY_APPROVED:
            return Ruling.APPROVED, "", None
        if not asked.item.references:
            return (Ruling.APPROVED if answer.abstained else Ruling.NOT_ON_PAGE), "", None
        if judged.f1 >= _STRICT_F1:
            return Ruling.APPROVED, "", None
        text, citation = _right_answer(asked, answer)
        return Ruling.CORRECTED, text, citation

    def _lot(self, asked: Asked, purpose: str) -> float:
        return self._number(asked, purpose) / 2**64

    def _number(self, asked: Asked, purpose: str) -> int:
        drawn = hashlib.sha256(f"{self.seed}|{purpose}|{asked.id}".encode()).digest()[:8]
        return int.from_bytes(drawn)


def _right_answer(asked: Asked, answer: Answer) -> tuple[str, Citation | None]:
    """Return a reference with the sentence that it stands in: one that the bot's passages have, if any."""
    for reference in asked.item.references:
        citation = _standing(reference, answer.passages)
        if citation is not None:
            return reference, citation
    return asked.item.references[0], None


def _standing(text: str, passages: Sequence[Passage]) -> Citation | None:
    for passage in passages:
        for sentence in sentences(passage.text):
            if text in sentence:
                return Citation(passage.url, passage.title, passage.heading, sentence)
    return None

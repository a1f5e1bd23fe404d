"""Reviewers of several processes: what each process of a bot has beside one store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.dialogs.review import Reviewing, ReviewRules
from bot.dialogs.rulings import TakingBack, build_correction
from core.records import Answer, ChangeKind, Review, ReviewReason, Ruling, RulingChange, Verdict
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore
from feedback.store.documents import Document, Documents
from tests.builders.records import NOON, answer, question
from tests.builders.world import NO_SAMPLE, NothingKnown

ROBIN, KIM, LEE = "p-robin", "p-kim", "p-lee"


class Killed(Exception):
    """The process is gone."""


class CutDocuments:
    """Documents that take so many more changes, and then the process is killed."""

    def __init__(self, documents: Documents, left: int) -> None:
        self._documents = documents
        self.left = left

    def _count(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    async def add(self, document: Document) -> bool:
        self._count()
        return await self._documents.add(document)

    async def replace(self, document: Document) -> bool:
        self._count()
        return await self._documents.replace(document)

    async def put(self, document: Document) -> None:
        self._count()
        await self._documents.put(document)

    async def remove(self, kind: str, id_: str, answer_id: str = "", *, version: int | None = None) -> bool:
        self._count()
        return await self._documents.remove(kind, id_, answer_id, version=version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)


class ReviewProcess:
    """One process: what it knows by heart, and what its reviewers do."""

    def __init__(self, store: FeedbackStore, documents: Documents, rules: ReviewRules = NO_SAMPLE) -> None:
        self.store = store
        self.known = NothingKnown()
        self.repository = ReviewRepository(documents)
        self.reviewing = Reviewing(self.repository, store, self.known, rules)
        second = rules.second_for_corrections
        self.taking_back = TakingBack(self.reviewing, store, second_for_corrections=second)

    async def flagged(self, number: int = 1) -> Answer:
        asked = question(number)
        given = answer(asked)
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        await self.reviewing.flag(given, ReviewReason.THUMB_DOWN)
        return given

    async def rule(self, on: Answer, text: str = "30 days.", round_: int = 1, **changes: Any) -> Review:
        ruling = Ruling.CORRECTED if text else Ruling.NOT_ON_PAGE
        verdict = Verdict(ROBIN, "Robin", ruling, NOON, text, source=f"rule {round_} {text}")
        return await self.reviewing.rule(on.id, round_, replace(verdict, **changes))

    async def undo(self, on: Answer, round_: int = 1, **changes: Any) -> Review:
        return await self.taking_back.take_back(on.id, round_, a_change(round_, **changes))

    async def edit(self, on: Answer, text: str, round_: int = 1, **changes: Any) -> Review:
        change = a_change(round_, kind=ChangeKind.EDITED, **changes)
        return await self.taking_back.edit(on.id, round_, change, build_correction(change, text))

    async def restart(self) -> None:
        """Begin with empty hands on the same store, as a new process does."""
        self.known = NothingKnown()
        self.reviewing = Reviewing(self.repository, self.store, self.known, NO_SAMPLE)
        await self.reviewing.catch_up()


def a_change(round_: int = 1, **changes: Any) -> RulingChange:
    source = f"change {round_} {changes.get('reviewer', KIM)}"
    plain = RulingChange(ChangeKind.WITHDRAWN, KIM, "Kim", NOON, "a wrong press", source=source)
    return replace(plain, **changes)

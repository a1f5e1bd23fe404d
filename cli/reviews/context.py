"""What the commands about verified answers work with: the open store, its trail, and who the operator is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.cards.review_actions import to_reviewed
from bot.dialogs.rulings import TakingBack, open_taking_back
from bot.stores import open_store, read_keys
from core.records import Answer, Review
from core.settings import Settings
from feedback.privacy.audit import Audit, AuditAction
from feedback.privacy.keys import name_operator
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.verified_catalogue import CatalogueEntry, CatalogueFilter, list_verified, read_entries
from feedback.store.base import StoreError
from feedback.store.rows import WholeStore

_SHORTEST_ID = 4


@dataclass(frozen=True, slots=True)
class VerifiedContext:
    """What a command works with, and who the operator is in the audit trail."""

    store: WholeStore
    repository: ReviewRepository
    taking_back: TakingBack
    operator: str

    async def record(self, action: AuditAction, answer: Answer | None = None) -> None:
        """Write into the audit trail what is about to be read. Raises StoreError: then it is not read."""
        about = {"answer_id": answer.id, "person": answer.question.asker} if answer else {}
        await Audit(self.store.documents).write(self.operator, action, **about)

    async def find(self, beginning: str) -> CatalogueEntry:
        """Return the verified answer whose id begins so. Raises StoreError."""
        served = await list_verified(self.repository, CatalogueFilter())
        meant = [one for one in served if one.answer_id.startswith(beginning)]
        exact = [one for one in meant if one.answer_id == beginning]
        if len(beginning) < _SHORTEST_ID or len(exact or meant) > 1:
            raise StoreError(f"Several verified answers begin with {beginning!r}: give more of the id.")
        entries = await read_entries(self.repository, exact or meant)
        if not entries:
            raise StoreError(f"No verified answer begins with {beginning!r}: see `askpage verified list`.")
        return entries[0]

    async def read_answer(self, review: Review) -> Answer:
        """Return the answer that was reviewed, with the passages that its reviewers looked at."""
        answer = await self.store.answer(review.answer_id)
        if answer is None:
            raise StoreError("The question that this answers was deleted.")
        return to_reviewed(answer, review.passages)


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncGenerator[VerifiedContext]:
    """Open the store for a command. Raises StoreError."""
    operator = name_operator(read_keys(settings))
    async with open_store(settings) as store:
        repository = ReviewRepository(store.documents, operator)
        second = settings.review.second_for_corrections
        yield VerifiedContext(
            store, repository, open_taking_back(store, repository, second_for_corrections=second), operator
        )

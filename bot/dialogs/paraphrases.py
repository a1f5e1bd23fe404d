"""Learns from what people say of verified answers that were offered below similar questions, at once.

What is kept stands in `feedback/reviews/paraphrases.py`, what is done with it in
`bot/dialogs/verified_answers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from feedback.privacy.deletion_log import Deletion
from feedback.privacy.opt_out import list_opt_outs
from feedback.reviews.paraphrases import Paraphrase, Paraphrases
from feedback.store.base import FeedbackStore
from feedback.store.documents import Documents

CATCH_UP_S = 60.0
"""How soon other processes know what people say here, seconds."""


class KnowsParaphrases(Protocol):
    """Where paraphrases are looked up (`bot.dialogs.verified_answers.VerifiedAnswers`)."""

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn what people said of these questions, in the place of what was known of them."""
        ...

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Know these paraphrases, and no others."""
        ...

    def forget_asker(self, asker: str, /) -> None:
        """Forget the paraphrases in the words of one person."""
        ...


class LearnsParaphrases:
    """Keeps what people say of offered answers, and brings it to memory. One per process."""

    def __init__(self, store: FeedbackStore, documents: Documents, known: KnowsParaphrases) -> None:
        self._store = store
        self._documents = documents
        self._kept = Paraphrases(documents)
        self._known = known

    async def learn(self, answer_id: str) -> None:
        """Somebody took or refused what was offered below an answer. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.put_paraphrases(await self._kept.recount(self._store, answer_id, opted_out))

    async def catch_up(self) -> None:
        """Know what other processes learned, and forget what is gone. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.replace_paraphrases(await self._kept.list_all(opted_out))

    async def forget_person(self, deletion: Deletion) -> None:
        """Forget a person's questions, whose data is deleted."""
        self._known.forget_asker(deletion.person)

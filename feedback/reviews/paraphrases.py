"""Paraphrases: what people said of a verified answer that was offered below a similar question of theirs.

"That's it" makes two questions the same, "No" tells them apart. What is kept is the asker's question with how
many people said which, never who: it is counted anew from their words (`core.records.FeedbackKind.SIMILAR`),
and goes with the question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from core.records import Answer, Feedback, FeedbackKind
from feedback.store.base import FeedbackStore, moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

KIND = "paraphrase"
Opinion = Literal["same", "other"]


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """A question beside the verified answer that was offered below its own answer, `answer_id`.

    `asker` is a pseudonym; `same` people said that the verified answer fits, `other` that it does not.
    """

    answer_id: str
    verified_id: str
    text: str
    asker: str
    page_url: str | None
    same: int
    other: int


def write_opinion(opinion: Opinion, verified_id: str) -> str:
    """Return the value of a word that says it (`core.records.Feedback.value`)."""
    return f"{opinion} {verified_id}"


def count_opinions(
    answer: Answer, words: Sequence[Feedback], opted_out: Collection[str] = ()
) -> list[Paraphrase]:
    """Return what people say of each verified answer that was offered below an answer.

    Of two opinions of one person the later one counts. `opted_out` do not want that anything is learned from
    them.
    """
    question = answer.question
    if question.asker in opted_out:
        return []
    newest: dict[tuple[str, str], Feedback] = {}
    for word in words:
        if word.kind is FeedbackKind.SIMILAR and word.giver and word.giver not in opted_out:
            about = (word.value.partition(" ")[2], word.giver)
            if about not in newest or newest[about].given_at <= word.given_at:
                newest[about] = word
    said = {about: word.value.partition(" ")[0] for about, word in newest.items() if not word.withdrawn_at}
    return [
        Paraphrase(
            answer.id,
            verified_id,
            question.text,
            question.asker,
            question.page_url,
            same=sum(one == "same" for (of, _), one in said.items() if of == verified_id),
            other=sum(one == "other" for (of, _), one in said.items() if of == verified_id),
        )
        for verified_id in sorted({of for of, _ in said})
    ]


class Paraphrases:
    """Keeps them as documents. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def recount(
        self, store: FeedbackStore, answer_id: str, opted_out: Collection[str]
    ) -> Sequence[Paraphrase]:
        """Count anew what people say below an answer, and return it; see `count_opinions`."""
        answer = await store.answer(answer_id)
        if answer is None:
            return ()
        words = await store.feedback_on(answer_id)
        counted = count_opinions(answer, words, opted_out)
        for one in counted:
            await self._documents.put(_to_document(one))
        kept = {_name(one) for one in counted}
        for document in await self._documents.list_documents(Wanted(KIND, answer_id=answer_id)):
            if document.id not in kept:
                await self._documents.remove(KIND, document.id, answer_id)
        return counted

    async def list_all(self, opted_out: Collection[str]) -> Sequence[Paraphrase]:
        """Return all of them, but for those of people who opted out."""
        return [
            from_json(Paraphrase, document.body)
            async for document in every_document(self._documents, Wanted(KIND))
            if document.person not in opted_out
        ]


def _name(one: Paraphrase) -> str:
    return f"{one.answer_id}|{one.verified_id}"


def _to_document(one: Paraphrase) -> Document:
    counted_at = moment(datetime.now(UTC))
    return Document(KIND, _name(one), to_json(one), one.answer_id, one.asker, order=counted_at)

"""Who got which verified answer, so that they are told, once, when a reviewer takes it back or changes it.

    delivered, or an offer taken ──> kept ──> told "taken back 2" ──> told "round 2"

One document for each verified answer that somebody got. It has ids, times and a digest of the words, but no
words; it goes with the answer below which they got it, and with the person. What they were told last stands
in it, so that nobody is told the same twice, whoever is killed in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.records import Answer, Feedback, VerifiedAnswer
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, change_document, every_document
from feedback.store.serialization import from_json, to_json

KIND = "served"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ServedAnswer:
    """One person got the verified answer that came from the answer `reviewed`, below the answer `answer_id`.

    `verified_at` names the ruling, `shown` is a digest of what they read, `told` what they were told of it
    last ("": nothing).
    """

    answer_id: str
    reviewed: str
    person: str
    conversation: str
    served_at: datetime
    verified_at: datetime
    shown: str
    told: str = ""


def digest_words(one: Answer | VerifiedAnswer) -> str:
    """Return the digest of what an answer says: equal ones say the same."""
    return hashlib.sha256(f"{one.abstained}|{one.text}".encode()).hexdigest()[:_DIGITS]


async def keep_served(documents: Documents, answer: Answer) -> None:
    """Keep that an answer was served as verified, and to whom; nothing where it was not."""
    if answer.reviewed and answer.verified_at is not None:
        served = ServedAnswer(
            answer.id,
            answer.reviewed,
            answer.question.asker,
            answer.question.conversation,
            answer.answered_at,
            answer.verified_at,
            digest_words(answer),
        )
        await documents.add(_of_served(served))


async def keep_taken(documents: Documents, answer: Answer, taken: Feedback, verified: VerifiedAnswer) -> None:
    """Keep that somebody took a verified answer that was offered below an answer, and so read it."""
    served = ServedAnswer(
        answer.id,
        verified.answer_id,
        taken.giver,
        answer.question.conversation,
        taken.given_at,
        verified.verified_at,
        digest_words(verified),
    )
    await documents.add(_of_served(served))


async def list_served(
    documents: Documents, reviewed: str, since: datetime, before: datetime
) -> Sequence[ServedAnswer]:
    """Return who got a verified answer since a time, by a ruling from before another: the last one first.

    Each person stands there once, with what they got last.
    """
    wanted = Wanted(KIND, state=reviewed, after=(moment(since), ""))
    found = [from_json(ServedAnswer, one.body) async for one in every_document(documents, wanted)]
    newest = {one.person: one for one in found if one.verified_at < before}
    return sorted(newest.values(), key=lambda one: (one.served_at, one.answer_id), reverse=True)


async def mark_told(documents: Documents, served: ServedAnswer, news: str) -> None:
    """Mark what somebody was told; nothing where it was deleted meanwhile."""

    def mark(kept: Document | None) -> Document | None:
        return _of_served(replace(from_json(ServedAnswer, kept.body), told=news)) if kept else None

    await change_document(documents, _of_served(served), mark)


def _of_served(one: ServedAnswer) -> Document:
    name = f"{one.answer_id}|{one.reviewed}|{one.person}"
    served_at = moment(one.served_at)
    return Document(KIND, name, to_json(one), one.answer_id, one.person, one.reviewed, order=served_at)

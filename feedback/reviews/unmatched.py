"""Unmatched feedback: words that belong to no known answer (yet), kept until it appears, and counted.

They are documents of the kind "untied".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.records import Feedback
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

_KIND = "untied"


@dataclass(frozen=True, slots=True)
class UnmatchedFeedback:
    """A word that belongs to no answer that is known (yet). `what` names its shape, for the count."""

    what: str
    conversation: str
    message_id: str
    feedback: Feedback


async def keep_unmatched(documents: Documents, unmatched: UnmatchedFeedback, name: str) -> bool:
    """Keep a word; False when `name` (its activity) was kept before. Raises StoreError, as all of these."""
    feedback = unmatched.feedback
    body = json.dumps({"what": unmatched.what, "feedback": to_json(feedback)})
    state = _name_message(unmatched.conversation, unmatched.message_id)
    return await documents.add(
        Document(_KIND, name, body, person=feedback.giver, state=state, order=moment(feedback.given_at))
    )


async def list_unmatched(
    documents: Documents, conversation: str, message_id: str
) -> Sequence[tuple[str, Feedback]]:
    """Return (name, word) of what was said about a message before its answer was known."""
    wanted = Wanted(_KIND, state=_name_message(conversation, message_id))
    return [
        (found.id, from_json(Feedback, json.loads(found.body)["feedback"]))
        async for found in every_document(documents, wanted)
    ]


async def remove_unmatched(documents: Documents, name: str) -> None:
    """Forget a word that has found its answer."""
    await documents.remove(_KIND, name)


async def count_unmatched(documents: Documents) -> dict[str, int]:
    """Return how many words of each shape belong to no answer."""
    found = every_document(documents, Wanted(_KIND))
    return dict(Counter([json.loads(document.body)["what"] async for document in found]))


def _name_message(conversation: str, message_id: str) -> str:
    """Name a message: by its channel without the thread, which a reaction does not name everywhere."""
    return f"{conversation.partition(';messageid=')[0]}|{message_id}"

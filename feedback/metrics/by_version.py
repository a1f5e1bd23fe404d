"""What is known of each model version since a time.

Its votes, its response times, and the questions it failed on. It reads the answers since then with what was
said about them, and all questions once: which of them failed is in no index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.records import Feedback, FeedbackKind
from feedback.metrics.daily import Records, answers_between
from feedback.store.base import moment
from feedback.store.rows import every_row

_MOST_STARS = 5


@dataclass(slots=True)
class Said:
    """`votes` are numbers from 0 to 1, `seconds` the response times of the answers, `failed` counts questions without one."""

    votes: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    failed: int = 0


async def said_since(store: Records, since: datetime, drawn: Callable[[str], str]) -> dict[str, Said]:
    """Return what is known by model version. Raises StoreError.

    `drawn` names the version that answers a conversation: a question that failed has no answer that could
    tell. Verified answers are no version's work. A vote counts for the answer that it is about, however late
    it comes.
    """
    said: dict[str, Said] = {}
    answered: set[str] = set()
    async for answer in answers_between(store, since, datetime.max.replace(tzinfo=UTC)):
        answered.add(answer.question.id)
        if answer.verified_by is not None:
            continue
        one = said.setdefault(answer.model_version, Said())
        one.seconds.append((answer.answered_at - answer.question.asked_at).total_seconds())
        one.votes += votes_in(await store.feedback_on(answer.id))
    async for row in every_row(store, "question"):
        done = (
            row.fields["asked_at"] >= moment(since) and row.fields["message_id"]
        )  # "": stopped by its asker
        if done and row.fields["id"] not in answered:
            said.setdefault(drawn(row.fields["conversation"]), Said()).failed += 1
    return said


def votes_in(words: Sequence[Feedback]) -> list[float]:
    """Return everybody's last thumb and stars as numbers from 0 to 1; what was taken back is no vote."""
    votes: list[float] = []
    for word in words:
        if word.withdrawn_at is not None:
            continue
        if word.kind is FeedbackKind.THUMB:
            votes.append(float(word.value == "like"))
        elif word.kind is FeedbackKind.STARS:
            votes.append((int(word.value) - 1) / (_MOST_STARS - 1))
    return votes

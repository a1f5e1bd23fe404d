"""Somebody says what they think of an answer: it is kept before it is acknowledged.

Slack's terms restrict training on what comes through its API, so a word given there is kept as not trainable.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from feedback.store import FeedbackStore
from records import Answer, Channel, Feedback, FeedbackKind


async def give_thumb(
    store: FeedbackStore,
    answer: Answer,
    giver: str,
    value: str,
    comment: str = "",
    reasons: tuple[str, ...] = (),
) -> Feedback:
    """Keep a thumb, "like" or "dislike", with what was written beside it; a second one replaces the first."""
    thumb = _word(answer, giver, FeedbackKind.THUMB, value)
    feedback = replace(thumb, comment=comment, reasons=reasons)
    await store.put_feedback(feedback)
    return feedback


async def give_reaction(store: FeedbackStore, answer: Answer, giver: str, reaction: str) -> Feedback:
    """Keep a reaction by its channel's name for it; one person may give several."""
    feedback = _word(answer, giver, FeedbackKind.REACTION, reaction)
    await store.put_feedback(feedback)
    return feedback


async def take_back_reaction(
    store: FeedbackStore, answer: Answer, giver: str, reaction: str
) -> Feedback | None:
    """Withdraw a reaction; None where that person has not given it."""
    for feedback in await store.feedback_on(answer.id):
        if (feedback.giver, feedback.kind, feedback.value) == (giver, FeedbackKind.REACTION, reaction):
            withdrawn = replace(feedback, withdrawn_at=datetime.now(UTC))
            await store.put_feedback(withdrawn)
            return withdrawn
    return None


def _word(answer: Answer, giver: str, kind: FeedbackKind, value: str) -> Feedback:
    trainable = answer.question.channel is not Channel.SLACK
    return Feedback(answer.id, giver, kind, value, trainable, given_at=datetime.now(UTC))

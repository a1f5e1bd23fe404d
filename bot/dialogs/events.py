"""Telemetry events (core/telemetry.py) of questions, answers, words and reviews: properties from records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from core import telemetry
from core.records import Answer, Feedback, Question, ReviewReason, VerifiedAnswer
from feedback.analytics import events
from feedback.store.base import FeedbackStore, StoreError

log = logging.getLogger(__name__)


def question_asked(question: Question) -> None:
    """A question was kept."""
    telemetry.event(
        "question_asked",
        channel=question.channel,
        language=question.language,
        named_page=question.page_url is not None,
    )


def answer_sent(answer: Answer, before: Answer | None, *, resumed: bool) -> None:
    """An answer is on screen; `before` is the same person's last one in this conversation."""
    question = answer.question
    telemetry.event(
        "answer_sent",
        **events.of_answer(answer),
        seconds=_since(question.asked_at),
        first_token_seconds=answer.timings.time_to_first_token_s,
        search_seconds=answer.timings.search_s,
        pause_seconds=(question.asked_at - before.answered_at).total_seconds() if before else None,
        support=answer.support,
        confidence=answer.confidence,
        resumed=resumed,
        search_version=telemetry.read_search_version(),
    )


def answer_failed(question: Question, reason: str) -> None:
    """Somebody got no answer, or did not want it any more."""
    telemetry.event(
        "answer_failed",
        channel=question.channel,
        language=question.language,
        reason=reason,
        seconds=_since(question.asked_at),
    )


def question_forgotten(answer: Answer) -> None:
    """A question was deleted with its answer."""
    telemetry.event("question_forgotten", answer=telemetry.hash_answer_id(answer.id))


async def feedback_given(
    store: FeedbackStore, answer: Answer, feedback: Feedback, directions: Mapping[str, str]
) -> None:
    """Somebody said something; `directions` are those of `the scale of ratings`."""
    if not telemetry.is_on():
        return
    try:
        words = await store.feedback_on(answer.id)
    except StoreError:
        log.info("a word is kept, but not told of")
        return
    telemetry.event("feedback_given", **events.feedback_given(answer, feedback, words, directions))


def review_opened(answer: Answer, reason: ReviewReason, round_: int) -> None:
    """An answer waits for a reviewer."""
    telemetry.event("review_opened", **events.of_answer(answer), reason=reason, round=round_)


def verified_served(answer: Answer, verified: VerifiedAnswer) -> None:
    """A verified answer was found for a question."""
    telemetry.event(
        "verified_served",
        **events.of_answer(answer),
        reviewed=telemetry.hash_answer_id(verified.answer_id),
        age_seconds=_since(verified.verified_at),
    )


def _since(time: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - time).total_seconds())

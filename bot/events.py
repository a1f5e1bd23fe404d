"""What is told of questions, answers, words and reviews (telemetry.py): records in, the properties of events out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

import telemetry
from feedback.examples import site_of
from feedback.store import FeedbackStore, StoreError
from records import Answer, Feedback, FeedbackKind, Question, Review, ReviewReason, VerifiedAnswer

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
        **_of(answer),
        seconds=_since(question.asked_at),
        first_token_seconds=answer.timings.time_to_first_token_s,
        search_seconds=answer.timings.search_s,
        pause_seconds=(question.asked_at - before.answered_at).total_seconds() if before else None,
        support=answer.support,
        resumed=resumed,
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
    telemetry.event("question_forgotten", answer=telemetry.hashed(answer.id))


async def feedback_given(
    store: FeedbackStore, answer: Answer, feedback: Feedback, directions: Mapping[str, str]
) -> None:
    """Somebody said something; `directions` are those of `bot.dialogs.rate.RatingRules`.

    It is told with all that its answer has by now: who said it is not told, so a change of mind would look like a
    second person otherwise, and a word that was delivered twice like two.
    """
    if not telemetry.is_on():
        return
    try:
        words = [word for word in await store.feedback_on(answer.id) if word.withdrawn_at is None]
    except StoreError:
        log.info("a word is kept, but not told of")
        return
    stars = [int(word.value) for word in words if word.kind is FeedbackKind.STARS]
    thumbs = [word.value for word in words if word.kind is FeedbackKind.THUMB]
    value = feedback.value or "none"
    if feedback.kind is FeedbackKind.REACTION:  # channels let people name their own
        value = directions.get(feedback.value, telemetry.OTHER)
    telemetry.event(
        "feedback_given",
        **_of(answer),
        kind=feedback.kind,
        value=value,
        withdrawn=feedback.withdrawn_at is not None,
        late_seconds=((feedback.withdrawn_at or feedback.given_at) - answer.answered_at).total_seconds(),
        stars=sum(stars),
        starred=len(stars),
        likes=thumbs.count("like"),
        dislikes=thumbs.count("dislike"),
    )


def review_opened(answer: Answer, reason: ReviewReason, round_: int) -> None:
    """An answer waits for a reviewer."""
    telemetry.event("review_opened", **_of(answer), reason=reason, round=round_)


def review_ruled(answer: Answer, review: Review) -> None:
    """Reviewers decided."""
    if review.ruling is None or review.settled_at is None:
        return
    telemetry.event(
        "review_ruled",
        **_of(answer),
        ruling=review.ruling.ruling,
        weight=review.weight,
        round=review.round,
        verdicts=len(review.verdicts),
        seconds=(review.settled_at - review.opened_at).total_seconds(),
    )


def verified_served(answer: Answer, verified: VerifiedAnswer) -> None:
    """A verified answer was found for a question."""
    telemetry.event(
        "verified_served",
        **_of(answer),
        reviewed=telemetry.hashed(verified.answer_id),
        age_seconds=_since(verified.verified_at),
    )


def _of(answer: Answer) -> dict[str, object]:
    return {
        "answer": telemetry.hashed(answer.id),
        "channel": answer.question.channel,
        "language": answer.question.language,
        "site": site_of(answer),
        "model_version": answer.model_version,
        "abstained": answer.abstained,
        "verified": answer.verified_by is not None,
    }


def _since(time: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - time).total_seconds())

"""Telemetry events of questions, answers, feedback and reviews; never text, names or ids.

The bot sends them as they happen; a job sends the properties once more from what is kept
(jobs/send_to_data_explorer.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from core import telemetry
from core.records import Answer, Feedback, FeedbackKind, Question, Review, ReviewReason, VerifiedAnswer
from core.telemetry.vocabulary import OTHER
from feedback.metrics.daily import Group
from feedback.metrics.definitions import Sums
from feedback.store.base import FeedbackStore, StoreError, derive_site

Properties = dict[str, object]


def of_answer(answer: Answer) -> Properties:
    """Return what every event about an answer says of it."""
    return {
        "answer": telemetry.hash_answer_id(answer.id),
        "channel": answer.question.channel,
        "language": answer.question.language,
        "site": derive_site(answer),
        "model_version": answer.model_version,
        "answer_kind": answer.kind,
        "abstained": answer.abstained,
        "verified": answer.verified_by is not None,
    }


def answer_kept(answer: Answer) -> Properties:
    """Return what the store knows for `answer_sent`.

    `seconds` end with the written answer, not on the screen.
    """
    return {
        **of_answer(answer),
        "seconds": max(0.0, (answer.answered_at - answer.question.asked_at).total_seconds()),
        "first_token_seconds": answer.timings.time_to_first_token_s,
        "search_seconds": answer.timings.search_s,
        "support": answer.support,
        "confidence": answer.confidence,
        "search_version": answer.search_version or None,
        **_describe_tokens(answer),
    }


def _describe_tokens(answer: Answer) -> Properties:
    """Return what its model read and wrote; nothing where that is not known."""
    if answer.tokens is None:
        return {}
    read, cached, written = answer.tokens.read, answer.tokens.cached, answer.tokens.written
    return {"tokens_read": read, "tokens_cached": cached, "tokens_written": written}


def verified_kept(answer: Answer) -> Properties:
    """Return `verified_served`, of an answer that has a ruling. Raises ValueError for one that has none.

    The ruling is as old as it was when the answer was written.
    """
    if not answer.reviewed or answer.verified_at is None:
        raise ValueError("the answer has no ruling")
    return {
        **of_answer(answer),
        "reviewed": telemetry.hash_answer_id(answer.reviewed),
        "age_seconds": max(0.0, (answer.answered_at - answer.verified_at).total_seconds()),
    }


def describe_feedback(
    answer: Answer, feedback: Feedback, words: Sequence[Feedback], directions: Mapping[str, str]
) -> Properties:
    """Return the properties of `feedback_given`: with all `words` that its answer has by now.

    Who said it is not told, so a change of mind would look like a second person otherwise, and a word that
    was delivered twice like two.
    """
    standing = [word for word in words if word.withdrawn_at is None]
    stars = [int(word.value) for word in standing if word.kind is FeedbackKind.STARS]
    thumbs = [word.value for word in standing if word.kind is FeedbackKind.THUMB]
    value = feedback.value or "none"
    if feedback.kind is FeedbackKind.REACTION:  # channels let people name their own
        value = directions.get(feedback.value, OTHER)
    if feedback.kind is FeedbackKind.SIMILAR:
        value = feedback.value.partition(" ")[0]
    return {
        **of_answer(answer),
        "kind": feedback.kind,
        "value": value,
        "withdrawn": feedback.withdrawn_at is not None,
        "late_seconds": ((feedback.withdrawn_at or feedback.given_at) - answer.answered_at).total_seconds(),
        "stars": sum(stars),
        "starred": len(stars),
        "likes": thumbs.count("like"),
        "dislikes": thumbs.count("dislike"),
    }


def describe_ruling(answer: Answer, review: Review) -> Properties:
    """Return the properties of `review_ruled`, of a settled review. Raises ValueError for one that waits."""
    if review.ruling is None or review.settled_at is None:
        raise ValueError("the review is not settled")
    return {
        **of_answer(answer),
        "ruling": review.ruling.ruling,
        "weight": review.weight,
        "round": review.round,
        "verdicts": len(review.verdicts),
        "seconds": (review.settled_at - review.opened_at).total_seconds(),
    }


def day_summed(group: Group, sums: Sums) -> Properties:
    """Return `day_summed`, of one group of a day's answers."""
    return {
        "channel": group.channel,
        "site": group.site,
        "model_version": group.model_version,
        "answers": sums.answers,
        "quoted": sums.quoted,
        "declined": sums.abstained,
        "closed": sums.closed,
        "ignored": sums.ignored,
        "stars": sums.stars,
        "starred": sums.starred,
        "likes": sums.likes,
        "dislikes": sums.dislikes,
        "sessions": sums.sessions,
        "session_seconds": sums.session_s,
        "judged": sums.judged.count,
        "weights": sums.judged.total,
        "rights": sums.judged.right,
        "tokens_read": sums.tokens.read,
        "tokens_cached": sums.tokens.cached,
        "tokens_written": sums.tokens.written,
        "p50_seconds": sums.response.percentile(0.5),
        "p95_seconds": sums.response.percentile(0.95),
    }


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
        **of_answer(answer),
        seconds=_since(question.asked_at),
        first_token_seconds=answer.timings.time_to_first_token_s,
        search_seconds=answer.timings.search_s,
        pause_seconds=(question.asked_at - before.answered_at).total_seconds() if before else None,
        support=answer.support,
        confidence=answer.confidence,
        resumed=resumed,
        search_version=answer.search_version or telemetry.read_search_version(),
        **_describe_tokens(answer),
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


def file_read(question: Question, count: int, seconds: float, *, done: bool) -> None:
    """The files of a message were read, or one of them was refused."""
    outcome = "done" if done else "failed"
    telemetry.event(
        "file_read", channel=question.channel, outcome=outcome, seconds=seconds, count=float(count)
    )


async def feedback_given(
    store: FeedbackStore, answer: Answer, feedback: Feedback, directions: Mapping[str, str]
) -> None:
    """Somebody said something; `directions` are those of the scale of ratings."""
    if not telemetry.is_on():
        return
    try:
        words = await store.feedback_on(answer.id)
    except StoreError:
        log.info("a word is kept, but not told of")
        return
    telemetry.event("feedback_given", **describe_feedback(answer, feedback, words, directions))


def review_opened(answer: Answer, reason: ReviewReason, round_: int) -> None:
    """An answer is waiting for a reviewer."""
    telemetry.event("review_opened", **of_answer(answer), reason=reason, round=round_)


def review_ruled(answer: Answer, review: Review) -> None:
    """Reviewers decided. Raises ValueError for a review that waits."""
    telemetry.event("review_ruled", **describe_ruling(answer, review))


def verified_served(answer: Answer, verified: VerifiedAnswer) -> None:
    """A verified answer was found for a question."""
    telemetry.event(
        "verified_served",
        **of_answer(answer),
        reviewed=telemetry.hash_answer_id(verified.answer_id),
        age_seconds=_since(verified.verified_at),
    )


def _since(time: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - time).total_seconds())

"""Telemetry properties of answers, feedback and reviews (core/telemetry.py); never text, names or ids.

The bot sends them as they happen (bot/dialogs/events.py), a job once more from what is kept
(jobs/send_to_data_explorer.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core import telemetry
from core.records import Answer, Feedback, FeedbackKind, Review
from feedback.metrics.daily import Group
from feedback.metrics.definitions import Sums
from feedback.store.base import derive_site

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
    }


def verified_served(answer: Answer) -> Properties:
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


def feedback_given(
    answer: Answer, feedback: Feedback, words: Sequence[Feedback], directions: Mapping[str, str]
) -> Properties:
    """Return `feedback_given`: with all `words` that its answer has by now.

    Who said it is not told, so a change of mind would look like a second person otherwise, and a word that
    was delivered twice like two.
    """
    standing = [word for word in words if word.withdrawn_at is None]
    stars = [int(word.value) for word in standing if word.kind is FeedbackKind.STARS]
    thumbs = [word.value for word in standing if word.kind is FeedbackKind.THUMB]
    value = feedback.value or "none"
    if feedback.kind is FeedbackKind.REACTION:  # channels let people name their own
        value = directions.get(feedback.value, telemetry.OTHER)
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


def review_ruled(answer: Answer, review: Review) -> Properties:
    """Return `review_ruled`, of a settled review. Raises ValueError for one that waits."""
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
        "p50_seconds": sums.response.percentile(0.5),
        "p95_seconds": sums.response.percentile(0.95),
    }

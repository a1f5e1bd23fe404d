"""Records ↔ JSON text, for the stores. Lone surrogates and NUL, which people can send, survive as escapes."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    ComparedAnswer,
    ComparedFigure,
    Comparison,
    Decision,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Skip,
    Timings,
    TrainingExample,
    Verdict,
    VerifiedAnswer,
)
from feedback.store.base import RecordInvalid

_SEVERAL = frozenset({FeedbackKind.REACTION, FeedbackKind.IMPLICIT})
_KEPT_APART = frozenset({"question", "reply_to"})


def to_json(
    record: Question
    | Answer
    | Feedback
    | Review
    | VerifiedAnswer
    | Verdict
    | Skip
    | TrainingExample
    | Comparison,
) -> str:
    """Return a record as JSON. An answer comes without its question, a question without its `reply_to`.

    Both are kept beside it: the question once, however many answers it has, and `reply_to` until it is erased.
    """
    names = (field.name for field in fields(record) if field.name not in _KEPT_APART)
    values = {name: getattr(record, name) for name in names}
    return json.dumps(values, default=_plain_value, separators=(",", ":"), sort_keys=True)


def question_from(text: str, reply_to: str = "") -> Question:
    """Return the question that `to_json` wrote."""
    kept = json.loads(text)
    return Question(
        **kept
        | {
            "channel": Channel(kept["channel"]),
            "asked_at": datetime.fromisoformat(kept["asked_at"]),
            "reply_to": reply_to,
        }
    )


def answer_from(text: str, question: Question) -> Answer:
    """Return the answer that `to_json` wrote; an older version of it knew two kinds, and said `abstained`."""
    kept = json.loads(text)
    abstained = kept.pop("abstained", False)
    kind = AnswerKind(kept.get("kind") or (AnswerKind.DECLINED if abstained else AnswerKind.ANSWERED))
    return Answer(
        **kept
        | {
            "question": question,
            "kind": kind,
            "passages": tuple(_passage_from(passage) for passage in kept["passages"]),
            "citations": tuple(Citation(**citation) for citation in kept["citations"]),
            "timings": Timings(**kept["timings"]),
            "answered_at": datetime.fromisoformat(kept["answered_at"]),
            "verified_at": _time_from(kept.get("verified_at")),
        }
    )


def feedback_from(text: str) -> Feedback:
    """Return the feedback that `to_json` wrote."""
    kept = json.loads(text)
    return Feedback(
        **kept
        | {
            "kind": FeedbackKind(kept["kind"]),
            "given_at": datetime.fromisoformat(kept["given_at"]),
            "withdrawn_at": _time_from(kept["withdrawn_at"]),
            "reasons": tuple(kept["reasons"]),
        }
    )


def review_from(text: str) -> Review:
    """Return the review that `to_json` wrote."""
    kept = json.loads(text)
    return Review(
        **kept
        | {
            "reasons": tuple(ReviewReason(reason) for reason in kept["reasons"]),
            "opened_at": datetime.fromisoformat(kept["opened_at"]),
            "claimed_until": _time_from(kept["claimed_until"]),
            "verdicts": tuple(_verdict_from(verdict) for verdict in kept["verdicts"]),
            "skips": tuple(
                Skip(**skip | {"skipped_at": datetime.fromisoformat(skip["skipped_at"])})
                for skip in kept["skips"]
            ),
            "settled_at": _time_from(kept["settled_at"]),
            "passages": tuple(_passage_from(passage) for passage in kept["passages"]),
            "earlier": _verdict_from(kept["earlier"]) if kept["earlier"] else None,
        }
    )


def reaction_of(feedback: Feedback) -> str:
    """Return what tells words of one kind apart that do not replace each other: a heart and a smile."""
    return feedback.value if feedback.kind in _SEVERAL else ""


def verified_from(text: str) -> VerifiedAnswer:
    """Return the verified answer that `to_json` wrote."""
    kept = json.loads(text)
    return VerifiedAnswer(
        **kept
        | {
            "citations": tuple(Citation(**citation) for citation in kept["citations"]),
            "passages": tuple(_passage_from(passage) for passage in kept["passages"]),
            "pages": tuple((url, page_hash) for url, page_hash in kept["pages"]),
            "verified_at": datetime.fromisoformat(kept["verified_at"]),
            "stale_at": _time_from(kept["stale_at"]),
        }
    )


def example_from(text: str) -> TrainingExample:
    """Return the training example that `to_json` wrote."""
    kept = json.loads(text)
    return TrainingExample(
        **kept | {"passages": tuple(_passage_from(passage) for passage in kept["passages"])}
    )


def comparison_from(text: str) -> Comparison:
    """Return the comparison that `to_json` wrote."""
    kept = json.loads(text)
    return Comparison(
        **kept
        | {
            "decision": Decision(kept["decision"]),
            "reasons": tuple(kept["reasons"]),
            "figures": tuple(ComparedFigure(**figure) for figure in kept["figures"]),
            "compared_at": datetime.fromisoformat(kept["compared_at"]),
            "worst": tuple(ComparedAnswer(**answer) for answer in kept["worst"]),
        }
    )


def _verdict_from(kept: dict[str, Any]) -> Verdict:
    citation = kept["citation"]
    read: dict[str, Any] = {
        "ruling": Ruling(kept["ruling"]),
        "given_at": datetime.fromisoformat(kept["given_at"]),
        "citation": Citation(**citation) if citation else None,
    }
    return Verdict(**kept | read)


def _time_from(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None


def _passage_from(kept: dict[str, Any]) -> Passage:
    fetched_at: Any = datetime.fromisoformat(kept["fetched_at"])
    return Passage(**kept | {"fetched_at": fetched_at})


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise RecordInvalid(f"{type(value).__name__} cannot be kept")

"""Records ↔ JSON text, for the stores. Lone surrogates and NUL, which people can send, survive as escapes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from feedback.store import RecordInvalid
from records import Answer, Channel, Citation, Feedback, FeedbackKind, Passage, Question, Timings


def to_json(record: Question | Answer | Feedback) -> str:
    """Return a record as JSON. An answer comes without its question, a question without its `reply_to`.

    Both are kept beside it: the question once, however many answers it has, and `reply_to` until it is erased.
    """
    if isinstance(record, Answer):
        record = replace(record, question=_NO_QUESTION)
    fields = asdict(record)
    fields.pop("question", None)
    fields.pop("reply_to", None)
    return json.dumps(fields, default=_time_text, separators=(",", ":"), sort_keys=True)


def question_from(text: str, reply_to: str) -> Question:
    """Return the question that `to_json` wrote."""
    fields = json.loads(text)
    return Question(
        **fields
        | {
            "channel": Channel(fields["channel"]),
            "asked_at": datetime.fromisoformat(fields["asked_at"]),
            "reply_to": reply_to,
        }
    )


def answer_from(text: str, question: Question) -> Answer:
    """Return the answer that `to_json` wrote."""
    fields = json.loads(text)
    return Answer(
        **fields
        | {
            "question": question,
            "passages": tuple(_passage_from(passage) for passage in fields["passages"]),
            "citations": tuple(Citation(**citation) for citation in fields["citations"]),
            "timings": Timings(**fields["timings"]),
            "answered_at": datetime.fromisoformat(fields["answered_at"]),
        }
    )


def feedback_from(text: str) -> Feedback:
    """Return the feedback that `to_json` wrote."""
    fields = json.loads(text)
    withdrawn_at = fields["withdrawn_at"]
    return Feedback(
        **fields
        | {
            "kind": FeedbackKind(fields["kind"]),
            "given_at": datetime.fromisoformat(fields["given_at"]),
            "withdrawn_at": datetime.fromisoformat(withdrawn_at) if withdrawn_at else None,
            "reasons": tuple(fields["reasons"]),
        }
    )


def moment(time: datetime) -> str:
    """Return a time as text that sorts by time. Raises RecordInvalid for one without a zone."""
    if time.tzinfo is None:
        raise RecordInvalid(f"a time without a zone: {time}")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


_NO_QUESTION = Question("", "", "", "", Channel.LOCAL, datetime.fromtimestamp(0, UTC))


def _passage_from(fields: dict[str, Any]) -> Passage:
    fetched_at = datetime.fromisoformat(fields.pop("fetched_at"))
    return Passage(**fields, fetched_at=fetched_at)


def _time_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise RecordInvalid(f"{type(value).__name__} cannot be kept")

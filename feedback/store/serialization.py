"""Records as JSON text, for the stores, the queues and the files: any dataclass of the code base, and back.

    text = to_json(review)
    review = from_json(Review, text)

pydantic reads and checks them; fields that an older program did not write have their defaults, those of a
newer one are ignored. Two rules keep stored text as it always was, so that the version before reads it: times
are ISO text with their offset (pydantic writes `Z`), and half a character (a lone surrogate) and NUL, which
people can send, are JSON escapes (pydantic's own JSON writer and reader refuse them).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Question
from feedback.store.base import RecordInvalid

T = TypeVar("T")
_SEVERAL = frozenset({FeedbackKind.REACTION, FeedbackKind.IMPLICIT, FeedbackKind.SIMILAR})
_KEPT_APART: Mapping[type[Any], Collection[str]] = {Question: ("reply_to",), Answer: ("question",)}
"""What is kept beside a record: a question once for all its answers, `reply_to` until it is erased."""


def to_json(record: object, *, without: Collection[str] = ()) -> str:
    """Return a dataclass as JSON, except some fields.

    Raises RecordInvalid for a value that JSON does not have.
    """
    values = _encode_value(record, {*without, *_KEPT_APART.get(type(record), ())})
    return json.dumps(values, default=_encode_value, separators=(",", ":"), sort_keys=True)


def from_json(kind: type[T], text: str | bytes, **beside: Any) -> T:
    """Return the dataclass that `to_json` wrote; `beside` are fields that are kept elsewhere.

    Raises ValueError.
    """
    return adapter(kind).validate_python(json.loads(text) | beside)


def parse_question(text: str, reply_to: str = "") -> Question:
    """Return the question that `to_json` wrote."""
    return from_json(Question, text, reply_to=reply_to)


def parse_answer(text: str, question: Question) -> Answer:
    """Return the answer that `to_json` wrote; an older version of it knew two kinds, and said `abstained`."""
    kept = json.loads(text)
    kept["kind"] = kept.get("kind") or (AnswerKind.DECLINED if kept.get("abstained") else AnswerKind.ANSWERED)
    return adapter(Answer).validate_python(kept | {"question": question})


def derive_reaction(feedback: Feedback) -> str:
    """Return what tells words of one kind apart that do not replace each other: a heart and a smile."""
    return feedback.value if feedback.kind in _SEVERAL else ""


@cache
def adapter(kind: type[T]) -> TypeAdapter[T]:
    """Return what reads and writes a type; it is made once."""
    return TypeAdapter(kind)


def _encode_value(value: object, without: Collection[str] = ()) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value) if one.name not in without}
    raise RecordInvalid(f"{type(value).__name__} cannot be kept")

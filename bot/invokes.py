"""Invokes: requests of a channel that wait for a body. What stands in them, and what they are answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from bot.activities import Json, as_dict, as_text

MAX_COMMENT_CHARACTERS = 4_000
MAX_REASON_CHARACTERS = 40
MAX_REASONS = 10


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """The HTTP status and the JSON body of an answer to an invoke. Teams retries on an empty body."""

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumb of Teams' feedback loop: "like" or "dislike", what was written in its form, and the reasons ticked."""

    value: str
    comment: str = ""
    reasons: tuple[str, ...] = ()


OK = InvokeReply(200)
NOT_IMPLEMENTED = InvokeReply(501)
FORM = InvokeReply(
    200, {"task": {"type": "message", "value": "Thank you. Use the thumbs to tell what you think."}}
)
"""What a custom feedback form would be; ours is the channel's own, so this is asked for by mistake only."""
BAD_ACTION = InvokeReply(
    400,
    {
        "statusCode": 400,
        "type": "application/vnd.microsoft.error",
        "value": {"code": "BadRequest", "message": "This card has no such action."},
    },
)


def read_thumb(value: Json) -> Thumb | None:
    """Read the value of `message/submitAction`; None where it is no thumb.

    {"actionName": "feedback", "actionValue": {"reaction": "like" | "dislike", "feedback": ...}}, where `feedback` is
    an object {"feedbackText": ..., "reasons": [...]}, the same object as JSON text, or plain text.
    """
    action = as_dict(value.get("actionValue"))
    reaction = as_text(action.get("reaction")).lower()
    if value.get("actionName") != "feedback" or reaction not in {"like", "dislike"}:
        return None
    form = _form(action.get("feedback"))
    listed = form.get("reasons")
    ticked = cast("list[object]", listed)[:MAX_REASONS] if isinstance(listed, list) else []
    reasons = [as_text(reason)[:MAX_REASON_CHARACTERS] for reason in ticked]
    comment = as_text(form.get("feedbackText")).strip()[:MAX_COMMENT_CHARACTERS]
    return Thumb(reaction, comment, tuple(reason for reason in reasons if reason))


def _form(feedback: object) -> Json:
    """Return the fields of the form, whichever way they came; plain text is the text of a form."""
    if form := as_dict(feedback):
        return form
    text = as_text(feedback).strip()
    try:
        form = as_dict(json.loads(text)) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        form = {}
    return form or {"feedbackText": text}


def read_action_verb(value: Json) -> str:
    """Read the verb of `adaptiveCard/action`; "" where it is malformed."""
    return as_text(as_dict(value.get("action")).get("verb"))[:80]

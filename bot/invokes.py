"""Invokes: requests of a channel that wait for a body. What stands in them, and what they are answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from bot.activities import Json, as_dict, as_text

MAX_COMMENT_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """The HTTP status and the JSON body of an answer to an invoke. Teams retries on an empty body."""

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumb of Teams' feedback loop: "like" or "dislike", and what was written in its form."""

    value: str
    comment: str = ""


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
    an object {"feedbackText": ...}, the same object as JSON text, or plain text.
    """
    action = as_dict(value.get("actionValue"))
    reaction = as_text(action.get("reaction")).lower()
    if value.get("actionName") != "feedback" or reaction not in {"like", "dislike"}:
        return None
    return Thumb(reaction, _comment(action.get("feedback"))[:MAX_COMMENT_CHARACTERS])


def _comment(feedback: object) -> str:
    if form := as_dict(feedback):
        return as_text(form.get("feedbackText")).strip()
    text = as_text(feedback).strip()
    if text.startswith("{"):
        try:
            return _comment(as_dict(json.loads(text)))
        except (ValueError, RecursionError):
            return text
    return text


def read_action_verb(value: Json) -> str:
    """Read the verb of `adaptiveCard/action`; "" where it is malformed."""
    return as_text(as_dict(value.get("action")).get("verb"))[:80]

"""A chat completion on its way back: whole, or as server-sent events, as OpenAI's API has them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.inference.process import Usage

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Completion:
    """What all parts of one completion have in common."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, usage: Usage) -> Mapping[str, Any]:
        """Return the body of an answer that is sent whole."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason_of(usage)}
        return self._around("chat.completion", [choice]) | {"usage": usage_of(usage)}

    def piece(self, delta: Mapping[str, str], reason: str | None = None) -> bytes:
        """Return the event with the next piece of the text, or with why there is no more."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return make_event(self._around("chat.completion.chunk", [choice]))

    def last(self, usage: Usage) -> bytes:
        """Return the event with the figures, for whoever asked for them."""
        return make_event(self._around("chat.completion.chunk", []) | {"usage": usage_of(usage)})

    def _around(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def make_event(body: Mapping[str, Any]) -> bytes:
    """Return a body as an event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def reason_of(usage: Usage) -> str:
    """Say why an answer ended, in the API's words."""
    return "length" if usage.reason == "length" else "stop"


def usage_of(usage: Usage) -> Mapping[str, Any]:
    """Return the tokens of an answer, with those of its prompt that needed no computing."""
    return {
        "prompt_tokens": usage.tokens_in,
        "completion_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "prompt_tokens_details": {"cached_tokens": usage.tokens_reused},
    }

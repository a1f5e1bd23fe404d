"""Signed tokens on card actions: one ties a card to its answer and to the conversation that it was sent to.

What comes back in a card action is written by a client. The sender is known (the channel's token vouches for
it); the answer's id is not, so it carries an HMAC over itself, the conversation and its tenant. A signature
is no permission: who may decide is asked at every action. Links that carry more than an id have it in their
token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from core.translation import mark, say

REVIEW, RATE, PRIVACY, EXPORT, MODEL, GAP = "review", "rate", "privacy", "export", "model", "gap"
NOT_SENT_HERE = mark("This card was not sent to this conversation. Nothing was changed.")
_DIGITS = 32
_MOST_CHARACTERS = 4_000


class BadAction(ValueError):
    """A card action that no card of ours sends; the message is a sentence for whoever did."""


def no_such_action() -> BadAction:
    """Return what is raised for an action that is none of the card's."""
    return BadAction(say("This card has no such action."))


class CardSigner:
    """Makes and checks signatures with one key."""

    def __init__(self, key: bytes, before: bytes = b"") -> None:
        """`before` is an earlier key: cards that are on screen keep working after a change of keys."""
        self._key = _derive_key(key)
        self._keys = [self._key, _derive_key(before)] if before else [self._key]

    def sign(self, purpose: str, answer_id: str, conversation: Mapping[str, Any]) -> str:
        """Return the signature of a card; `conversation` is an `Incoming.conversation`."""
        return _compute_signature(self._key, purpose, answer_id, conversation)

    def is_valid(self, signature: str, purpose: str, answer_id: str, conversation: Mapping[str, Any]) -> bool:
        """Tell whether this signature was made for this purpose, answer and conversation."""
        given = signature.encode("utf-8", "surrogatepass")
        made = [_compute_signature(key, purpose, answer_id, conversation).encode() for key in self._keys]
        return any(hmac.compare_digest(one, given) for one in made)

    def check(self, signature: str, purpose: str, answer_id: str, conversation: Mapping[str, Any]) -> None:
        """Refuse a press whose signature does not fit. Raises BadAction."""
        if not self.is_valid(signature, purpose, answer_id, conversation):
            raise BadAction(say(NOT_SENT_HERE))

    def sign_data(self, purpose: str, place: str, data: object) -> str:
        """Return a token that carries JSON, for a link; `place` is where alone it counts."""
        text = base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")
        return f"{text}.{self.sign(purpose, place + text, {})}"

    def read_data(self, purpose: str, place: str, token: str) -> Any | None:
        """Return what a token carries; None for one that is not ours, or for another place."""
        text, _, signature = token.partition(".")
        if len(token) > _MOST_CHARACTERS or not self.is_valid(signature, purpose, place + text, {}):
            return None
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _compute_signature(key: bytes, purpose: str, answer_id: str, conversation: Mapping[str, Any]) -> str:
    fields = (purpose, answer_id, parse_home_id(conversation), str(conversation.get("tenantId") or ""))
    text = "\0".join(fields).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_DIGITS]


def _derive_key(key: bytes) -> bytes:
    return hmac.digest(key, b"card actions", "sha256")  # not the key of the pseudonyms itself


def parse_home_id(conversation: Mapping[str, Any]) -> str:
    """Return a conversation's id without the thread: an action in a channel names its message's thread."""
    return str(conversation.get("id", "")).partition(";messageid=")[0]

"""Is a request from Slack? Its signature is over the bytes as they came, so it is checked before anything reads them.

Source: Slack's documentation, "Verifying requests from Slack" (version v0).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

WINDOW_S = 300
VERSION = "v0"
_MOST_DIGITS = 12


class Unsigned(Exception):
    """A request that Slack did not send, or not now; the message is for the log and has nothing of the request."""


class Headers(Protocol):
    """The headers of a request, as often as they came."""

    def getall(self, key: str, default: Sequence[str]) -> Sequence[str]: ...


def claim(headers: Headers, now: float) -> tuple[str, str]:
    """Return the timestamp and the signature that a request has, not yet compared with anything. Raises Unsigned.

    What has none, or one of another time, need not be read at all. `now` is in seconds.
    """
    timestamp = _one(headers, "X-Slack-Request-Timestamp")
    signature = _one(headers, "X-Slack-Signature")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _MOST_DIGITS):
        raise Unsigned("its timestamp is no number")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise Unsigned("its timestamp is not from now")
    return timestamp, signature


def check_signature(secret: bytes, headers: Headers, body: bytes, now: float) -> str:
    """Return the signature of a request of Slack's; `now` in seconds. Raises Unsigned."""
    timestamp, signature = claim(headers, now)
    expected = signed(secret, timestamp, body)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
        raise Unsigned("its signature is another one")
    return signature


def signed(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature that Slack gives a body."""
    text = b":".join([VERSION.encode(), timestamp.encode(), body])
    return f"{VERSION}={hmac.new(secret, text, hashlib.sha256).hexdigest()}"


def _one(headers: Headers, name: str) -> str:
    found = headers.getall(name, [])
    if len(found) != 1:
        raise Unsigned(f"it has {len(found)} headers {name}")
    return found[0]

"""Where Application Insights takes envelopes: one POST a batch, and what its answers mean.

The package's own sender puts what failed back into an unbounded queue and sends it again at once, for ever; so the
envelopes are the package's, and the sending is ours (`exporters/outbox.py`).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.error import HTTPError

from exporters.outbox import Reply

PATH = "/v2/track"
TIMEOUT_S = 10.0
LATER = frozenset({408, 429, 439, 500, 502, 503, 504})
"""Statuses, of a request or of one item, that pass."""
_MOST_WAIT_S = 300.0

Envelope = dict[str, Any]


def sender(endpoint: str, *, timeout_s: float = TIMEOUT_S) -> Callable[[Sequence[Envelope]], Reply]:
    """Return what posts envelopes to an endpoint. It raises OSError where nobody answers."""

    def send(batch: Sequence[Envelope]) -> Reply:
        request = urllib.request.Request(  # noqa: S310 - the connection string was checked: https, or this machine
            f"{endpoint}{PATH}",
            json.dumps(batch).encode(),
            {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
                return _taken(batch, response.read())
        except HTTPError as error:
            with error:
                if error.code == HTTPStatus.PARTIAL_CONTENT:
                    return _taken(batch, error.read())
                return _refused(batch, error.code, error.headers.get("Retry-After"))

    return send


def _taken(batch: Sequence[Envelope], body: bytes) -> Reply:
    """Read which of the batch were not taken: {"itemsReceived", "itemsAccepted", "errors": [{"index", "statusCode"}]}."""
    try:
        errors = cast("list[dict[str, Any]]", json.loads(body).get("errors") or [])
        bad = {int(error["index"]): int(error["statusCode"]) for error in errors}
    except (ValueError, TypeError, KeyError, AttributeError):
        return Reply()
    again = [batch[index] for index, status in bad.items() if status in LATER and index < len(batch)]
    return Reply(again, len(bad) - len(again))


def _refused(batch: Sequence[Envelope], status: int, retry_after: str | None) -> Reply:
    if status not in LATER:
        return Reply(never=len(batch))
    try:
        wait_s = min(max(float(retry_after or 0), 0.0), _MOST_WAIT_S)
    except ValueError:  # a date
        wait_s = 0.0
    return Reply(again=batch, wait_s=wait_s)

"""How long to wait before a retry: what Retry-After asks for, else exponential back-off with jitter."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_wait_s(attempt: int, retry_after: str | None) -> float:
    """Return the wait before a retry: what the channel asks for, or 0.5 s doubled each time, with jitter.

    `attempt` counts from 0. `retry_after` is seconds or a date, as HTTP has it. Never more than MAX_WAIT_S.
    """
    asked_s = _asked_s(retry_after or "")
    wait_s = 0.5 * 2**attempt if asked_s is None else max(asked_s, 0.0)
    jitter = 1 + random.random() / 4  # noqa: S311 - spreads retries, protects nothing
    return min(wait_s * jitter, MAX_WAIT_S)


def _asked_s(retry_after: str) -> float | None:
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()


MAX_WAIT_S = 30.0

"""When a service wants to be asked again: its Retry-After."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def read_retry_after(header: str) -> float | None:
    """Return the seconds of a Retry-After, which may be a date (RFC 9110, 10.2.3); None for anything else.

    Never less than 0. A date without a zone is taken for UTC.

    >>> read_retry_after("2.5"), read_retry_after("Mon, 01 Jan 2024 00:00:00 GMT"), read_retry_after("soon")
    (2.5, 0.0, None)
    """
    try:
        seconds = float(header)
    except ValueError:
        return _read_date(header)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _read_date(header: str) -> float | None:
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError, OverflowError):
        return None
    zoned = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())

"""Addresses that others have to reach."""

from __future__ import annotations

from yarl import URL


def is_https(address: str) -> bool:
    """Whether an address names a host by HTTPS."""
    try:
        url = URL(address)
    except ValueError:
        return False
    return url.scheme == "https" and bool(url.host)

"""What arrived from an address, or was read from a file: bytes that nobody has looked at yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived. `url` is where the redirects ended, without a fragment; `content_type` is lower-case, bare.

    `etag` is the server's validator: its ETag, or the date of the last change where it sends no other.
    """

    url: str
    body: bytes
    content_type: str
    charset: str | None = None
    etag: str | None = None

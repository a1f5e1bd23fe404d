"""Bodies of requests, and never more of them than they may have."""

from __future__ import annotations

from aiohttp import web


async def read_body(request: web.Request, most_bytes: int) -> bytes | None:
    """Return the bytes of a request; None as soon as there are more, whatever its header says."""
    if (request.content_length or 0) > most_bytes:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)

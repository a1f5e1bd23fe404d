"""Bodies of requests, never more of them than they may have, and never later than they may come."""

from __future__ import annotations

import asyncio

from aiohttp import web

BODY_S: web.AppKey[float] = web.AppKey("body_s", float)
"""Longest time for a body to arrive, seconds (bot/connections.py)."""
_LONGEST_S = 20.0


async def read_body(request: web.Request, most_bytes: int) -> bytes | None:
    """Return the bytes of a request; None as soon as there are more, whatever its header says.

    Raises HTTPRequestTimeout where they do not arrive in time: the connection is closed then.
    """
    if (request.content_length or 0) > most_bytes:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(request.app.get(BODY_S, _LONGEST_S)):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most_bytes:
                    return None
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The body of the request took too long.") from None
    return bytes(body)

"""Bodies of requests, never more of them than they may have, and never later than they may come.

What speaks to the bot (Teams, Slack, browsers) sends bodies as they are. A packed one is refused before it is read: a
thousand bytes could be megabytes, and nobody has been authenticated yet. The server must not unpack either, so whoever
runs it hands AUTO_DECOMPRESS on to `web.AppRunner` (bot/connections.py).
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import hdrs, web

AUTO_DECOMPRESS: Final = False
"""Whether the server unpacks bodies before anybody looks at the request: no."""

BODY_S: web.AppKey[float] = web.AppKey("body_s", float)
"""Longest time for a body to arrive, seconds (bot/connections.py)."""
_LONGEST_S = 20.0


async def read_body(request: web.Request, most_bytes: int) -> bytes | None:
    """Return the bytes of a request; None as soon as there are more, whatever its header says.

    Raises HTTPUnsupportedMediaType for a packed one, and HTTPRequestTimeout where they do not arrive in time: the
    connection is closed then.
    """
    packing = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if packing.strip().lower() not in {"identity", ""}:
        raise web.HTTPUnsupportedMediaType(
            text="Please send the body as it is, without Content-Encoding.",
            headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.CONNECTION: "close"},
        )
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

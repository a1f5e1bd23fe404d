"""Bodies of requests, and never more of them than they may have.

What speaks to the bot (Teams, Slack, browsers) sends bodies as they are. A packed one is refused before it is read: a
thousand bytes could be megabytes, and nobody has been authenticated yet. The server must not unpack either, so whoever
runs it hands AUTO_DECOMPRESS on to `web.AppRunner`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

AUTO_DECOMPRESS: Final = False
"""Whether the server unpacks bodies before anybody looks at the request: no."""


async def read_body(request: web.Request, most_bytes: int) -> bytes | None:
    """Return the bytes of a request; None as soon as there are more, whatever its header says.

    Raises HTTPUnsupportedMediaType for a packed one.
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
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)

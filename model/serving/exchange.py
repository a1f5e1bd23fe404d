"""A request and its response, whichever HTTP server brought it: what the model server's handlers work on.

HttpExchange    the seam; aiohttp's and ASGI's are in `model/serving/http_servers.py`
HungUp          the client left before its request was read
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol


class ClientDisconnected(ConnectionError):
    """The client has left; nobody is there to be told anything."""


class HttpExchange(Protocol):
    """One request, and the response to it as it is written."""

    @property
    def method(self) -> str:
        """GET, POST and so on."""
        ...

    @property
    def path(self) -> str:
        """The path, decoded, without the query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers; their names are looked up in any case."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the response's status has been sent."""
        ...

    async def read_body(self, most_bytes: int, /) -> bytes | None:
        """Return the body; None where it is larger. Raises ApiError (packed, too slow) and HungUp."""
        ...

    async def begin(self, status: int, headers: Mapping[str, str], /) -> None:
        """Send the status and the headers."""
        ...

    async def write(self, data: bytes, /) -> None:
        """Send more of the body. Raises ConnectionError where the client has left."""
        ...

    async def end(self) -> None:
        """Send the end of the body."""
        ...


async def send_json(
    exchange: HttpExchange,
    body: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a whole response that is JSON."""
    data = json.dumps(body).encode()
    await send_whole(exchange, data, "application/json; charset=utf-8", status, headers or {})


async def send_whole(
    exchange: HttpExchange, data: bytes, content_type: str, status: int, headers: Mapping[str, str]
) -> None:
    """Send a whole response; to a HEAD its head alone."""
    told = {"Content-Type": content_type, "Content-Length": str(len(data))}
    await exchange.begin(status, told | dict(headers))
    if exchange.method != "HEAD":
        await exchange.write(data)
    await exchange.end()

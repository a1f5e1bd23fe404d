"""The model server under two HTTP servers: aiohttp here, and ASGI for engines that run such on many machines.

    build_aiohttp(...)               as `askpage model serve` runs it
    ModelAsgi(open_models, rules)    opens its models at `lifespan.startup`, closes them at its end

A client that hangs up stops its answer: the server tells it as `http.disconnect`, and whoever cancels the
application does, too. Bodies are read within `_LONGEST_S` and never unpacked, as under aiohttp.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from aiohttp import hdrs, web
from multidict import CIMultiDict

from model.serving.api import ModelApi, ServerRules
from model.serving.chat_request import ApiError
from model.serving.engines import ServedModels
from model.serving.exchange import ClientDisconnected

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OpenModels = Callable[[], AbstractAsyncContextManager[ServedModels]]
"""Loads what is served, for as long as the application lives."""
_LONGEST_S = 20.0


class AsgiExchange:
    """A request of an ASGI server; see `model.serving.exchange.HttpExchange`."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._read = asyncio.Event()
        self.method, self.path = str(scope["method"]), str(scope["path"])
        pairs = cast("list[tuple[bytes, bytes]]", scope["headers"])
        self.headers: Mapping[str, str] = CIMultiDict(
            (name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in pairs
        )
        self.begun = False

    async def read_body(self, most_bytes: int) -> bytes | None:
        """Return the body; None where it is larger. Raises ApiError and HungUp."""
        if self.headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
            raise ApiError(415, "Please send the body as it is, without Content-Encoding.")
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(_LONGEST_S):
                while more:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnected
                    body += cast("bytes", message.get("body", b""))
                    if len(body) > most_bytes:
                        return None
                    more = bool(message.get("more_body"))
        except TimeoutError:
            raise ApiError(408, "The body of the request took too long.") from None
        self._read.set()
        return bytes(body)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        self.begun = True
        listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": listed})

    async def write(self, data: bytes) -> None:
        """Send more of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Send the end."""
        await self._send({"type": "http.response.body", "body": b""})

    async def wait_for_hang_up(self) -> None:
        """Return when the client has left; what it sends is looked at once its body has been read."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class ModelAsgi:
    """The application. `api` is there while its models are."""

    def __init__(self, open_models: OpenModels, rules: ServerRules) -> None:
        self._open, self._rules = open_models, rules
        self.api: ModelApi | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or live from the start to the end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self.api is not None:
            await _answer(self.api, AsgiExchange(scope, receive, send))
        else:
            raise RuntimeError(f"this application does not serve {scope['type']}, or has no models yet")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self._open() as models:
                self.api = ModelApi(models, self._rules)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self.api.going_down = True
        except Exception as error:
            log.exception("what is served cannot be loaded")
            at = "shutdown" if self.api else "startup"
            await send({"type": f"lifespan.{at}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})


async def _answer(api: ModelApi, exchange: AsgiExchange) -> None:
    """Answer, until that is done or the client has left."""
    answering = asyncio.ensure_future(api.answer(exchange))
    watching = asyncio.ensure_future(exchange.wait_for_hang_up())
    try:
        await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (answering, watching):
            task.cancel()
        await asyncio.wait({answering, watching})
    if not answering.cancelled():
        answering.result()


ReadBody = Callable[[web.Request, int], Awaitable[bytes | None]]
"""(request, most bytes) → the body, None where it is larger; in time, and never unpacked."""
_TIMEOUT = 408


class AiohttpExchange:
    """A request of aiohttp's; see `model.serving.exchange.HttpExchange`. `response` is there once begun."""

    def __init__(self, request: web.Request, read_body: ReadBody) -> None:
        self._request, self._read_body = request, read_body
        self.response: web.StreamResponse | None = None
        self.method, self.path = request.method, request.path
        self.headers: Mapping[str, str] = request.headers

    @property
    def begun(self) -> bool:
        """Whether the status has been sent."""
        return self.response is not None

    async def read_body(self, most_bytes: int) -> bytes | None:
        """Return the body; None where it is larger. Raises ApiError."""
        try:
            return await self._read_body(self._request, most_bytes)
        except web.HTTPException as error:
            refused = ApiError(error.status, error.text or error.reason)
            if hdrs.CONNECTION in error.headers or error.status == _TIMEOUT:  # its body is unread
                refused.headers[hdrs.CONNECTION] = "close"
            raise refused from None

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(self._request)
        self.response = response

    async def write(self, data: bytes) -> None:
        """Send more of the body."""
        assert self.response is not None  # noqa: S101 - begun
        await self.response.write(data)

    async def end(self) -> None:
        """Send the end."""
        assert self.response is not None  # noqa: S101 - begun
        await self.response.write_eof()


def build_aiohttp(api: ModelApi, read_body: ReadBody) -> web.Application:
    """Return the application. Whoever runs it lets a hang-up cancel the handler."""

    async def answer(request: web.Request) -> web.StreamResponse:
        exchange = AiohttpExchange(request, read_body)
        await api.answer(exchange)
        return exchange.response or web.Response()  # it hung up: nobody gets this one

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app

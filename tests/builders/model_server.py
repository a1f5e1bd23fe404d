"""A model server in this process, with engines that answer from memory, and the makers' client for it."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import openai

from bot.http import LOOPBACK_NAMES, PROXIED, BoundedSite, ConnectionLimits, make_runner, read_body
from model.serving.api import ModelApi, ServerRules
from model.serving.engines import ServedModels
from model.serving.http_servers import build_aiohttp

KEY = "key-of-the-model-server-1"
ASKED = [{"role": "user", "content": "How many days?"}]


@dataclass
class RunningServer:
    """A server that listens; `stop` ends it as a signal does."""

    api: ModelApi
    site: BoundedSite
    port: int
    client: openai.AsyncOpenAI

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def running_server(
    models: ServedModels, *, key: str = KEY, port: int = 0, drain_s: float = 5.0, silence_s: float = 5.0
) -> AsyncGenerator[RunningServer]:
    rules = ServerRules(key, 20_000, 5, 20, silence_s, LOOPBACK_NAMES, PROXIED)
    api = ModelApi(models, rules)
    limits = ConnectionLimits()
    runner = make_runner(build_aiohttp(api, read_body), limits, drain_s, cancels=True)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", port))
    site = BoundedSite(runner, listener, limits.most)
    await site.start()
    port = listener.getsockname()[1]
    client = openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0, timeout=10
    )
    try:
        yield RunningServer(api, site, port, client)
    finally:
        await client.close()
        await runner.cleanup()

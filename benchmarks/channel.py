"""A channel that posts to bots in processes of their own, and takes what they say: for several benchmarks."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import aiohttp
from aiohttp import web

from tests.builders.serving import served
from tests.doubles.tokens import Issuer

QUESTION = "How much leave do parents get?"
Post = tuple[str, bytes, dict[str, str]]
"""A message's conversation, its body and its headers."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from posting until that was answered, and until the bot's answer arrived."""

    posted_s: float
    answered_s: float


class ChannelDouble:
    """Posts messages, and takes what the bot says back; `said` is the text of each conversation's answer."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.arrived: dict[str, asyncio.Event] = {}
        self.said: dict[str, str] = {}
        self.app = web.Application()
        self.app.router.add_post("/v3/conversations/{conversation}/activities", self._take)
        self.service_url = ""

    async def _take(self, request: web.Request) -> web.Response:
        activity = json.loads(await request.read())
        if activity["type"] == "message":
            conversation = request.match_info["conversation"]
            self.said[conversation] = activity.get("text", "")
            self.arrived[conversation].set()
        return web.json_response({"id": "m"})

    def message(self, number: int, name: str, token: str | None = None, text: str = QUESTION) -> Post:
        """Return one message, in a group chat of its own."""
        conversation = f"{name}-{number}"
        activity = {
            "type": "message",
            "id": str(number),
            "text": f"<at>Page Bot</at> {text}",
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": f"29:{number}", "aadObjectId": f"aad-{number}", "name": "Ada"},
            "recipient": {"id": "28:bot", "name": "Page Bot"},
            "conversation": {"id": conversation, "conversationType": "groupChat", "isGroup": True},
            "entities": [{"type": "mention", "text": "<at>Page Bot</at>", "mentioned": {"id": "28:bot"}}],
        }
        token = token or self.issuer.token(self.service_url, jti=conversation)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return conversation, json.dumps(activity).encode(), headers

    async def send(self, http: aiohttp.ClientSession, url: str, post: Post) -> Times:
        """Post a message to the bot at this address, and wait for its answer."""
        conversation, body, headers = post
        arrived = self.arrived[conversation] = asyncio.Event()
        began = time.perf_counter()
        async with http.post(f"{url}/api/messages", data=body, headers=headers) as response:
            response.raise_for_status()
        posted_s = time.perf_counter() - began
        async with asyncio.timeout(60):
            await arrived.wait()
        return Times(posted_s, time.perf_counter() - began)


class Used(NamedTuple):
    """Processor time of a bot's own process, and of those that it has started and that still run, seconds."""

    own_s: float
    children_s: float


async def _report_usage(_: web.Request) -> web.Response:
    return web.json_response(Used(time.process_time(), _measure_children()))


def _measure_children() -> float:
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return sum(time.clock_gettime(_compute_clock_id(int(child))) for some in found for child in some)


def _compute_clock_id(process: int) -> int:
    """Return the clock of a process's processor time, as Linux numbers them."""
    return ~process << 3 | 2


USED = web.get("/used", _report_usage)
"""A bot's route that says how much processor time it has used."""


async def fetch_usage(http: aiohttp.ClientSession, url: str) -> Used:
    """Ask a bot for it."""
    async with http.get(f"{url}/used") as response:
        return Used(*await response.json())


@dataclass
class Started:
    """A bot in a process of its own. It writes its address first, then serves until standard input ends."""

    process: asyncio.subprocess.Process
    url: str
    last: str = field(default="")

    async def end(self) -> str:
        """Let it go; return what it wrote after its address."""
        if self.process.returncode is None:
            assert self.process.stdin is not None  # noqa: S101 - for the type checker
            self.process.stdin.close()
            self.last = (await self.process.communicate())[0].decode()
        return self.last


async def serve_until_told(app: web.Application) -> None:
    """Serve in the bot's own process as `Started` says."""
    async with served(app) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def start_bot(module: str, *arguments: str) -> AsyncGenerator[Started]:
    """Start a module that is a bot, and wait for its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - for the type checker
    bot = Started(process, (await process.stdout.readline()).decode().strip())
    try:
        yield bot
    finally:
        await bot.end()

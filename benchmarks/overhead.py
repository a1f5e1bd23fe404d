"""What the bot itself costs: messages through the real endpoint, with tokens checked, and a canned answer.

The bot runs in a process of its own: aiohttp, JWT validation, the Teams front end, the dialog, the SQLite
store with durable writes, replies over HTTP. This process is the channel: it signs the tokens, posts, and
takes the replies, so both share the machine's cores. Every message comes from a group chat of its own (typing
and the answer go back) and carries a token of its own, or one token for all as a channel really sends it.

    most     clients that post again as soon as they hear from the bot: how much goes through
    steady   messages at a fixed rate, whether the bot keeps up or not: how long each waits

With --telemetry, bots that tell what they do to an endpoint here, each in its own way, are measured side by
side: in turns, so that what else the machine does falls on all of them, and in the processor time of the bot
alone.

Run as: python -m benchmarks.overhead [--messages 3000] [--rate 200] [--clients 16] [--telemetry [--rounds 5]]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.channel import USED, ChannelDouble, Post, fetch_usage, serve_until_told, start_bot
from bot.channels.handler import ActivityHandler
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.dialogs.rate import RatingRules
from bot.services import Services
from bot.teams.auth import BotFrameworkConfig
from bot.teams.endpoint import TeamsEndpoint
from bot.teams.rate_limit import Pace
from core.records import Answer, Question
from exporters import Export, To, exporting
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from model.evaluation.metrics import percentile
from tests.builders.serving import served
from tests.builders.world import (
    KEY,
    NO_SAMPLE,
    REVIEWERS,
    an_answer,
    some_dependencies,
)
from tests.doubles.tokens import APP_ID, ISSUER

KEY_OF_NOBODY = "00000000-0000-0000-0000-000000000000"


class CannedAnswerer:
    """Answers at once."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        yield "You get"
        yield an_answer(question)


async def run_bot(metadata_url: str, folder: Path, to: To, endpoint: str) -> None:
    """Serve until the standard input ends, telling what is done; write the address first."""
    with exporting(Export(to, f"InstrumentationKey={KEY_OF_NOBODY};IngestionEndpoint={endpoint}", endpoint)):
        await _serve(metadata_url, folder)


async def _serve(metadata_url: str, folder: Path) -> None:
    store = SqliteStore.open(folder / "overhead.sqlite3")
    around = some_dependencies(lambda: seam.connector)
    # All answers are of one stratum: its counter for the sample would be what is measured.
    rules = (RatingRules(), NO_SAMPLE)
    parts = Services(store, ReviewRepository(store.documents), KEY, around, rules)
    asking = Asking(store, CannedAnswerer(), parts.looking)
    front = ActivityHandler(parts.handlers(asking, Reviewers(REVIEWERS)))
    config = BotFrameworkConfig(app_id=APP_ID, openid_metadata_url=metadata_url, token_issuer=ISSUER)
    # All askers are of one tenant: Teams' limit for it would be what is measured.
    seam = TeamsEndpoint(config, front, pace=Pace(tenant_limit=(10_000, 1.0)), own_token=_own_token)
    app = web.Application()
    app.add_routes([web.post("/api/messages", seam.process), USED])
    await serve_until_told(app)
    await asking.drain(10)
    await seam.close()
    await store.close()


async def _own_token() -> str:
    return "the-bots-own"


@dataclass
class Run:
    """Seconds of every message: until its POST was answered, and until its answer arrived."""

    posted_s: list[float] = field(default_factory=list[float])
    answered_s: list[float] = field(default_factory=list[float])
    took_s: float = 0.0
    used_s: float = 0.0

    def line(self, name: str) -> str:
        count = len(self.answered_s)
        return (
            f"{name:<28} {count / self.took_s:>6.0f}/s   "
            f"POST p50 {_ms(self.posted_s, 50)} p99 {_ms(self.posted_s, 99)}"
            f"   answer p50 {_ms(self.answered_s, 50)} p99 {_ms(self.answered_s, 99)}"
            f"   bot {1000 * self.used_s / count:.2f} ms processor time a message"
        )


def _ms(seconds: Sequence[float], share: int) -> str:
    return f"{1000 * (percentile(seconds, share) or 0):>6.1f} ms"


@dataclass
class Load:
    """The bot's address, the channel, and how many messages of which kind."""

    http: aiohttp.ClientSession
    url: str
    channel: ChannelDouble
    messages: int

    async def run(
        self,
        name: str,
        spread: Callable[[list[Callable[[], Coroutine[Any, Any, None]]]], Awaitable[None]],
        *,
        own_tokens: bool,
    ) -> Run:
        """Post all messages the way `spread` calls them, and wait for all answers."""
        token = None if own_tokens else self.channel.issuer.token(self.channel.service_url)
        prepared = [self.channel.message(number, name, token) for number in range(self.messages)]
        run = Run()

        def sender(post: Post) -> Callable[[], Coroutine[Any, Any, None]]:
            async def send() -> None:
                times = await self.channel.send(self.http, self.url, post)
                run.posted_s.append(times.posted_s)
                run.answered_s.append(times.answered_s)

            return send

        before, began = await fetch_usage(self.http, self.url), time.perf_counter()
        await spread([sender(message) for message in prepared])
        run.took_s = time.perf_counter() - began
        run.used_s = (await fetch_usage(self.http, self.url)).own_s - before.own_s
        return run


def by_clients(clients: int) -> Callable[[list[Callable[[], Coroutine[Any, Any, None]]]], Awaitable[None]]:
    """Send with this many clients, each of which waits for its answer."""

    async def spread(senders: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        waiting = iter(senders)

        async def client() -> None:
            for send in waiting:
                await send()

        await asyncio.gather(*(client() for _ in range(clients)))

    return spread


def at_rate(rate: float) -> Callable[[list[Callable[[], Coroutine[Any, Any, None]]]], Awaitable[None]]:
    """Send so many a second, whatever becomes of the earlier ones."""

    async def spread(senders: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, send in enumerate(senders):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                group.create_task(send())

    return spread


@asynccontextmanager
async def the_bot(metadata_url: str, to: To = "none", endpoint: str = "") -> AsyncGenerator[str]:
    """Start the bot in a process of its own; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        async with start_bot("benchmarks.overhead", "--bot", metadata_url, folder, to, endpoint) as bot:
            yield bot.url


async def measure(messages: int, rate: float, clients: int) -> None:
    """Print a line for each kind of load and of token."""
    channel = ChannelDouble()
    async with (
        served(channel.issuer.app) as issuer_url,
        served(channel.app) as channel.service_url,
        the_bot(f"{issuer_url}/metadata") as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        await Load(http, url, channel, 200).run("warm", by_clients(4), own_tokens=True)
        load = Load(http, url, channel, messages)
        for own_tokens in (True, False):
            kind = "own tokens" if own_tokens else "one token"
            run = await load.run(f"most {kind}", by_clients(clients), own_tokens=own_tokens)
            print(run.line(f"most, {kind}"))
            run = await load.run(f"steady {kind}", at_rate(rate), own_tokens=own_tokens)
            print(run.line(f"steady {rate:.0f}/s, {kind}"))


async def compare(messages: int, clients: int, rounds: int) -> None:
    """Print what a message costs with each way of telling, and its ratio to telling nobody."""
    channel, took = ChannelDouble(), web.Application(client_max_size=100_000_000)
    took.router.add_post("/{path:.*}", _take_telemetry)
    ways: tuple[To, ...] = ("none", "appinsights", "azuremonitor", "otlp")
    async with AsyncExitStack() as running:
        issuer_url = await running.enter_async_context(served(channel.issuer.app))
        channel.service_url = await running.enter_async_context(served(channel.app))
        endpoint = await running.enter_async_context(served(took))
        http = await running.enter_async_context(aiohttp.ClientSession())
        loads: dict[str, Load] = {}
        for to in ways:
            url = await running.enter_async_context(the_bot(f"{issuer_url}/metadata", to, endpoint))
            loads[to] = Load(http, url, channel, messages)
            await Load(http, url, channel, 200).run(f"warm {to}", by_clients(4), own_tokens=False)
        costs: dict[str, list[float]] = {to: [] for to in ways}
        for round_ in range(rounds):
            for to, load in loads.items():
                run = await load.run(f"{to} {round_}", by_clients(clients), own_tokens=False)
                costs[to].append(1000 * run.used_s / messages)
        for to in ways:
            ratio = statistics.median(
                mine / none for mine, none in zip(costs[to], costs["none"], strict=True)
            )
            told = " ".join(f"{cost:.2f}" for cost in costs[to])
            print(f"{to:<14} {ratio:.2f} of telling nobody   ({told} ms processor time a message)")


async def _take_telemetry(request: web.Request) -> web.Response:
    body = await request.read()
    if not request.path.endswith("/track"):
        return web.Response()
    count = len(json.loads(body))
    return web.json_response({"itemsReceived": count, "itemsAccepted": count, "errors": []})


def main() -> None:
    """Read the options and measure, or be the bot that is measured."""
    parser = argparse.ArgumentParser(description="What the bot itself costs, with a canned answer.")
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--telemetry", action="store_true", help="compare the ways of telling")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bot", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bot:
        metadata_url, folder, to, endpoint = options.bot
        asyncio.run(run_bot(metadata_url, Path(folder), to, endpoint))
    elif options.telemetry:
        asyncio.run(compare(options.messages, options.clients, options.rounds))
    else:
        asyncio.run(measure(options.messages, options.rate, options.clients))


if __name__ == "__main__":
    main()

"""What telling costs of a real answer, and whether anybody waits for an endpoint that is ill.

Bots as they are served, each in a process of its own with the default model on one thread, tell what they do
in each of the ways, and to endpoints that refuse (nobody listens), hang (they take a connection and say
nothing) or throttle (429 with Retry-After). One message at a time: in each round every bot is asked the same
question about the same page, in an order that is drawn anew, so that what else the machine does falls on all
of them. A second bot that tells nobody says how far apart two bots are that do not differ.

    time             from a message's POST to the arrival of its answer
    processor time   of the bot and its model, from one turn to the next: what is sent later counts, too.
                     Whoever else works here makes messages slow, but hardly makes them use more of this
    bot's own        the same without the model's

How long a model takes varies much more than telling could make it. With --paced a canned one writes a word
every 25 ms instead, as fast as the default model does, so that the slowest answers of two bots can be told
apart.

Ratios and differences are those of one round to the bot that tells nobody; intervals (95 %) come from a
paired bootstrap over the rounds.

Run as: python -m benchmarks.telling [--paced] [--rounds 150] [--minutes 60] [--models-dir data/models]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from benchmarks.channel import USED, ChannelDouble, Started, Used, fetch_usage, serve_until_told, start_bot
from bot.app import open_bot
from bot.bootstrap import open_parts
from cli.console import telling
from core.settings import Settings
from exporters import Exporting, To
from model.answering.chain import Answering, always_acquire
from model.answering.chat_model import CannedChatModel
from model.evaluation.metrics import percentile
from model.evaluation.statistics import Interval, bootstrap_percentile_difference
from model.registry.importing import import_base
from model.registry.loading import CANNED, quote_first_sentence
from tests.builders.serving import served
from tests.doubles.collector import collecting

DEFAULT_MODEL = "smollm2-135m-instruct"
ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "asking.md"
KEY_OF_NOBODY = "00000000-0000-0000-0000-000000000000"
QUESTIONS = (
    "How long does the bot remember a conversation?",
    "What happens when I delete my message?",
    "When does the bot say that something is not on this page?",
    "How do I stop an answer?",
    "What can I do in a personal chat in Teams while the answer is still being written?",
    "Which links are refused?",
    "What happens with a page whose link I paste into my question, "
    "and does it show up in other people's answers?",
    "Where does the bot work?",
    "Who reads what I write in a comment under an answer?",
    "In a group chat or in a channel, what do I have to do "
    "before I write my question so that the bot answers it?",
    "What works best?",
    "What does every answer name?",
    "What happens when I edit my message after the bot has already answered it once?",
    "Is there a chat page for the browser on the machine where the bot runs?",
    "How can I ask about a page that is not listed?",
    "Why does the bot decline when what it would say does not stand on the page?",
    "What should I ask about?",
)
WARMING = 2
"""Rounds that do not count: what is loaded at the first message is loaded then."""
PAUSE_S = 0.05
"""Between two turns, for what a bot still does when its answer has arrived."""
SMALL_BUFFER = 200
"""Where an endpoint is ill, so that it is soon full: then every message meets a full one."""
RETRY_AFTER_S = "5"
PACE_S = 0.025
"""Between two words of the model that is paced."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of telling, and what ails its endpoint."""

    to: To
    ill: str = ""
    again: bool = False

    @property
    def name(self) -> str:
        return f"{self.to}{', ' * bool(self.ill)}{self.ill}{' again' * self.again}"


NONE = Way("none")
_TOLD: tuple[To, ...] = ("appinsights", "azuremonitor")
WAYS = (
    NONE,
    Way("none", again=True),
    Way("otlp"),
    *(Way(to) for to in _TOLD),
    *(Way(to, ill) for to in _TOLD for ill in ("refuses", "hangs", "throttles")),
)


# The bot


async def run_bot(folder: Path, to: To, endpoint: str, buffer: int, *, paced: bool) -> None:
    """Serve until the standard input ends; write the address first, and last what became of what was told."""
    settings = Settings(
        data_dir=folder,
        base_model=CANNED if paced else DEFAULT_MODEL,
        pages=[str(PAGE)],
        local_page=False,
        model_threads=1,
        sample_share=0.0,  # drawn by chance: some bots would have more to do
        telemetry=to,
        telemetry_buffer=buffer,
        otlp_endpoint=endpoint,
        applicationinsights_connection_string=SecretStr(
            f"InstrumentationKey={KEY_OF_NOBODY};IngestionEndpoint={endpoint}"
        ),
    )
    logging.basicConfig(filename=folder / "log")  # exporters say every time that nobody listens
    with telling(settings) as sending:
        await _serve(settings)
    print(json.dumps(_count_outcomes(sending)))


async def _serve(settings: Settings) -> None:
    async with open_parts(settings) as parts:
        await parts.page_services.library.refresh(settings.pages)
        answering = parts.answering
        if settings.base_model == CANNED:
            paced = CannedChatModel(quote_first_sentence, delay_s=PACE_S)
            answering = Answering(always_acquire(paced, CANNED), parts.page_services.library.search)
        async with open_bot(settings, parts.page_services, answering, port=settings.port) as bot:
            bot.app.add_routes([USED])
            await serve_until_told(bot.app)
            await bot.asking.drain(10)


def _count_outcomes(sending: Exporting) -> dict[str, int]:
    return {"sent": sending.counts.sent, **sending.counts.dropped}


# The endpoints


@asynccontextmanager
async def endpoints() -> AsyncGenerator[Mapping[str, str]]:
    """Yield the addresses of endpoints by what ails them; "" takes everything."""
    with collecting(200) as well, collecting(429) as throttling, closing(socket.socket()) as nobody:
        throttling.headers = {"Retry-After": RETRY_AFTER_S}
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        # The system takes connections, as many as may wait; nobody reads them.
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent:
            yield {
                "": well.url,
                "throttles": throttling.url,
                "refuses": f"http://127.0.0.1:{nobody.getsockname()[1]}",
                "hangs": f"http://127.0.0.1:{silent.getsockname()[1]}",
            }


# Asking


@dataclass
class Asked:
    """A bot with what it was asked: seconds and texts of its answers, and what it had used at each turn."""

    bot: Started
    seconds: list[float] = field(default_factory=list[float])
    texts: list[str] = field(default_factory=list[str])
    used: list[Used] = field(default_factory=list[Used])
    counts: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def own_ms(self) -> list[float]:
        """The processor time of each message in the bot itself, milliseconds."""
        return [1000 * (after.own_s - before.own_s) for before, after in pairwise(self.used)]

    @property
    def whole_ms(self) -> list[float]:
        """The same with the model's."""
        return [1000 * (sum(after) - sum(before)) for before, after in pairwise(self.used)]


async def ask_all(rounds: int, minutes: float, models_dir: Path, *more_options: str) -> dict[Way, Asked]:
    """Ask all bots in turns, for so many minutes at most."""
    channel = ChannelDouble()
    asked: dict[Way, Asked] = {}
    async with AsyncExitStack() as running:
        channel.service_url = await running.enter_async_context(served(channel.app))
        urls = await running.enter_async_context(endpoints())
        http = await running.enter_async_context(aiohttp.ClientSession())
        for way in WAYS:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            (folder / "models").symlink_to(models_dir)
            buffer = SMALL_BUFFER if way.ill else 2048
            options = ("--bot", str(folder), way.to, urls[way.ill], str(buffer), *more_options)
            asked[way] = Asked(await running.enter_async_context(start_bot("benchmarks.telling", *options)))
        drawn, until = random.Random(7), time.monotonic() + 60 * minutes  # noqa: S311 - no secret
        for round_ in range(-WARMING, rounds):
            for way in drawn.sample(WAYS, len(WAYS)):
                await _ask(channel, http, asked[way], f"{way.name} {round_}", round_)
            print(f"\rround {round_ + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            if time.monotonic() > until:
                break
        for one in asked.values():
            one.used.append(await fetch_usage(http, one.bot.url))
        for one in asked.values():
            one.counts = json.loads(await one.bot.end())
    return asked


async def _ask(
    channel: ChannelDouble, http: aiohttp.ClientSession, asked: Asked, name: str, round_: int
) -> None:
    """Ask one bot the question of this round."""
    post = channel.message(round_, name.replace(" ", "-"), text=QUESTIONS[round_ % len(QUESTIONS)])
    before = await fetch_usage(http, asked.bot.url)
    times = await channel.send(http, asked.bot.url, post)
    await asyncio.sleep(PAUSE_S)
    if round_ >= 0:
        asked.used.append(before)
        asked.seconds.append(times.answered_s)
        asked.texts.append(channel.said[post[0]])


# What came out


def show(asked: Mapping[Way, Asked]) -> None:
    """Print tables in Markdown."""
    none = asked[NONE]
    print(
        "\n| telemetry | time, of `none` | p50 s | "
        "p99 s | p99, of `none` | difference p50 ms | p99 ms | other answers |"
    )
    print("|---" * 8 + "|")
    for way, one in asked.items():
        differences = [1000 * (mine - its) for mine, its in zip(one.seconds, none.seconds, strict=True)]
        other = sum(mine != its for mine, its in zip(one.texts, none.texts, strict=True))
        cells = (
            _of_none(one.seconds, none.seconds),
            f"{_percentile(one.seconds, 50):.3f} | {_percentile(one.seconds, 99):.3f}",
            _p99_of_none(one.seconds, none.seconds),
            f"{_percentile(differences, 50):+.0f} | {_percentile(differences, 99):+.0f} | {other}",
        )
        print(f"| {way.name} | {' | '.join(cells)} |")
    print("\n| telemetry | processor time, of `none` | bot's own, more than `none` ms | sent | dropped |")
    print("|---" * 5 + "|")
    for way, one in asked.items():
        more = [mine - its for mine, its in zip(one.own_ms, none.own_ms, strict=True)]
        spread = bootstrap_percentile_difference([0.0] * len(more), more, 50)
        dropped = ", ".join(f"{count} {why}" for why, count in one.counts.items() if why != "sent") or "0"
        own = f"{_percentile(more, 50):+.1f} ({_bounds(spread, '+.1f')})"
        print(
            f"| {way.name} | {_of_none(one.whole_ms, none.whole_ms)} | "
            f"{own} | {one.counts['sent']} | {dropped} |"
        )
    print(
        f"\n{len(none.seconds)} messages a way. "
        f"The bot that tells nobody uses {_percentile(none.whole_ms, 50):.0f} ms"
        f" of processor time a message, {_percentile(none.own_ms, 50):.0f} of them its own."
    )


def _of_none(mine: Sequence[float], none: Sequence[float]) -> str:
    """Return the median of the ratios in the same round, with its interval."""
    ratios = [math.log(one / its) for one, its in zip(mine, none, strict=True)]
    interval = bootstrap_percentile_difference([0.0] * len(ratios), ratios, 50)
    return _ratio(_percentile(ratios, 50), interval)


def _p99_of_none(seconds: Sequence[float], none: Sequence[float]) -> str:
    """Return the ratio of the percentiles, with its interval: rounds are drawn again, for both together."""
    mine, its = ([math.log(one) for one in side] for side in (seconds, none))
    return _ratio(
        _percentile(mine, 99) - _percentile(its, 99), bootstrap_percentile_difference(its, mine, 99)
    )


def _ratio(logarithm: float, interval: Interval | None) -> str:
    whole = Interval(math.exp(interval.low), math.exp(interval.high)) if interval else None
    return f"{math.exp(logarithm):.3f} ({_bounds(whole, '.3f')})"


def _bounds(interval: Interval | None, form: str) -> str:
    return f"{interval.low:{form}} to {interval.high:{form}}" if interval else ""


def _percentile(values: Sequence[float], share: int) -> float:
    return percentile(values, share) or 0.0


def main() -> None:
    """Read the options and measure, or be a bot that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--minutes", type=float, default=60, help="ask no longer than this")
    parser.add_argument("--models-dir", type=Path, default=Path("data/models"))
    parser.add_argument("--paced", action="store_true", help="a canned model at the pace of the real one")
    parser.add_argument("--bot", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bot:
        folder, to, endpoint, buffer = options.bot
        asyncio.run(run_bot(Path(folder), to, endpoint, int(buffer), paced=options.paced))
        return
    if not options.paced:
        import_base(DEFAULT_MODEL, options.models_dir, "cpu", on_progress=lambda _step, _done: None)
    paced = ["--paced"] if options.paced else []
    show(asyncio.run(ask_all(options.rounds, options.minutes, options.models_dir.resolve(), *paced)))


if __name__ == "__main__":
    main()

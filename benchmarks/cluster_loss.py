"""What people notice when parts of a cluster are killed: three bots, two model replicas, one Cosmos DB.

Run as: python -m benchmarks.cluster_loss [--askers 12] [--rounds 3]

Real Ray Serve with two replicas, three bots as processes whose store is a server of Cosmos DB's protocol,
and a double of Teams, all on this machine. Each of the askers asks in a chat of their own, the next
question when the last one is answered; a question goes to any bot that takes it, and every third one to
another bot as well, as a channel does that did not hear the first. Five rounds of load: quiet; a model
replica is killed; a bot is killed, and comes back afterwards; the head of Ray is killed (its GCS), and
after a while the server is started again, as systemd or KubeRay would; quiet again. All by kill -9 with
answers under way.

The model is the double of `benchmarks.replica_loss`: 40 words that are this question's alone, one each 20
ms. A question is *answered* with exactly these words, in one message; *sorry* is one message that says that
it could not be answered; *lost* is no message within 90 s, *doubled* more than one, *broken* one with other
words. Bots hold a question for 12 s here instead of 90. Exit status 1 where one is lost, doubled or broken,
or where anybody hears "sorry" without the head being dead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.replica_loss import WORDS, list_descendants
from bot.channel import STOPPED
from tests.builders.world import served
from tests.doubles.cosmos import a_cosmos, cosmos_server, place_of
from tests.doubles.teams_connector import ConnectorService
from tests.processes.storm import Bot, Storm

BOTS = 3
WAIT_S = 90.0
DEAD_S = 15.0
"""How long the head stays dead before the server is started anew."""
THINK_S = 1.0
"""How long an asker reads before asking again."""
AGAIN_SHARE = 1 / 3
SORRY = "Sorry"


@dataclass
class Load:
    """What came of one round of load: seconds until the message of each question, and what each one said."""

    name: str
    took_s: list[float] = field(default_factory=list[float])
    messages: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def count(self, kind: str) -> int:
        """Return how many questions ended so."""
        return sum(judge(number, said) == kind for number, said in self.messages.items())

    @property
    def p95_s(self) -> float:
        """The 95th percentile of the wait."""
        return float(np.percentile(self.took_s or [0.0], 95))


KINDS = ("answered", "sorry", "lost", "doubled", "broken")


def judge(number: str, said: Sequence[str]) -> str:
    """Return what came of a question, from the messages that answered it."""
    if len(said) != 1:
        return "doubled" if said else "lost"
    words = re.findall(rf"(?<!\d){number}-(\d+)", said[0])
    if words == [str(at) for at in range(WORDS)]:
        return "answered"
    return "sorry" if said[0].startswith(SORRY) and not words else "broken"


# The server


class Server:
    """The model server on Ray, on a port that it has again after a restart."""

    def __init__(self) -> None:
        self.port = find_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until its replicas answer. Raises SystemExit with what it said otherwise."""
        words = [
            *("-m", "benchmarks.replica_loss", "--be-server", "--askers", "64"),
            "--port",
            str(self.port),
        ]
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as said:
            self._process = subprocess.Popen(
                [sys.executable, *words], stderr=said, start_new_session=True, text=True
            )
            text = ""
            for _ in range(240):
                time.sleep(0.5)
                text = Path(said.name).read_text("utf-8")
                if "replicas" in text and f":{self.port}/v1" in text:
                    return
                if self._process.poll() is not None:
                    break
        raise SystemExit(f"the server did not begin: {text[-2000:]}")

    def list_processes(self, title: str) -> list[int]:
        """Return the process ids of its processes with a word in their titles, the oldest first."""
        below = list_descendants(self._process.pid) if self._process else []
        return sorted(pid for pid, told in below if title in told)

    def kill(self, title: str) -> None:
        """End the oldest such process as a power cut would."""
        os.kill(self.list_processes(title)[0], signal.SIGKILL)

    def end(self, *, at_once: bool = False) -> None:
        """Stop it in order; `at_once`, or where that takes too long: with all its processes."""
        if self._process is None:
            return
        below = [pid for pid, _ in list_descendants(self._process.pid)]
        if not at_once:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        for pid in (self._process.pid, *below):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


def find_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


# The askers


@dataclass
class Cluster:
    """Everything that runs, and the channel's side of it."""

    server: Server
    bots: list[Bot]
    storms: list[Storm]
    connector: ConnectorService
    dice: random.Random
    numbers: int = 0
    seen: int = 0
    finals: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def read_finals(self) -> dict[str, list[str]]:
        """Return what was said, by the question that it answers; a message that was given up says nothing."""
        for call in self.connector.calls[self.seen :]:
            self.seen += 1
            text = call.activity.get("text", "")
            if call.is_message and call.method == "POST" and text != STOPPED and "replyToId" in call.activity:
                self.finals[call.activity["replyToId"]].append(text)
        return self.finals

    async def deliver(self, activity: dict[str, Any]) -> None:
        """Send it to any bot until one acknowledges. Raises SystemExit where none ever does."""
        for _ in range(400):
            storm = self.dice.choice(self.storms)
            with suppress(aiohttp.ClientError, TimeoutError):
                async with storm.http.post(storm.url, json=activity) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
        raise SystemExit(f"never acknowledged: {activity['id']}")

    async def ask(self, asker: int, load: Load) -> None:
        """Ask one question, and wait for what comes of it."""
        self.numbers += 1
        number = str(self.numbers)
        chat = {"id": f"a:{asker}", "conversationType": "personal", "tenantId": "t1"}
        text = f"Please say all words of number {number}"
        activity = self.storms[0].activity("message", number, f"p{asker}", chat, text=text)
        began = time.perf_counter()
        await self.deliver(activity)
        if self.dice.random() < AGAIN_SHARE:
            await self.deliver(activity)
        with suppress(TimeoutError):
            await self.connector.until(lambda _: self.read_finals().get(number), WAIT_S)
            load.took_s.append(time.perf_counter() - began)
        load.messages[number] = self.finals[number]

    async def put_load(
        self, name: str, askers: int, rounds: int, harm: Callable[[], Awaitable[None]]
    ) -> Load:
        """Let everybody ask so many rounds, and longer while harm is done, which begins soon."""
        load, over = Load(name), asyncio.Event()

        async def ask_on(asker: int) -> None:
            turn = 0
            while turn < rounds or not over.is_set():
                await self.ask(asker, load)
                await asyncio.sleep(THINK_S)
                turn += 1

        async def harm_soon() -> None:
            await asyncio.sleep(0.7)
            try:
                await harm()
            finally:
                over.set()

        await asyncio.gather(harm_soon(), *(ask_on(asker) for asker in range(askers)))
        await asyncio.sleep(2.0)
        self.read_finals()
        return load


@asynccontextmanager
async def open_cluster(folder: Path, cosmos_url: str) -> AsyncGenerator[Cluster]:
    """Start everything, and end it."""
    async with AsyncExitStack() as closing:
        server = Server()
        closing.callback(server.end)
        await asyncio.to_thread(server.start)
        _, config = await closing.enter_async_context(a_cosmos(cosmos_url))
        connector = ConnectorService()
        connector.bots = BOTS
        service_url = await closing.enter_async_context(served(connector.app))
        timeout = aiohttp.ClientTimeout(total=15)
        http = await closing.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        where = json.dumps(place_of(config) | {"spools": str(folder)})
        dice = random.Random(7)  # noqa: S311 - nothing secret
        cluster = Cluster(server, [], [], connector, dice)
        for _ in range(BOTS):
            port = find_port()
            bot = Bot(where, port, server.url)
            closing.push_async_callback(end_bot, bot)
            cluster.bots.append(bot)
            cluster.storms.append(Storm(f"http://127.0.0.1:{port}/api/messages", service_url, http, dice))
            await bot.start()
        yield cluster


async def end_bot(bot: Bot) -> None:
    """End a bot that runs."""
    if bot.process.returncode is None:
        await bot.kill()


async def measure(cluster: Cluster, askers: int, rounds: int) -> list[Load]:
    """Return what came of the five rounds of load."""
    server, first = cluster.server, cluster.bots[0]

    async def do_nothing() -> None: ...

    async def kill_replica() -> None:
        server.kill("ray::ServeReplica:")

    async def kill_head() -> None:
        server.kill("gcs_server")
        await asyncio.sleep(DEAD_S)
        await asyncio.to_thread(server.end, at_once=True)
        await asyncio.to_thread(server.start)

    async def load(name: str, harm: Callable[[], Awaitable[None]]) -> Load:
        return await cluster.put_load(name, askers, rounds, harm)

    loads = [await load("quiet", do_nothing), await load("a replica killed", kill_replica)]
    loads.append(await load("a bot killed", first.kill))
    await first.start()
    loads.append(await load("the head killed", kill_head))
    loads.append(await load("quiet again", do_nothing))
    return loads


def show(loads: Sequence[Load], console: Console) -> bool:
    """Print what came of it; tell whether it is as it should be."""
    table = Table("", "questions", *KINDS, "p50 s", "p95 s")
    for one in loads:
        median = float(np.percentile(one.took_s or [0.0], 50))
        counts = [str(one.count(kind)) for kind in KINDS]
        table.add_row(one.name, str(len(one.messages)), *counts, f"{median:.2f}", f"{one.p95_s:.2f}")
    console.print(table)
    for one in loads:
        for number, said in one.messages.items():
            if judge(number, said) in {"lost", "doubled", "broken"}:
                console.print(f"{one.name}: {number}: {[text[:60] for text in said]}", markup=False)
    bad = [one for one in loads if any(one.count(kind) for kind in ("lost", "doubled", "broken"))]
    return not bad and not any(one.count("sorry") for one in loads if "head" not in one.name)


async def run(askers: int, rounds: int) -> bool:
    """Start, measure and judge."""
    with cosmos_server() as cosmos_url, tempfile.TemporaryDirectory() as folder:
        async with open_cluster(Path(folder), cosmos_url) as cluster:
            return show(await measure(cluster, askers, rounds), Console(width=110))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--askers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(run(given.askers, given.rounds)) else 1)


if __name__ == "__main__":
    main()

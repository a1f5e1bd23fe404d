"""Mixed load on Teams and Slack, with faults: nothing acknowledged is lost or said twice, no memory is lost.

Run as: make soak, or python -m tests.processes.soak [--minutes 30] [--people 6] [--seed 7]

The bot (tests/processes/soak_bot.py) is a process of its own; both channels are the doubles that hold it to
their limits, in which calls fail (429, 502), hang up and are slow, and from which deliveries come twice. A
double that hangs up has not done the call: what a channel did and could not say nobody can tell, and then it
is said again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.builders.serving import served
from tests.needs import ROOT
from tests.processes.soak_bot import TOKEN
from tests.processes.soak_sides import Side, SlackSide, TeamsSide, Word

ANSWER_WITHIN_S = 60.0
LISTEN_S = 0.05
FAULT_EVERY_S = 0.5
PAUSE_S = 0.5
KINDS = ("like", "dislike", "stars", "comment", "reaction", "nothing")
RULINGS = ("approve", "approve", "reject", "correct")
MOST_GROWTH = 0.08
"""How much of its memory the bot may gain in the second half, by the line through its samples."""
MOST_GROWTH_MB = 10.0
"""As much is noise, however short the run."""


@dataclass
class Tally:
    """What was acknowledged, and what was found out about it."""

    asked: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    words: list[Word] = field(default_factory=list[Word])
    rulings: int = 0
    memory_mb: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    complaints: list[str] = field(default_factory=list[str])


class Soak:
    """One run: people, a reviewer on each side, trouble, and somebody who watches the bot's memory."""

    def __init__(self, sides: Sequence[Side], dice: random.Random, pid: int) -> None:
        self.sides = sides
        self.tally = Tally({side.name: [] for side in sides})
        self._dice = dice
        self._pid = pid
        self._number = 0
        self._over = asyncio.Event()

    async def run(self, minutes: float, people: int) -> None:
        """Let everybody act for so long, then finish what they began."""
        acting = [
            asyncio.create_task(self._person(side, person)) for side in self.sides for person in range(people)
        ]
        acting += [asyncio.create_task(self._reviewer(side)) for side in self.sides]
        acting.append(asyncio.create_task(self._trouble()))
        watching = [asyncio.create_task(self._listen()), asyncio.create_task(self._weigh())]
        await asyncio.sleep(minutes * 60)
        self._over.set()
        await asyncio.gather(*acting)
        await asyncio.sleep(2 * LISTEN_S)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    async def _person(self, side: Side, person: int) -> None:
        while not self._over.is_set():
            self._number += 1
            token = f"q{self._number}"
            follow_up = self._dice.random() < 0.3
            text = f"And for part-timers, {token}?" if follow_up else f"How long is the leave, {token}?"
            if not await side.ask(person, token, text):
                self.tally.complaints.append(f"{side.name}: {token} was not acknowledged")
                continue
            self.tally.asked[side.name].append(token)
            if not await self._answered(side, token):
                self.tally.complaints.append(f"{side.name}: {token} was not answered")
                continue
            kind = self._dice.choice(KINDS)
            if kind != "nothing":
                await self._rate(side, person, token, kind)
            await asyncio.sleep(self._dice.uniform(0, 2 * PAUSE_S))

    async def _rate(self, side: Side, person: int, token: str, kind: str) -> None:
        word = await side.rate(person, token, kind, f"said of {token}")
        if word is None:
            self.tally.complaints.append(f"{side.name}: a {kind} of {token} was not acknowledged")
        else:
            self.tally.words.append(word)

    async def _answered(self, side: Side, token: str) -> bool:
        until = time.monotonic() + ANSWER_WITHIN_S
        while not side.heard.answers.get(token) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LISTEN_S)
        return bool(side.heard.answers.get(token))

    async def _reviewer(self, side: Side) -> None:
        while not self._over.is_set():
            await asyncio.sleep(PAUSE_S)
            if side.heard.cards:
                card = side.heard.cards.pop()
                verb = self._dice.choice(RULINGS)
                self.tally.rulings += await side.rule(card, verb, f"Parents get 18 weeks, {self._number}.")

    async def _trouble(self) -> None:
        while not self._over.is_set():
            await asyncio.sleep(self._dice.expovariate(1 / FAULT_EVERY_S))
            self._dice.choice(self.sides).break_something()

    async def _listen(self) -> None:
        while True:
            for side in self.sides:
                side.listen()
            await asyncio.sleep(LISTEN_S)

    async def _weigh(self) -> None:
        began = time.monotonic()
        while True:
            pages = int(Path(f"/proc/{self._pid}/statm").read_text("ascii").split()[1])  # noqa: ASYNC240
            self.tally.memory_mb.append((time.monotonic() - began, pages * 4096 / 1e6))
            await asyncio.sleep(1)


@asynccontextmanager
async def a_soak(store: Path, people: int, seed: int) -> AsyncGenerator[Soak]:
    """Start the channels and the bot."""
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    teams, slack = TeamsSide(dice), SlackSide(dice, people)
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        served(teams.service.app) as teams_url,
        served(slack.service.app) as slack_url,
        aiohttp.ClientSession(timeout=timeout) as http,
    ):
        command = [
            sys.executable,
            "-m",
            "tests.processes.soak_bot",
            str(store),
            str(port),
            f"{slack_url}/api",
        ]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        teams.http = slack.world.http = http
        slack.world.url = f"http://127.0.0.1:{port}"
        teams.url, teams.service_url = f"{slack.world.url}/api/messages", teams_url
        try:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
            await teams.subscribe()
            yield Soak([teams, slack], dice, process.pid)
        finally:
            process.kill()
            await process.wait()


async def soak(minutes: float, people: int, seed: int, folder: Path) -> tuple[Tally, list[str]]:
    """Run one; return what happened, and the table of it."""
    store = folder / "store.sqlite3"
    async with a_soak(store, people, seed) as running:
        await running.run(minutes, people)
        tally = running.tally
        rows = [_row_of(side, tally) for side in running.sides]
    tally.complaints += [*_words_amiss(store, tally), *_open_in(store), *_grown(tally)]
    head = f"{'':8} {'asked':>7} {'answered once':>14} {'words':>6} {'faults':>7} {'calls':>7} {'broken':>7}"
    return tally, [head, *rows, *_about(store, tally)]


def _row_of(side: Side, tally: Tally) -> str:
    tokens = tally.asked[side.name]
    answered = Counter(len(side.heard.answers.get(token, ())) for token in tokens)
    for token in tokens:
        if len(side.heard.answers.get(token, ())) > 1:
            tally.complaints.append(f"{side.name}: {token} was answered twice")
    broken = side.broken()
    tally.complaints += [f"{side.name}: {one}" for one in broken]
    words = sum(word.token in set(tokens) for word in tally.words)
    return (
        f"{side.name:8} {len(tokens):7} {answered[1]:14} {words:6} "
        f"{side.faults:7} {side.heard.calls:7} {len(broken):7}"
    )


def _words_amiss(store: Path, tally: Tally) -> list[str]:
    """Compare what was acknowledged with what is kept, word by word."""
    said, kept = Counter(tally.words), Counter(_kept(store))
    lost = [f"lost: {word}" for word in said - kept]
    return lost + [f"kept, but not acknowledged so often: {word}" for word in kept - said]


def _kept(store: Path) -> list[Word]:
    with sqlite3.connect(store) as connection:
        asked = dict(
            connection.execute(
                "SELECT answers.id, questions.record FROM answers "
                "JOIN questions ON questions.id = answers.question_id"
            )
        )
        rows = connection.execute("SELECT record FROM feedback WHERE kind <> 'implicit'").fetchall()
    found: list[Word] = []
    for (record,) in rows:
        one = json.loads(record)
        token = TOKEN.search(json.loads(asked[one["answer_id"]])["text"])
        assert token is not None
        found.append(Word(token.group(), one["giver"], one["kind"], one["value"], one.get("comment", "")))
    return found


def _open_in(store: Path) -> list[str]:
    with sqlite3.connect(store) as connection:
        left = connection.execute("SELECT id FROM questions WHERE message_id IS NULL").fetchall()
    return [f"not marked as answered: {id_}" for (id_,) in left]


def _line_of(memory_mb: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the median of the second half, and what is gained in it by the line through it, in megabytes."""
    second = memory_mb[len(memory_mb) // 2 :]
    at, mb = [point[0] for point in second], [point[1] for point in second]
    return statistics.median(mb), statistics.linear_regression(at, mb).slope * (at[-1] - at[0])


def _grown(tally: Tally) -> list[str]:
    median, gained = _line_of(tally.memory_mb)
    if gained <= max(MOST_GROWTH * median, MOST_GROWTH_MB):
        return []
    return [f"the bot gained {gained:.1f} MB of memory in the second half"]


def _about(store: Path, tally: Tally) -> list[str]:
    median, gained = _line_of(tally.memory_mb)
    with sqlite3.connect(store) as connection:
        query = "SELECT count(*) FROM feedback WHERE kind = 'implicit'"
        [(implicit,)] = connection.execute(query).fetchall()
    first, last = tally.memory_mb[0], tally.memory_mb[-1]
    return [
        f"{tally.rulings} rulings were taken; {implicit} follow-ups were noticed",
        f"memory: {first[1]:.0f} MB at first, {median:.0f} MB in the second half, "
        f"which gained {gained:+.1f} MB;"
        f" {last[1]:.0f} MB after {last[0] / 60:.1f} min",
    ]


def main() -> None:
    """Run and print; ends with 1 if something was amiss."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--people", type=int, default=6, help="in each channel")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally, table = asyncio.run(soak(options.minutes, options.people, options.seed, Path(folder)))
    sys.stdout.write("\n".join([*table, *tally.complaints, ""]))
    sys.exit(bool(tally.complaints))


if __name__ == "__main__":
    main()

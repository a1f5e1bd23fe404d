"""Our model server beside llama.cpp's: the same model, over HTTP, 1, 4 and 8 clients, in one run.

Run as: python -m benchmarks.model_server [--clients 1,4,8] [--rounds 2] [--threads 2] [--data-dir data]

Each contender is a process that serves OpenAI's chat API with the default base model: `askpage model serve`
(ONNX, int8; with so many answers at once as there are clients), and llama.cpp's server in xllamacpp (MIT,
34 MB, the GGUF itself, so many slots; `make bench` installs it). They take turns, round by round, so that
whatever else the machine does meets both. Every client asks twice: about a page of its own that is new (some
600 tokens, its beginning differs from every other one), then something else about the same page, which is
what a cache of prompts is for; with --one-page all of them ask about one page. Both write greedily, up to 48
tokens.

Two clocks. `wall` is the time that a client waits. `processor` is what the contender's processes worked
meanwhile, user and system, divided by the threads: on a machine where nobody else works it is the same or a
little less, and on a busy one it is the one that says anything. Tokens a second are those that were written,
of all clients together, with the reading in it. A thread of llama.cpp's that waits for another one spins, so
on a busy machine compare with --threads 1, where nobody waits; ours sleep after 30 microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from benchmarks.engine import BASE, set_llama_parameters
from benchmarks.replica_loss import list_descendants
from model.evaluation.metrics import percentile
from model.registry.export_onnx import find_base

NEW_TOKENS = 48
RULES = 30
_TICKS = os.sysconf("SC_CLK_TCK")


def make_page(number: int) -> str:
    """Return a page of some 600 tokens, with a beginning all its own."""
    rules = (
        f"Rule {at}: people of office {(at * number) % 7} may take {(at + number) % 13} days."
        for at in range(number, number + RULES)
    )
    return f"{number * 7919} is the number of this handbook. {' '.join(rules)}"


QUESTIONS = ("Repeat all of these rules, one after the other.", "Write down every rule again, backwards.")


# The contenders


def be_llama(threads: int, clients: int) -> None:
    """Serve with llama.cpp until standard input ends."""
    xllamacpp: Any = import_module("xllamacpp")  # only `make bench` installs it

    gguf, _ = find_base(BASE)
    parameters = set_llama_parameters(xllamacpp.CommonParams(), gguf, threads, clients)
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    print(f"ready {server.listening_address}", file=sys.stderr, flush=True)
    sys.stdin.read()


def command_of(name: str, arguments: argparse.Namespace, clients: int) -> list[str]:
    """Return the command line that serves."""
    if name == "llama.cpp":
        own = ["--be-llama", str(clients), "--threads", str(arguments.threads)]
        return [sys.executable, "-m", "benchmarks.model_server", *own]
    options = {
        "data-dir": arguments.data_dir,
        "model-server-port": 0,
        "model-threads": arguments.threads,
        "concurrent-answers": clients,
        "queue-limit": clients,
        "telemetry": "none",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "cli.main", "model", "serve", *words]


@dataclass
class Contender:
    """A server that listens at `url`."""

    process: subprocess.Popen[str]
    url: str

    def worked_s(self) -> float:
        """Return what its processes have worked, seconds of a processor."""
        pids = [self.process.pid, *(pid for pid, _ in list_descendants(self.process.pid))]
        return sum(map(_worked_s, pids))


def _worked_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def serving(name: str, arguments: argparse.Namespace, clients: int) -> Generator[Contender]:
    """Start a contender, and end it."""
    command = command_of(name, arguments, clients)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    try:
        for line in process.stderr or ():
            said += line
            if found := re.search(r"http://([\w.]+:\d+)", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()  # type: ignore[union-attr]
                yield Contender(process, f"http://{found[1].replace('localhost', '127.0.0.1')}/v1")
                break
        else:
            raise SystemExit(f"{name} did not begin (`make bench` installs what it needs): {said[-1500:]}")
    finally:
        process.terminate()
        process.wait(60)


# The clients


@dataclass
class Turn:
    """One answer: seconds to its first token by both clocks, and its tokens."""

    first_wall_s: float = 0.0
    first_worked_s: float = 0.0
    tokens: int = 0
    cached: int = 0
    read: int = 0


@dataclass
class Round:
    """What all clients got together: seconds by both clocks, first answers and second ones."""

    wall_s: float = 0.0
    worked_s: float = 0.0
    new: list[Turn] = field(default_factory=list[Turn])
    again: list[Turn] = field(default_factory=list[Turn])


async def ask(session: aiohttp.ClientSession, server: Contender, page: str, question: str) -> Turn:
    """Ask once, and read the stream to its end."""
    body = {
        "model": "live",
        "messages": [{"role": "user", "content": f"{page}\n\n{question}"}],
        "max_tokens": NEW_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    turn, began, worked = Turn(), time.perf_counter(), server.worked_s()
    async with session.post(f"{server.url}/chat/completions", json=body) as answered:
        answered.raise_for_status()
        async for line in answered.content:
            if line.startswith(b"data: {"):
                _take(turn, json.loads(line[6:]), server, (began, worked))
    return turn


def _take(turn: Turn, event: dict[str, Any], server: Contender, begun: tuple[float, float]) -> None:
    choices: list[dict[str, Any]] = event.get("choices") or [{}]
    if choices[0].get("delta", {}).get("content") and not turn.first_wall_s:
        turn.first_wall_s = time.perf_counter() - begun[0]
        turn.first_worked_s = server.worked_s() - begun[1]
    if usage := event.get("usage"):
        turn.tokens, turn.read = usage["completion_tokens"], usage["prompt_tokens"]
        told: dict[str, Any] = usage.get("prompt_tokens_details") or {}
        turn.cached = told.get("cached_tokens") or 0


async def run_round(server: Contender, clients: int, number: int, *, one_page: bool = False) -> Round:
    """Let every client ask about a new page, and again about it; all begin together each time."""
    done = Round()
    timeout = aiohttp.ClientTimeout(total=900)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)  # llama.cpp closes an idle one unasked
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        pages = [make_page(number + (0 if one_page else at)) for at in range(clients)]
        began, worked = time.perf_counter(), server.worked_s()
        for question, into in zip(QUESTIONS, (done.new, done.again), strict=True):
            into.extend(
                await asyncio.gather(
                    *(
                        ask(session, server, page, f"{question} I am reader {at}.")
                        for at, page in enumerate(pages)
                    )
                )
            )
        done.wall_s, done.worked_s = time.perf_counter() - began, server.worked_s() - worked
    return done


# The table


def summarise(rounds: Sequence[Round], threads: int) -> dict[str, float]:
    """Return the best round's tokens a second, and times to the first token over all rounds."""
    new = [turn for one in rounds for turn in one.new]
    again = [turn for one in rounds for turn in one.again]
    tokens = [sum(turn.tokens for turn in (*one.new, *one.again)) for one in rounds]

    def p95(turns: Sequence[Turn], clock: str) -> float:
        return percentile([getattr(turn, clock) for turn in turns], 95) or 0.0

    return {
        "tokens/s, wall": max(n / one.wall_s for n, one in zip(tokens, rounds, strict=True)),
        "tokens/s, processor": max(n * threads / one.worked_s for n, one in zip(tokens, rounds, strict=True)),
        "first token p95 s, wall": p95(new, "first_wall_s"),
        "first token p95 s, processor": p95(new, "first_worked_s") / threads,
        "same page p95 s, wall": p95(again, "first_wall_s"),
        "same page p95 s, processor": p95(again, "first_worked_s") / threads,
        "tokens of an answer": sum(tokens) / len(new) / 2,
        "read": sum(turn.read for turn in new) / len(new),
        "of it known again": sum(turn.cached for turn in again) / len(again),
    }


def compare(arguments: argparse.Namespace, clients: int) -> dict[str, dict[str, float]]:
    """Return the figures of every contender, which take turns."""
    names = [arguments.only] if arguments.only else ["askpage", "llama.cpp"]
    rounds: dict[str, list[Round]] = {name: [] for name in names}
    for turn in range(arguments.rounds):
        for name in names:
            with serving(name, arguments, clients) as server:
                asyncio.run(run_round(server, 1, 90_000 + turn))  # what is allocated once is paid for here
                rounds[name].append(
                    asyncio.run(
                        run_round(server, clients, 1_000 * clients + 10 * turn, one_page=arguments.one_page)
                    )
                )
    return {name: summarise(done, arguments.threads) for name, done in rounds.items()}


def show(clients: int, figures: dict[str, dict[str, float]], console: Console) -> None:
    """Print a table, with ours as a share of theirs."""
    table = Table(f"{clients} at once", *figures, *(["ours / theirs"] if len(figures) > 1 else []))
    for row in next(iter(figures.values())):
        values = [one[row] for one in figures.values()]
        ratio = [f"{values[0] / values[1]:.2f}" if values[1] else "–"] if len(values) > 1 else []
        table.add_row(row, *(f"{value:.2f}" for value in values), *ratio)
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", default="1,4,8")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--only", choices=("askpage", "llama.cpp"), default="")
    parser.add_argument("--one-page", action="store_true", help="all clients ask about the same page")
    parser.add_argument("--be-llama", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be_llama:
        be_llama(arguments.threads, arguments.be_llama)
        return
    for clients in map(int, arguments.clients.split(",")):
        show(clients, compare(arguments, clients), Console(width=110))


if __name__ == "__main__":
    main()

"""What askers notice of a model replica that is killed: real Ray Serve here, kill -9, every answer compared.

Run as: python -m benchmarks.replica_loss [--askers 20] [--rounds 3] [--replicas 2] [--data-dir DIR]

Two replicas (`askpage model serve --ray`) and 20 askers, each of whom asks the next question when the last
one is answered, as a bot's chain does (`ServerChatModel`). First nobody is harmed; then, with the askers at
it, one replica's process is killed, and Ray replaces it while they go on. Each question has its own answer,
which is known: an answer that is not there, or not whole, is lost; one with more than its words is doubled.
The table says how long answers took, quiet and with the loss.

The model is the double that says what it is asked for, a word each 20 ms, so that what is measured is the
way and not the weights; with --data-dir the live version of a data folder answers instead (its answers with
nobody harmed are then what is compared). Exit status 1 where something was lost or doubled, or where the
95th percentile with the loss is above three times the quiet one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.models.server import open_served, serve_on_ray
from core.settings import Settings
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from model.answering.server_stream import stream_to_the_end
from model.evaluation.metrics import percentile
from model.onnx_infer import EngineError
from model.serving.engines import CannedEngine, OneModel, ServedModels, ServedVersion

WORD_S = 0.02
WORDS = 40
MOST_RATIO = 3.0
_REPLICA = "ray::ServeReplica:"


# The server


def say_what_is_asked(messages: Sequence[Mapping[str, str]]) -> str:
    """Return words that are this question's alone."""
    number = messages[-1]["content"].rpartition(" ")[2]
    return " ".join(f"{number}-{at}" for at in range(WORDS))


@asynccontextmanager
async def open_double(at_once: int) -> AsyncGenerator[ServedModels]:
    """Serve the double in a replica."""
    engine = CannedEngine(say_what_is_asked, delay_s=WORD_S, most=at_once)
    yield OneModel(ServedVersion("double", engine))


def be_server(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    settings = Settings(
        model_server_port=arguments.port,
        model_server_replicas=arguments.replicas,
        model_server_most_replicas=arguments.replicas,
        model_server_replica_cpus=0.5,
        queue_limit=arguments.askers,
        **({"data_dir": arguments.data_dir} if arguments.data_dir else {}),
    )  # pyright: ignore[reportCallIssue] - settings by their names
    opened = partial(open_served, settings) if arguments.data_dir else partial(open_double, arguments.askers)
    serve_on_ray(settings, opened)


@dataclass
class Server:
    """The server's process; `url` is where it answers."""

    process: subprocess.Popen[str]
    url: str

    def find_replicas(self) -> list[int]:
        """Return the process ids of its replicas, the oldest first."""
        below = list_descendants(self.process.pid)
        return sorted(pid for pid, title in below if title.startswith(_REPLICA))

    def kill_replica(self) -> int:
        """End the oldest replica as a power cut would; return its process id."""
        gone = self.find_replicas()[0]
        os.kill(gone, signal.SIGKILL)
        return gone


@contextmanager
def serving(options: Sequence[str]) -> Generator[Server]:
    """Start the server, and stop it in order. Raises SystemExit with what it said where it does not begin."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.replica_loss", "--be-server", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    try:
        for line in process.stderr or ():
            said += line
            if ready := re.search(r"(http://)localhost(:\d+/v1)", line):
                yield Server(process, f"{ready[1]}127.0.0.1{ready[2]}")
                break
        else:
            raise SystemExit(f"the server did not begin: {said[-2000:]}")
    finally:
        process.terminate()
        process.communicate(timeout=120)


def list_descendants(pid: int) -> list[tuple[int, str]]:
    """Return all processes below one, with their titles."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        parents[int(folder.name)] = parent, title
    below = {pid}
    for _ in parents:
        more = {one for one, (parent, _) in parents.items() if parent in below} - below
        if not more:
            break
        below |= more
    return [(one, parents[one][1]) for one in below - {pid} if one in parents]


# The askers


@dataclass
class Outcome:
    """What came of the questions: seconds of each answer, what was said, and those that went wrong.

    `again` counts the answers that were lost on the way, and asked for once more.
    """

    took_s: list[float] = field(default_factory=list[float])
    said: dict[str, str] = field(default_factory=dict[str, str])
    again: int = 0
    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])

    @property
    def p50_s(self) -> float:
        """The median."""
        return percentile(self.took_s, 50) or 0.0

    @property
    def p95_s(self) -> float:
        """The 95th percentile."""
        return percentile(self.took_s, 95) or 0.0


Expected = Callable[[str], str | None]
"""question → its answer; None where any whole answer is right."""


def expect_double(question: str) -> str:
    """Return what the double says."""
    return say_what_is_asked([{"content": question}])


async def ask_all(
    url: str, askers: int, rounds: int, expected: Expected, harm: Callable[[], object]
) -> Outcome:
    """Let everybody ask; `harm` is called once, when a third of the askers are in the midst of an answer."""
    outcome, midst, begun = Outcome(), set[int](), asyncio.Event()

    def note(asker: int, pieces: int) -> None:
        if pieces == WORDS // 4:
            midst.add(asker)
        if len(midst) >= max(1, askers // 3):
            begun.set()

    async def ask(asker: int) -> None:
        client = ServerClient(url, "", 30.0)
        model = ServerChatModel(client, model="live", max_tokens=WORDS)
        try:
            for turn in range(rounds):
                await _ask_once(model, f"Question {asker}-{turn}", expected, outcome, partial(note, asker))
        finally:
            await client.close()

    async def do_harm() -> None:
        await begun.wait()
        harm()

    with _counting(outcome):
        await asyncio.gather(do_harm(), *(ask(asker) for asker in range(askers)))
    return outcome


@contextmanager
def _counting(outcome: Outcome) -> Generator[None]:
    """Count how often a lost answer is asked for again, which the client logs."""
    told = logging.getLogger(stream_to_the_end.__module__)

    class Counter(logging.Handler):
        """Counts."""

        def emit(self, record: logging.LogRecord) -> None:
            outcome.again += "asked again" in record.getMessage()

    counter, level = Counter(), told.level
    told.addHandler(counter)
    told.setLevel(logging.INFO)
    try:
        yield
    finally:
        told.removeHandler(counter)
        told.setLevel(level)


async def _ask_once(
    model: ServerChatModel,
    question: str,
    expected: Expected,
    outcome: Outcome,
    note: Callable[[int], None],
) -> None:
    began, pieces = time.perf_counter(), list[str]()
    try:
        async for chunk in model.astream(question):
            pieces.append(chunk.text)
            note(len(pieces))
    except EngineError as error:
        outcome.lost.append(f"{question}: {error}")
        return
    outcome.took_s.append(time.perf_counter() - began)
    outcome.said[question] = said = "".join(pieces)
    wanted = expected(question)
    if wanted is not None and said != wanted:
        (outcome.doubled if len(said) > len(wanted) else outcome.lost).append(question)


def measure(server: Server, askers: int, rounds: int, *, double: bool = True) -> tuple[Outcome, Outcome]:
    """Return what came of it quiet, and with a replica killed."""
    asked = partial(ask_all, server.url, askers, rounds)
    quiet = asyncio.run(asked(expect_double if double else lambda _: None, lambda: None))
    return quiet, asyncio.run(asked(quiet.said.get, server.kill_replica))


def show(quiet: Outcome, harmed: Outcome, console: Console) -> bool:
    """Print both; tell whether nothing was lost or doubled, and the wait stayed within bounds."""
    table = Table("", "answers", "asked again", "lost", "doubled", "p50 s", "p95 s")
    for name, one in (("quiet", quiet), ("a replica killed", harmed)):
        counts = (len(one.took_s), one.again, len(one.lost), len(one.doubled))
        table.add_row(name, *map(str, counts), f"{one.p50_s:.2f}", f"{one.p95_s:.2f}")
    console.print(table)
    for line in (*quiet.lost, *harmed.lost)[:5]:
        console.print(line, markup=False)
    ratio = harmed.p95_s / quiet.p95_s if quiet.p95_s else float("inf")
    console.print(f"p95 with the loss: {ratio:.2f} of the quiet one (at most {MOST_RATIO:.0f})")
    return not any((quiet.lost, quiet.doubled, harmed.lost, harmed.doubled)) and ratio <= MOST_RATIO


def main() -> None:
    """Serve, ask, kill, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--askers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--be-server", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be_server:
        be_server(arguments)
        return
    options = [word for word in sys.argv[1:] if word != "--be-server"]
    with serving(options) as server:
        quiet, harmed = measure(server, arguments.askers, arguments.rounds, double=not arguments.data_dir)
    sys.exit(0 if show(quiet, harmed, Console(width=110)) else 1)


if __name__ == "__main__":
    main()

"""A long step in a process of its own: its request, its progress, and its end with its parent.

What needs torch is never imported where answers are written, and can be killed. The one argument of the
process is a request, a dataclass as JSON; a person gives the same as options. It prints JSON, an object a
line: {"step": …, "done": 0 to 1} on the way, {"info": {…}} at the end, or {"problem": a sentence for a
person}. It ends when its standard input does, so that none outlives its parent.

    StepFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from rich.progress import Progress


class Report(io.TextIOBase):
    """Stands in for stdout and stderr of libraries: turns their bars into our progress, keeps the rest."""

    def __init__(self, out: TextIO, log: TextIO) -> None:
        self._out, self._log = out, log
        self._step, self._from, self._to = "", 0.0, 0.0
        self._part = (0.0, 1.0)
        self.layers = 1

    def send(self, message: dict[str, Any]) -> None:
        """Write one JSON line for the parent."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def part(self, begin: float, end: float) -> None:
        """Say which share of the whole the steps from now on are; each of them tells its share of that."""
        self._part = (begin, end)

    def step(self, step: str, begin: float, end: float) -> None:
        """Say what begins now, and which share of the whole it is."""
        start, stop = self._part
        self._step = step
        self._from, self._to = start + begin * (stop - start), start + end * (stop - start)
        self.send({"step": step, "done": round(self._from, 3)})

    def write(self, text: str, /) -> int:
        self._log.write(text)
        if layer := re.search(r"Reading layer (\d+)", text):
            self._within(int(layer[1]) / self.layers * 0.5)
        elif percent := re.search(r"Saving \S.* (\d+)%\|", text):
            self._within(0.5 + int(percent[1]) / 200)
        elif percent := re.search(r"(\d+)%\|", text):
            self._within(int(percent[1]) / 100)
        return len(text)

    def flush(self) -> None:
        self._log.flush()

    def _within(self, share: float) -> None:
        self.send({"step": self._step, "done": round(self._from + (self._to - self._from) * share, 3)})


class Shown(Report):
    """Shows a person what another process would read."""

    def __init__(self, log: TextIO, bar: Progress) -> None:
        super().__init__(io.StringIO(), log)
        self._bar, self._task = bar, bar.add_task("beginning", total=1.0)

    def send(self, message: dict[str, Any]) -> None:
        """Draw it."""
        if "step" in message:
            self._bar.update(self._task, description=message["step"], completed=message["done"])
        else:
            said = message.get("problem") or " ".join(map(str, message["info"].values()))
            self._bar.console.print(said, markup=False, highlight=False)


def end_with_parent() -> None:
    """Leave at once when standard input closes: nobody waits for the result any more."""
    sys.stdin.read()
    os._exit(1)


_Request = TypeVar("_Request")


def to_argument(request: object) -> str:
    """Return a request, a dataclass, as the argument of the process that serves it."""
    return TypeAdapter[object](type(request)).dump_json(request).decode()


def parse_request(kind: type[_Request], arguments: Sequence[str]) -> _Request | None:
    """Return the request of a parent process; None for the options of a person. Raises ValidationError."""
    if len(arguments) == 1 and arguments[0].startswith("{"):
        return TypeAdapter(kind).validate_json(arguments[0])
    return None


def add_options(parser: argparse.ArgumentParser, kind: type[Any]) -> None:
    """Give a parser one option for each field of a dataclass, for people."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name, choices = f"--{field.name.replace('_', '-')}", get_args(hints[field.name])
        parser.add_argument(name, choices=choices or None, default=field.default, help="default: %(default)s")


def parse_options(
    kind: type[_Request], given: argparse.Namespace, parser: argparse.ArgumentParser
) -> _Request:
    """Return a dataclass of the options that `add_options` added.

    A wrong one ends the program with a sentence.
    """
    try:
        return TypeAdapter(kind).validate_python(
            {field: getattr(given, field) for field in get_type_hints(kind)}
        )
    except ValidationError as invalid:
        wrong = invalid.errors()[0]
        parser.error(f"--{str(wrong['loc'][0]).replace('_', '-')} {wrong['input']!r}: {wrong['msg']}")


OnProgress = Callable[[str, float], None]

_ROOT = Path(__file__).resolve().parent.parent


class StepFailed(Exception):
    """The process did not come to its end; the message is for a person."""


def run_step(
    module: str, arguments: Sequence[str], on_progress: OnProgress, *, under: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a module and return its `info`. `under` stands before it, as a launcher's command.

    Raises StepFailed. A launcher is told where its own options end: it takes what begins like one of them for
    that one.
    """
    info: dict[str, Any] | None = None
    problem = ""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, *under, "-m", *(["--"] if under else []), module, *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - the type checker's, it is a pipe
            for message in _messages(process.stdout):
                if "step" in message:
                    on_progress(message["step"], message["done"])
                info = message.get("info", info)
                problem = message.get("problem", problem)
        except BaseException:
            process.kill()
            raise
    if info is None or process.returncode != 0:
        what = module.rpartition(".")[2]
        raise StepFailed(problem or f"{what} stopped with status {process.returncode}: run it again")
    return info


def _messages(lines: Iterable[str]) -> Generator[dict[str, Any]]:
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # a library printed something
        if isinstance(message, dict):
            yield message

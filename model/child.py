"""A long step runs as a process of its own, tells how far it is, and ends with us.

What needs torch is never imported where answers are written, and can be killed. The process prints JSON, an object a
line: {"step": ..., "done": 0 to 1} on the way, {"info": {...}} at the end, or {"problem": a sentence for a person}. It
ends when its standard input does, so that none outlives its parent.

    StepFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

OnProgress = Callable[[str, float], None]

_ROOT = Path(__file__).resolve().parent.parent


class StepFailed(Exception):
    """The process did not come to its end; the message is for a person."""


def run_step(
    module: str, arguments: Sequence[str], on_progress: OnProgress, *, under: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a module and return its `info`. `under` stands before it, as a launcher's command. Raises StepFailed.

    A launcher is told where its own options end: it takes what begins like one of them for that one.
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

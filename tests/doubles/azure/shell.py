"""Runs a shell script with programs that this process plays: what the script asks comes to a function.

A program is three lines of shell that write their words into a pipe and read the answer from another, so a
call costs no interpreter.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PLAYED = """#!/bin/sh
printf '%s\\0' "${0##*/}" "$PWD" "$@" > "$PLAYED_ASKS"
{ read -r status; if [ "$status" = 0 ]; then cat; else cat >&2; fi; } < "$PLAYED_ANSWERS"
exit "$status"
"""
Player = Callable[[str, Path, list[str]], tuple[int, str]]
"""Answers a program that is called in a folder with words: with an exit status, and what it prints."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a script ended."""

    status: int
    said: str


def run_script(text: str, programs: list[str], player: Player, environment: Mapping[str, str]) -> Done:
    """Run a script of sh in a folder of its own; return how it ended."""
    with tempfile.TemporaryDirectory(prefix="played-") as made:
        folder = Path(made)
        asks, answers = folder / "asks", folder / "answers"
        os.mkfifo(asks)
        os.mkfifo(answers)
        (folder / "bin").mkdir()
        for name in programs:
            (folder / "bin" / name).write_text(PLAYED)
            (folder / "bin" / name).chmod(0o755)
        (folder / "work").mkdir()
        (folder / "script.sh").write_text(text)
        table = {
            **environment,
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "HOME": made,
            "PLAYED_ASKS": str(asks),
            "PLAYED_ANSWERS": str(answers),
        }
        thread = threading.Thread(target=_play, args=(asks, answers, player))
        thread.start()
        try:
            done = subprocess.run(
                ["/bin/sh", str(folder / "script.sh")],
                cwd=folder / "work",
                env=table,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            asks.write_bytes(b"")
            thread.join()
        return Done(done.returncode, done.stdout + done.stderr)


def _play(asks: Path, answers: Path, player: Player) -> None:
    while asked := asks.read_bytes():
        name, folder, *words = asked.decode().split("\0")[:-1]
        try:
            status, said = player(name, Path(folder), words)
        except Exception as error:  # noqa: BLE001 - whoever waits for an answer gets one
            status, said = 99, f"{name} {' '.join(words)}: the double failed: {error!r}"
        answers.write_text(f"{status}\n{said}")

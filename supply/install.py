"""Installs layers of the lock with pip, and shows one line of progress instead of pip's hundreds.

Run as: python -m supply.install LAYER... [--otherwise LAYER...] [--project]

`--otherwise` names the layers that are installed where the first ones are not to be had, `--project` installs
this project, too. pip's own words go to build/install.log; their end is shown where pip fails. Nothing but
Python itself is needed: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / "build" / "install.log"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-input")
LOCKED = ("--require-hashes", "--only-binary", ":all:", "--no-deps")
OWN = ("--no-deps", "--no-build-isolation", "--editable", ".")
SHOWN = 12
"""So many last lines of pip's are shown when it fails."""
INTERRUPTED = 130

_ANEW = "\r\x1b[K"  # to the line's beginning, without what stands in it
_PINNED = re.compile(r"^[A-Za-z0-9][\w.-]*==", re.MULTILINE)
_TAKEN = re.compile(r"^(?:Collecting|Requirement already satisfied:) ")
_NOISE = re.compile(r"is ignored: it is neither a file nor a directory|^\s*$")


class ProgressLine:
    """A line that is written over on a terminal; elsewhere a line for each quarter of the way."""

    def __init__(self, out: TextIO, total: int) -> None:
        self._out, self._total = out, total
        self._shown = ("", 0)
        self._began = time.monotonic()

    def show(self, what: str, done: int) -> None:
        """Show how far it is."""
        done = min(done, self._total)
        if self._out.isatty():
            took = time.monotonic() - self._began
            self._out.write(f"{_ANEW}{what}: {done} of {self._total}, {took:.0f} s")
        elif self._total and (quarter := 4 * done // self._total) and (what, quarter) != self._shown:
            self._shown = (what, quarter)
            self._out.write(f"{what}: {done} of {self._total}\n")
        self._out.flush()

    def end(self, words: str) -> None:
        """Write the outcome in the line's place."""
        took = time.monotonic() - self._began
        self._out.write(f"{_ANEW if self._out.isatty() else ''}{words} ({took:.0f} s)\n")
        self._out.flush()


def count_pinned(layers: Sequence[str]) -> int:
    """Return how many packages layers name, those of other platforms too."""
    return sum(len(_PINNED.findall((ROOT / "locks" / f"{name}.txt").read_text("utf-8"))) for name in layers)


def count_installed() -> int:
    """Return how many packages this environment has."""
    return sum(1 for _ in Path(get_path("purelib")).glob("*.dist-info"))


@contextmanager
def watch_installing(line: ProgressLine) -> Generator[None]:
    """Show how many more packages there are, while pip unpacks them without a word."""
    before, done = count_installed(), threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            line.show("Unpacking packages", count_installed() - before)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def run_pip(arguments: Sequence[str], log: TextIO, line: ProgressLine) -> int:
    """Run pip with its words in the log, show how far it is, and return its exit status."""
    with subprocess.Popen(  # noqa: S603 - pip itself
        [*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - it is a pipe
        taken = 0
        for said in pip.stdout:
            log.write(said)
            if _TAKEN.match(said):
                taken += 1
                line.show("Fetching packages", taken)
            elif said.startswith("Installing collected packages"):
                with watch_installing(line):
                    log.write(pip.stdout.read())
    return pip.returncode


def install_layers(layers: Sequence[str], log: TextIO, out: TextIO) -> bool:
    """Install what layers name, and tell whether that went well."""
    line = ProgressLine(out, count_pinned(layers))
    wanted = [word for name in layers for word in ("--requirement", f"locks/{name}.txt")]
    went_well = run_pip([*LOCKED, *wanted], log, line) == 0
    line.end(f"{'Installed' if went_well else 'Not installed'}: {', '.join(layers)}")
    return went_well


def show_end(path: Path, out: TextIO) -> None:
    """Show how pip ended, and where all that it said stands."""
    said = [line for line in path.read_text("utf-8").splitlines() if not _NOISE.search(line)]
    out.write("\n".join([*said[-SHOWN:], f"All that pip said: {path}", ""]))


def main(words: Sequence[str]) -> int:
    """Install; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m supply.install", description="Install layers.")
    parser.add_argument("layers", nargs="+", help="names of files in locks/")
    parser.add_argument("--otherwise", nargs="+", default=[], help="where those cannot be had")
    parser.add_argument("--project", action="store_true", help="install this project, too")
    given = parser.parse_args(words)
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        went_well = install_layers(given.layers, log, sys.stdout)
        if not went_well and given.otherwise:
            went_well = install_layers(given.otherwise, log, sys.stdout)
        if went_well and given.project:
            went_well = run_pip(OWN, log, ProgressLine(sys.stdout, 0)) == 0
    if not went_well:
        show_end(LOG, sys.stderr)
    return 0 if went_well else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. Run it again: what is fetched is not fetched twice.\n")
        sys.exit(INTERRUPTED)

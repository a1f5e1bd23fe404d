"""Older CPythons that tests run a script in: found on this machine, else fetched by uv.

Run as: python -m supply.interpreters VERSION...

Azure Automation runs the caretaker (infra/runbooks/care.py) in a Python of its own: 3.10 in the environment
that the template makes, 3.8 where only the type of the runbook is named. A version is looked for on the path,
where pyenv and uv keep theirs, and in build/python, where this puts what uv fetches (python-build-standalone,
some 30 MB each). Where uv cannot fetch it, one line says so and nothing else fails: tests that need it are
skipped with a reason, and with CI=true they fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
KEPT = (".pyenv/versions/{version}.*/bin", ".local/share/uv/python/cpython-{version}.*/bin")
"""Where pyenv and uv keep interpreters, below a person's own folder."""
SAY_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
START_S, FETCH_S = 20.0, 300.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where interpreters lie: folders of the path, a person's own folder, and what was fetched for this."""

    path: tuple[Path, ...]
    home: Path
    own: Path = ROOT / "build" / "python"

    def list_candidates(self, version: str) -> Iterator[Path]:
        """Yield files that may be a Python of a version, the nearest first."""
        name = f"python{version}"
        yield from (folder / name for folder in self.path)
        for kept in KEPT:
            yield from self.home.glob(f"{kept.format(version=version)}/{name}")
        yield from self.own.glob(f"cpython-{version}.*/bin/{name}")


def read_places() -> Places:
    """Return this machine's."""
    return Places((Path(sys.executable).parent, *map(Path, os.get_exec_path())), Path.home())


def is_python(path: Path, version: str) -> bool:
    """Tell whether a file runs as this version. pyenv's stand-in for one that is off does not."""
    try:
        asked = subprocess.run(  # noqa: S603 - an interpreter of this machine
            [path, "-c", SAY_VERSION], capture_output=True, text=True, timeout=START_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version


def find_python(version: str, places: Places) -> Path | None:
    """Return a Python of a version ("3.10") that runs, or None."""
    return next((one for one in places.list_candidates(version) if is_python(one, version)), None)


def fetch_python(version: str, places: Places, uv: Path) -> str:
    """Let uv bring a version; return why that did not work, one line, or ""."""
    command = [uv, "python", "install", "--no-bin", "--install-dir", places.own, version]
    try:
        done = subprocess.run(  # noqa: S603 - uv, which is pinned
            command, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except OSError as error:
        return f"uv does not start: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"uv was not done after {FETCH_S:.0f} s"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return (said[-1] if said else f"exit status {done.returncode}") if done.returncode else ""


def prepare_python(version: str, places: Places, uv: Path, out: TextIO) -> None:
    """Find a version or fetch it, and say in one line where it is or why there is none."""
    found, why = find_python(version, places), ""
    if found is None:
        why = fetch_python(version, places, uv)
        found = find_python(version, places)
    if found:
        out.write(f"Python {version}: {found}\n")
    else:
        reason = why or "what uv brought does not run"
        out.write(f"No Python {version}: {reason}. Tests that need it are skipped, with CI=true they fail.\n")


def main(versions: Sequence[str]) -> None:
    """Prepare each version."""
    places = read_places()
    for version in versions:
        prepare_python(version, places, Path(sys.executable).parent / "uv", sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])

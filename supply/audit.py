"""Asks advisory databases for known holes in what is locked: OSV for Python and npm, npm's own for the page.

Run as: make audit  (python -m supply.audit [--require] [--timeout-s 20])

Ends with 1 where something is known that ACCEPTED does not name. A database that cannot be reached is said in
one sentence, and is no failure unless `--require` is given: then it ends with 2.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import requests

from supply.lock import LAYERS, LOCKS, ROOT, name_of, read_layer

OSV = "https://api.osv.dev/v1/querybatch"
AT_ONCE = 500
"""Questions of one request; the database takes a thousand."""
ACCEPTED: Mapping[str, str] = {}
"""Advisories that do not concern this project, by id, each with the reason."""


class Unreachable(Exception):
    """A database did not answer; the message says which and why."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A locked package; `ecosystem` is "PyPI" or "npm"."""

    ecosystem: str
    name: str
    version: str


Found = list[tuple[Package, str]]
"""A package, and the id of an advisory on it."""


def locked() -> list[Package]:
    """Return everything that is locked, for Python and for Node.js."""
    layers = [*LAYERS, *(path.stem for path in LOCKS.glob("*.txt"))]
    python = {Package("PyPI", *name_of(entry)) for layer in layers for entry in read_layer(layer)}
    node = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    npm = {
        Package("npm", path.rpartition("node_modules/")[2], one["version"])
        for path, one in node.items()
        if path
    }
    return sorted(python | npm)


def ask_osv(packages: Sequence[Package], url: str, timeout_s: float) -> Found:
    """Return what OSV knows of these versions. Raises Unreachable."""
    found: Found = []
    for begin in range(0, len(packages), AT_ONCE):
        some = packages[begin : begin + AT_ONCE]
        queries = [
            {"package": {"ecosystem": one.ecosystem, "name": one.name}, "version": one.version}
            for one in some
        ]
        try:
            response = requests.post(url, json={"queries": queries}, timeout=timeout_s)
            response.raise_for_status()
            results: list[dict[str, Any]] = response.json()["results"]
        except (requests.RequestException, ValueError, KeyError) as error:
            raise Unreachable(f"OSV cannot be asked ({type(error).__name__})") from error
        if len(results) != len(some):
            raise Unreachable(f"OSV answered {len(results)} of {len(some)} questions")
        found += [
            (one, hole["id"])
            for one, result in zip(some, results, strict=True)
            for hole in result.get("vulns", [])
        ]
    return found


def ask_npm(timeout_s: float) -> Found:
    """Return what the npm registry knows of what the chat page ships. Raises Unreachable."""
    command = ["npm", "audit", "--json", "--omit=dev"]
    try:
        done = subprocess.run(  # noqa: S603 - a command of its own
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        said = json.loads(done.stdout or "{}")
        holes: dict[str, dict[str, Any]] = said["vulnerabilities"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"npm audit cannot be asked ({type(error).__name__})") from error
    return [
        (Package("npm", name, str(hole.get("range", ""))), str(via["url"]))
        for name, hole in holes.items()
        for via in cast("list[dict[str, Any] | str]", hole["via"])
        if not isinstance(via, str)  # a name: the hole is in what it needs, and is told there
    ]


def report(asks: Iterable[tuple[str, Callable[[], Found]]], say: Callable[[str], object]) -> tuple[int, int]:
    """Ask each database.

    Return how many holes are known that nobody accepted, and how many did not answer.
    """
    holes = silent = 0
    for name, ask in asks:
        try:
            found = [(package, hole) for package, hole in ask() if hole not in ACCEPTED]
        except Unreachable as error:
            silent += 1
            say(f"{error}: not checked. Where it can be reached, run `make audit` again.\n")
            continue
        holes += len(found)
        say(f"{name}: {len(found) or 'no'} known holes\n")
        for package, hole in sorted(found):
            say(f"  {package.ecosystem} {package.name} {package.version}: {hole}\n")
    return holes, silent


def main() -> None:
    """Ask and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--require", action="store_true", help="fail where a database cannot be reached")
    parser.add_argument("--timeout-s", type=float, default=20.0, help="for each request")
    parser.add_argument("--osv", default=OSV, help="address of the database")
    options = parser.parse_args()
    packages = locked()
    asks = (
        (f"OSV, {len(packages)} packages", lambda: ask_osv(packages, options.osv, options.timeout_s)),
        ("npm audit, what the chat page ships", lambda: ask_npm(options.timeout_s)),
    )
    holes, silent = report(asks, sys.stdout.write)
    sys.exit(1 if holes else 2 if silent and options.require else 0)


if __name__ == "__main__":
    main()

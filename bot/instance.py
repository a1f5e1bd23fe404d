"""Processes on one data folder: each has a folder of its own, and a name that a restart keeps.

    with open_instance(data_dir) as instance: …

A process takes the first folder that no other one has locked. What a process that never came back left in its
folder is taken over by the next one that finds it unlocked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedback.store.base import ProcessLease


@dataclass(frozen=True, slots=True)
class Instance:
    """Who a process is: its name among all processes of the bot, and its folder."""

    name: str
    folder: Path

    @property
    def hold(self) -> ProcessLease:
        """How this process holds what it answers."""
        return ProcessLease(self.name)

    @property
    def spool_path(self) -> Path:
        """The file for what waits while the store is away."""
        return self.folder / "spool.sqlite3"


@contextmanager
def open_instance(data_dir: Path) -> Generator[Instance]:
    """Take the first free folder below `data_dir`/instances until the end of the block. Raises OSError."""
    number = 0
    while True:
        folder = data_dir / "instances" / str(number)
        with _lock_folder(folder) as ours:
            if ours:
                yield Instance(_ensure_name(folder), folder)
                return
        number += 1


@contextmanager
def open_abandoned(data_dir: Path) -> Generator[list[Instance]]:
    """Take the folders of processes that are gone, until the block ends; call it while holding one's own."""
    with contextlib.ExitStack() as held:
        found = sorted((data_dir / "instances").iterdir())
        yield [
            Instance(_ensure_name(folder), folder)
            for folder in found
            if (folder / "spool.sqlite3").exists() and held.enter_context(_lock_folder(folder))
        ]


def list_instances(data_dir: Path) -> list[tuple[Instance, bool]]:
    """Return the processes that ever had a spool here, and whether each runs now."""
    found: list[tuple[Instance, bool]] = []
    for spool in sorted((data_dir / "instances").glob("*/spool.sqlite3")):
        with _lock_folder(spool.parent) as free:
            found.append((Instance(_ensure_name(spool.parent), spool.parent), not free))
    return found


@contextmanager
def _lock_folder(folder: Path) -> Generator[bool]:
    """Lock a folder; yields whether it worked. The lock goes with the process, however that ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)


def _ensure_name(folder: Path) -> str:
    path = folder / "name"
    if not path.exists():
        path.write_text(secrets.token_hex(8))
    return path.read_text().strip()

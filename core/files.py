"""Files that survive a crash whole, locks that it lets go of, and folders that are for their user alone.

    write_durably(path, text)   a small file; whole_folder(folder) for many at once
    only_one(path)              a lock between processes
    keep_private()              whatever this process makes from here on: folders 0700, files 0600
    make_private(path)          a file for a library to open, SQLite for one: its log takes the file's mode
    mend(folder)                what is there already, from an earlier version or another program
    add_line(path, ...)         lines of JSON that are kept as they come; a killed run goes on behind the last

The data folder is private from when it is made, and mended where it is wider. Links are not followed: what
they lead to is somebody else's to decide about.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The bits that let anybody else in."""
_OURS = ("askpage.sqlite3", "local.sqlite3", "pseudonym.key", "instances", "pages/index.sqlite3")
"""By any of these a folder shows that it is a bot's."""
_READ_BYTES = 1 << 20


def compute_sha256(path: Path) -> str:
    """Return a file's SHA-256, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def compute_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): compute_sha256(path) for path in paths}


def write_durably(path: Path, content: str | bytes) -> None:
    """Write a small file, for this user only: a crash leaves the old one or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(made, "wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


@contextmanager
def whole_folder(folder: Path) -> Generator[Path]:
    """Fill a folder under a temporary name; it gets its own once everything in it is on the disk."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    sync_files(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    sync_folder(folder.parent)


def sync_files(folder: Path) -> None:
    """Make everything below a folder durable, and its name."""
    for path in folder.rglob("*"):
        sync_folder(path)
    sync_folder(folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a rename is not, until then); a file's content likewise."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def only_one(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold a lock that the system lets go of however the process ends.

    Raises BlockingIOError unless it may wait.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def keep_private() -> None:
    """Let what this process makes, and what those make that it starts, be readable to its user only."""
    os.umask(OTHERS)


def make_private(path: Path) -> None:
    """Make an empty file, and its folder, for this user only; one that is there stays as it is.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def is_ours(folder: Path) -> bool:
    """Tell whether a folder is a bot's: a command that only looks must not change what is somebody else's."""
    return any((folder / name).exists() for name in _OURS)


def mend(folder: Path) -> None:
    """Shut others out of a folder and of everything below it.

    What was open, or stays so, is said once in the log.
    """
    done = _Mending()
    try:
        done.mend(folder, folder.stat())
        if done.refused:  # a disk without modes, or somebody else's folder: all below it is like it
            log.warning(
                "%s stays open to others: %s. Whoever can read it reads what people asked.",
                folder,
                done.refused,
            )
            return
        for path, found in _below(folder):
            done.mend(path, found)
    except FileNotFoundError:
        return
    if done.mended:
        log.warning(
            "%d files and folders in %s were open to other users of this machine; they are for their user "
            "alone now.",
            done.mended,
            folder,
        )
    if done.refused:
        log.warning("Some files in %s stay open to others: %s.", folder, done.refused)


@dataclass
class _Mending:
    """How many were mended, and why one could not be ("" where all could)."""

    mended: int = 0
    refused: str = ""

    def mend(self, path: Path, found: os.stat_result) -> None:
        mode = stat.S_IMODE(found.st_mode)
        if not mode & OTHERS:
            return
        try:
            path.chmod(mode & ~OTHERS)
            still_open = stat.S_IMODE(path.stat().st_mode) & OTHERS
        except FileNotFoundError:  # another process had no more need of it
            return
        except OSError as error:
            other = (
                f"it belongs to another user (number {found.st_uid})" if found.st_uid != os.geteuid() else ""
            )
            self.refused = self.refused or other or f"{path} cannot be changed ({error.strerror})"
            return
        if still_open:
            self.refused = (
                self.refused or "its disk keeps no modes; mount it so that only this user can read it"
            )
            return
        self.mended += 1


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every file and folder below a folder but links, folders before what is in them."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISLNK(found.st_mode):
                yield path, found


def read_lines(kept: Path) -> list[dict[str, Any]]:
    """Return what is kept; a last line that a kill cut in two is not there."""
    found: list[dict[str, Any]] = []
    for line in kept.read_text("utf-8").splitlines() if kept.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def add_line(kept: Path, row: Mapping[str, Any]) -> None:
    """Keep one more; it is on the disk when this returns."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(row, ensure_ascii=False)}\n")
        file.flush()
        os.fsync(file.fileno())

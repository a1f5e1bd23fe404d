"""The data folder and all that is in it are for their user alone: made so, and mended where they are wider.

    keep_private()          whatever this process makes from here on: folders 0700, files 0600
    make_private(path)      a file that a library is to open, SQLite for one: its log takes the file's mode
    mend(folder)            what is there already, from an earlier version or another program

Links are not followed: what they lead to is somebody else's to decide about.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The bits that let anybody else in."""
_OURS = ("askpage.sqlite3", "local.sqlite3", "pseudonym.key", "instances", "pages/index.sqlite3")
"""By any of these a folder shows that it is a bot's."""


def keep_private() -> None:
    """Let what this process makes, and what those make that it starts, be readable to its user only."""
    os.umask(OTHERS)


def make_private(path: Path) -> None:
    """Make an empty file, and its folder, for this user only; one that is there stays as it is. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def is_ours(folder: Path) -> bool:
    """Tell whether a folder is a bot's: a command that only looks must not change what is somebody else's."""
    return any((folder / name).exists() for name in _OURS)


def mend(folder: Path) -> None:
    """Shut others out of a folder and of everything below it; what was open, or stays so, is said once in the log."""
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
            "%d files and folders in %s were open to other users of this machine; they are for their user alone now.",
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

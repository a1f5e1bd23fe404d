"""One SQLite file: a connection that writes durably (WAL, synchronous=FULL), another one that reads, and its format.

Several processes may share a file. What is deleted is overwritten, in the file and, after `overwrite_log`, in its
write-ahead log. Where SQLite has moved records within a page, pieces of them may be left beside the ones that count, in
some of a thousand deleted records; `rewrite` writes the file anew, without them.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from feedback.committer import Committer
from feedback.store import RecordInvalid, StoreUnavailable
from private_files import make_private

T = TypeVar("T")
log = logging.getLogger(__name__)

REWRITTEN_UP_TO = 500_000_000


class SqliteFile:
    """An open file; `open` makes one."""

    def __init__(self, committer: Committer, reader: sqlite3.Connection, path: Path) -> None:
        self._committer = committer
        self._reader = reader
        self._path = path
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="store reader")
        self._closed = False

    @classmethod
    def open(cls, path: Path, formats: Sequence[str], *, busy_timeout_s: float) -> SqliteFile:
        """Open the file, or make it, readable to this user only. Blocks for a moment. Raises StoreUnavailable.

        `formats` are the statements that lead from each version of the file to the next one; the file's version is
        how many of them it has seen. `busy_timeout_s` is how long a write waits for another process's.
        """
        with _explained(path):
            make_private(path)
            writer = _connect(path, busy_timeout_s)
        try:
            with _explained(path):
                _prepare(writer, path, formats)
                reader = _connect(path, busy_timeout_s)
                reader.execute("PRAGMA query_only = ON")
        except BaseException:
            writer.close()
            raise
        return cls(Committer(writer), reader, path)

    async def write(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run `do` in a transaction and return its result once that is on the disk (see `Committer.write`)."""
        with _explained(self._path):
            return await self._committer.write(do)

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        with _explained(self._path):
            return await asyncio.get_running_loop().run_in_executor(
                self._reads, lambda: self._reader.execute(sql, values).fetchall()
            )

    async def overwrite_log(self) -> None:
        """Carry the write-ahead log over into the file, and empty it: it still holds what was deleted.

        While another process reads, this waits, at most `busy_timeout_s`; then a later one empties it.
        """
        with _explained(self._path):
            await self._committer.write(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(),
                alone=True,
            )

    async def rewrite(self) -> None:
        """Write the file anew, which takes a second for 140 MB, and empty its log. Writes wait meanwhile.

        A file of more than `REWRITTEN_UP_TO` bytes would make other processes' writes fail, so only its log is emptied.
        """
        with _explained(self._path):
            await self._committer.write(self._vacuum, alone=True)
        await self.overwrite_log()

    def _vacuum(self, connection: sqlite3.Connection) -> None:
        size = self._path.stat().st_size
        if size > REWRITTEN_UP_TO:
            log.warning(
                "%s has %d MB, too much to be written anew beside the work: pieces of what was deleted may be left in it."
                " Stop the bot and run: sqlite3 %s VACUUM",
                self._path,
                size // 1_000_000,
                self._path,
            )
            return
        try:
            connection.execute("VACUUM")
        except sqlite3.OperationalError as error:  # a full disk, or another process that writes for long
            log.warning(
                "%s could not be written anew (%s): pieces of what was deleted may be left in it.",
                self._path,
                error,
            )

    async def close(self) -> None:
        """Write what is under way and let go of the file."""
        if self._closed:
            return
        self._closed = True
        await self._committer.close()
        await asyncio.to_thread(self._reads.shutdown)
        self._reader.close()


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path, formats: Sequence[str]) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for statements in formats[version:]:
        for statement in statements.split(";"):
            connection.execute(statement)
    if version < len(formats):
        connection.execute(f"PRAGMA user_version = {len(formats)}")
    connection.execute("COMMIT")
    if version > len(formats):
        raise StoreUnavailable(
            f"{path} was written by a newer askpage (its format is {version}, this program knows {len(formats)}):"
            " please start the newer one."
        )


_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another program holds it locked",
    sqlite3.SQLITE_LOCKED: "another program holds it locked",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "its disk fails, or is full",
    sqlite3.SQLITE_NOTADB: "it is not a database of askpage",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup",
}


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn what SQLite and the operating system say into the store's errors."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
        raise StoreUnavailable(f"{path} cannot be used: {_REASONS.get(code, error)}.") from error
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be used: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        raise RecordInvalid(f"an id or a channel's field is not text: {error.object!r}") from error

"""Connections to one SQLite file: one that writes durably (WAL, synchronous=FULL), another one that reads.

The file carries the version of its format, and an older one is brought up to date when it is opened. Several
processes may share a file. What is deleted is overwritten, in the file and, after `overwrite_log`, in its
write-ahead log. Where SQLite has moved records within a page, pieces of them may be left beside the ones that
count, in some of a thousand deleted records; `rewrite` writes the file anew, without them.

The connection that writes has a thread of its own: writes that arrive together share one commit. A commit
waits for the disk, and takes as long for a hundred rows as for one. Whoever waits for a write is
told after the commit that holds it, never before.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.files import make_private
from feedback.store.base import RecordInvalid, StoreUnavailable

log = logging.getLogger(__name__)

REWRITTEN_UP_TO = 500_000_000

T = TypeVar("T")
_MOST_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class _Write:
    do: Callable[[sqlite3.Connection], Any]
    done: Future[Any]
    alone: bool = False


class Committer:
    """Owns the connection from here on, which must be in autocommit mode and open to other threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    async def write(self, do: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Run `do` in a transaction (`alone`: in none); return its result once that is committed.

        `do` must raise what it refuses before it changes anything: other writes share its transaction. It may
        be run again when another one fails. Raises what `do` raises, and sqlite3.Error. A caller that is
        cancelled may leave its write behind, done.
        """
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        done: Future[T] = Future()
        self._writes.put(_Write(do, done, alone))
        return await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Commit what is under way, then close the connection."""
        self._closed = True
        self._writes.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        open_ = True
        while open_:
            batch = [self._writes.get()]
            while len(batch) < _MOST_TOGETHER and not self._writes.empty():
                batch.append(self._writes.get())
            open_ = None not in batch
            writes = [
                write for write in batch if write is not None and write.done.set_running_or_notify_cancel()
            ]
            self._commit([write for write in writes if not write.alone])
            for write in writes:
                if write.alone:
                    self._run_alone(write)
        self._connection.close()

    def _commit(self, writes: list[_Write]) -> None:
        if not writes:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [_attempt(write, self._connection) for write in writes]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if len(writes) == 1:
                writes[0].done.set_exception(error)
            else:  # one of them is to blame, or the disk: each for itself
                for write in writes:
                    self._commit([write])
        else:
            for write, (result, refusal) in zip(writes, results, strict=True):
                if refusal is None:
                    write.done.set_result(result)
                else:
                    write.done.set_exception(refusal)

    def _run_alone(self, write: _Write) -> None:
        try:
            write.done.set_result(write.do(self._connection))
        except sqlite3.Error as error:
            write.done.set_exception(error)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _attempt(write: _Write, connection: sqlite3.Connection) -> tuple[Any, Exception | None]:
    try:
        return write.do(connection), None
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001 - handed to whoever asked for the write
        return None, refusal


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
        """Open the file, or make it, readable to this user only. Blocks for a moment.

        Raises StoreUnavailable. `formats` are the statements that lead from each version of the file to the
        next one; the file's version is how many of them it has seen. `busy_timeout_s` is how long a write
        waits for another process's.
        """
        with _explain_errors(path):
            make_private(path)
            writer = _connect(path, busy_timeout_s)
        try:
            with _explain_errors(path):
                _prepare(writer, path, formats)
                reader = _connect(path, busy_timeout_s)
                reader.execute("PRAGMA query_only = ON")
        except BaseException:
            writer.close()
            raise
        return cls(Committer(writer), reader, path)

    async def write(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run `do` in a transaction; return its result once that is on the disk (see `Committer.write`)."""
        with _explain_errors(self._path):
            return await self._committer.write(do)

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        with _explain_errors(self._path):
            return await asyncio.get_running_loop().run_in_executor(
                self._reads, lambda: self._reader.execute(sql, values).fetchall()
            )

    async def overwrite_log(self) -> None:
        """Carry the write-ahead log over into the file, and empty it: it still holds what was deleted.

        While another process reads, this waits, at most `busy_timeout_s`; then a later one empties it.
        """
        with _explain_errors(self._path):
            await self._committer.write(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(),
                alone=True,
            )

    async def rewrite(self) -> None:
        """Write the file anew, which takes a second for 140 MB, and empty its log. Writes wait meanwhile.

        A file of more than `REWRITTEN_UP_TO` bytes would make other processes' writes fail, so only its log
        is emptied.
        """
        with _explain_errors(self._path):
            await self._committer.write(self._vacuum, alone=True)
        await self.overwrite_log()

    def _vacuum(self, connection: sqlite3.Connection) -> None:
        size = self._path.stat().st_size
        if size > REWRITTEN_UP_TO:
            log.warning(
                "%s has %d MB, too much to be written anew beside the work: pieces of what was deleted may be"
                " left in it. Stop the bot and run: sqlite3 %s VACUUM",
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
            f"{path} was written by a newer askpage (its format is {version}, this program knows"
            f" {len(formats)}): please start the newer one."
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
def _explain_errors(path: Path) -> Generator[None]:
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

"""One SQLite connection that writes, in a thread of its own: writes that arrive together share one commit.

A commit waits for the disk, and takes as long for a hundred rows as for one. Whoever waits for a write is told after
the commit that holds it, never before.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from feedback.store import StoreUnavailable

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

        `do` must raise what it refuses before it changes anything: other writes share its transaction. It may be run
        again when another one fails. Raises what `do` raises, and sqlite3.Error. A caller that is cancelled may leave
        its write behind, done.
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

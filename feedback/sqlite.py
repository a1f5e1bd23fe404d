"""The embedded store: one SQLite file, written durably (WAL, synchronous=FULL), read on a connection of its own.

    store = SqliteStore.open(Path("data/askpage.sqlite3"))

Several processes may share a file. What is forgotten is overwritten, in the file and in its write-ahead log.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from feedback.committer import Committer
from feedback.plain import answer_from, feedback_from, moment, question_from, to_json
from feedback.store import RecordInvalid, StoreUnavailable, Undelivered
from records import Answer, Feedback, FeedbackKind, Question

T = TypeVar("T")

SCHEMA = 1
"""Version of the file, in its `user_version`."""

_TABLES = """
CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY, conversation TEXT NOT NULL, asker TEXT NOT NULL, asked_at TEXT NOT NULL,
    record TEXT NOT NULL, reply_to TEXT NOT NULL, message_id TEXT);
CREATE INDEX questions_open ON questions (asked_at) WHERE message_id IS NULL;
CREATE INDEX questions_message ON questions (conversation, message_id);
CREATE INDEX questions_asker ON questions (asker);
CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY, question_id TEXT NOT NULL, conversation TEXT NOT NULL, answered_at TEXT NOT NULL,
    record TEXT NOT NULL);
CREATE INDEX answers_question ON answers (question_id, answered_at);
CREATE INDEX answers_conversation ON answers (conversation, answered_at);
CREATE TABLE feedback (
    number INTEGER PRIMARY KEY, answer_id TEXT NOT NULL, giver TEXT NOT NULL, kind TEXT NOT NULL,
    reaction TEXT NOT NULL, given_at TEXT NOT NULL, changed_at TEXT NOT NULL, record TEXT NOT NULL,
    UNIQUE (answer_id, giver, kind, reaction, record));
CREATE INDEX feedback_giver ON feedback (giver);
"""
# `feedback` keeps every word that was ever given; of those with the same answer, giver, kind and reaction, the one
# changed last is current. `reaction` is empty for other kinds: one thumb replaces another, a heart not a smile.

_ANSWER = "SELECT a.record, q.record, q.reply_to FROM answers a JOIN questions q ON q.id = a.question_id "
_NEWEST = "ORDER BY a.answered_at DESC, a.rowid DESC LIMIT ?"


class SqliteStore:
    """A FeedbackStore in a file."""

    def __init__(self, committer: Committer, reader: sqlite3.Connection, path: Path) -> None:
        self._committer = committer
        self._reader = reader
        self._path = path
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="store reader")
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, busy_timeout_s: float = 10.0) -> SqliteStore:
        """Open the file, or make it, readable to this user only. Blocks for a moment. Raises StoreUnavailable.

        `busy_timeout_s` is how long a write waits for another process's.
        """
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            writer = _connect(path, busy_timeout_s)
        try:
            with _explained(path):
                _prepare(writer, path)
                reader = _connect(path, busy_timeout_s)
                reader.execute("PRAGMA query_only = ON")
        except BaseException:
            writer.close()
            raise
        return cls(Committer(writer), reader, path)

    async def add_question(self, question: Question) -> bool:
        """Keep a question; False when this id is known already."""
        values = (
            question.id,
            question.conversation,
            question.asker,
            moment(question.asked_at),
            to_json(question),
            question.reply_to,
        )

        def add(connection: sqlite3.Connection) -> bool:
            added = connection.execute(
                "INSERT OR IGNORE INTO questions (id, conversation, asker, asked_at, record, reply_to)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            return added.rowcount == 1

        return await self._write(add)

    async def add_answer(self, answer: Answer) -> None:
        """Keep an answer. Raises RecordInvalid when its question is not known (it may have been forgotten)."""
        question_id = answer.question.id
        values = (
            answer.id,
            question_id,
            answer.question.conversation,
            moment(answer.answered_at),
            to_json(answer),
        )

        def add(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM questions WHERE id = ?", (question_id,)).fetchone() is None:
                raise RecordInvalid(f"an answer to an unknown question: {question_id}")
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", values)

        await self._write(add)

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        """Close a question; an unknown id is no error: it may have been forgotten meanwhile."""

        def mark(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE questions SET message_id = ?, reply_to = '' WHERE id = ?", (message_id, question_id)
            )

        await self._write(mark)

    async def undelivered(self) -> Sequence[Undelivered]:
        """Return the open questions, oldest first, each with its newest answer."""
        rows = await self._rows(
            "SELECT q.record, q.reply_to, (SELECT a.record FROM answers a WHERE a.question_id = q.id"
            " ORDER BY a.answered_at DESC, a.rowid DESC LIMIT 1)"
            " FROM questions q WHERE q.message_id IS NULL ORDER BY q.asked_at, q.rowid"
        )
        return [
            Undelivered(question, answer_from(answer, question) if answer else None)
            for question, answer in (
                (question_from(record, reply_to), answer) for record, reply_to, answer in rows
            )
        ]

    async def answer(self, answer_id: str) -> Answer | None:
        """Return the answer with this id, or None."""
        return await self._answer("WHERE a.id = ? " + _NEWEST, answer_id)

    async def answer_to_question(self, question_id: str) -> Answer | None:
        """Return the newest answer to this question, or None."""
        return await self._answer("WHERE a.question_id = ? " + _NEWEST, question_id)

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        """Return the answer that was delivered as this message, or None."""
        if not message_id:  # questions whose answer could not be delivered have none
            return None
        return await self._answer(
            "WHERE q.conversation = ? AND q.message_id = ? " + _NEWEST, conversation, message_id
        )

    async def message_of(self, question_id: str) -> str | None:
        """Return the message that answered this question; None before, and when it could not be delivered."""
        rows = await self._rows("SELECT message_id FROM questions WHERE id = ?", question_id)
        return rows[0][0] or None if rows else None

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        """Return the last answers of a conversation, oldest first."""
        rows = await self._rows(_ANSWER + "WHERE a.conversation = ? " + _NEWEST, conversation, max(limit, 0))
        return [_answer_in(row) for row in reversed(rows)]

    async def forget_question(self, question_id: str) -> None:
        """Delete a question with its answers and all that was ever said about them, and overwrite their text."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM feedback WHERE answer_id IN (SELECT id FROM answers WHERE question_id = ?)",
                (question_id,),
            )
            connection.execute("DELETE FROM answers WHERE question_id = ?", (question_id,))
            connection.execute("DELETE FROM questions WHERE id = ?", (question_id,))

        await self._write(forget)
        await self._write(_empty_log, alone=True)

    async def put_feedback(self, feedback: Feedback) -> None:
        """Keep or replace one person's word. Raises RecordInvalid when its answer is not known."""
        values = (
            feedback.answer_id,
            feedback.giver,
            feedback.kind.value,
            feedback.value if feedback.kind is FeedbackKind.REACTION else "",
            moment(feedback.given_at),
            moment(feedback.withdrawn_at or feedback.given_at),
            to_json(feedback),
        )

        def put(connection: sqlite3.Connection) -> None:
            if (
                connection.execute("SELECT 1 FROM answers WHERE id = ?", (feedback.answer_id,)).fetchone()
                is None
            ):
                raise RecordInvalid(f"feedback on an unknown answer: {feedback.answer_id}")
            connection.execute(
                "INSERT OR IGNORE INTO feedback (answer_id, giver, kind, reaction, given_at, changed_at, record)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )

        await self._write(put)

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        """Return the current feedback on an answer, withdrawn records included, oldest first."""
        rows = await self._rows(
            "SELECT record FROM (SELECT record, given_at, number, row_number() OVER"
            " (PARTITION BY giver, kind, reaction ORDER BY changed_at DESC, number DESC) AS age"
            " FROM feedback WHERE answer_id = ?) WHERE age = 1 ORDER BY given_at, number",
            answer_id,
        )
        return [feedback_from(record) for (record,) in rows]

    async def close(self) -> None:
        """Write what is under way and let go of the file."""
        if self._closed:
            return
        self._closed = True
        await self._committer.close()
        await asyncio.to_thread(self._reads.shutdown)
        self._reader.close()

    async def _write(self, do: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        with _explained(self._path):
            return await self._committer.write(do, alone=alone)

    async def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        with _explained(self._path):
            return await asyncio.get_running_loop().run_in_executor(
                self._reads, lambda: self._reader.execute(sql, values).fetchall()
            )

    async def _answer(self, where: str, *values: str) -> Answer | None:
        rows = await self._rows(_ANSWER + where, *values, 1)
        return _answer_in(rows[0]) if rows else None


def _answer_in(row: tuple[str, str, str]) -> Answer:
    answer, question, reply_to = row
    return answer_from(answer, question_from(question, reply_to))


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")
    if version > SCHEMA:
        raise StoreUnavailable(
            f"{path} was written by a newer askpage (its format is {version}, this program knows {SCHEMA}):"
            " please start the newer one."
        )


def _empty_log(connection: sqlite3.Connection) -> None:
    """Carry the write-ahead log over into the file, and empty it: it still holds what was forgotten.

    While another process reads, this waits, at most `busy_timeout_s`; then a later one empties it.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


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

"""The embedded store: one SQLite file, written durably (WAL, synchronous=FULL), read on its own connection.

    store = SqliteStore.open(Path("data/askpage.sqlite3"))

Several processes may share a file (`feedback/store/sqlite_connection.py`). What is forgotten is overwritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from core.records import Answer, Feedback, Question
from feedback.store.base import ALONE, ProcessLease, RecordInvalid, Undelivered, moment
from feedback.store.rows import PAGE, Row, Table
from feedback.store.serialization import derive_reaction, from_json, parse_answer, parse_question, to_json
from feedback.store.sqlite_connection import SqliteFile
from feedback.store.sqlite_documents import DOCUMENT_TABLES, SqliteDocuments
from feedback.store.sqlite_rows import (
    INDEXES,
    PEOPLE,
    build_count_query,
    build_select_query,
    drop_rows,
    put_rows,
    to_row,
)

_TABLES = """
CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY, conversation TEXT NOT NULL, asker TEXT NOT NULL, asked_at TEXT NOT NULL,
    record TEXT NOT NULL, reply_to TEXT NOT NULL, message_id TEXT);
CREATE INDEX questions_open ON questions (asked_at) WHERE message_id IS NULL;
CREATE INDEX questions_message ON questions (conversation, message_id);
CREATE INDEX questions_asker ON questions (asker);
CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY, question_id TEXT NOT NULL, conversation TEXT NOT NULL, \
answered_at TEXT NOT NULL,
    record TEXT NOT NULL);
CREATE INDEX answers_question ON answers (question_id, answered_at);
CREATE INDEX answers_conversation ON answers (conversation, answered_at);
CREATE TABLE feedback (
    number INTEGER PRIMARY KEY, answer_id TEXT NOT NULL, giver TEXT NOT NULL, kind TEXT NOT NULL,
    reaction TEXT NOT NULL, given_at TEXT NOT NULL, changed_at TEXT NOT NULL, record TEXT NOT NULL,
    UNIQUE (answer_id, giver, kind, reaction, record));
CREATE INDEX feedback_giver ON feedback (giver)
"""
_SOURCES = """
ALTER TABLE feedback ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX feedback_source ON feedback (answer_id, giver, kind, reaction, source) WHERE source <> '';
CREATE INDEX answers_time ON answers (answered_at, id);
"""
_HOLDERS = """
ALTER TABLE questions ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE questions ADD COLUMN held_until TEXT NOT NULL DEFAULT ''
"""
# Words from elsewhere bring their numbers with them, which tell those on one answer apart, not those on
# several.
_NUMBERS = """
CREATE TABLE words (
    number INTEGER NOT NULL, answer_id TEXT NOT NULL, giver TEXT NOT NULL, kind TEXT NOT NULL,
    reaction TEXT NOT NULL, given_at TEXT NOT NULL, changed_at TEXT NOT NULL, record TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT '', UNIQUE (answer_id, number), \
UNIQUE (answer_id, giver, kind, reaction, record));
INSERT INTO words
    SELECT number, answer_id, giver, kind, reaction, given_at, changed_at, record, source FROM feedback;
DROP TABLE feedback;
ALTER TABLE words RENAME TO feedback;
CREATE INDEX feedback_giver ON feedback (giver);
CREATE UNIQUE INDEX feedback_source ON feedback (answer_id, giver, kind, reaction, source) WHERE source <> '';
CREATE INDEX feedback_key ON feedback (answer_id || ' ' || printf('%020d', number))
"""
_FORMATS = (
    _TABLES,
    _SOURCES + DOCUMENT_TABLES,
    _HOLDERS + ";" + INDEXES,
    _NUMBERS,
    PEOPLE,
)
SCHEMA = len(_FORMATS)
"""Version of the file, in its `user_version`."""

# `feedback` keeps every word that was ever given; of those with the same answer, giver, kind and reaction,
# the one changed last is current. `reaction` tells those apart that do not replace each other, a heart and a
# smile; it is empty for thumbs. `source` is the activity that brought a word: the same one twice is one row.

_ANSWER = "SELECT a.record, q.record FROM answers a JOIN questions q ON q.id = a.question_id "
_NEWEST = "ORDER BY a.answered_at DESC, a.rowid DESC LIMIT ?"


class SqliteStore:
    """A FeedbackStore in a file; `documents` are in the same file, `hold` is how it holds questions."""

    def __init__(self, file: SqliteFile, hold: ProcessLease) -> None:
        self._file = file
        self.hold = hold
        self.documents = SqliteDocuments(file)

    @classmethod
    def open(cls, path: Path, *, busy_timeout_s: float = 10.0, hold: ProcessLease = ALONE) -> SqliteStore:
        """Open the file, or make it, readable to this user only. Blocks for a moment.

        Raises StoreUnavailable. `busy_timeout_s` is how long a write waits for another process's, `hold` how
        this process holds questions.
        """
        return cls(SqliteFile.open(path, _FORMATS, busy_timeout_s=busy_timeout_s), hold)

    async def add_question(self, question: Question) -> bool:
        """Keep a question; False when this id is known already."""
        values = (
            question.id,
            question.conversation,
            question.asker,
            moment(question.asked_at),
            to_json(question),
            question.reply_to,
            self.hold.holder,
            self.hold.until(),
        )

        def add(connection: sqlite3.Connection) -> bool:
            added = connection.execute(
                "INSERT OR IGNORE INTO questions"
                " (id, conversation, asker, asked_at, record, reply_to, holder, held_until)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return added.rowcount == 1

        return await self._file.write(add)

    async def add_answer(self, answer: Answer) -> Answer:
        """Keep an answer.

        Raises RecordInvalid when its question is not known (it may have been forgotten).
        """
        question_id = answer.question.id
        values = (
            answer.id,
            question_id,
            answer.question.conversation,
            moment(answer.answered_at),
            to_json(answer),
        )

        def add(connection: sqlite3.Connection) -> str | None:
            if connection.execute("SELECT 1 FROM questions WHERE id = ?", (question_id,)).fetchone() is None:
                raise RecordInvalid(f"an answer to an unknown question: {question_id}")
            kept = connection.execute("SELECT record FROM answers WHERE question_id = ?", (question_id,))
            record: tuple[str] | None = kept.fetchone()
            if record is None:
                connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", values)
            return record[0] if record else None

        earlier = await self._file.write(add)
        return parse_answer(earlier, answer.question) if earlier else answer

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        """Close a question; an unknown id is no error: it may have been forgotten meanwhile."""

        def mark(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE questions SET message_id = ?, reply_to = '' WHERE id = ?", (message_id, question_id)
            )

        await self._file.write(mark)

    async def take_undelivered(self) -> Sequence[Undelivered]:
        """Return and hold the open questions that nobody else holds, oldest first, each with its answer."""
        mine = "message_id IS NULL AND (holder = ? OR held_until < ?)"

        def take(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
            whose = (self.hold.holder, self.hold.now())
            found = connection.execute(
                "SELECT q.record, q.reply_to, (SELECT a.record FROM answers a WHERE a.question_id = q.id)"  # noqa: S608
                f" FROM questions q WHERE {mine} ORDER BY q.asked_at, q.rowid",
                whose,
            ).fetchall()
            connection.execute(
                f"UPDATE questions SET holder = ?, held_until = ? WHERE {mine}",  # noqa: S608 - our own words
                (self.hold.holder, self.hold.until(), *whose),
            )
            return found

        rows = await self._file.write(take)
        return [
            Undelivered(question, parse_answer(answer, question) if answer else None)
            for question, answer in (
                (parse_question(record, reply_to), answer) for record, reply_to, answer in rows
            )
        ]

    async def hold_question(self, question: Question) -> bool:
        """Hold a question on; False where another process holds it, or it is closed."""
        rows = await self._file.rows(
            "SELECT message_id IS NULL, holder, held_until FROM questions WHERE id = ?", question.id
        )
        if not rows:  # forgotten meanwhile
            return True
        is_open, holder, until = rows[0]
        if holder == self.hold.holder and until >= self.hold.now():
            return bool(is_open)
        values = (self.hold.holder, self.hold.until(), question.id, self.hold.holder, self.hold.now())

        def take(connection: sqlite3.Connection) -> bool:
            taken = connection.execute(
                "UPDATE questions SET holder = ?, held_until = ?"
                " WHERE id = ? AND message_id IS NULL AND (holder = ? OR held_until < ?)",
                values,
            )
            return taken.rowcount == 1

        return await self._file.write(take)

    async def answer(self, answer_id: str) -> Answer | None:
        """Return the answer with this id, or None."""
        return await self._answer("WHERE a.id = ? " + _NEWEST, answer_id)

    async def answer_to_question(self, question_id: str) -> Answer | None:
        """Return the answer to this question, or None."""
        return await self._answer("WHERE a.question_id = ? " + _NEWEST, question_id)

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        """Return the answer that was delivered as this message, or None.

        A channel of Teams may be named without the thread; a message's id is unique in all of them.
        """
        if not message_id:  # questions whose answer could not be delivered have none
            return None
        exact = "WHERE q.conversation = ? AND q.message_id = ? "
        answer = await self._answer(exact + _NEWEST, conversation, message_id)
        if answer is not None:
            return answer
        threads = "WHERE q.conversation > ? AND q.conversation < ? AND q.message_id = ? "
        thread = f"{conversation};messageid="
        return await self._answer(threads + _NEWEST, thread, thread + chr(0x10FFFF), message_id)

    async def find_message(self, question_id: str) -> str | None:
        """Return the message that answered this question; None before, and when it could not be delivered."""
        rows = await self._file.rows("SELECT message_id FROM questions WHERE id = ?", question_id)
        return rows[0][0] or None if rows else None

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        """Return the last answers of a conversation, oldest first."""
        rows = await self._file.rows(
            _ANSWER + "WHERE a.conversation = ? " + _NEWEST, conversation, max(limit, 0)
        )
        return [_read_answer(row) for row in reversed(rows)]

    async def answers_after(self, after: tuple[str, str], limit: int) -> Sequence[Answer]:
        """Return the answers after a place in (time, id), oldest first."""
        rows = await self._file.rows(
            _ANSWER + "WHERE (a.answered_at, a.id) > (?, ?) ORDER BY a.answered_at, a.id LIMIT ?",
            *after,
            max(limit, 0),
        )
        return [_read_answer(row) for row in rows]

    async def forget_question(self, question_id: str) -> None:
        """Delete a question, its answers and all that was ever said about them, and overwrite their text."""

        def forget(connection: sqlite3.Connection) -> None:
            its_answers = "(SELECT id FROM answers WHERE question_id = ?)"
            for table in ("feedback", "documents"):
                sql = f"DELETE FROM {table} WHERE answer_id IN {its_answers}"  # noqa: S608 - our own words
                connection.execute(sql, (question_id,))
            connection.execute("DELETE FROM answers WHERE question_id = ?", (question_id,))
            connection.execute("DELETE FROM questions WHERE id = ?", (question_id,))

        await self._file.write(forget)
        await self._file.overwrite_log()

    async def put_feedback(self, feedback: Feedback) -> None:
        """Keep or replace one person's word. Raises RecordInvalid when its answer is not known."""
        values = (
            feedback.answer_id,
            feedback.giver,
            feedback.kind.value,
            derive_reaction(feedback),
            moment(feedback.given_at),
            moment(feedback.withdrawn_at or feedback.given_at),
            to_json(feedback),
            feedback.source,
        )

        def put(connection: sqlite3.Connection) -> None:
            if (
                connection.execute("SELECT 1 FROM answers WHERE id = ?", (feedback.answer_id,)).fetchone()
                is None
            ):
                raise RecordInvalid(f"feedback on an unknown answer: {feedback.answer_id}")
            connection.execute(
                "INSERT OR IGNORE INTO feedback (number, answer_id, giver, kind, reaction, given_at,"
                " changed_at, record, source) VALUES ((SELECT coalesce(max(number), 0) + 1 FROM feedback"
                " WHERE answer_id = ?1), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                values,
            )

        await self._file.write(put)

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        """Return the current feedback on an answer, withdrawn records included, oldest first."""
        rows = await self._file.rows(
            "SELECT record FROM (SELECT record, given_at, number, row_number() OVER"
            " (PARTITION BY giver, kind, reaction ORDER BY changed_at DESC, number DESC) AS age"
            " FROM feedback WHERE answer_id = ?) WHERE age = 1 ORDER BY given_at, number",
            answer_id,
        )
        return [from_json(Feedback, record) for (record,) in rows]

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        """Return rows in the order of their keys (feedback/store/rows.py)."""
        of = () if person is None else (person,)
        query = build_select_query(table, of_person=person is not None)
        found = await self._file.rows(query, after, *of, max(limit, 0))
        return [to_row(table, values) for values in found]

    async def put_rows(self, rows: Sequence[Row]) -> None:
        """Keep rows as they are.

        Not an answer whose question is not here, which nobody could read or forget.
        """
        await self._file.write(lambda connection: put_rows(connection, rows))

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        """Delete rows, and overwrite their text; a question's answer goes with it."""
        if rows:
            await self._file.write(lambda connection: drop_rows(connection, rows))
            await self._file.overwrite_log()

    async def overwrite(self, *, whole: bool = False) -> None:
        """Overwrite what was deleted or changed.

        It still stands in the write-ahead log, and in pieces in the file.
        """
        await (self._file.rewrite() if whole else self._file.overwrite_log())

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        [(count,)] = await self._file.rows(build_count_query(table))
        return count

    async def close(self) -> None:
        """Write what is under way and let go of the file."""
        await self._file.close()

    async def _answer(self, where: str, *values: str) -> Answer | None:
        rows = await self._file.rows(_ANSWER + where, *values, 1)
        return _read_answer(rows[0]) if rows else None


def _read_answer(row: tuple[str, str]) -> Answer:
    answer, question = row
    return parse_answer(answer, parse_question(question))

"""The embedded store's tables as rows (feedback/store/rows.py), read by their keys, written as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from feedback.store.rows import FIELDS, Row, Table, build_row_key

INDEXES = """
CREATE INDEX feedback_key ON feedback (answer_id || ' ' || printf('%020d', number));
CREATE INDEX documents_key ON documents (kind || ' ' || id)
"""

PEOPLE = "CREATE INDEX documents_owner ON documents (person, kind || ' ' || id)"
"""Finds what is about one person in the order of the keys."""

_KEYS: Mapping[Table, str] = {
    "question": "id",
    "answer": "a.id",
    "feedback": "answer_id || ' ' || printf('%020d', number)",
    "document": "kind || ' ' || id",
}
_PEOPLE: Mapping[Table, str] = {
    "question": "asker",
    "answer": "q.asker",
    "feedback": "giver",
    "document": "person",
}
_NAMES: Mapping[Table, str] = {
    "question": "questions",
    "answer": "answers",
    "feedback": "feedback",
    "document": "documents",
}
_JOINED = frozenset({"question", "asker"})
"""Fields of an answer's row that stand with its question."""


def build_select_query(table: Table, *, of_person: bool) -> str:
    """Return the query for (after, [person,] limit)."""
    if table == "answer":
        what = (
            "a.id, a.question_id, a.conversation, a.answered_at, a.record, q.record, q.asker"
            " FROM answers a JOIN questions q ON q.id = a.question_id"
        )
    else:
        what = f"{', '.join(FIELDS[table])} FROM {_NAMES[table]}"
    of = f" AND {_PEOPLE[table]} = ?" if of_person else ""
    return f"SELECT {what} WHERE {_KEYS[table]} > ?{of} ORDER BY {_KEYS[table]} LIMIT ?"


def build_count_query(table: Table) -> str:
    """Return the query that counts what `build_select_query` finds."""
    joined = " a JOIN questions q ON q.id = a.question_id" if table == "answer" else ""
    return f"SELECT count(*) FROM {_NAMES[table]}{joined}"  # noqa: S608 - our own words


def to_row(table: Table, values: Sequence[object]) -> Row:
    """Return what a query found as a row."""
    fields = dict(zip(FIELDS[table], values, strict=True))
    return Row(table, build_row_key(table, fields), fields)


def put_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Keep rows in the place of those with the same keys."""
    for row in rows:
        names = [name for name in FIELDS[row.table] if row.table != "answer" or name not in _JOINED]
        also = (
            " WHERE EXISTS (SELECT 1 FROM questions WHERE id = :question_id)" if row.table == "answer" else ""
        )
        connection.execute(
            f"INSERT OR REPLACE INTO {_NAMES[row.table]} ({', '.join(names)})"
            f" SELECT {', '.join(f':{name}' for name in names)}{also}",
            {name: row.fields[name] for name in names},
        )


def drop_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Delete rows."""
    for row in rows:
        key = _KEYS[row.table].removeprefix("a.")
        connection.execute(f"DELETE FROM {_NAMES[row.table]} WHERE {key} = ?", (row.key,))  # noqa: S608 - our own words
        if row.table == "question":
            connection.execute("DELETE FROM answers WHERE question_id = ?", (row.key,))

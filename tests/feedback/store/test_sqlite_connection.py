"""The store's file keeps no piece of what was deleted, once it is written anew."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from feedback.store import sqlite_connection
from feedback.store.sqlite_connection import SqliteFile
from tests.builders.people import bytes_in

RARE = "xylophone-omelette"
KEPT = 500


def live(connection: sqlite3.Connection) -> None:
    """Let records come, change and go, in no order, until none of the rare ones is left among the others."""
    rng = random.Random(3)  # noqa: S311 - the same records every time
    put = "INSERT OR REPLACE INTO records VALUES (?, ?)"
    there: list[int] = []
    for number in range(3_000):
        connection.execute(put, (number, f"{RARE} {'y' * rng.randrange(3_000)} {RARE}"))
        there.append(number)
        if rng.random() < 0.5:
            gone = there.pop(rng.randrange(len(there)))
            connection.execute("DELETE FROM records WHERE id = ?", (gone,))
        if rng.random() < 0.3 and there:
            connection.execute(put, (rng.choice(there), RARE + "z" * rng.randrange(4_000)))
    for number in there:
        connection.execute(put, (number, "y" * rng.randrange(3_000)))
    connection.execute("DELETE FROM records WHERE id NOT IN (SELECT id FROM records LIMIT ?)", (KEPT,))


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteFile]:
    formats = ("CREATE TABLE records (id INTEGER PRIMARY KEY, words TEXT) WITHOUT ROWID",)
    file = SqliteFile.open(tmp_path / "one.sqlite3", formats, busy_timeout_s=1.0)
    await file.write(live)
    yield file
    await file.close()


async def test_pieces_of_deleted_records_go_when_the_file_is_written_anew(
    file: SqliteFile, tmp_path: Path
) -> None:
    await file.overwrite_log()
    assert RARE.encode() in bytes_in(tmp_path), "SQLite left nothing: the test shows nothing"
    await file.rewrite()
    assert RARE.encode() not in bytes_in(tmp_path)
    assert await file.rows("SELECT count(*) FROM records") == [(KEPT,)]


async def test_a_file_that_is_too_large_for_that_is_left_and_the_operator_is_told(
    file: SqliteFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_connection, "REWRITTEN_UP_TO", 1_000)
    await file.rewrite()
    assert "too much to be written anew beside the work" in caplog.text
    assert await file.rows("SELECT count(*) FROM records") == [(KEPT,)]

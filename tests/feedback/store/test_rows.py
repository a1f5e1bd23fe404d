"""The rows of both stores: the same, in the same order, and what follows from deleting them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from feedback.privacy.retention import Retention, retain
from feedback.store.base import StoreError
from feedback.store.cosmos import CosmosStore
from feedback.store.documents import Document
from feedback.store.offline_queue import OfflineQueue
from feedback.store.rows import TABLES, Row, build_row_key, every_line, every_row, sum_table, to_line
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question, thumb
from tests.builders.stores import Store, answered, store
from tests.doubles.cosmos import a_cosmos

__all__ = ["store"]


Opening = Callable[[], Awaitable[Store]]
NAMES = (
    "z",
    "~",
    "\x7f",
    "é",
    "ÿ",
    "\ud7ff",
    "\ue000",
    "\uff5e",
    "\U00010000",
    "\U0001f600",
    "a~",
    "a\U0001f600",
    "a",
)
"""A character of two UTF-16 units is last by code points and UTF-8, and before U+E000 by UTF-16."""


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    yield store
    await store.close()


@pytest.fixture
async def cosmos(cosmos_url: str) -> AsyncIterator[CosmosStore]:
    async with AsyncExitStack() as closing:
        _, config = await closing.enter_async_context(a_cosmos(cosmos_url))
        store = await CosmosStore.open(config)
        closing.push_async_callback(store.close)
        yield store


async def keys(store: Store, table: str) -> list[str]:
    return [row.key async for row in every_row(store, table)]  # type: ignore[arg-type]


async def test_keys_of_any_text_sort_by_code_points_and_pages_lose_none(store: Store) -> None:
    for name in NAMES:
        await store.documents.add(Document("kind", name, "{}"))
    wanted = sorted(f"kind {name}" for name in NAMES)
    assert await keys(store, "document") == wanted
    paged: list[str] = []
    while page := await store.rows("document", paged[-1] if paged else "", 1):
        paged += [row.key for row in page]
    assert paged == wanted


async def test_a_row_has_the_key_of_its_fields(store: Store) -> None:
    await answered(store, 1)
    await store.documents.add(Document("kind", "\U0001f600", "{}"))
    for table in TABLES:
        [row] = await store.rows(table)
        assert row.key == build_row_key(table, row.fields)
        assert await store.rows(table, after=row.key) == []


async def test_tables_are_counted_as_they_are_listed(store: Store) -> None:
    for number in range(3):
        await answered(store, number)
    await store.documents.add(Document("kind", "one", "{}"))
    assert [await store.count(table) for table in TABLES] == [3, 3, 3, 1]


async def test_words_on_two_answers_may_have_one_number(store: Store) -> None:
    given = [await answered(store, number) for number in (1, 2)]
    rows = [row async for row in every_row(store, "feedback")]
    await store.drop_rows(rows)
    fields = [dict(row.fields) | {"number": 7} for row in rows]
    same = [Row("feedback", build_row_key("feedback", values), values) for values in fields]
    await store.put_rows(same)
    assert [to_line(row) async for row in every_row(store, "feedback")] == [to_line(row) for row in same]
    await store.put_feedback(thumb(given[0], "dislike", seconds=90))
    [current] = await store.feedback_on(given[0].id)
    assert current.value == "dislike"


async def test_what_is_refused_is_counted_too(cosmos: CosmosStore) -> None:
    assert [await cosmos.add_question(question()) for _ in range(2)] == [True, False]
    assert cosmos.charges.by_operation["create"].trips == 2


async def test_a_changed_question_still_leads_to_its_older_answer(store: Store) -> None:
    asked = question()
    given = answer(asked, "an id of an older program")
    await store.add_question(asked)
    await store.add_answer(given)
    [row] = await store.rows("question")
    await store.put_rows([replace(row, fields=dict(row.fields) | {"message_id": "m1", "reply_to": ""})])
    assert await store.answer_to_question(asked.id) == replace(given, question=replace(asked, reply_to=""))
    assert await store.find_message(asked.id) == "m1"


async def test_rows_that_come_out_of_order_are_an_error_not_a_loss(sqlite: SqliteStore) -> None:
    class Shuffled(SqliteStore):
        async def rows(self, *arguments: object) -> list[Row]:  # type: ignore[override]
            return list(reversed(await sqlite.rows("document")))

    for name in "abc":
        await sqlite.documents.add(Document("kind", name, "{}"))
    with pytest.raises(StoreError, match="order"):
        await sum_table(Shuffled.__new__(Shuffled), "document")


async def test_what_is_older_than_it_may_be_goes_with_all_that_belongs_to_it(store: Store) -> None:
    for number, days in ((1, 400), (2, 10)):
        given = await answered(store, number, asked_at=NOON - timedelta(days=days))
        await store.documents.add(Document("review", given.id, "{}", given.id, order="2020"))
    await store.add_question(question(3, asked_at=NOON - timedelta(days=900)))  # nobody has answered it yet
    kept = {table: await sum_table(store, table) for table in TABLES}
    looked: list[int] = []
    retention = Retention(questions_days=365, feedback_days=0, reviews_days=1095)
    found = await retain(store, retention, NOON, looked.append, dry_run=True)
    assert found == {"question": 1, "answer": 1, "review": 2}
    assert kept == {table: await sum_table(store, table) for table in TABLES}
    assert await retain(store, retention, NOON) == found
    assert looked[-1] == 9
    assert [await store.count(table) for table in TABLES] == [2, 1, 2, 0]
    assert await retain(store, retention, NOON) == {}


async def test_an_answer_goes_with_its_question_also_when_it_is_a_little_younger(store: Store) -> None:
    asked_at = NOON - timedelta(days=365, seconds=1)  # the answer is written 1.5 s later
    await answered(store, 1, asked_at=asked_at)
    assert await retain(store, Retention(feedback_days=0), NOON) == {"question": 1, "answer": 1}
    assert await store.count("answer") == 0


async def test_no_answer_stays_in_the_file_without_its_question(sqlite: SqliteStore, tmp_path: Path) -> None:
    await answered(sqlite, 1)
    [asked], [given] = await sqlite.rows("question"), await sqlite.rows("answer")
    await sqlite.drop_rows([asked])
    await sqlite.put_rows([given])
    with sqlite3.connect(tmp_path / "store.sqlite3") as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (0,)
    file.close()


async def test_what_a_process_left_is_taken_over_with_the_answers(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await answered(sqlite, 1)
    await sqlite.documents.add(Document("kind", "one", "{}"))
    wanted = [line async for line in every_line(sqlite)]
    near = SqliteStore.open(tmp_path / "near.sqlite3")
    for _ in range(2):  # again, as after a stop in between
        await OfflineQueue(near, most=10).take_over(sqlite)
        assert [line async for line in every_line(near)] == wanted
        assert [line async for line in every_line(sqlite)] == []
    await near.close()


async def test_a_line_is_json_and_the_same_in_both_stores(sqlite: SqliteStore, cosmos: CosmosStore) -> None:
    await answered(sqlite, 1, text="a \ud83d lone half, \x00 and \U0001f600")
    for table in TABLES:
        await cosmos.put_rows(await sqlite.rows(table))
        ours, theirs = await sqlite.rows(table), await cosmos.rows(table)
        assert [to_line(row) for row in ours] == [to_line(row) for row in theirs]
        assert await sum_table(sqlite, table) == await sum_table(cosmos, table)
    [row] = await cosmos.rows("question")
    assert json.loads(to_line(row))["record"]["text"] == "a \ud83d lone half, \x00 and \U0001f600"


async def test_words_of_the_third_format_are_brought_over_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    store = SqliteStore.open(path)
    given = await answered(store, 1)
    await store.close()
    old = sqlite3.connect(path)  # back to what the third version wrote
    old.executescript(
        "ALTER TABLE feedback RENAME TO words; DROP INDEX feedback_giver; DROP INDEX feedback_source;"
        "DROP INDEX feedback_key; DROP INDEX documents_owner; "
        "CREATE TABLE feedback (number INTEGER PRIMARY KEY, answer_id TEXT NOT NULL,"
        "giver TEXT NOT NULL, kind TEXT NOT NULL, reaction TEXT NOT NULL, given_at TEXT NOT NULL,"
        "changed_at TEXT NOT NULL, record TEXT NOT NULL, source TEXT NOT NULL DEFAULT '',"
        "UNIQUE (answer_id, giver, kind, reaction, record));"
        "INSERT INTO feedback SELECT 17, "
        "answer_id, giver, kind, reaction, given_at, changed_at, record, source"
        " FROM words; DROP TABLE words;"
        "CREATE INDEX feedback_key ON feedback (answer_id || ' ' || printf('%020d', number));"
        "PRAGMA user_version = 3"
    )
    old.close()
    store = SqliteStore.open(path)
    await store.put_feedback(thumb(given, "dislike", seconds=90))
    assert [row.fields["number"] for row in await store.rows("feedback")] == [17, 18]
    assert [word.value for word in await store.feedback_on(given.id)] == ["dislike"]
    await store.close()

"""What every Documents must do; on SQLite, on Cosmos DB, and in the memory of a test."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from feedback.store.base import StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.documents import (
    TRIES,
    Document,
    Documents,
    Wanted,
    change_document,
    every_document,
    put_new,
)
from feedback.store.sqlite import SqliteStore
from tests.builders.records import answer, question
from tests.builders.stores import documents
from tests.doubles.cosmos import Fault, a_cosmos

__all__ = ["documents"]


def a_document(id_: str = "d1", **changes: str) -> Document:
    return replace(Document("kind", id_, "body", "a1", "p1", "open", "2026"), **changes)  # type: ignore[arg-type]


async def test_a_document_comes_back_as_it_was_with_its_first_version(documents: Documents) -> None:
    assert await documents.get("kind", "d1", "a1") is None
    assert await documents.add(a_document(body="\ud800 \0 {}".replace("\ud800", "é")))
    assert await documents.get("kind", "d1", "a1") == replace(a_document(body="é \0 {}"), version=1)
    assert await documents.get("another kind", "d1", "a1") is None


async def test_adding_again_changes_nothing(documents: Documents) -> None:
    assert await documents.add(a_document())
    assert not await documents.add(a_document(body="other"))
    kept = await documents.get("kind", "d1", "a1")
    assert kept is not None
    assert kept.body == "body"


async def test_of_many_who_replace_the_same_version_one_wins(documents: Documents) -> None:
    await documents.add(a_document())
    kept = await documents.get("kind", "d1", "a1")
    assert kept is not None
    won = await asyncio.gather(*(documents.replace(replace(kept, body=str(n))) for n in range(20)))
    assert sum(won) == 1
    assert await documents.get("kind", "d1", "a1") == replace(kept, body=str(won.index(True)), version=2)
    assert not await documents.replace(a_document("unknown"))


async def test_putting_counts_the_version_up(documents: Documents) -> None:
    for body in ("one", "two", "three"):
        await documents.put(a_document(body=body))
    assert await documents.get("kind", "d1", "a1") == replace(a_document(body="three"), version=3)


async def test_what_is_new_is_kept_and_what_was_there_is_replaced(documents: Documents) -> None:
    for body in ("one", "two"):
        await put_new(documents, a_document(body=body))
    assert await documents.get("kind", "d1", "a1") == replace(a_document(body="two"), version=2)


async def test_a_list_is_read_to_its_end_however_many_come_at_once(documents: Documents) -> None:
    names = [f"d{number}" for number in range(5)]
    for name in names:
        await documents.add(a_document(name))
    for limit in (1, 2, 5, 100):
        found = every_document(documents, Wanted("kind", person="p1", limit=limit))
        assert [document.id async for document in found] == names


async def test_of_many_changes_at_once_none_is_lost(documents: Documents) -> None:
    def add_one(kept: Document | None) -> Document:
        return a_document(body=str(int(kept.body) + 1 if kept else 1))

    written = await asyncio.gather(*(change_document(documents, a_document(), add_one) for _ in range(8)))
    assert sorted(int(one.body) for one in written if one) == list(range(1, 9))
    assert sorted(one.version for one in written if one) == list(range(1, 9))
    kept = await documents.get("kind", "d1", "a1")
    assert (kept and (kept.body, kept.version)) == ("8", 8)


async def test_a_change_that_wants_nothing_writes_nothing(documents: Documents) -> None:
    assert await change_document(documents, a_document(), lambda _: None) is None
    assert await documents.get("kind", "d1", "a1") is None
    await documents.add(a_document())
    assert await change_document(documents, a_document(), lambda _: None) is None
    kept = await documents.get("kind", "d1", "a1")
    assert kept is not None
    assert kept.version == 1


async def test_a_change_that_never_gets_its_turn_ends_with_a_sentence(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    tries: list[int] = []

    class Busy:
        get = store.documents.get
        add = store.documents.add

        async def replace(self, document: Document) -> bool:
            tries.append(document.version)
            return False

    await store.documents.add(a_document())
    with pytest.raises(StoreUnavailable, match="too fast"):
        await change_document(Busy(), a_document(), lambda kept: kept)  # type: ignore[arg-type]
    assert len(tries) == TRIES
    await store.close()


async def test_a_document_of_another_version_is_not_removed(documents: Documents) -> None:
    await documents.put(a_document())
    await documents.put(a_document())
    assert not await documents.remove("kind", "d1", "a1", version=1)
    assert await documents.remove("kind", "d1", "a1", version=2)
    assert not await documents.remove("kind", "d1", "a1")


async def test_a_list_is_in_order_filtered_and_goes_on_where_it_ended(documents: Documents) -> None:
    for number in range(9):
        await documents.add(
            a_document(f"d{number}", order=f"2026-{number // 2}", state=("open", "done")[number % 3 == 0])
        )
    await documents.add(replace(a_document(), kind="other"))
    found: list[str] = []
    after = ("", "")
    while page := await documents.list_documents(Wanted("kind", state="open", after=after, limit=2)):
        found += [document.id for document in page]
        after = (page[-1].order, page[-1].id)
    assert found == ["d1", "d2", "d4", "d5", "d7", "d8"]
    assert len(await documents.list_documents(Wanted("kind"))) == 9
    assert not await documents.list_documents(Wanted("kind", person="p2"))
    assert len(await documents.list_documents(Wanted("kind", answer_id="a1", person="p1", state="done"))) == 3


async def test_what_goes_with_an_answer_is_forgotten_with_its_question(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    asked = question()
    await store.add_question(asked)
    await store.add_answer(answer(asked))
    await store.documents.add(a_document("mine", answer_id=answer(asked).id))
    await store.documents.add(a_document("other"))
    await store.forget_question(asked.id)
    assert [document.id for document in await store.documents.list_documents(Wanted("kind"))] == ["other"]
    await store.close()


async def test_a_file_of_the_first_format_is_brought_up_with_all_that_it_holds(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    await store.add_question(question())
    await store.close()
    old = sqlite3.connect(tmp_path / "s")  # back to what the first version wrote
    old.executescript(
        "DROP TABLE documents; DROP INDEX feedback_source; DROP INDEX answers_time;"
        "DROP INDEX feedback_key; ALTER TABLE feedback DROP COLUMN source;"
        "ALTER TABLE questions DROP COLUMN holder; ALTER TABLE questions DROP COLUMN held_until;"
        "PRAGMA user_version = 1"
    )
    old.close()
    store = SqliteStore.open(tmp_path / "s")
    assert await store.documents.add(a_document())
    assert not await store.add_question(question())
    await store.close()


async def test_of_many_who_count_at_once_everybody_gets_a_number_of_their_own(documents: Documents) -> None:
    numbers = await asyncio.gather(*(documents.count("counter", "one") for _ in range(150)))
    assert sorted(numbers) == list(range(1, 151))
    assert await documents.count("counter", "one") == 151
    assert await documents.count("counter", "another") == 1
    assert await documents.count("another kind", "one") == 1


async def test_a_counter_that_an_older_version_wrote_goes_on(documents: Documents) -> None:
    await documents.add(Document("counter", "old", "1"))
    for number in (2, 3):
        before = await documents.get("counter", "old")
        assert before is not None
        assert await documents.replace(replace(before, body=str(number)))
    assert await documents.count("counter", "old") == 4


async def test_a_service_that_asks_to_try_again_is_asked_again(cosmos_url: str) -> None:
    async with a_cosmos(cosmos_url) as (front, config):
        store = await CosmosStore.open(config)
        await store.documents.count("counter", "one")
        front.faults = [Fault("status", times=3, status=449, when=lambda method, _: method == "PATCH")]
        assert await store.documents.count("counter", "one") == 2
        assert front.faults[0].met == 3
        await store.close()

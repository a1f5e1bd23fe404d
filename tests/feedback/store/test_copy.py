"""Copies of a store, by the real command, killed for real, and what they must not do to others' records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from signal import SIGINT

import pytest

from core.records import Question, derive_answer_id
from feedback.store import copy as patience
from feedback.store.base import RecordInvalid, StoreError, StoreUnavailable
from feedback.store.copy import BATCH, CopyFailed, Copying, Patient
from feedback.store.copy_journal import CopyPosition, Intent, Journal, Known, hash_row, parse_store_name
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.documents import Document
from feedback.store.rows import PAGE, TABLES, Row, Table, build_row_key, every_line, sum_table
from feedback.store.sqlite import SqliteStore
from tests.builders.many_records import fill
from tests.builders.records import answer, question, thumb
from tests.builders.stores import but_for_the_trail
from tests.doubles.cosmos import Fault, Front, a_cosmos
from tests.processes.commands import Commands, counted, ended, until

FROM, TO = "data/askpage.sqlite3", "back.sqlite3"
THERE = ("store", "copy", "--from", FROM, "--to", "cosmos:")
BACK = ("store", "copy", "--from", "cosmos:", "--to", TO)


@pytest.fixture
async def far(cosmos_url: str) -> AsyncIterator[tuple[Front, CosmosConfig]]:
    async with a_cosmos(cosmos_url) as found:
        yield found


@pytest.fixture
def front(far: tuple[Front, CosmosConfig]) -> Front:
    return far[0]


@pytest.fixture
def commands(far: tuple[Front, CosmosConfig], tmp_path: Path) -> Commands:
    return Commands(tmp_path, far[1])


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / FROM)
    yield store
    await store.close()


@pytest.fixture
async def cosmos(far: tuple[Front, CosmosConfig]) -> AsyncIterator[CosmosStore]:
    store = await CosmosStore.open(far[1])
    yield store
    await store.close()


async def lines(store: SqliteStore | CosmosStore) -> list[str]:
    return [line async for line in every_line(store)]


def a_document(name: str, body: str = "{}") -> Document:
    return Document("kind", name, body)


# The command, killed


async def test_a_copy_there_and_back_is_killed_four_times_and_loses_nothing(
    commands: Commands, front: Front, sqlite: SqliteStore, tmp_path: Path
) -> None:
    await fill(sqlite, 140)
    records = await lines(sqlite)
    async with counted(front) as there:
        for at_request in (150, 300):
            assert (await commands.killed(front, at_request, *THERE)).code == -9
        done = await commands.run(*THERE)
    assert done.code == 0, done.said
    assert "Went on where it had stopped" in done.said
    assert "Both stores hold the same" in done.said
    assert there[0] < len(records) + 3 * BATCH  # and not three times as many
    for _ in range(2):  # four counts, the questions, and some more: the questions are in the file
        assert (await commands.killed(front, 7, *BACK)).code == -9
    done = await commands.run(*BACK)
    assert done.code == 0, done.said
    assert "Went on where it had stopped" in done.said
    exported = await commands.run("export", "--from", TO)
    assert but_for_the_trail(exported.out) == records
    assert (await commands.run("export", "--out", "whole.jsonl")).code == 0  # the settings name Cosmos DB
    assert but_for_the_trail((tmp_path / "whole.jsonl").read_bytes()) == records


async def test_a_repeated_copy_changes_nothing_and_carries_over_what_changed(
    commands: Commands, cosmos: CosmosStore, sqlite: SqliteStore
) -> None:
    await fill(sqlite, 30)
    assert (await commands.run(*THERE)).code == 0
    before = await etags(cosmos)
    done = await commands.run(*THERE)
    assert done.code == 0
    assert "1 records put, 0 removed" in done.said  # that it was copied once more is on record
    assert (await etags(cosmos)).items() >= before.items()
    asked = next(row for row in await sqlite.rows("question") if row.fields["message_id"])
    await sqlite.forget_question(asked.key)
    await fill(sqlite, 3, first=1000)
    await sqlite.documents.put(a_document("new"))
    changed = (await sqlite.rows("document"))[0].fields
    await sqlite.documents.put(Document(changed["kind"], changed["id"], '{"changed": true}'))
    done = await commands.run(*THERE)
    assert done.code == 0, done.said
    assert await lines(cosmos) == await lines(sqlite)
    assert asked.fields["id"] not in "".join(await lines(cosmos))


async def etags(store: CosmosStore) -> dict[str, str]:
    """Return what changes with every write."""
    found = await store._items.query("SELECT c.pk, c.id, c._etag FROM c")
    return {f"{item['pk']}/{item['id']}": item["_etag"] for item in found}


async def test_ctrl_c_says_that_the_same_command_goes_on(
    commands: Commands, front: Front, sqlite: SqliteStore
) -> None:
    await fill(sqlite, 40)
    done = await commands.killed(front, 60, *THERE, by=SIGINT)
    assert done.code == 130
    assert "Run the same command again" in done.said
    assert "Traceback" not in done.said


async def test_while_the_store_is_away_the_command_waits_and_goes_on(
    commands: Commands, front: Front, sqlite: SqliteStore, cosmos: CosmosStore
) -> None:
    await fill(sqlite, 60)
    process = await commands.start(*THERE)
    await until(lambda: len(front.requests) >= 60)
    front.gone = True
    assert process.stderr is not None
    said = b""
    while b"Trying again" not in said:
        said += await process.stderr.readline()
    front.gone = False
    done = await ended(process)
    assert done.code == 0, done.said
    assert await lines(cosmos) == await lines(sqlite)


async def test_a_store_that_stays_away_is_given_up_with_a_sentence(
    commands: Commands, front: Front, sqlite: SqliteStore, cosmos: CosmosStore
) -> None:
    await fill(sqlite, 60)
    process = await commands.start(*THERE, "--wait-s", "1")
    await until(lambda: len(front.requests) >= 60)
    front.gone = True
    done = await ended(process)
    assert done.code == 2
    assert "askpage: Cosmos DB" in done.said
    assert "Traceback" not in done.said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.sqlite3", "There is no file"),
        ("sqlite:nowhere.sqlite3", "There is no file"),
        ("cosmos:nonsense", "DATABASE/CONTAINER"),
        ("cosmos:a/b/c", "DATABASE/CONTAINER"),
        ("cosmos:no/where", "store init"),
        ("text.txt", "not a database"),
    ],
)
async def test_a_name_that_is_no_stores_gets_a_sentence(
    far: tuple[Front, CosmosConfig], tmp_path: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(
        "This is no database, but a text of more than a hundred characters." * 20
    )
    with pytest.raises(StoreError, match=words):
        async with parse_store_name(name, Known(tmp_path / FROM, far[1], tmp_path)).open_store():
            pass


async def test_names_are_short_for_what_the_settings_name(tmp_path: Path, sqlite: SqliteStore) -> None:
    cloud = Known(tmp_path / FROM, CosmosConfig("https://a.documents.azure.com:443/"), tmp_path)
    alone = Known(tmp_path / FROM, None, tmp_path)
    assert parse_store_name("", cloud).is_same(parse_store_name("cosmos:askpage/records", cloud))
    assert not parse_store_name("cosmos:", cloud).is_same(parse_store_name("cosmos:askpage/others", cloud))
    assert parse_store_name("", alone).is_same(parse_store_name(f"sqlite:{tmp_path}/data/../{FROM}", alone))
    (tmp_path / "link").hardlink_to(tmp_path / FROM)
    assert parse_store_name(str(tmp_path / "link"), alone).is_same(parse_store_name("sqlite:", alone))
    with pytest.raises(StoreError, match="cosmos_endpoint"):
        parse_store_name("cosmos:", alone)


async def test_a_store_is_not_copied_into_itself(tmp_path: Path, sqlite: SqliteStore) -> None:
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / FROM)
    done = await Commands(tmp_path).run("store", "copy", "--from", FROM, "--to", "link.sqlite3")
    assert done.code == 2
    assert "one store" in done.said
    assert "Traceback" not in done.said


async def test_a_target_with_records_of_its_own_is_refused_and_keeps_them_when_asked_to(
    commands: Commands, sqlite: SqliteStore, cosmos: CosmosStore
) -> None:
    await fill(sqlite, 5)
    await cosmos.documents.add(a_document("its own"))
    done = await commands.run(*THERE)
    assert done.code == 2
    assert "--into-existing" in done.said
    assert len(await lines(cosmos)) == 1
    done = await commands.run(*THERE, "--into-existing")
    assert done.code == 0, done.said
    assert set(await lines(sqlite)) < set(await lines(cosmos))
    assert await cosmos.documents.get("kind", "its own") is not None


# Copying itself


class Copier:
    """Copies with one journal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.copy"

    async def __call__(
        self, source: object, target: object, *, into_existing: bool = False, name: str = "one"
    ):
        with Journal.open(self.path) as journal:
            return await Copying(source, target, journal, into_existing=into_existing).run(name)  # type: ignore[arg-type]


@pytest.fixture
def copy(tmp_path: Path) -> Copier:
    return Copier(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", times=3, status=503),
        Fault("status", times=5, status=429, headers={"x-ms-retry-after-ms": "20"}),
        Fault("status", times=60, status=429, headers={"x-ms-retry-after-ms": "1"}),
        Fault("drop before", times=20),
        Fault("drop after", times=20),
        Fault("status", times=6, status=408),
    ],
    ids=lambda fault: f"{fault.what} {fault.status}",
)
async def test_faults_in_the_middle_are_waited_out(
    front: Front,
    sqlite: SqliteStore,
    cosmos: CosmosStore,
    copy: Copier,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr(patience, "_FIRST_S", 0.2)
    await fill(sqlite, 20)
    seen = 0

    def in_the_middle(method: str, path: str) -> bool:
        nonlocal seen
        seen += method == "POST" and "/docs" in path
        return seen > 40

    front.faults = [replace(fault, when=in_the_middle)]
    copied = await copy(Patient(sqlite, 60), Patient(cosmos, 60))
    assert front.faults[0].times == 0
    assert copied.same
    assert await lines(cosmos) == await lines(sqlite)


async def test_a_store_that_is_away_for_too_long_is_given_up(front: Front, cosmos: CosmosStore) -> None:
    front.gone = True
    told: list[float] = []
    with pytest.raises(StoreUnavailable):
        await Patient(cosmos, 2, lambda _, pause_s: told.append(pause_s)).count("question")
    assert told


async def test_what_comes_into_the_source_during_the_copy_is_carried_over_with_its_question(
    sqlite: SqliteStore, copy: Copier, tmp_path: Path
) -> None:
    class Growing:
        """Somebody asks between the tables, and somebody else takes a question back."""

        def __init__(self) -> None:
            self.late = [question(900), question(901)]

        async def rows(
            self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
        ) -> Sequence[Row]:
            if table == "answer" and self.late:
                await answered(sqlite, self.late.pop())
            return await sqlite.rows(table, after, limit, person)

        async def count(self, table: Table) -> int:
            return await sqlite.count(table)

    await fill(sqlite, 30)
    target = SqliteStore.open(tmp_path / TO)
    source = Growing()
    copied = await copy(source, target)
    assert copied.same
    assert source.late == []
    assert await lines(target) == await lines(sqlite)
    await target.close()


async def answered(store: SqliteStore | CosmosStore, asked: Question) -> None:
    given = answer(asked, derive_answer_id(asked.id))
    await store.add_question(asked)
    await store.add_answer(given)
    await store.put_feedback(thumb(given))


async def test_a_source_that_never_rests_is_named_and_nothing_is_called_the_same(
    sqlite: SqliteStore, copy: Copier, tmp_path: Path
) -> None:
    class Busy(SqliteStore):
        def __init__(self) -> None:
            self.number = 0

        async def rows(self, table: Table, *rest: object) -> Sequence[Row]:  # type: ignore[override]
            self.number += 1
            await sqlite.documents.put(a_document("counter", str(self.number)))
            return await sqlite.rows(table, *rest)  # type: ignore[arg-type]

        async def count(self, table: Table) -> int:
            return await sqlite.count(table)

    target = SqliteStore.open(tmp_path / TO)
    with pytest.raises(CopyFailed, match=r"document 'kind counter' differs.* stop it"):
        await copy(Busy(), target)
    await target.close()


async def test_what_others_wrote_into_the_target_is_neither_removed_nor_replaced(
    sqlite: SqliteStore, cosmos: CosmosStore, copy: Copier
) -> None:
    await fill(sqlite, 20)
    for name in "ab":
        await sqlite.documents.put(a_document(name))
    await copy(sqlite, cosmos)
    await cosmos.documents.put(a_document("a", '{"changed": "there"}'))  # a bot ran on it
    await cosmos.documents.put(a_document("new there"))
    await sqlite.documents.put(a_document("a", '{"changed": "here"}'))
    await sqlite.documents.put(a_document("b", '{"changed": "here"}'))
    with pytest.raises(CopyFailed, match=r"2 records .*'kind a'.*'kind new there'.*--into-existing"):
        await copy(sqlite, cosmos)
    bodies = [await cosmos.documents.get("kind", name) for name in ("a", "b", "new there")]
    assert [document and document.body for document in bodies] == [
        '{"changed": "there"}',
        '{"changed": "here"}',
        "{}",
    ]
    await copy(sqlite, cosmos, into_existing=True)
    bodies = [await cosmos.documents.get("kind", name) for name in ("a", "new there")]
    assert [document and document.body for document in bodies] == ['{"changed": "here"}', "{}"]


async def test_a_target_that_was_emptied_is_filled_from_the_beginning(
    sqlite: SqliteStore, copy: Copier, tmp_path: Path
) -> None:
    await fill(sqlite, 20)
    for name in ("first", "second"):
        target = SqliteStore.open(tmp_path / f"{name}.sqlite3")  # the journal still tells of the other one
        with Journal.open(copy.path) as journal:
            journal.reach(CopyPosition("document", "z", 9999))
        assert (await copy(sqlite, target)).same
        await target.close()


async def test_a_copy_of_another_source_is_refused(
    sqlite: SqliteStore, cosmos: CosmosStore, copy: Copier
) -> None:
    await sqlite.documents.put(a_document("a"))
    await copy(sqlite, cosmos)
    with pytest.raises(CopyFailed, match="no copy of this source"):
        await copy(sqlite, cosmos, name="another")


async def test_a_record_that_the_target_refuses_is_named_and_the_others_are_carried_over(
    sqlite: SqliteStore, copy: Copier, tmp_path: Path
) -> None:
    class Narrow:
        async def put_rows(self, rows: Sequence[Row]) -> None:
            if any(row.key == "kind large" for row in rows):
                raise RecordInvalid("it is too large")
            await target.put_rows(rows)

        async def rows(self, *arguments: object) -> Sequence[Row]:
            return await target.rows(*arguments)  # type: ignore[arg-type]

        async def count(self, table: Table) -> int:
            return await target.count(table)

    target = SqliteStore.open(tmp_path / TO)
    for name in ("a", "large", "z"):
        await sqlite.documents.put(a_document(name))
    for _ in range(2):
        with pytest.raises(
            CopyFailed, match=r"not take 1 of the records: document 'kind large' \(it is too large"
        ):
            await copy(sqlite, Narrow())
        assert [row.key for row in await target.rows("document")] == ["kind a", "kind z"]
    await target.close()


async def test_two_copies_into_one_store_do_not_run_at_once(sqlite: SqliteStore, copy: Copier) -> None:
    with Journal.open(copy.path), pytest.raises(StoreUnavailable, match="under way"):
        await copy(sqlite, sqlite)


async def test_words_of_two_bots_with_one_number_survive_the_way_to_a_file_and_back(
    cosmos: CosmosStore, copy: Copier, tmp_path: Path
) -> None:
    for number in (1, 2):
        await answered(cosmos, question(number))
    words = await cosmos.rows("feedback")
    await cosmos.drop_rows(words)
    same = [dict(row.fields) | {"number": 1_790_000_000_000_001} for row in words]
    await cosmos.put_rows([Row("feedback", build_row_key("feedback", fields), fields) for fields in same])
    target = SqliteStore.open(tmp_path / TO)
    assert (await copy(cosmos, target)).same
    assert len(await target.rows("feedback")) == 2
    await target.close()


# The journal


def a_row(body: str = "{}") -> Row:
    fields = {
        "kind": "k",
        "id": "a",
        "body": body,
        "answer_id": "",
        "person": "",
        "state": "",
        "place": "",
        "version": 1,
    }
    return Row("document", "k a", fields)


def test_a_row_is_the_copys_own_as_it_was_put_and_as_it_was_before_a_kill(tmp_path: Path) -> None:
    old, new, others = a_row(), a_row('{"new": 1}'), a_row('{"others": 1}')
    with Journal.open(tmp_path / "j") as journal:
        journal.begin("one")
        assert not journal.is_ours(old)
        journal.intend([Intent(old)])
        journal.intend([Intent(new, hash_row(old))])  # killed here: it may have been put, or not
    with Journal.open(tmp_path / "j") as journal:
        assert [journal.is_ours(row) for row in (old, new, others)] == [True, True, False]
        journal.reach(CopyPosition("document", "k a", 1), dropped=[new])
        assert [journal.is_ours(row) for row in (old, new)] == [False, False]
        assert (journal.source, journal.place) == ("one", CopyPosition("document", "k a", 1))
        journal.finish()
        assert (journal.source, journal.place) == ("one", None)
        journal.begin("two")
        assert journal.source == "two"


def test_the_journal_holds_no_record_and_no_id(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j") as journal:
        journal.begin("one")
        journal.intend([Intent(a_row(json.dumps("rare-words-7431")))])
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"rare-words-7431" not in files
    assert b"k a" not in files
    assert (tmp_path / "j").stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_journal_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("This is a text, and no journal." * 100)
    with pytest.raises(StoreUnavailable, match="no journal"), Journal.open(tmp_path / "j"):
        pass


async def test_sums_are_those_of_both_stores(sqlite: SqliteStore, cosmos: CosmosStore, copy: Copier) -> None:
    await fill(sqlite, 20)
    copied = await copy(sqlite, cosmos)
    for table in TABLES:
        assert copied.sums[table] == (await sum_table(sqlite, table), await sum_table(cosmos, table))
        assert copied.sums[table][0].count > 0

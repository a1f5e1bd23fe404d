"""`askpage privacy …` as an operator meets it: what is shown, given out, deleted, proved and on record."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import pwd
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.privacy import CHOICE
from bot.instance import open_instance
from bot.web.activities import directory_id
from bot.web.conversations import Conversations
from cli import privacy
from core.settings import Settings
from feedback.privacy.audit import Audit, AuditAction
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.keys import operator, pseudonym
from feedback.privacy.opt_out import OptOuts
from feedback.store.base import StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.offline_queue import OfflineQueue
from feedback.store.sqlite import SqliteStore
from feedback.store.sqlite_documents import SqliteDocuments
from tests.builders.people import ADA, BOB, KEY, RARE, Town, bytes_in, names
from tests.builders.privacy import Here
from tests.builders.records import question
from tests.doubles.cosmos import a_cosmos
from tests.processes.commands import Commands

ME = operator(KEY, pwd.getpwuid(os.getuid()).pw_name)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "pseudonym.key").write_bytes(KEY + b"\n")
    return folder


@pytest.fixture
async def town(data: Path) -> AsyncIterator[Town]:
    store = SqliteStore.open(data / "askpage.sqlite3")
    town = Town(store)
    await town.settle(20)
    yield town
    await store.close()


@pytest.fixture
def commands(tmp_path: Path, town: Town) -> Here:
    return Here(tmp_path)


async def told(commands: Here, *arguments: str) -> Any:
    done = await commands.run("privacy", *arguments, "--json")
    assert done.code == 0, done.said
    return json.loads(done.out)


async def trail(town: Town) -> list[tuple[str, AuditAction, str]]:
    entries = Audit(town.store.documents).entries()
    return [(one.who, one.what, one.person) async for one in entries if one.who == ME]


async def test_show_counts_and_shows_no_content(commands: Here, town: Town) -> None:
    [found] = await told(commands, "show", "ada")
    assert found["pseudonym"] == ADA
    assert (found["questions"], found["words"]) == (3, 4)
    assert found["documents"]["notice"] == 1
    assert found["learning_stopped"] is False
    assert (await told(commands, "show", ADA))[0]["questions"] == 3
    shown = await commands.run("privacy", "show", "ada")
    assert "Questions, with their answers" in shown.said
    assert RARE not in shown.said
    assert await trail(town) == [(ME, AuditAction.LOOKED, ADA)] * 3


async def test_export_prints_or_writes_a_file_for_the_operator_only(
    commands: Here, town: Town, tmp_path: Path
) -> None:
    printed = await commands.run("privacy", "export", "ada")
    assert len(json.loads(printed.out)["questions"]) == 3
    written = await commands.run("privacy", "export", "ada", "--to", "ada.json")
    assert written.code == 0
    assert written.out == b""
    file = tmp_path / "ada.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert {**json.loads(file.read_text()), "made_at": "", "audit": []} == {
        **json.loads(printed.out),
        "made_at": "",
        "audit": [],
    }
    assert await trail(town) == [(ME, AuditAction.EXPORTED, ADA)] * 2


async def test_delete_asks_first(commands: Here, town: Town) -> None:
    done = await commands.run("privacy", "delete", "ada")
    assert done.code == 1
    assert "for good" in done.said
    assert len(await names(town)) > 10


async def test_delete_reaches_store_page_and_spools_and_scan_proves_it(
    commands: Here, town: Town, data: Path
) -> None:
    await leave_traces(data)
    before = await told(commands, "scan", ADA)
    assert {name.split("-")[0] for name in before["files"]} >= {
        "data/askpage.sqlite3",
        "data/instances/0/spool.sqlite3",
    }
    assert before["store"]["question"] == 3
    [done] = await told(commands, "delete", "ada", "--yes")
    assert done["counts"]["question"] == 3
    assert done["state"] == "settling"
    assert (await told(commands, "scan", ADA))["store"] == {"audit": 2, "deletion": 1}
    words = await told(commands, "scan", RARE)
    assert words["store"] == {}
    assert set(words["files"]) <= {"data/local.sqlite3", "data/local.sqlite3-wal"}  # Alex is somebody else
    assert (ME, AuditAction.DELETED, ADA) in await trail(town)
    again = await told(commands, "delete", "ada", "--yes")
    assert sum(again[0]["counts"].values()) == 0
    assert (await told(commands, "show", "ada"))[0]["questions"] == 0


async def test_scan_of_a_pseudonym_says_nowhere_only_where_all_was_read(commands: Here, data: Path) -> None:
    nobody = pseudonym(KEY, "nobody at all")
    assert "It stands nowhere." in (await commands.run("privacy", "scan", nobody)).said
    (data / "rows.parquet").write_bytes(b"PAR1 packed PAR1")
    done = await commands.run("privacy", "scan", nobody)
    assert done.code == 0
    assert "rows.parquet: it is a Parquet file, whose columns are packed." in done.said
    assert "It stands nowhere in what could be read." in done.said
    assert "rows.parquet" in next(iter((await told(commands, "scan", nobody))["unread"]))


async def test_scan_of_anything_else_says_what_was_looked_for_and_how(commands: Here, data: Path) -> None:
    await leave_traces(data)
    done = await commands.run("privacy", "scan", "local:alex")
    assert "local.sqlite3" in done.said
    for words in ("the name, alex", directory_id("alex"), pseudonym(KEY, directory_id("alex"))):
        assert words in done.said
    assert RARE not in done.said, "what stands around a match is not shown"
    nowhere = await commands.run("privacy", "scan", "Somebody Else")
    assert "the text, Somebody Else; the pseudonym, " in nowhere.said
    assert "None of these was found in the store and the data folder." in nowhere.said
    assert "stands nowhere" not in nowhere.said
    short = await commands.run("privacy", "scan", "ab")
    assert (short.code, "too short" in short.said) == (2, True)


async def test_scan_finds_a_user_id_by_the_pseudonym_that_stands_for_it(commands: Here, town: Town) -> None:
    found = await told(commands, "scan", "ada")
    looked_for = {one["what"]: (one["text"], one["count"] > 0) for one in found["looked_for"]}
    assert looked_for["the pseudonym"] == (ADA, True)
    assert found["store"]["question"] == 3


async def test_scan_reads_what_jobs_and_models_left_too(commands: Here, data: Path) -> None:
    places = {
        "tracking/mlflow.sqlite3": f"x{ADA}".encode(),
        "models/v1/adapter/weights.safetensors": b"." * 5_000_000 + ADA.encode("utf-16-le"),
        "models/work/export.log": f"asked by {ADA.upper()}".encode(),
        "datasets/one/examples.jsonl.gz": gzip.compress(ADA.encode()),
    }
    for name, text in places.items():
        (data / name).parent.mkdir(parents=True)
        (data / name).write_bytes(text)
    found = await told(commands, "scan", ADA)
    assert {name: found["files"][f"data/{name}"] for name in places} == dict.fromkeys(places, 1)


async def leave_traces(data: Path) -> None:
    """Let a process that is gone have left what Ada said, and her wish; and Alex have chatted on the page."""
    with open_instance(data) as instance:
        near = SqliteStore.open(instance.spool_path)
        spool = OfflineQueue(near, most=100)
        await spool.load()
        await spool.keep_question(question(77, asker=ADA, text=RARE, asked_at=datetime.now(UTC)))
        await spool.keep("word", {"giver": ADA, "comment": RARE})
        await spool.keep(CHOICE, {"person": ADA, "out": True, "source": "s"})
        await near.close()
    page = Conversations(data / "local.sqlite3")
    chat = await page.begin({"id": "alex", "name": "Alex"})
    shown = {"id": "1", "sender": "user", "text": RARE, "at": page.now(), "state": "final"}
    await page.put(chat, shown)
    await page.close()


def page_of(data: Path) -> bytes:
    return b"".join(file.read_bytes() for file in data.glob("local*"))


async def test_a_person_of_the_chat_page_is_named_by_name(commands: Here, data: Path) -> None:
    await leave_traces(data)
    await asyncio.sleep(0.01)
    assert RARE.encode() in page_of(data)
    [done] = await told(commands, "delete", "local:alex", "--yes")
    assert done["person"] == pseudonym(KEY, directory_id("alex"))
    assert RARE.encode() not in page_of(data)


async def test_a_wish_that_waits_is_not_lost_with_the_rest(commands: Here, data: Path) -> None:
    await leave_traces(data)
    await told(commands, "delete", "ada", "--yes")
    near = SqliteStore.open(data / "instances" / "0" / "spool.sqlite3")
    spool = OfflineQueue(near, most=100)
    await spool.load()
    assert spool.records == 1
    await near.close()
    assert RARE.encode() not in bytes_in(data / "instances" / "0")


async def test_a_deletion_that_was_interrupted_is_finished_by_the_same_command(
    commands: Here, town: Town
) -> None:
    process = await Commands(commands.folder).start("privacy", "delete", "ada", "--yes")
    for _ in range(500):
        await asyncio.sleep(0.01)
        if await Deletions(town.store.documents).list_deletions(ADA):
            break
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    await told(commands, "delete", "ada", "--yes")
    assert {one.state for one in await Deletions(town.store.documents).list_deletions(ADA)} == {"settling"}
    assert {key.split()[1] for key in await names(town)} == {"deletion", "audit"}


async def test_opt_out_and_back(commands: Here, town: Town) -> None:
    choices = OptOuts(town.store.documents)
    assert "Nothing is learned" in (await commands.run("privacy", "opt-out", "ada")).said
    assert await choices.is_out(ADA)
    await commands.run("privacy", "opt-out", "ada", "--undo")
    assert not await choices.is_out(ADA)
    assert await trail(town) == [(ME, AuditAction.OPTED_OUT, ADA), (ME, AuditAction.OPTED_IN, ADA)]


async def test_the_trail_is_shown_of_one_person_and_since_a_day(commands: Here, town: Town) -> None:
    await commands.run("privacy", "show", "bob")
    everything = await told(commands, "audit")
    assert [one["what"] for one in everything if one["who"] == ME] == [
        AuditAction.LOOKED,
        AuditAction.READ_TRAIL,
    ]
    adas = await told(commands, "audit", "--person", "ada")
    assert {one["person"] for one in adas} == {ADA, BOB}  # about her, and what she ruled on
    assert await told(commands, "audit", "--person", "bob", "--since", "2999-01-01") == []
    wrong = await commands.run("privacy", "audit", "--since", "yesterday")
    assert wrong.code == 2
    assert "write 2026-11-01" in wrong.said
    assert "ruled" in (await commands.run("privacy", "audit")).said


READING = (
    lambda settings: privacy._show(settings, "ada"),
    lambda settings: privacy._export(settings, "ada"),
    lambda settings: privacy._scan(settings, ADA),
    lambda settings: privacy._audit(settings, "ada", None),
)


@pytest.mark.parametrize("read", READING)
async def test_nothing_is_read_that_cannot_be_put_on_record(
    data: Path, town: Town, monkeypatch: pytest.MonkeyPatch, read: Callable[[Settings], Awaitable[object]]
) -> None:
    looked: list[object] = []

    async def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    async def look(*arguments: object) -> list[object]:
        looked.append(arguments)
        return []

    monkeypatch.setattr(Audit, "write", refuse)
    monkeypatch.setattr(SqliteStore, "rows", look)
    monkeypatch.setattr(SqliteDocuments, "list_documents", look)
    with pytest.raises(StoreUnavailable):
        await read(Settings(data_dir=data))
    assert looked == []


async def test_a_deletion_is_done_that_cannot_be_put_on_record(
    data: Path, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(Audit, "write", refuse)
    [done] = await privacy._delete(Settings(data_dir=data), "ada")
    assert done.counts["question"] == 3
    assert not [key for key in await names(town) if "question" in key]


async def test_the_same_in_cosmos_db(cosmos_url: str, data: Path) -> None:
    async with a_cosmos(cosmos_url) as (_, config):
        store = await CosmosStore.open(config)
        await Town(store).settle(5)
        commands = Here(data.parent, config)
        assert (await told(commands, "show", "ada"))[0]["questions"] == 3
        [done] = await told(commands, "delete", "ada", "--yes")
        assert done["counts"]["question"] == 3
        found = await told(commands, "scan", ADA)
        assert (found["store"], found["files"], found["unread"]) == ({"audit": 3, "deletion": 1}, {}, {})
        await store.close()


async def test_without_a_key_or_in_the_wrong_folder_one_is_told(commands: Here, data: Path) -> None:
    (data / "pseudonym.key").unlink()
    done = await commands.run("privacy", "show", "ada")
    assert done.code == 2
    assert "no key of pseudonyms at data/pseudonym.key" in done.said
    assert not (data / "pseudonym.key").exists()


async def test_a_deletion_begun_by_a_person_is_shown(commands: Here, town: Town) -> None:
    wished = Deletion(ADA, "n", datetime.now(UTC), by=ADA)
    await Deletions(town.store.documents).begin(wished)
    [found] = await told(commands, "show", "ada")
    assert [(one["state"], one["by"]) for one in found["deletions"]] == [("open", ADA)]

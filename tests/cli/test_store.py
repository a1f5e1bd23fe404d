"""`askpage store init | retain | status` and `askpage export` as people meet them (not `store copy`)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from bot.instance import Instance, open_instance
from feedback.store.base import StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig, definition, indexing_policy, make_container
from feedback.store.offline_queue import OfflineQueue
from feedback.store.rows import every_line
from feedback.store.sqlite import SqliteStore
from tests.builders.many_records import fill
from tests.builders.records import question
from tests.builders.stores import answered, but_for_the_trail
from tests.doubles.cosmos import Fault, Front, a_cosmos, config_of, cosmos_front
from tests.doubles.cosmos_search import Searched
from tests.processes.commands import Commands


@pytest.fixture
async def front(cosmos_url: str) -> AsyncIterator[Front]:
    async with cosmos_front(cosmos_url) as found:
        yield found


@pytest.fixture
def config(front: Front) -> CosmosConfig:
    """Where a container would be; nobody has made it yet."""
    return config_of(front.url)


@pytest.fixture
def alone(tmp_path: Path) -> Commands:
    """Commands without a Cosmos DB."""
    return Commands(tmp_path)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "data" / "askpage.sqlite3")
    yield store
    await store.close()


# init


async def test_init_makes_the_container_once_and_says_what_it_did(
    config: CosmosConfig, tmp_path: Path
) -> None:
    commands = Commands(tmp_path, config)
    first, second = await commands.run("store", "init"), await commands.run("store", "init")
    assert (first.code, second.code) == (0, 0)
    assert f"The container {config.database}/records is made" in first.said
    assert "nothing was to be done" in second.said
    store = await CosmosStore.open(config)
    await store.close()


async def test_init_makes_the_shared_page_index_too_where_the_settings_name_one(
    front: Front, config: CosmosConfig, tmp_path: Path
) -> None:
    front.lacking = Searched()
    commands = Commands(tmp_path, config)
    done = await commands.run("store", "init", "--page-index", "cosmos")
    assert done.code == 0, done.said
    assert f"{config.database}/pages" in done.said
    listed = await commands.run("pages", "list", "--page-index", "cosmos", "--json")
    assert (listed.code, json.loads(listed.out)) == (0, [])


async def test_without_an_account_init_says_that_the_file_needs_none(alone: Commands) -> None:
    done = await alone.run("store", "init")
    assert done.code == 0
    assert "data/askpage.sqlite3" in done.said
    assert "needs no preparation" in done.said


async def test_an_identity_that_may_not_make_containers_is_told_who_may(
    front: Front, config: CosmosConfig, tmp_path: Path
) -> None:
    front.faults = [Fault("status", times=9, status=403, when=lambda method, _: method == "POST")]
    done = await Commands(tmp_path, config).run("store", "init")
    assert done.code == 2
    assert "cosmos_key" in done.said
    assert "--definition" in done.said
    assert "Traceback" not in done.said


async def test_an_identity_for_data_finds_a_container_ready(front: Front, config: CosmosConfig) -> None:
    await make_container(config)
    front.faults = [Fault("status", times=99, status=403, when=lambda method, _: method != "GET")]
    assert "nothing was to be done" in await make_container(config)


async def test_a_container_of_an_older_program_gets_its_indexes_and_time_to_live(
    config: CosmosConfig,
) -> None:
    await make_container(config)
    async with CosmosClient(config.endpoint, config.key, **config.options) as client:
        database = client.get_database_client(config.database)
        old = {"indexing_policy": indexing_policy() | {"compositeIndexes": []}, "default_ttl": None}
        await database.replace_container(config.container, PartitionKey("/pk"), **old)
        assert "has its new indexes" in await make_container(config)
        found = await database.get_container_client(config.container).read()
    assert found["indexingPolicy"]["compositeIndexes"] == indexing_policy()["compositeIndexes"]
    assert found["defaultTtl"] == -1


async def test_a_container_of_something_else_is_left_alone(config: CosmosConfig) -> None:
    async with CosmosClient(config.endpoint, config.key, **config.options) as client:
        database = await client.create_database(config.database)
        await database.create_container(config.container, PartitionKey("/customer"))
    with pytest.raises(StoreUnavailable, match=r"/customer.*cosmos_container"):
        await make_container(config)


async def test_an_account_that_cannot_be_reached_gets_a_sentence(config: CosmosConfig) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await make_container(replace(config, endpoint="http://127.0.0.1:9"))


async def test_the_definition_is_printed_for_whoever_makes_containers(alone: Commands) -> None:
    done = await alone.run("store", "init", "--definition", "--cosmos-container", "mine")
    assert json.loads(done.out) == definition(CosmosConfig("", container="mine"))
    assert json.loads(done.out)["indexingPolicy"] == indexing_policy()


# export


async def test_an_export_is_json_lines_of_all_records_and_nothing_else(
    alone: Commands, sqlite: SqliteStore, tmp_path: Path
) -> None:
    await fill(sqlite, 20)
    wanted = [line async for line in every_line(sqlite)]
    printed, written = await alone.run("export"), await alone.run("export", "--out", "all.jsonl")
    assert but_for_the_trail(printed.out) == wanted
    assert {json.loads(line)["table"] for line in wanted} == {"question", "answer", "feedback", "document"}
    assert but_for_the_trail((tmp_path / "all.jsonl").read_bytes()) == wanted
    assert written.out == b""
    assert f"{len(wanted) + 2} records written to all.jsonl" in written.said  # two exports are on record
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o077 == 0


async def test_one_persons_export_has_what_is_of_them(alone: Commands, sqlite: SqliteStore) -> None:
    await answered(sqlite, 1, asker="p1")
    await answered(sqlite, 2, asker="p2")  # in both cases a1 has pressed the thumb
    found = [
        json.loads(line) for line in but_for_the_trail((await alone.run("export", "--person", "p1")).out)
    ]
    assert [(line["table"], line["asker"]) for line in found] == [("question", "p1"), ("answer", "p1")]
    found = [
        json.loads(line) for line in but_for_the_trail((await alone.run("export", "--person", "a1")).out)
    ]
    assert [line["table"] for line in found] == ["feedback", "feedback"]
    nobody = await alone.run("export", "--person", "nobody")
    assert (nobody.code, but_for_the_trail(nobody.out)) == (0, [])
    assert "1 records" in nobody.said  # that somebody looked


async def test_an_export_that_breaks_off_leaves_the_earlier_file(
    front: Front, config: CosmosConfig, sqlite: SqliteStore, tmp_path: Path
) -> None:
    await make_container(config)
    (tmp_path / "all.jsonl").write_text("the earlier one")
    front.faults = [Fault("status", times=99, status=503, when=lambda method, _: method == "POST")]
    done = await Commands(tmp_path, config).run("export", "--out", "all.jsonl", "--wait-s", "0")
    assert done.code == 2
    assert "503" in done.said
    assert sorted(os.listdir(tmp_path)) == ["all.jsonl", "data"]
    assert (tmp_path / "all.jsonl").read_text() == "the earlier one"


async def test_a_file_that_cannot_be_written_gets_a_sentence(alone: Commands) -> None:
    done = await alone.run("export", "--out", "nowhere/all.jsonl", "--from", "data/askpage.sqlite3")
    assert done.code == 2
    assert "nowhere/all.jsonl cannot be written" in done.said
    assert "Traceback" not in done.said


async def test_whoever_reads_an_export_may_stop_reading(alone: Commands, sqlite: SqliteStore) -> None:
    await fill(sqlite, 300)
    process = await alone.start("export")
    assert process.stdout is not None
    assert process.stderr is not None
    assert await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    said = await asyncio.wait_for(process.stderr.read(), 60)
    assert await process.wait() == 1
    assert b"Traceback" not in said
    assert b"Exception" not in said


# retain


async def test_retain_deletes_what_is_too_old_and_a_dry_run_only_says_so(
    alone: Commands, sqlite: SqliteStore
) -> None:
    now = datetime.now(UTC)
    for number, days in ((1, 400), (2, 3)):
        await answered(sqlite, number, asked_at=now - timedelta(days=days))
    options = ("--keep-questions-days", "365", "--keep-feedback-days", "0")
    tried = await alone.run("store", "retain", "--dry-run", *options)
    assert "To be deleted" in tried.said
    assert await sqlite.count("question") == 2
    done = json.loads((await alone.run("store", "retain", "--json", *options)).out)
    assert done == {"dry_run": False, "deleted": {"answer": 1, "question": 1}}
    assert [await sqlite.count(table) for table in ("question", "answer", "feedback")] == [1, 1, 2]
    assert "Nothing is older" in (await alone.run("store", "retain", *options)).said


# status


async def test_the_status_counts_records_and_what_waits_in_the_processes_files(
    alone: Commands, sqlite: SqliteStore, tmp_path: Path
) -> None:
    await fill(sqlite, 20)
    with open_instance(tmp_path / "data") as running, open_instance(tmp_path / "data") as stopped:
        await keep(running, 2)
        await keep(stopped, 3)
        shown = json.loads((await alone.run("store", "status", "--json")).out)
        assert shown["spools"][0] == {"instance": "0", "running": True, "waiting": 2, "failed": 0}
    assert shown["store"] == f"sqlite:{tmp_path}/data/askpage.sqlite3"
    assert shown["counts"]["question"] == 20
    assert sum(shown["counts"].values()) == len([line async for line in every_line(sqlite)])
    done = await alone.run("store", "status")
    assert "question records: 20" in done.said
    assert "Process 1 (does not run): 3 records wait for the store, 0 failed" in done.said


async def keep(instance: Instance, entries: int) -> None:
    """Let something wait: entries, the last one a question."""
    near = SqliteStore.open(instance.spool_path)
    spool = OfflineQueue(near, most=100)
    for number in range(entries - 1):
        await spool.keep("delivered", {"question_id": f"q{number}", "message_id": "m"})
    await spool.keep_question(question())
    await near.close()


async def test_the_status_of_an_account_tells_what_it_costs_and_whether_it_is_away(
    cosmos_url: str, tmp_path: Path
) -> None:
    async with a_cosmos(cosmos_url) as (front, config):
        store = await CosmosStore.open(config)
        await answered(store, 1)
        commands = Commands(tmp_path, config)
        shown = json.loads((await commands.run("store", "status", "--json")).out)
        assert shown["counts"] == {"question": 1, "answer": 1, "feedback": 1, "document": 0}
        assert shown["charges"]["query"]["trips"] >= 4
        assert shown["away"] == ""
        reported = json.loads((await commands.run("feedback", "--json")).out)
        assert sum(form["asked"] for form in reported["forms"].values()) == 1
        with open_instance(tmp_path / "data") as instance:
            await keep(instance, 2)
        front.gone = True
        away = await commands.run("store", "status", "--json")
        assert away.code == 2
        assert "cannot be reached" in json.loads(away.out)["away"]
        assert json.loads(away.out)["spools"] == [
            {"instance": "0", "running": False, "waiting": 2, "failed": 0}
        ]
        front.gone = False
        await store.close()

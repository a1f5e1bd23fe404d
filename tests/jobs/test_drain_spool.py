"""A job carries over what a bot that is gone left waiting, and leaves the running bots' folders alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.instance import Instance, open_instance
from core.records import derive_answer_id
from core.settings import Settings
from feedback.reviews.repository import ReviewRepository
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.sqlite import SqliteStore
from jobs.drain_spool import run
from jobs.registry import JobContext
from tests.builders.records import question
from tests.builders.slack_world import a_slack_world
from tests.builders.stores import Answers, another_store
from tests.builders.world import World, a_world
from tests.doubles.cosmos import Front, a_cosmos

NOTHING = {"carried": 0, "questions": 0, "failed": 0, "left": 0}


@pytest.fixture
async def cosmos(cosmos_url: str) -> AsyncIterator[tuple[Front, CosmosConfig]]:
    async with a_cosmos(cosmos_url, timeout_s=1.0) as made:
        yield made


@asynccontextmanager
async def a_store(config: CosmosConfig, instance: Instance) -> AsyncIterator[OfflineStore]:
    """Open a store with a spool in an instance's folder; afterwards what waited is still there."""
    near = SqliteStore.open(instance.spool_path, hold=instance.hold)
    store = OfflineStore(CosmosStore(config, hold=instance.hold), OfflineQueue(near, most=1_000))
    try:
        await store.spool.load()
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def a_bot(config: CosmosConfig, instance: Instance) -> AsyncIterator[tuple[World, OfflineStore]]:
    """Run a bot in an instance's folder; afterwards it is gone."""
    async with a_store(config, instance) as store, a_world(store=store) as world:
        world.answerer = Answers()
        yield world, store


async def ask_and_rate(front: Front, world: World) -> None:
    """Ask a question; ask and rate another one while the store is away."""
    await world.ask("How much leave?", id="1")
    await world.settled()
    front.gone = True
    await world.ask("And for parents?", id="2")
    await world.settled()
    thumb = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": "{}"}}
    status, _ = await world.post(
        world.activity("invoke", name="message/submitAction", value=thumb, replyToId="m2", id="press")
    )
    assert status == 200


async def drained(config: CosmosConfig, data_dir: Path) -> Any:
    settings = Settings(data_dir=data_dir)
    async with another_store(config) as far:
        return await run(JobContext(settings, far))


async def test_what_a_gone_bot_left_is_carried_over_and_its_open_questions_are_handed_to_others(
    cosmos: tuple[Front, CosmosConfig], tmp_path: Path
) -> None:
    front, config = cosmos
    with open_instance(tmp_path) as instance:
        async with a_bot(config, instance) as (world, store):
            await ask_and_rate(front, world)
            open_question = question(7, reply_to=json.dumps({"conversation": {"id": "a:chat"}}))
            await store.spool.keep_question(open_question)
            assert store.spool.records >= 3
    front.heal()
    done = await drained(config, tmp_path)
    assert (done["questions"], done["failed"], done["left"]) == (1, 0, 0)
    assert done["carried"] >= 2
    async with another_store(config) as far:
        [second] = [
            answer
            for answer in await far.answers_after(("", ""), 10)
            if answer.question.text == "And for parents?"
        ]
        assert await far.find_message(second.question.id)
        [word] = await far.feedback_on(second.id)
        assert word.value == "dislike"
        assert await ReviewRepository(far.documents).review(second.id) is not None
        held = await far.answer(derive_answer_id(open_question.id))
        assert held is None
        row = next(row for row in await far.rows("question") if row.fields["id"] == open_question.id)
        assert row.fields["message_id"] is None
        assert "a:chat" in row.fields["reply_to"]
    assert await drained(config, tmp_path) == NOTHING


async def test_a_message_that_was_deleted_in_slack_is_forgotten_and_holds_nothing_up(
    cosmos: tuple[Front, CosmosConfig], tmp_path: Path
) -> None:
    front, config = cosmos
    with open_instance(tmp_path) as instance:
        async with a_store(config, instance) as store, a_slack_world(store=store) as world:
            world.answerer = Answers()
            asked = world.dm("How much leave?")
            await world.event(asked)
            await world.settled()
            front.gone = True
            assert await world.event(world.deletion(asked)) == 200
            await world.settled()
            assert store.spool.records >= 1
    front.heal()
    done = await drained(config, tmp_path)
    assert (done["failed"], done["left"]) == (0, 0)
    async with another_store(config) as far:
        assert not await far.answers_after(("", ""), 10)
    assert await drained(config, tmp_path) == NOTHING


async def test_the_folder_of_a_running_bot_is_left_alone(
    cosmos: tuple[Front, CosmosConfig], tmp_path: Path
) -> None:
    front, config = cosmos
    with open_instance(tmp_path) as instance:
        async with a_bot(config, instance) as (world, store):
            await ask_and_rate(front, world)
            front.heal()
            waits = store.spool.records
            assert await drained(config, tmp_path) == NOTHING
            assert store.spool.records == waits > 0
            await asyncio.sleep(2.1)  # the pause after a failure
            assert await store.drain() == waits


async def test_what_nobody_here_can_do_is_left_as_it_is(
    cosmos: tuple[Front, CosmosConfig], tmp_path: Path
) -> None:
    _, config = cosmos
    with open_instance(tmp_path) as instance:
        near = SqliteStore.open(instance.spool_path, hold=instance.hold)
        await OfflineQueue(near, most=10).keep("a word of a later version", {"x": 1})
        await near.close()
    assert await drained(config, tmp_path) == NOTHING | {"left": 1}
    near = SqliteStore.open(instance.spool_path, hold=instance.hold)
    spool = OfflineQueue(near, most=10)
    await spool.load()
    assert (spool.records, spool.failed) == (1, 0)
    await near.close()


async def test_a_file_store_has_nothing_to_carry_over(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    assert await run(JobContext(Settings(data_dir=tmp_path), store)) == NOTHING
    await store.close()

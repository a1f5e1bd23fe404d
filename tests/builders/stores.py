"""Stores for tests of what holds in each of them: SQLite, Cosmos DB, and a spool before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.records import Answer, Question, derive_answer_id
from feedback.store.base import ProcessLease, StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.documents import Documents
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.rows import Row, every_row
from feedback.store.sqlite import SqliteStore
from tests.builders.records import answer, question, thumb
from tests.builders.reviewing import REVIEWERS_CHANNEL, ROBIN, actions_of, card_of, shown_in, subscribe
from tests.builders.world import MemoryDocuments, ScriptedAnswerer, World, a_world
from tests.doubles.cosmos import Front, a_cosmos

STORES = ("sqlite", "cosmos", "memory")


@pytest.fixture(params=STORES)
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    if request.param == "memory":
        yield MemoryDocuments()
        return
    async with AsyncExitStack() as closing:
        store: SqliteStore | CosmosStore
        if request.param == "cosmos":
            _, config = await closing.enter_async_context(a_cosmos(request.getfixturevalue("cosmos_url")))
            store = await CosmosStore.open(config)
        else:
            store = SqliteStore.open(tmp_path / "s")
        closing.push_async_callback(store.close)
        yield store.documents


Store = SqliteStore | CosmosStore


@pytest.fixture(params=("sqlite", "cosmos"))
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


async def answered(store: Store, number: int, **changes: object) -> Answer:
    """Keep a question, its answer and a thumb."""
    asked = question(number, **changes)
    given = answer(asked, derive_answer_id(asked.id))
    await store.add_question(asked)
    await store.add_answer(given)
    await store.mark_delivered(asked.id, f"m{number}")
    await store.put_feedback(thumb(given))
    return given


Json = dict[str, Any]

TIMEOUT_S = 1.0


class Answers(ScriptedAnswerer):
    """Answers with the ids that real answers have."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        async for item in super().stream(question, history):
            yield replace(item, id=derive_answer_id(question.id)) if isinstance(item, Answer) else item


@dataclass
class Afternoon:
    """A bot on Cosmos DB with a spool, and two answers from before any failure, the first under review."""

    world: World
    front: Front
    config: CosmosConfig
    store: OfflineStore
    review_card: Any = None
    messages: dict[str, str] = field(default_factory=dict[str, str])

    async def post_twice(self, activity: Json) -> Json:
        """Post an activity like a channel that did not hear the answer; return the first one's body."""
        bodies = [await self.world.post(activity) for _ in range(2)]
        assert [status for status, _ in bodies] == [200, 200], bodies
        return json.loads(bodies[0][1] or "{}")

    async def ask(self, number: int, **fields: Any) -> None:
        await self.post_twice(
            self.world.activity(text=f"How much leave, part {number}?", id=str(number), **fields)
        )

    async def thumb(self, on: int, value: str, press: str) -> None:
        action = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": "{}"}}
        thumb = self.world.activity(
            "invoke", name="message/submitAction", value=action, replyToId=self.message_of(on), id=press
        )
        await self.post_twice(thumb)

    async def rule(self, verb: str, press: str, person: Json = ROBIN, **inputs: Any) -> str:
        """Press a button of the review card; return what the reviewer is told, "" for a card."""
        data = actions_of(card_of(self.review_card))[verb] | inputs
        value = {"action": {"type": "Action.Execute", "verb": verb, "data": data}}
        place = REVIEWERS_CHANNEL | {"id": REVIEWERS_CHANNEL["id"] + ";messageid=m1"}
        invoke = self.world.activity(
            "invoke",
            name="adaptiveCard/action",
            value=value,
            conversation=place,
            id=press,
            **{"from": person},
        )
        body = await self.post_twice(invoke)
        return body["value"] if isinstance(body["value"], str) else ""

    def message_of(self, number: int) -> str:
        """Return the message that shows a question's answer, also when the card sync has rewritten it."""
        for message_id, activity in self.world.connector.shown.items():
            if activity["type"] == "message" and activity.get("replyToId"):
                self.messages.setdefault(activity["replyToId"], message_id)
        return self.messages[str(number)]

    def answers_shown(self, number: int) -> int:
        return sum(
            call.is_message
            and "You get" in call.activity.get("text", "")
            and call.activity.get("replyToId") == str(number)
            for call in self.world.connector.calls
        )

    async def back(self) -> None:
        """The store is back: wait until nothing waits."""
        self.front.heal()
        async with asyncio.timeout(20):
            while self.store.waiting.away_since_s is not None or self.store.spool.records:
                await asyncio.sleep(0.1)
                try:
                    await self.store.drain()
                except StoreUnavailable:
                    continue

    async def rows(self) -> list[Row]:
        """Return everything that Cosmos DB holds, asked by somebody else."""
        async with another_store(self.config) as far:
            return [
                row
                for table in ("question", "answer", "feedback", "document")
                async for row in every_row(far, table)
            ]


@asynccontextmanager
async def another_store(config: CosmosConfig) -> AsyncGenerator[CosmosStore]:
    """Open the store as another process does."""
    store = await CosmosStore.open(replace(config, timeout_s=5.0))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def a_spooled_store(
    config: CosmosConfig, path: Path, *, most: int = 1_000
) -> AsyncGenerator[OfflineStore]:
    hold = ProcessLease("this process")
    store = OfflineStore(
        CosmosStore(config, hold=hold), OfflineQueue(SqliteStore.open(path, hold=hold), most=most)
    )
    await store.spool.load()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def an_afternoon(cosmos_url: str, tmp_path: Path, *, most: int = 1_000) -> AsyncGenerator[Afternoon]:
    async with AsyncExitStack() as closing:
        front, config = await closing.enter_async_context(a_cosmos(cosmos_url, timeout_s=TIMEOUT_S))
        store = await closing.enter_async_context(
            a_spooled_store(config, tmp_path / "spool.sqlite3", most=most)
        )
        world = await closing.enter_async_context(a_world(store=store))
        world.answerer = Answers()
        afternoon = Afternoon(world, front, config, store)
        await subscribe(world)
        await afternoon.ask(1)
        await afternoon.ask(2)
        await world.settled()
        await afternoon.thumb(1, "dislike", "press 1")
        afternoon.review_card = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
        yield afternoon


@pytest.fixture
async def afternoon(cosmos_url: str, tmp_path: Path) -> AsyncIterator[Afternoon]:
    async with an_afternoon(cosmos_url, tmp_path) as afternoon:
        yield afternoon


def but_for_the_trail(exported: bytes) -> list[str]:
    """Return the lines of an export that do not say who made it, and who copied the store."""
    return [line for line in exported.decode().splitlines() if json.loads(line).get("kind") != "audit"]

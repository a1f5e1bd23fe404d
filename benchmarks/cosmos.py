"""What a flow of the bot costs in Cosmos DB: round trips, and request units.

Run as: python -m benchmarks.cosmos

The bot is the real one behind its Teams front end, with its outbox before the store; only the model is
scripted. The account is a server of
Cosmos DB's protocol on this machine, whose request charges are made up (1 for whatever is asked): they are
printed to show that they are counted. Beside them stands what Microsoft's rule of thumb says: reading an item
by its id 1 RU for 1 KB and 10 RU for 100 KB, writing one 5 RU for 1 KB and 50 RU for 100 KB. The rule leaves
out two things, which are added as guesses of ours: 1 RU for each write, for our indexes (12 paths and 6
composite ones), and 3 RU for each query, before what it returns is counted as read. Only an account in Azure
tells the truth.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from core.records import Answer, Question, derive_answer_id
from feedback.reviews.repository import WAITING
from feedback.store.base import ProcessLease
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig, make_container
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.rows import every_line
from feedback.store.sqlite import SqliteStore
from tests.builders.reviewing import REVIEWERS_CHANNEL as CHANNEL
from tests.builders.reviewing import press, shown_in, subscribe
from tests.builders.serving import served
from tests.builders.world import (
    PAGE,
    ScriptedAnswerer,
    World,
    a_world,
    pseudonym,
)
from tests.doubles.cosmos import Front, config_of, cosmos_server

QUERY_RU, INDEX_RU = 3.0, 1.0
WORDS = "New parents get paid leave, and whoever adopts a child gets the same. " * 13
FOLLOW_UP = "And what about adoption?"
QUEUE = 20


@dataclass
class Counted:
    """Requests for records: reads by id, writes, queries, and the rule of thumb's request units."""

    reads: int = 0
    writes: int = 0
    queries: int = 0
    units: float = 0.0

    @property
    def trips(self) -> int:
        return self.reads + self.writes + self.queries

    def add(self, request: web.Request, asked: bytes, answered: bytes) -> None:
        """Count one request."""
        kb = max(1.0, max(len(asked), len(answered)) / 1024)
        read_ru, write_ru = 1 + 9 * (kb - 1) / 99, 5 + 45 * (kb - 1) / 99
        if request.headers.get("x-ms-documentdb-isquery", "").lower() == "true":
            self.queries += 1
            self.units += QUERY_RU + read_ru - 1
        elif request.method == "GET":
            self.reads += 1
            self.units += read_ru
        else:
            self.writes += 1
            self.units += write_ru + INDEX_RU


class Measured(Front):
    """A front that counts."""

    def __init__(self, server_url: str) -> None:
        super().__init__(server_url)
        self.counted = Counted()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = await request.read()
        response = await super().handle(request)
        if "/docs" in request.path and isinstance(response, web.Response):
            body = response.body
            self.counted.add(request, asked, body if isinstance(body, bytes) else b"")
        return response


@dataclass(frozen=True)
class Flow:
    """What one flow has cost. `reported` is what the server says."""

    name: str
    counted: Counted
    reported: float
    operations: dict[str, int] = field(default_factory=dict[str, int])

    def row(self) -> str:
        """Return a row of a table."""
        c = self.counted
        operations = ", ".join(f"{count} {name}" for name, count in sorted(self.operations.items()))
        return (
            f"| {self.name} | {c.trips} | {c.reads} | {c.writes} | {c.queries} | "
            f"{self.reported:.0f} | {c.units:.0f} | {operations} |"
        )


class Answers(ScriptedAnswerer):
    """Answers as large as real ones, with the ids of real ones."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        passages = (replace(PAGE, text=WORDS), replace(PAGE, text=WORDS, heading="Adoption"))
        self.changes = {
            "id": derive_answer_id(question.id),
            "passages": passages,
            "answered_at": datetime.now(UTC),
        }
        async for item in super().stream(question, history):
            yield item


class Meter:
    """Runs flows, and remembers what each has cost."""

    def __init__(self, front: Measured, store: CosmosStore, world: World) -> None:
        self.flows: list[Flow] = []
        self._front = front
        self._store = store
        self._world = world

    async def run(self, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """Run one flow to its end; return what it returns."""
        self._front.counted = Counted()
        before = self._charges()
        done = await do()
        await self._world.settled()
        after = self._charges()
        operations = {kind: after[kind][0] - before.get(kind, (0, 0))[0] for kind in after}
        reported = sum(units for _, units in after.values()) - sum(units for _, units in before.values())
        used = {kind: trips for kind, trips in operations.items() if trips}
        self.flows.append(Flow(name, self._front.counted, reported, used))
        self._front.counted = Counted()  # what is done between flows is nobody's
        return done

    def _charges(self) -> dict[str, tuple[int, float]]:
        found = self._store.charges.by_operation
        return {name: (charge.trips, charge.units) for name, charge in found.items()}


def main() -> None:
    """Measure and print a table in Markdown."""
    with cosmos_server() as url:
        flows = asyncio.run(measure(url))
    print(
        "| flow | round trips | reads | writes | queries | "
        "RU reported here | RU by the rule of thumb | operations |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for flow in flows:
        print(flow.row())


async def measure(url: str) -> Sequence[Flow]:
    """Run every flow once, after the connections stand."""
    async with a_measured_front(url) as front:
        config = config_of(front.url)
        await make_container(config)
        async with a_bot(config) as (world, far):
            meter = Meter(front, far, world)
            await run_flows(meter, world, far)
            return meter.flows


@asynccontextmanager
async def a_bot(config: CosmosConfig) -> AsyncGenerator[tuple[World, CosmosStore]]:
    """Run a bot that has answered and had a review claimed, so that it is connected and knows people."""
    lease = ProcessLease("a")
    far = CosmosStore(config, hold=lease)
    with tempfile.TemporaryDirectory() as folder:
        near = SqliteStore.open(Path(folder) / "spool", hold=lease)
        store = OfflineStore(far, OfflineQueue(near, most=1000))
        await store.spool.load()
        async with a_world(store=store) as world:
            world.answerer = Answers()
            await subscribe(world)
            await ask(world, 1)
            await thumb(world, 1, "dislike", "press 0")
            await world.settled()
            await press(world, await shown_in(world, CHANNEL["id"], "Please review"), "review.claim")
            await world.parts.card_sync.process_outbox()
            await world.settled()
            yield world, far
        await store.close()


async def run_flows(meter: Meter, world: World, store: CosmosStore) -> None:
    """Do what people do, one after the other."""
    await meter.run("ask a question", lambda: ask(world, 2))
    await meter.run("the same question, delivered again", lambda: ask(world, 2))
    await meter.run("ask a follow-up", lambda: ask(world, 3, FOLLOW_UP))
    await meter.run("thumbs up", lambda: thumb(world, 2, "like", "press 1"))
    await meter.run("the same thumb, delivered again", lambda: thumb(world, 2, "like", "press 1"))
    await meter.run("thumbs down, which opens a review", lambda: thumb(world, 3, "dislike", "press 2"))
    card = await meter.run(
        "the card sync shows the review to reviewers", lambda: shown_in(world, CHANNEL["id"], FOLLOW_UP)
    )
    await meter.run("a reviewer claims", lambda: press(world, card, "review.claim"))
    await meter.run(
        "a reviewer corrects", lambda: press(world, card, "review.correct", text="You get 18 weeks.")
    )
    await meter.run("the card sync tells everybody", world.parts.card_sync.process_outbox)
    for number in range(10, 10 + QUEUE):
        await ask(world, number)
        await world.settled()
        await thumb(world, number, "dislike", f"press {number}")
        await world.parts.card_sync.process_outbox()
    await meter.run(
        f"a page of the review queue ({QUEUE})", lambda: world.parts.repository.reviews(WAITING, QUEUE)
    )
    await meter.run("export of a person (23 questions)", lambda: export_lines(store))
    await meter.run("a question is deleted by its asker", lambda: delete(world, 2))
    await meter.run("idle: one look at open questions (every 30 s)", store.take_undelivered)
    await meter.run("idle: one look at the outbox (every 10 s)", world.parts.card_sync.process_outbox)
    await meter.run("idle: one look at verified answers (every 10 s)", world.parts.card_sync.look_at_pages)


async def ask(world: World, number: int, text: str = "") -> None:
    """Ask a question, and wait for the answer."""
    await world.ask(text or f"How much leave do parents get, part {number}?", id=str(number))


async def thumb(world: World, on: int, value: str, activity: str) -> None:
    """Press a thumb below an answer."""
    await world.settled()
    [message] = [
        message_id
        for message_id, shown in world.connector.shown.items()
        if shown["type"] == "message" and shown.get("replyToId") == str(on)
    ][:1]
    action = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": json.dumps({})}}
    await world.post(
        world.activity("invoke", name="message/submitAction", value=action, replyToId=message, id=activity)
    )


async def delete(world: World, number: int) -> None:
    """Delete a question in the chat."""
    await world.post(world.activity("messageDelete", id=str(number)))


async def export_lines(store: CosmosStore) -> list[str]:
    """Return everything of the one who asked."""
    return [line async for line in every_line(store, pseudonym("aad-ada"))]


@asynccontextmanager
async def a_measured_front(server_url: str) -> AsyncGenerator[Measured]:
    """Run a front that counts."""
    front = Measured(server_url)
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", front.handle)
    async with served(app) as front.url, aiohttp.ClientSession(auto_decompress=True) as front.http:
        yield front
        front.heal()


if __name__ == "__main__":
    main()

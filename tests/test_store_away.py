"""Cosmos DB fails in every way, and the bot keeps its word: what people see meanwhile, and that nothing is lost or doubled.

The server is the one of tests/cosmos.py; its front fails. Each fault of the table stands for a whole afternoon: people
go on asking, rating, deleting and ruling, every activity arrives twice, then the store is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.dialogs.review import Reviewing
from bot.upkeep import Upkeep
from exporters.recording import recording
from feedback.cosmos import CosmosStore, client_of, make_container
from feedback.cosmos_schema import CosmosConfig
from feedback.desk import WAITING, Desk
from feedback.rows import Row, every_row
from feedback.spool import Spool, SpooledStore
from feedback.sqlite import SqliteStore
from feedback.store import Hold, StoreUnavailable
from records import Answer, Question, Ruling, Verdict, answer_id_of
from tests.cosmos import Fault, Front, a_cosmos, cosmos_front, place_of
from tests.needs import ROOT
from tests.test_review_scenario import (
    BOB,
    BOBS_CHAT,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    shown_in,
    subscribe,
)
from tests.world import NO_SAMPLE, NothingKnown, ScriptedAnswerer, World, a_world, pseudonym, served

Json = dict[str, Any]
FOR_EVER = 1_000_000
TIMEOUT_S = 1.0


class Answers(ScriptedAnswerer):
    """Answers with the ids that real answers have."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        async for item in super().stream(question, history):
            yield replace(item, id=answer_id_of(question.id)) if isinstance(item, Answer) else item


@dataclass
class Afternoon:
    """A bot on Cosmos DB with a spool, and two answers from before anything failed, the first one under review."""

    world: World
    front: Front
    config: CosmosConfig
    store: SpooledStore
    review_card: Any = None
    messages: dict[str, str] = field(default_factory=dict[str, str])

    async def post_twice(self, activity: Json) -> Json:
        """Post an activity as a channel does that has not heard the answer; return the body of the first one."""
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
        """Return the message that shows the answer to a question, also when the courier has written over it."""
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
) -> AsyncGenerator[SpooledStore]:
    hold = Hold("this process")
    store = SpooledStore(CosmosStore(config, hold=hold), Spool(SqliteStore.open(path, hold=hold), most=most))
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


async def live_through(afternoon: Afternoon) -> str:
    """Ask, rate, delete and rule; return what the reviewer was told."""
    world = afternoon.world
    await afternoon.ask(3)
    await afternoon.ask(4, conversation=BOBS_CHAT, **{"from": BOB})
    async with asyncio.timeout(30):
        await world.connector.until(lambda _: afternoon.answers_shown(3) and afternoon.answers_shown(4), 30)
    await world.settled()
    await afternoon.thumb(3, "dislike", "press 2")
    await afternoon.thumb(2, "like", "press 3")
    told = await afternoon.rule("review.correct", "press 4", text="You get 18 weeks.")
    reaction = {"reactionsAdded": [{"type": "heart"}], "replyToId": afternoon.message_of(3), "id": "press 5"}
    await afternoon.post_twice(world.activity("messageReaction", **reaction))
    await afternoon.post_twice(world.activity("messageDelete", id="2"))
    return told


FAULTS: dict[str, tuple[list[Fault], bool]] = {
    "throttled, with when to come back": (
        [Fault("status", FOR_EVER, 429, {"x-ms-retry-after-ms": "50"})],
        True,
    ),
    "throttled now and then": ([Fault("status", 6, 429, {"x-ms-retry-after-ms": "5"})], False),
    "throttled, without a word": ([Fault("status", FOR_EVER, 429)], True),
    "unavailable (503)": ([Fault("status", FOR_EVER, 503)], True),
    "gone (410)": ([Fault("status", FOR_EVER, 410)], True),
    "broken (500)": ([Fault("status", FOR_EVER, 500)], True),
    "never answers": ([Fault("hang", FOR_EVER)], True),
    "drops every connection unheard": ([Fault("drop before", FOR_EVER)], True),
    "does what is asked and drops the connection": ([Fault("drop after", FOR_EVER)], True),
    "writes once and drops the connection": (
        [
            Fault(
                "drop after",
                3,
                when=lambda method, path: method == "POST" and path.rstrip("/").endswith("/docs"),
            )
        ],
        False,
    ),
    "takes no writes": (
        [Fault("status", FOR_EVER, 503, when=lambda method, _: method in {"POST", "PATCH", "PUT", "DELETE"})],
        True,
    ),
    "says that its etags are others (412)": (
        [Fault("status", FOR_EVER, 412, when=lambda method, _: method == "PATCH")],
        True,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_whatever_fails_nothing_acknowledged_is_lost_or_doubled(
    afternoon: Afternoon, name: str
) -> None:
    faults, away = FAULTS[name]
    afternoon.front.faults += [replace(fault) for fault in faults]
    told = await live_through(afternoon)
    assert any(fault.met for fault in afternoon.front.faults)
    if away:
        assert "kept here" in told
        assert afternoon.store.spool.records
    await afternoon.back()
    await check(afternoon)


async def check(afternoon: Afternoon) -> None:
    """Look at what Cosmos DB holds in the end, and at what people saw."""
    rows = await afternoon.rows()
    asked = sorted(row.key.rpartition(":")[2] for row in rows if row.table == "question")
    assert asked == ["1", "3", "4"]  # 2 was deleted
    answers = [row.fields["question_id"] for row in rows if row.table == "answer"]
    assert sorted(one.rpartition(":")[2] for one in answers) == ["1", "3", "4"]
    words = sorted(
        (row.fields["answer_id"], row.fields["kind"], json.loads(row.fields["record"])["value"])
        for row in rows
        if row.table == "feedback"
    )
    first, third = (answer_id_of(f"msteams:a:chat:{number}") for number in (1, 3))
    assert words == sorted(
        [(first, "thumb", "dislike"), (third, "reaction", "heart"), (third, "thumb", "dislike")]
    )
    assert {row.fields["giver"] for row in rows if row.table == "feedback"} == {pseudonym("aad-ada")}
    review = await afternoon.world.parts.desk.review(first)
    assert review is not None
    assert [verdict.ruling for verdict in review.verdicts] == [Ruling.CORRECTED]
    assert review.settled_at
    assert await afternoon.world.parts.desk.review(third)  # the thumb that waited has opened it
    verified = await afternoon.world.parts.desk.verified(first)
    assert verified is not None
    assert "18 weeks" in verified.text
    assert [afternoon.answers_shown(number) for number in (1, 3, 4)] == [1, 1, 1]
    assert not [row for row in rows if row.table == "question" and row.fields["message_id"] is None]
    await shown_in(afternoon.world, "a:chat", "18 weeks")  # the asker hears of the ruling


# What is special


async def test_a_server_that_comes_back_empty_takes_what_waited_once_its_container_is_made(
    afternoon: Afternoon,
) -> None:
    async with client_of(afternoon.config) as client:
        await client.delete_database(afternoon.config.database)
    await afternoon.ask(3)
    await afternoon.world.connector.until(lambda _: afternoon.answers_shown(3))
    await afternoon.world.settled()
    await afternoon.thumb(3, "dislike", "press 2")
    with pytest.raises(StoreUnavailable):
        await afternoon.store.drain()
    await make_container(afternoon.config)
    await afternoon.back()
    rows = await afternoon.rows()
    assert [row.key for row in rows if row.table == "question"] == ["msteams:a:chat:3"]
    assert [row.fields["kind"] for row in rows if row.table == "feedback"] == ["thumb"]
    assert await afternoon.world.parts.desk.review(answer_id_of("msteams:a:chat:3"))


async def test_a_reviewer_who_was_too_late_while_the_store_was_away_hears_it(afternoon: Afternoon) -> None:
    card = actions_of(card_of(afternoon.review_card))["review.approve"]
    afternoon.front.gone = True
    assert "kept here" in await afternoon.rule("review.approve", "press 4")
    afternoon.front.heal()
    async with another_store(afternoon.config) as other:
        reviewing = Reviewing(Desk(other.documents), other, NothingKnown(), NO_SAMPLE)
        await reviewing.rule(
            card["answer_id"], 1, Verdict("p-kim", "Kim", Ruling.REJECTED, datetime.now(UTC), source="kims")
        )
    await afternoon.back()
    told = await shown_in(afternoon.world, REVIEWERS_CHANNEL["id"] + ";messageid=m1", "could not be taken up")
    assert "Kim has already rejected it" in told.activity["text"]
    review = await afternoon.world.parts.desk.review(card["answer_id"])
    assert review is not None
    assert [verdict.reviewer for verdict in review.verdicts] == ["p-kim"]


async def test_nobody_can_claim_while_the_store_is_away_and_hears_what_to_do(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    assert "decide at once" in await afternoon.rule("review.claim", "press 4")
    assert not afternoon.store.spool.records


async def test_what_is_said_while_older_words_wait_goes_behind_them(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    await afternoon.thumb(1, "like", "press 2")
    afternoon.front.heal()
    await asyncio.sleep(2.1)  # the pause after a failed call
    await afternoon.thumb(1, "dislike", "press 3")
    assert afternoon.store.spool.records == 4  # each came twice
    await afternoon.back()
    answer = answer_id_of("msteams:a:chat:1")
    values = [word.value for word in await afternoon.store.feedback_on(answer)]
    assert values == ["dislike"]


async def test_a_full_spool_takes_no_more_and_says_so_until_the_store_is_back(
    cosmos_url: str, tmp_path: Path
) -> None:
    with recording() as told:
        await fill_the_spool(cosmos_url, tmp_path)
    assert len(told.events("store_away")) == 1
    assert told.events("spool_full") == [{"count": 4}]
    [back] = told.events("store_back")
    assert back["count"] >= 4
    assert back["seconds"] > 0


async def fill_the_spool(cosmos_url: str, tmp_path: Path) -> None:
    async with an_afternoon(cosmos_url, tmp_path, most=4) as afternoon:
        afternoon.front.gone = True
        await afternoon.thumb(1, "like", "press 2")
        await afternoon.thumb(2, "like", "press 3")
        status, _ = await afternoon.world.post(
            afternoon.world.activity(text="And now?", id="5", conversation=BOBS_CHAT)
        )
        assert status == 200
        await afternoon.world.connector.until(
            lambda heard: any(
                "I cannot keep your question" in c.activity.get("text", "") for c in heard.calls
            )
        )
        assert afternoon.store.waiting.full
        await afternoon.back()
        assert not afternoon.store.waiting.full
        assert not afternoon.answers_shown(5)
        await afternoon.ask(6)
        await afternoon.world.connector.until(lambda _: afternoon.answers_shown(6))


async def test_an_entry_that_cannot_be_done_is_set_aside_and_holds_nothing_up(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    await afternoon.store.spool.keep("from a newer program", {"x": 1})
    await afternoon.thumb(1, "like", "press 2")
    await afternoon.back()
    assert afternoon.store.waiting.failed == 1
    assert [word.value for word in await afternoon.store.feedback_on(answer_id_of("msteams:a:chat:1"))] == [
        "like"
    ]


async def test_where_the_disk_of_the_spool_is_full_too_nothing_is_acknowledged(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))  # every write of a file fails
    try:
        thumb = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": "{}"}}
        press = afternoon.world.activity(
            "invoke",
            name="message/submitAction",
            value=thumb,
            replyToId=afternoon.message_of(1),
            id="press 2",
        )
        assert (await afternoon.world.post(press))[0] == 503
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not afternoon.store.spool.records
    await afternoon.post_twice(press)  # there is room again
    await afternoon.back()
    assert [word.value for word in await afternoon.store.feedback_on(answer_id_of("msteams:a:chat:1"))] == [
        "like"
    ]


@pytest.mark.parametrize(
    ("records", "most", "status", "told"), [(0, 9, 200, "spooling"), (2, 2, 503, "full")]
)
async def test_whoever_asks_whether_it_is_ready_hears_that_the_store_is_away(
    afternoon: Afternoon, records: int, most: int, status: int, told: str
) -> None:
    upkeep = Upkeep(
        afternoon.world.asking, lambda _: None, afternoon.store, Hold(), afternoon.world.parts.privacy
    )
    app = web.Application()
    app.router.add_get("/readyz", upkeep.ready)
    async with served(app) as url, aiohttp.ClientSession() as http:
        async with http.get(f"{url}/readyz") as reply:
            assert (reply.status, await reply.json()) == (200, {"status": "ready", "waiting": 0, "failed": 0})
        afternoon.front.gone = True
        if records:
            await afternoon.thumb(1, "like", "press 2")
        with pytest.raises(StoreUnavailable):
            await afternoon.store.drain()
        afternoon.store.spool.most = most
        async with http.get(f"{url}/readyz") as reply:
            body = await reply.json()
            assert (reply.status, body["status"], body["waiting"]) == (status, told, records)


async def test_a_drain_that_is_killed_again_and_again_loses_and_doubles_nothing(
    cosmos_url: str, tmp_path: Path
) -> None:
    async with an_afternoon(cosmos_url, tmp_path) as afternoon:
        afternoon.front.gone = True
        for number in range(30, 42):
            await afternoon.ask(number)
        await afternoon.world.connector.until(lambda _: all(map(afternoon.answers_shown, range(30, 42))))
        await afternoon.world.settled()
        for number in range(30, 42):
            await afternoon.thumb(number, "dislike", f"press {number}")
        waiting = afternoon.store.spool.records
    assert waiting > 30
    async with cosmos_front(cosmos_url) as front:
        config = replace(afternoon.config, endpoint=front.url)
        kills = 0
        while not await drained(config, tmp_path / "spool.sqlite3", front, kill_after=90):
            kills += 1
        assert kills >= 2
        async with another_store(config) as far:
            asked = [row.fields async for row in every_row(far, "question")]
            words = [row.fields["answer_id"] async for row in every_row(far, "feedback")]
            reviews, _ = await Desk(far.documents).reviews(WAITING, 100)
    assert len(asked) == 14
    assert all(fields["message_id"] for fields in asked)
    thumbed = [answer_id_of(f"msteams:a:chat:{number}") for number in [1, *range(30, 42)]]
    assert sorted(words) == sorted(thumbed)
    assert {review.answer_id for review in reviews} == set(thumbed)


async def drained(config: CosmosConfig, path: Path, front: Front, *, kill_after: int) -> bool:
    """Let a process drain a spool, and kill it after so many requests; True when it was through before."""
    before = len(front.requests)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.drain", json.dumps(place_of(config)), str(path), cwd=ROOT
    )
    while process.returncode is None and len(front.requests) < before + kill_after:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.02)
    if process.returncode is None:
        process.kill()
        await process.wait()
        return False
    assert process.returncode == 0
    return True

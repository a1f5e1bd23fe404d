"""Cosmos DB fails in every way, and the bot keeps its word: what people see; nothing is lost or doubled.

The server is the one of tests/doubles/cosmos.py; its front fails. Each fault of the table stands for a whole
afternoon: people go on asking, rating, deleting and ruling, every activity arrives twice, then the store is
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.background import PeriodicTasks
from bot.dialogs.review import Reviewing
from core.cosmos_client import open_client
from core.records import Ruling, Verdict, derive_answer_id
from exporters.in_memory import recording
from feedback.reviews.repository import WAITING, ReviewRepository
from feedback.store.base import ProcessLease, StoreUnavailable
from feedback.store.cosmos_schema import CosmosConfig, make_container
from feedback.store.rows import every_row
from tests.builders.reviewing import BOB, BOBS_CHAT, REVIEWERS_CHANNEL, actions_of, card_of, shown_in
from tests.builders.serving import served
from tests.builders.stores import Afternoon, afternoon, an_afternoon, another_store
from tests.builders.world import (
    NO_SAMPLE,
    NothingKnown,
    pseudonym,
)
from tests.doubles.cosmos import Fault, Front, cosmos_front, place_of
from tests.processes.forked import start_module

__all__ = ["afternoon"]


FOR_EVER = 1_000_000


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
        assert "saved here" in told
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
    first, third = (derive_answer_id(f"msteams:a:chat:{number}") for number in (1, 3))
    assert words == sorted(
        [(first, "thumb", "dislike"), (third, "reaction", "heart"), (third, "thumb", "dislike")]
    )
    assert {row.fields["giver"] for row in rows if row.table == "feedback"} == {pseudonym("aad-ada")}
    review = await afternoon.world.parts.repository.review(first)
    assert review is not None
    assert [verdict.ruling for verdict in review.verdicts] == [Ruling.CORRECTED]
    assert review.settled_at
    assert await afternoon.world.parts.repository.review(third)  # the thumb that waited has opened it
    verified = await afternoon.world.parts.repository.read_verified(first)
    assert verified is not None
    assert "18 weeks" in verified.text
    assert [afternoon.answers_shown(number) for number in (1, 3, 4)] == [1, 1, 1]
    assert not [row for row in rows if row.table == "question" and row.fields["message_id"] is None]
    await shown_in(afternoon.world, "a:chat", "18 weeks")  # the asker hears of the ruling


# What is special


async def test_a_server_that_comes_back_empty_takes_what_waited_once_its_container_is_made(
    afternoon: Afternoon,
) -> None:
    async with open_client(afternoon.config) as client:
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
    assert await afternoon.world.parts.repository.review(derive_answer_id("msteams:a:chat:3"))


async def test_a_reviewer_who_was_too_late_while_the_store_was_away_hears_it(afternoon: Afternoon) -> None:
    card = actions_of(card_of(afternoon.review_card))["review.approve"]
    afternoon.front.gone = True
    assert "saved here" in await afternoon.rule("review.approve", "press 4")
    afternoon.front.heal()
    async with another_store(afternoon.config) as other:
        reviewing = Reviewing(ReviewRepository(other.documents), other, NothingKnown(), NO_SAMPLE)
        await reviewing.rule(
            card["answer_id"], 1, Verdict("p-kim", "Kim", Ruling.REJECTED, datetime.now(UTC), source="kims")
        )
    await afternoon.back()
    told = await shown_in(afternoon.world, REVIEWERS_CHANNEL["id"] + ";messageid=m1", "did not take effect")
    assert "Kim has already decided" in told.activity["text"]
    review = await afternoon.world.parts.repository.review(card["answer_id"])
    assert review is not None
    assert [verdict.reviewer for verdict in review.verdicts] == ["p-kim"]


async def test_nobody_can_claim_while_the_store_is_away_and_hears_what_to_do(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    assert "decide without" in await afternoon.rule("review.claim", "press 4")
    assert not afternoon.store.spool.records


async def test_what_is_said_while_older_words_wait_goes_behind_them(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    await afternoon.thumb(1, "like", "press 2")
    afternoon.front.heal()
    await asyncio.sleep(2.1)  # the pause after a failed call
    await afternoon.thumb(1, "dislike", "press 3")
    assert afternoon.store.spool.records == 4  # each came twice
    await afternoon.back()
    answer = derive_answer_id("msteams:a:chat:1")
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
                "I cannot store your question" in c.activity.get("text", "") for c in heard.calls
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
    assert [
        word.value for word in await afternoon.store.feedback_on(derive_answer_id("msteams:a:chat:1"))
    ] == ["like"]


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
    assert [
        word.value for word in await afternoon.store.feedback_on(derive_answer_id("msteams:a:chat:1"))
    ] == ["like"]


@pytest.mark.parametrize(
    ("records", "most", "status", "told"), [(0, 9, 200, "spooling"), (2, 2, 503, "full")]
)
async def test_whoever_asks_whether_it_is_ready_hears_that_the_store_is_away(
    afternoon: Afternoon, records: int, most: int, status: int, told: str
) -> None:
    upkeep = PeriodicTasks(
        afternoon.world.asking, lambda _: None, afternoon.store, ProcessLease(), afternoon.world.parts.privacy
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
            reviews, _ = await ReviewRepository(far.documents).reviews(WAITING, 100)
    assert len(asked) == 14
    assert all(fields["message_id"] for fields in asked)
    thumbed = [derive_answer_id(f"msteams:a:chat:{number}") for number in [1, *range(30, 42)]]
    assert sorted(words) == sorted(thumbed)
    assert {review.answer_id for review in reviews} == set(thumbed)


async def drained(config: CosmosConfig, path: Path, front: Front, *, kill_after: int) -> bool:
    """Let a process drain a spool, and kill it after so many requests; True when it was through before."""
    before = len(front.requests)
    process = await start_module("tests.processes.drain", json.dumps(place_of(config)), str(path))
    while process.returncode is None and len(front.requests) < before + kill_after:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.02)
    if process.returncode is None:
        process.kill()
        await process.wait()
    process.close()
    assert process.returncode in {0, -signal.SIGKILL}
    return process.returncode == 0

"""Fifty raters and ten reviewers at once, deliveries doubled and out of order, a bot killed five times."""

from __future__ import annotations

import asyncio
import random
import socket
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from core.records import Review
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.serving import served
from tests.builders.world import (
    live,
    pseudonym,
)
from tests.doubles.teams_connector import ConnectorService
from tests.processes.storm import CHANNEL, Bot, Json, Storm
from tests.processes.storm_bot import REVIEWERS

RATERS, CHATS, QUESTIONS, KILLS = 50, 10, 4, 5


@asynccontextmanager
async def running(path: Path) -> AsyncGenerator[tuple[Storm, ConnectorService, Bot]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connector, bot = ConnectorService(), Bot(path, port, warm=True)
    timeout = aiohttp.ClientTimeout(total=20)
    async with served(connector.app) as service_url, aiohttp.ClientSession(timeout=timeout) as http:
        url = f"http://127.0.0.1:{port}/api/messages"
        await bot.start()
        try:
            yield Storm(url, service_url, http, random.Random(7)), connector, bot  # noqa: S311 - nothing secret
        finally:
            await bot.kill()


@pytest.mark.timeout(280)
async def test_nothing_acknowledged_is_lost_or_doubled_and_no_answer_has_two_rulings(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with running(path) as (storm, connector, bot):
        here = storm.activity("message", "0", "r0", CHANNEL, text="reviewers here")
        await storm.deliver(here)
        chats = [{"id": f"a:{n}", "conversationType": "personal", "tenantId": "t1"} for n in range(CHATS)]
        for chat in chats:
            for number in range(QUESTIONS):
                await storm.deliver(
                    storm.activity(
                        "message", str(number), "asker", chat, text=f"How many days, part {number}?"
                    )
                )
        answers = await connector.until(lambda service: enough_answers(service, CHATS * QUESTIONS), 60)
        done = asyncio.Event()
        reviewers = [
            asyncio.create_task(storm.review(name.removeprefix("aad-"), connector, done))
            for name in REVIEWERS
        ]
        raters = [
            asyncio.create_task(storm.rate(rater, chat, message_id))
            for rater in range(RATERS)
            for chat, message_id in storm.dice.sample(answers, 4)
        ]
        for _ in range(KILLS):
            await asyncio.sleep(0.7)
            await bot.kill()
            await bot.start()
        await asyncio.wait_for(asyncio.gather(*raters), 120)
        for _ in range(120):  # a slow machine has reviewers who are behind
            if sum(map(bool, storm.ruled.values())) >= CHATS * QUESTIONS // 2:
                break
            await asyncio.sleep(0.5)
        done.set()
        await asyncio.wait_for(asyncio.gather(*reviewers), 60)
    await check_words(path, storm)
    await check_rulings(path, storm)


def enough_answers(service: ConnectorService, count: int) -> list[tuple[Json, str]] | None:
    found = [
        (activity["conversation"], message_id)
        for message_id, activity in service.shown.items()
        if activity["type"] == "message" and "You get 16 weeks" in activity.get("text", "")
    ]
    return found if len(found) == count else None


async def check_words(path: Path, storm: Storm) -> None:
    """Each acknowledged word is one row; of several of one person the one said last counts."""
    rows = sqlite3.connect(path).execute("SELECT answer_id, giver, source FROM feedback").fetchall()
    kept = Counter(source.rpartition(":f:")[2].rstrip("|") for _, _, source in rows)
    assert set(kept) == {name.removeprefix("f:") for name in storm.words}
    assert set(kept.values()) == {1}
    store = SqliteStore.open(path)
    last: dict[tuple[str, str, str], Json] = {}
    for activity in storm.words.values():
        name = (activity["conversation"]["id"], activity["replyToId"], activity["from"]["aadObjectId"])
        if name not in last or last[name]["timestamp"] < activity["timestamp"]:
            last[name] = activity
    for (conversation, message_id, person), activity in last.items():
        answer = await store.answer_in_message(conversation, message_id)
        assert answer is not None
        [mine] = [word for word in await store.feedback_on(answer.id) if word.giver == pseudonym(person)]
        assert mine.comment == activity["id"]
        assert mine.value == activity["value"]["actionValue"]["reaction"]
    await store.close()


async def check_rulings(path: Path, storm: Storm) -> None:
    """Each settled review has one verdict, of the one reviewer who was told that it was taken."""
    store = SqliteStore.open(path)
    repository = ReviewRepository(store.documents)
    settled, _ = await repository.reviews(SETTLED, 1_000)
    waiting, _ = await repository.reviews(WAITING, 1_000)
    assert len(settled) >= CHATS * QUESTIONS // 2
    assert [len(review.verdicts) for review in settled] == [1] * len(settled)
    assert not any(review.verdicts for review in waiting)
    by_answer: dict[str, Review] = {review.answer_id: review for review in settled}
    for answer_id, reviewers in storm.ruled.items():
        assert [pseudonym(f"aad-{name}") for name in reviewers] == [by_answer[answer_id].verdicts[0].reviewer]
    served_now = {one.answer_id for one in await live(repository)}
    rejected = {review.answer_id for review in settled if review.verdicts[0].ruling == "rejected"}
    assert served_now == by_answer.keys() - rejected
    await store.close()

"""Fifty raters and ten reviewers at once, deliveries twice and out of order, and a bot that is killed five times."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from feedback.desk import SETTLED, WAITING, Desk
from feedback.sqlite import SqliteStore
from records import Review
from tests.conftest import ROOT
from tests.connector import ConnectorService
from tests.storm_bot import REVIEWERS
from tests.test_review_scenario import actions_of
from tests.world import BOT, live, pseudonym, served

Json = dict[str, Any]
RATERS, CHATS, QUESTIONS, KILLS = 50, 10, 4, 5
CHANNEL = {"id": "19:reviewers@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
BEGAN = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class Storm:
    """The channel's side: what was sent, and what was acknowledged."""

    url: str
    service_url: str
    http: aiohttp.ClientSession
    dice: random.Random
    words: dict[str, Json] = field(default_factory=dict[str, Json])
    ruled: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def deliver(self, activity: Json) -> Any:
        """Send an activity until it is acknowledged, as a channel does; return the body."""
        for _ in range(400):
            try:
                async with self.http.post(self.url, json=activity) as response:
                    if response.status == 200:
                        return (
                            await response.json(content_type=None) if activity["type"] == "invoke" else None
                        )
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        raise AssertionError(f"never acknowledged: {activity['id']}")

    def activity(self, kind: str, id_: str, person: str, conversation: Json, **fields: Any) -> Json:
        return {
            "type": kind,
            "id": id_,
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": f"29:{person}", "name": person, "aadObjectId": f"aad-{person}"},
            "recipient": BOT,
            "conversation": conversation,
            **fields,
        }

    async def rate(self, rater: int, chat: Json, message_id: str) -> None:
        """Change one's mind three times about an answer; the deliveries come in any order, some of them twice."""
        said: list[Json] = []
        for change in range(3):
            name = f"f:{rater}:{chat['id']}:{message_id}:{change}"
            at = (BEGAN + timedelta(seconds=change)).isoformat()
            value = self.dice.choice(["like", "dislike"])
            action = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": name}}
            said.append(
                self.activity(
                    "invoke",
                    name,
                    f"p{rater}",
                    chat,
                    name="message/submitAction",
                    value=action,
                    replyToId=message_id,
                    timestamp=at,
                )
            )
        said += self.dice.sample(said, 1)
        self.dice.shuffle(said)
        for activity in said:
            await self.deliver(activity)
            self.words[activity["id"]] = activity

    async def review(self, reviewer: str, connector: ConnectorService, done: asyncio.Event) -> None:
        """Rule on whatever card is there, like everybody else, some of the rulings twice."""
        number = 0
        while not done.is_set():
            cards = [
                card for card in map(actions_of_shown, connector.shown.values()) if "review.approve" in card
            ]
            for actions in self.dice.sample(cards, min(2, len(cards))):
                number += 1
                verb = self.dice.choice(["review.approve", "review.correct", "review.reject", "review.claim"])
                data = actions.get(verb, actions["review.approve"]) | {"text": f"by {reviewer}"}
                verb = data["verb"]
                activity = self.activity(
                    "invoke",
                    f"f:{reviewer}:{number}",
                    reviewer,
                    CHANNEL,
                    name="adaptiveCard/action",
                    value={"action": {"type": "Action.Execute", "verb": verb, "data": data}},
                )
                for _ in range(self.dice.choice([1, 1, 2])):
                    body = await self.deliver(activity)
                    taken = body["type"].endswith("card.adaptive") and verb != "review.claim"
                    if taken and reviewer not in self.ruled[data["answer_id"]]:
                        self.ruled[data["answer_id"]].append(reviewer)
            await asyncio.sleep(0.02)


def actions_of_shown(activity: Json) -> dict[str, Json]:
    cards = [one["content"] for one in activity.get("attachments", [])]
    return actions_of(cards[0]) if cards else {}


class Bot:
    """The process under test."""

    def __init__(self, store: Path, port: int) -> None:
        self.command = [sys.executable, "-m", "tests.storm_bot", str(store), str(port)]
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), 60) == b"ready\n"

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def running(path: Path) -> AsyncGenerator[tuple[Storm, ConnectorService, Bot]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connector, bot = ConnectorService(), Bot(path, port)
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
    desk = Desk(store.documents)
    settled, _ = await desk.reviews(SETTLED, 1_000)
    waiting, _ = await desk.reviews(WAITING, 1_000)
    assert len(settled) >= CHATS * QUESTIONS // 2
    assert [len(review.verdicts) for review in settled] == [1] * len(settled)
    assert not any(review.verdicts for review in waiting)
    by_answer: dict[str, Review] = {review.answer_id: review for review in settled}
    for answer_id, reviewers in storm.ruled.items():
        assert [pseudonym(f"aad-{name}") for name in reviewers] == [by_answer[answer_id].verdicts[0].reviewer]
    served_now = {one.answer_id for one in await live(desk)}
    rejected = {review.answer_id for review in settled if review.verdicts[0].ruling == "rejected"}
    assert served_now == by_answer.keys() - rejected
    await store.close()

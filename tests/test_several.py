"""Three bots on one Cosmos DB: one answer whoever heard, a ruling counts once, a dead one's work is done."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.store.cosmos import CosmosStore
from feedback.store.rows import every_row
from tests.builders.serving import served
from tests.doubles.cosmos import a_cosmos, place_of
from tests.doubles.teams_connector import ConnectorService
from tests.processes.storm import CHANNEL, Bot, Storm, actions_of_shown

Json = dict[str, Any]
BOTS, QUESTIONS = 3, 24
CHATS = [{"id": f"a:{number}", "conversationType": "personal", "tenantId": "t1"} for number in range(6)]


@dataclass
class Several:
    """The channel's side of several bots."""

    bots: list[Bot]
    storms: list[Storm]
    connector: ConnectorService
    store: CosmosStore

    async def deliver_to_all(self, activity: Json, bots: int = BOTS) -> list[Any]:
        """Let every bot hear the same, at once."""
        return await asyncio.gather(*(storm.deliver(activity) for storm in self.storms[:bots]))

    def question(self, number: int) -> Json:
        chat = CHATS[number % len(CHATS)]
        return self.storms[0].activity(
            "message", str(number), "asker", chat, text=f"How many, part {number}?"
        )

    def answers(self) -> Counter[str]:
        """Count the answers on screen by their question."""
        return Counter(
            call.activity["replyToId"]
            for call in self.connector.calls
            if call.is_message and "You get 16" in call.activity.get("text", "") and call.method == "POST"
        )


@asynccontextmanager
async def several(cosmos_url: str, folder: Path) -> AsyncGenerator[Several]:
    async with AsyncExitStack() as closing:
        _, config = await closing.enter_async_context(a_cosmos(cosmos_url))
        connector = ConnectorService()
        connector.bots = BOTS
        service_url = await closing.enter_async_context(served(connector.app))
        http = await closing.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        )
        store = await CosmosStore.open(config)
        closing.push_async_callback(store.close)
        where = json.dumps(place_of(config) | {"spools": str(folder)})
        bots, storms = [], []
        for number in range(BOTS):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            bot = Bot(where, port, warm=True)
            closing.push_async_callback(ended, bot)
            url = f"http://127.0.0.1:{port}/api/messages"
            bots.append(bot)
            storms.append(Storm(url, service_url, http, random.Random(number)))  # noqa: S311 - nothing secret
        await asyncio.gather(*(bot.start() for bot in bots))
        yield Several(bots, storms, connector, store)


@pytest.mark.timeout(200)
async def test_no_answer_comes_twice_no_ruling_is_lost_and_a_dead_bots_questions_are_answered(
    cosmos_url: str, tmp_path: Path
) -> None:
    async with several(cosmos_url, tmp_path) as those:
        here = those.storms[0].activity("message", "0", "r0", CHANNEL, text="reviewers here")
        await those.storms[0].deliver(here)
        await asyncio.gather(
            *(those.deliver_to_all(those.question(number)) for number in range(1, QUESTIONS))
        )
        await those.connector.until(lambda _: len(those.answers()) == QUESTIONS - 1, 60)
        assert set(those.answers().values()) == {1}
        await complain(those)
        told = await rule(those)
        await check_rulings(those, told)
        await survive_one(those)


async def complain(those: Several) -> None:
    """Thumb every answer down, each at another bot."""
    shown = [
        (message_id, activity["conversation"])
        for message_id, activity in those.connector.shown.items()
        if "You get 16" in activity.get("text", "")
    ]
    action = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": "{}"}}
    for number, (message_id, chat) in enumerate(shown):
        storm = those.storms[number % BOTS]
        await storm.deliver(
            storm.activity(
                "invoke",
                f"f:{number}",
                "asker",
                chat,
                name="message/submitAction",
                value=action,
                replyToId=message_id,
            )
        )

    def cards(service: ConnectorService) -> bool:
        found = [
            card["review.approve"]["answer_id"]
            for card in map(actions_of_shown, service.shown.values())
            if "review.approve" in card
        ]
        return len(set(found)) == len(shown)

    await those.connector.until(cards, 60)


async def rule(those: Several) -> dict[str, list[str]]:
    """Let three reviewers rule on each card at once, at three bots; return whose ruling each card took."""
    cards = {
        card["review.approve"]["answer_id"]: card["review.approve"]
        for card in map(actions_of_shown, those.connector.shown.values())
        if "review.approve" in card
    }
    told: dict[str, list[str]] = {}
    for number, (answer_id, data) in enumerate(cards.items()):
        value = {"action": {"type": "Action.Execute", "verb": "review.approve", "data": data}}
        bodies = await asyncio.gather(
            *(
                storm.deliver(
                    storm.activity(
                        "invoke",
                        f"f:{number}:{one}",
                        f"r{one}",
                        CHANNEL,
                        name="adaptiveCard/action",
                        value=value,
                    )
                )
                for one, storm in enumerate(those.storms)
            )
        )
        told[answer_id] = [f"r{one}" for one, body in enumerate(bodies) if isinstance(body["value"], dict)]
    return told


async def check_rulings(those: Several, told: dict[str, list[str]]) -> None:
    """Of three reviewers one has ruled, and was told so; the others heard who it was."""
    repository = ReviewRepository(those.store.documents)
    settled, _ = await repository.reviews(SETTLED, 100)
    waiting, _ = await repository.reviews(WAITING, 100)
    assert not waiting
    assert len(settled) == QUESTIONS - 1
    assert all(len(review.verdicts) == 1 for review in settled)
    assert {review.answer_id: [review.verdicts[0].reviewer_name] for review in settled} == told


async def survive_one(those: Several) -> None:
    """Kill a bot while it has questions in hand: the others answer them."""
    those.connector.hold.clear()  # nobody gets an answer out yet
    numbers = range(QUESTIONS, QUESTIONS + 8)
    await asyncio.gather(*(those.storms[0].deliver(those.question(number)) for number in numbers))
    await those.bots[0].kill()
    those.connector.hold.set()
    wanted = {str(number) for number in numbers}
    await those.connector.until(lambda _: wanted <= set(those.answers()), 60)
    for _ in range(150):
        rows = [row.fields async for row in every_row(those.store, "question")]
        if all(fields["message_id"] for fields in rows):
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError("a question is still open")
    assert set(those.answers().values()) == {1}


async def ended(bot: Bot) -> None:
    if bot.process.returncode is None:
        await bot.kill()

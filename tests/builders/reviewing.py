"""Reviewers in a world: their channel, their cards, and what they press."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

import pytest

from bot.dialogs.answerer import PageAnswerer, Verified
from bot.dialogs.rate import Forms, RatingRules
from core.records import Answer, Question
from feedback.reviews.ruling_changes import read_standing
from tests.builders.world import NO_SAMPLE, World, a_world, an_answer
from tests.doubles.teams_connector import Call
from tests.doubles.teams_limits import broken_by_reply, nodes_of

Json = dict[str, Any]

REVIEWERS_CHANNEL = {"id": "19:reviewers@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
ROBIN = {"id": "29:robin", "name": "Robin", "aadObjectId": "aad-robin"}
KIM = {"id": "29:kim", "name": "Kim", "aadObjectId": "aad-kim"}
BOB = {"id": "29:bob", "name": "Bob", "aadObjectId": "aad-bob"}
BOBS_CHAT = {"id": "a:bobs", "conversationType": "personal", "tenantId": "t1"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world(rules=(RatingRules(), NO_SAMPLE)) as world:
        yield world


def card_of(call: Call) -> Json:
    return call.activity["attachments"][0]["content"]


def actions_of(card: Any) -> dict[str, Json]:
    """Return the data of every button of a card (or cards) that is an Action.Execute, by its verb."""
    pressed = [node for node in nodes_of(card) if node.get("type") == "Action.Execute"]
    return {node["verb"]: node["data"] for node in pressed if node["verb"] != "review.refresh"}


def text_of(card: Json) -> str:
    return json.dumps(card, ensure_ascii=False)


async def press(world: World, call: Call, verb: str, person: Json = ROBIN, **inputs: Any) -> Json:
    """Press a button of a card that the bot showed; return the body that it is answered with."""
    return await press_data(world, call, actions_of(card_of(call))[verb] | inputs, person)


async def press_data(world: World, call: Call, data: Json, person: Json = ROBIN) -> Json:
    """Press a button with this data on a message, as its client shows or makes it up."""
    verb = data["verb"]
    conversation = call.activity["conversation"] | {"id": f"{call.conversation};messageid=m1"}
    if call.conversation.startswith("a:"):
        conversation = call.activity["conversation"]
    activity = world.activity(
        "invoke",
        name="adaptiveCard/action",
        value={"action": {"type": "Action.Execute", "verb": verb, "data": data}},
        conversation=conversation,
        replyToId=call.message_id or "m1",
        **{"from": person},
    )
    status, body = await world.post(activity)
    assert status == 200, body
    answered = json.loads(body)
    assert not list(broken_by_reply(answered))
    return answered


async def subscribe(world: World, person: Json = ROBIN) -> None:
    await world.post(
        world.activity(
            "message", text="reviewers here", conversation=REVIEWERS_CHANNEL, **{"from": person}, id="17"
        )
    )


async def shown_in(world: World, conversation: str, wanted: str) -> Call:
    """Do what is to be done until a message with these words is in the conversation."""
    for _ in range(20):
        await world.parts.card_sync.process_outbox()
        for call in reversed(world.connector.calls):
            if call.is_message and call.conversation == conversation and wanted in text_of(call.activity):
                return call
        await asyncio.sleep(0.05)
    raise AssertionError(f"nobody saw {wanted!r} in {conversation}")


async def thumb_down(world: World, comment: str = "it is 18 now", **fields: Any) -> None:
    feedback = json.dumps({"reasons": ["wrong"], "feedbackText": comment})
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": feedback}}
    status, body = await world.post(
        world.activity("invoke", name="message/submitAction", value=value, replyToId="m2", **fields)
    )
    assert (status, body) == (200, "{}")


class Matcher:
    """Serves a verified answer for questions that begin like its own; freshness is the world's."""

    def __init__(self, world: World) -> None:
        self.world = world

    def find(self, question: Question, _: Collection[str] = ()) -> Any:
        served = self.world.known.served.values()
        return next((one for one in served if one.question_text[:7] in question.text), None)

    def find_similar(self, answer: Answer, _: Collection[str] = ()) -> list[Any]:
        return []


class Library:
    """Pages where nothing is found."""

    async def ensure(self, url: str) -> None: ...
    async def search(self, *_: object) -> list[object]:
        return []


class Model:
    """The scripted model behind the verified answers."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def stream(self, question: Question, history: list[Answer]) -> AsyncIterator[str | Answer]:
        self.world.answerer_asked.append(question.text)  # type: ignore[attr-defined]
        yield an_answer(question, support=0.9)


def with_verified_answers(world: World) -> None:
    world.answerer_asked = []  # type: ignore[attr-defined]

    def fresh(verified: Any) -> bool:
        return all(world.hashes.get(url, then) == then for url, then in verified.pages)

    verified = Verified(Matcher(world), fresh, partial(read_standing, world.parts.repository))  # type: ignore[arg-type]
    world.answerer = PageAnswerer(Library(), Model(world), verified, Forms())  # type: ignore[arg-type,assignment]

"""Slack, from the signed bytes that arrive to the calls that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from records import Channel, FeedbackKind
from tests.slack_world import ADA, SlackWorld, a_slack_world, pressable
from tests.world import ScriptedAnswerer, pseudonym


@pytest.fixture
async def world() -> AsyncGenerator[SlackWorld]:
    async with a_slack_world() as world:
        yield world


async def test_a_mention_is_answered_in_its_thread_streamed_with_sources_and_thumbs(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(["You get ", "You get 16 weeks."])
    world.answerer.step = asyncio.Semaphore(0)
    event = world.mention("How much leave, &amp; from when?")
    assert await world.event(event) == 200
    world.answerer.step.release()
    await world.slack.until(lambda s: s.of("chat.startStream"))
    world.answerer.step.release()
    await world.settled()
    (message,) = world.slack.messages("C1")
    assert message.thread == event["ts"]
    assert message.markdown == "You get 16 weeks [1]."
    assert "https://bot.example/site/leave#parents" in message.words
    assert "16 weeks of paid leave" in message.words
    assert pressable(message, "thumb")["type"] == "feedback_buttons"
    assert [c.method for c in world.slack.calls if c.method.startswith("chat")] == [
        "chat.startStream",
        "chat.stopStream",
    ]
    (question,) = world.answerer.asked
    assert question.text == "How much leave, & from when?"
    assert question.channel is Channel.SLACK
    assert question.asker == pseudonym("slack:T1:U1")
    assert "U1" not in repr(question).replace(question.reply_to, "")


async def test_a_personal_chat_is_answered_there(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    assert (message.channel, message.thread) == ("D1", "")
    assert "You get 16 weeks " in json.dumps(message.blocks)
    assert world.answerer.asked[0].conversation == "T1:D1"


async def test_a_thumb_is_kept_and_thanked_for_to_who_gave_it(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    status, _ = await world.interact(world.press(message, pressable(message, "thumb"), side="negative_button"))
    assert status == 200
    await world.settled()
    (word,) = world.store.feedback.values()
    assert (word.kind, word.value, word.trainable) == (FeedbackKind.THUMB, "dislike", False)
    assert word.giver == pseudonym(f"slack:T1:{ADA}")
    assert "Thank you" in world.slack.whispers[-1]["text"]

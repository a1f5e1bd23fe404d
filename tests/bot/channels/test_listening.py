"""Channels without a mention: said where it is sure, silent and forgetful otherwise, ended by one word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.channels.asides.listening import UnaskedRules, is_open_question
from bot.channels.incoming import parse_activity
from bot.slack.manifest import HEARD_SCOPES, check_manifest, manifest
from bot.teams.package import Package, build_manifest
from core.records import AnswerKind
from tests.builders.reviewing import ROBIN
from tests.builders.slack_world import ROBIN as ROBIN_OF_SLACK
from tests.builders.slack_world import SlackWorld, a_slack_world
from tests.builders.world import BOT, World, a_world
from tests.needs import ROOT

Json = dict[str, Any]
ON = UnaskedRules(is_on=True)
NAMES_BOB = {"type": "mention", "mentioned": {"id": "29:bob"}}
CHANNEL: Json = {"id": "19:c@thread.tacv2", "conversationType": "channel", "isGroup": True, "tenantId": "t1"}
TO_BOT = [{"type": "mention", "text": "<at>Page Bot</at>", "mentioned": BOT}]


def thread(number: str) -> Json:
    return CHANNEL | {"id": f"{CHANNEL['id']};messageid={number}"}


async def tell_bot(world: World, text: str, number: str, who: Json | None = None) -> str:
    fields: Json = {"from": who} if who else {}
    said = f"<at>Page Bot</at> {text}"
    await world.ask(said, id=number, conversation=thread(number), entities=TO_BOT, **fields)
    await world.settled()
    return json.dumps(world.connector.calls[-1].activity, ensure_ascii=False)


async def say(world: World, text: str, number: str, **fields: Any) -> list[str]:
    """Say something to nobody in particular; return what the bot says to it."""
    before = len(world.connector.calls)
    await world.ask(text, id=number, **({"conversation": thread(number)} | fields))
    await world.settled()
    return [json.dumps(call.activity) for call in world.connector.calls[before:] if call.is_message]


async def test_where_a_reviewer_lets_it_it_says_what_it_is_sure_of_and_keeps_nothing_else() -> None:
    async with a_world(unasked=ON) as world:
        world.answerer.changes["confidence"] = 0.97
        assert not await say(world, "How long is parental leave?", "1")
        assert "Only a reviewer" in await tell_bot(world, "answer here", "2")
        assert not await say(world, "How long is parental leave?", "3")
        assert "without a mention" in await tell_bot(world, "answer here", "4", ROBIN)

        (said,) = await say(world, "How long is parental leave?", "5")
        assert "16 weeks" in said
        assert not await say(world, "How long is parental leave?", "5")  # the same once more
        world.answerer.changes["confidence"] = 0.94
        assert not await say(world, "How long is unpaid leave?", "6")
        world.answerer.changes["kind"] = AnswerKind.DECLINED
        assert not await say(world, "How long is a sabbatical?", "7")
        assert [one.text for one in world.store.questions.values()] == ["How long is parental leave?"]
        assert "sabbatical" not in repr(world.store.documents.kept)

        ended = await tell_bot(world, "quiet", "8")  # from anybody
        assert "I answered 1 question and left 2 unanswered." in ended
        world.answerer.changes = {"confidence": 0.99}
        assert not await say(world, "How long is parental leave?", "9")
        assert "only when somebody mentions me" in await tell_bot(world, "quiet", "10")


async def test_a_reviewers_answer_is_sure_enough_and_a_broken_model_is_silent() -> None:
    async with a_world(unasked=ON) as world:
        await tell_bot(world, "answer here", "1", ROBIN)
        world.answerer.changes |= {"confidence": None, "verified_by": "robin"}
        assert await say(world, "How long is parental leave?", "2")
        world.answerer.raises = RuntimeError("the model is gone")
        assert not await say(world, "How long is unpaid leave?", "3")
        assert len(world.store.questions) == 1


async def test_where_channels_are_not_heard_nobody_can_begin_it() -> None:
    async with a_world() as world:
        assert "answer_unasked" in await tell_bot(world, "answer here", "1", ROBIN)
        await world.ask("answer here", id="2")
        await world.settled()
        assert "every question" in str(world.connector.calls[-1].activity)


def heard(world: SlackWorld, text: str, **fields: Any) -> Json:
    return world.dm(text, channel="C1", channel_type="channel", **fields)


async def test_in_slack_it_answers_in_a_thread_once_and_hears_no_bots() -> None:
    async with a_slack_world(unasked=ON) as world:
        world.answerer.changes["confidence"] = 0.97
        await world.event(world.mention("answer here", user=ROBIN_OF_SLACK))
        await world.settled()
        asked = heard(world, "How long is parental leave?")
        envelope = world.envelope(asked)
        for _ in range(2):
            assert (await world.post(json.dumps(envelope).encode()))[0] == 200
        for other in (
            heard(world, "How long is leave?", bot_id="B2", subtype="bot_message"),
            heard(world, "How long is leave?", bot_id="B2"),
            heard(world, "How long is leave, <@U2>?"),
            heard(world, "How long is leave?", thread_ts="1700000000.000001"),
            heard(world, "<@UBOT> how long is leave?"),  # which comes as a mention, too
            heard(world, "How long is leave?", subtype="channel_join"),
        ):
            assert await world.event(other) == 200
        await world.settled()
        messages = [one for one in world.slack.messages("C1") if "16 weeks" in one.words]
        assert [one.thread for one in messages] == [asked["ts"]]
        deletion = world.deletion(asked)
        assert await world.event(deletion) == 200
        await world.settled()
        assert not world.store.questions


@pytest.mark.parametrize(
    ("text", "fields", "is_open"),
    [
        ("How long is parental leave?", {}, True),
        ("Does anybody know who approves travel?", {}, True),
        ("wie lange ist die Elternzeit", {}, True),
        ("育児休暇は何週間ですか？", {}, True),
        ("Lunch is at noon today.", {}, False),
        ("thanks!", {}, False),
        ("how are you?", {}, False),
        ("What?", {}, False),
        ("How long is leave in https://example.org/leave?", {}, False),
        (
            "How long is leave, Bob?",
            {"entities": [{"type": "mention", "mentioned": {"id": "29:bob"}}]},
            False,
        ),
        ("How long is parental leave?", {"attachments": [{"name": "a.pdf"}]}, False),
        ("How long is parental leave?", {"conversation": {"id": "19:c;messageid=7"}}, False),
        ("How long is it? " * 60, {}, False),
    ],
)
def test_a_question_to_nobody_in_particular_is_told_from_all_else(
    text: str, fields: Json, is_open: bool
) -> None:
    activity = {
        "type": "message",
        "id": "1",
        "channelId": "msteams",
        "conversation": {"id": "19:c"},
        "text": text,
    }
    assert is_open_question(parse_activity(activity | {"recipient": BOT} | fields)) is is_open


def test_the_manifest_and_the_package_ask_for_it_only_where_it_is_wanted() -> None:
    plain = manifest("https://bot.example", installed=False, groups=False)
    hears = manifest("https://bot.example", installed=False, groups=False, hears=True)
    check_manifest(hears)
    events = [set(one["settings"]["event_subscriptions"]["bot_events"]) for one in (plain, hears)]
    assert events[1] - events[0] == {"message.channels", "message.groups"}
    docs = (ROOT / "docs" / "slack.md").read_text("utf-8")
    assert all(f"| `{scope}` | {why} |" in docs for scope, why in HEARD_SCOPES.items())
    package = Package("11111111-2222-3333-4444-55555555abcd", "https://bot.example", "0.1.0")
    assert "authorization" not in build_manifest(package)

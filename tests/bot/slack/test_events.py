"""The shapes that Slack documents: each is taken for what it is, or left alone, and none breaks anything."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.slack.events import strip_markup
from bot.slack.rich_text import read_blocks, read_shared
from tests.builders.slack_world import SlackWorld, a_slack_world

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def world() -> AsyncGenerator[SlackWorld]:
    async with a_slack_world() as world:
        world.slack.channels["T1"] |= {"C0123456789", "G0123456789"}
        world.slack.chats |= {"U0123456789": "D1"}
        yield world


def written(text: str, *, mentions: bool = False) -> list[Json]:
    """Return the blocks that Slack's own editor makes of a message."""
    elements: list[Json] = [{"type": "user", "user_id": "UBOT"}] if mentions else []
    elements.append({"type": "text", "text": text})
    return [
        {
            "type": "rich_text",
            "block_id": "AbC",
            "elements": [{"type": "rich_text_section", "elements": elements}],
        }
    ]


QUESTION = "how much leave?"
ASKED: dict[str, Json] = {
    "a mention in a channel": {
        "user": "U0123456789",
        "type": "app_mention",
        "ts": "1700000100.000100",
        "client_msg_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "text": f"<@UBOT> {QUESTION}",
        "team": "T1",
        "blocks": written(QUESTION, mentions=True),
        "channel": "C0123456789",
        "event_ts": "1700000100.000100",
    },
    "a mention in a thread of a private channel": {
        "user": "U0123456789",
        "type": "app_mention",
        "ts": "1700000100.000200",
        "text": f"{QUESTION} <@UBOT>",
        "team": "T1",
        "thread_ts": "1700000000.000100",
        "parent_user_id": "U0000000000",
        "channel": "G0123456789",
        "event_ts": "1700000100.000200",
    },
    "a message in a personal chat": {
        "user": "U0123456789",
        "type": "message",
        "ts": "1700000100.000300",
        "client_msg_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "text": QUESTION,
        "team": "T1",
        "blocks": written(QUESTION),
        "channel": "D1",
        "event_ts": "1700000100.000300",
        "channel_type": "im",
    },
    "a message in the assistant pane": {
        "user": "U0123456789",
        "type": "message",
        "ts": "1700000100.000400",
        "text": QUESTION,
        "team": "T1",
        "thread_ts": "1700000000.000200",
        "parent_user_id": "UBOT",
        "assistant_thread": {"action_token": "1.2.abc"},
        "channel": "D1",
        "event_ts": "1700000100.000400",
        "channel_type": "im",
    },
    "a message of blocks alone": {
        "user": "U0123456789",
        "type": "message",
        "ts": "1700000100.000500",
        "text": "",
        "blocks": written(QUESTION),
        "channel": "D1",
        "event_ts": "1700000100.000500",
        "channel_type": "im",
    },
}

LEFT_ALONE: dict[str, Json] = {
    "the title of a chat in the assistant pane": {
        "type": "message",
        "subtype": "message_changed",
        "message": {
            "text": "How much leave",
            "subtype": "assistant_app_thread",
            "user": "U0123456789",
            "type": "message",
            "edited": {"user": "U0123456789", "ts": "1727484103.000000"},
            "team": "T1",
            "thread_ts": "1727484091.821349",
            "reply_count": 1,
            "reply_users": ["U0123456789"],
            "is_locked": False,
            "assistant_app_thread": {"title": "How much leave", "title_blocks": [], "artifacts": []},
            "ts": "1727484091.821349",
        },
        "previous_message": {
            "text": "New chat",
            "subtype": "assistant_app_thread",
            "user": "U0123456789",
            "type": "message",
            "ts": "1727484091.821349",
        },
        "channel": "D1",
        "hidden": True,
        "ts": "1727484103.010500",
        "event_ts": "1727484103.010500",
        "channel_type": "im",
    },
    "a preview of a link": {
        "type": "message",
        "subtype": "message_changed",
        "message": {
            "type": "message",
            "user": "U0123456789",
            "text": "see <https://example.org>",
            "ts": "1700000100.000600",
            "attachments": [
                {"service_name": "Example", "title": "Example", "from_url": "https://example.org"}
            ],
        },
        "previous_message": {
            "type": "message",
            "user": "U0123456789",
            "text": "see <https://example.org>",
            "ts": "1700000100.000600",
        },
        "channel": "D1",
        "hidden": True,
        "ts": "1700000101.000000",
        "channel_type": "im",
    },
    "our own answer that changed": {
        "type": "message",
        "subtype": "message_changed",
        "message": {
            "type": "message",
            "user": "UBOT",
            "bot_id": "BBOT",
            "text": "b",
            "ts": "1700000100.000700",
        },
        "previous_message": {"type": "message", "user": "UBOT", "bot_id": "BBOT", "text": "a"},
        "channel": "D1",
        "ts": "1700000101.000000",
        "channel_type": "im",
    },
    "our own answer": {
        "type": "message",
        "user": "UBOT",
        "bot_id": "BBOT",
        "app_id": "A1",
        "text": "You get 16 weeks [1].",
        "bot_profile": {"id": "BBOT", "name": "askpage", "app_id": "A1"},
        "ts": "1700000100.000800",
        "channel": "D1",
        "channel_type": "im",
    },
    "somebody answered in a thread": {
        "type": "message",
        "subtype": "message_replied",
        "message": {"type": "message", "user": "U0123456789", "text": "x", "ts": "1700000100.000900"},
        "channel": "D1",
        "channel_type": "im",
    },
    "somebody joined": {
        "type": "message",
        "subtype": "channel_join",
        "user": "U0123456789",
        "text": "<@U0123456789> has joined the channel",
        "ts": "1700000101.000100",
        "channel": "C0123456789",
        "channel_type": "channel",
    },
    "a reaction to a file": {
        "type": "reaction_added",
        "user": "U0123456789",
        "reaction": "heart",
        "item": {"type": "file", "file": "F1"},
        "event_ts": "1700000101.000200",
    },
    "a reaction of ours": {
        "type": "reaction_added",
        "user": "UBOT",
        "reaction": "heart",
        "item": {"type": "message", "channel": "C0123456789", "ts": "1700000100.000100"},
        "event_ts": "1700000101.000300",
    },
    "the messages tab was opened": {
        "type": "app_home_opened",
        "user": "U0123456789",
        "channel": "D1",
        "event_ts": "1700000101.000400",
        "tab": "messages",
    },
    "somebody looked elsewhere with the pane open": {
        "type": "assistant_thread_context_changed",
        "assistant_thread": {
            "user_id": "U0123456789",
            "context": {"channel_id": "C0123456789", "team_id": "T1", "enterprise_id": None},
            "channel_id": "D1",
            "thread_ts": "1700000000.000200",
        },
        "event_ts": "1700000101.000500",
    },
    "an event that comes after this was written": {"type": "something_new", "user": "U0123456789"},
}


@pytest.mark.parametrize("what", ASKED)
async def test_a_question_is_taken_whichever_way_it_comes(world: SlackWorld, what: str) -> None:
    event = ASKED[what]
    assert await world.event(event) == 200
    await world.settled()
    (question,) = world.answerer.asked
    assert question.text == QUESTION
    (message,) = world.slack.messages(event["channel"])
    thread = event.get("thread_ts") or ("" if event["channel"] == "D1" else event["ts"])
    assert message.thread == thread


async def test_of_a_file_it_is_said_that_nobody_reads_it(world: SlackWorld) -> None:
    file = {"id": "F1", "name": "leave.pdf", "mimetype": "application/pdf", "size": 10}
    asked = ASKED["a message in a personal chat"] | {"subtype": "file_share", "files": [file]}
    assert await world.event(asked) == 200
    await world.settled()
    assert not world.answerer.asked
    assert "cannot read files" in str(world.slack.messages("D1")[-1])


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        (written("a < b & c?"), "a &lt; b &amp; c?"),
        (written("how long?", mentions=True), "<@UBOT>how long?"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "How *long*?"}}], "How *long*?"),
        ([{"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
            {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://example.org"}]},
        ]}]}], "one\n<https://example.org>"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "a"}, {"text": "b"}, 7]}], "a\nb"),
        ([{"type": "context", "elements": [{"type": "image"}, {"type": "mrkdwn", "text": "how?"}]}], "how?"),
        ([{"type": "markdown", "text": "How **long** is <5?"}], "How **long** is &lt;5?"),
        ([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
            {"type": "text", "text": "on "}, {"type": "date", "timestamp": 1, "fallback": "1 May"},
        ]}]}], "on 1 May"),
        ([{"type": "image", "alt_text": "x"}, {"type": "rich_text", "elements": "no"}, 7, None], ""),
        ("no blocks", ""),
        (None, ""),
    ],
)  # fmt: skip
def test_blocks_are_read_as_slack_would_write_them(blocks: Any, text: str) -> None:
    assert read_blocks(blocks) == text


@pytest.mark.parametrize(
    ("shared", "text"),
    [
        ([{"is_share": True, "text": " How long? "}, {"is_share": True, "text": "Who?"}], "How long?"),
        ([{"text": "a preview of a link"}, {"is_share": "true", "text": "x"}], ""),
        ([{"is_share": True, "text": 7}, None], ""),
        ("none", ""),
    ],
)
def test_a_message_that_is_shared_without_a_word_is_the_question(shared: Any, text: str) -> None:
    assert read_shared(shared) == text


@pytest.mark.parametrize(
    ("written_as", "said"),
    [("<mailto:ann@example.org|ann@example.org>", "ann@example.org"), ("<tel:+4930>", "+4930")],
)
def test_addresses_that_are_no_pages_are_said_as_they_are_shown(written_as: str, said: str) -> None:
    assert strip_markup(f"Who is {written_as}?", "UBOT") == f"Who is {said}?"


def test_blocks_in_blocks_are_read_to_a_depth_that_slack_never_reaches() -> None:
    block: Json = {"type": "text", "text": "deep"}
    for _ in range(5000):
        block = {"type": "rich_text_section", "elements": [block]}
    assert read_blocks([block]) == ""


@pytest.mark.parametrize("what", LEFT_ALONE)
async def test_what_is_no_question_is_acknowledged_and_left_alone(world: SlackWorld, what: str) -> None:
    calls = len(world.slack.calls)
    assert await world.event(LEFT_ALONE[what]) == 200
    await world.settled()
    assert not world.store.questions
    assert not world.store.feedback
    assert len(world.slack.calls) == calls


async def test_a_deleted_message_with_replies_is_forgotten(world: SlackWorld) -> None:
    asked = ASKED["a message in a personal chat"]
    await world.event(asked)
    await world.settled()
    tombstone = {
        "type": "message",
        "subtype": "message_changed",
        "message": {
            "type": "message",
            "subtype": "tombstone",
            "text": "This message was deleted.",
            "user": "USLACKBOT",
            "hidden": True,
            "ts": asked["ts"],
        },
        "previous_message": {key: asked[key] for key in ("type", "user", "text", "ts")},
        "channel": "D1",
        "hidden": True,
        "ts": "1700000102.000000",
        "channel_type": "im",
    }
    assert await world.event(tombstone) == 200
    await world.settled()
    assert not world.store.questions
    assert not world.slack.messages()


async def test_slack_says_that_it_keeps_events_back(world: SlackWorld) -> None:
    limited = {
        "token": "t",
        "type": "app_rate_limited",
        "team_id": "T1",
        "minute_rate_limited": 1700000100,
        "api_app_id": "A1",
    }
    assert (await world.post(json.dumps(limited).encode()))[0] == 200


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "shortcut", "callback_id": "ask", "trigger_id": "1.2"},
        {"type": "message_action", "callback_id": "ask", "message": {"ts": "1.1"}, "channel": {"id": "C1"}},
        {"type": "block_suggestion", "action_id": "a", "block_id": "b", "value": "x"},
        {"type": "view_closed", "view": {"callback_id": "form", "id": "V1"}, "is_cleared": False},
    ],
)
async def test_interactions_that_no_card_of_ours_offers_do_nothing(world: SlackWorld, payload: Json) -> None:
    common = {"team": {"id": "T1", "domain": "one"}, "user": {"id": "U1", "team_id": "T1", "name": "ada"}}
    body = urlencode({"payload": json.dumps(payload | common)}).encode()
    status, _ = await world.post(body, FORM)
    assert status in {200, 404}
    await world.settled()
    assert not world.store.questions


async def test_a_command_that_no_app_of_ours_has_is_refused(world: SlackWorld) -> None:
    command = {"command": "/ask", "text": QUESTION, "team_id": "T1", "user_id": "U1", "channel_id": "C1"}
    assert (await world.post(urlencode(command).encode(), FORM))[0] == 400

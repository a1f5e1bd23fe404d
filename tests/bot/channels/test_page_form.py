"""“Ask about this page” on a message: a form, and the answer in the person's personal chat."""

from __future__ import annotations

import json
from typing import Any

from bot.slack.page_form import EMPTY, NO_LINK
from bot.teams.auth import BotFrameworkConfig
from tests.builders.slack_world import SlackWorld, a_slack_world
from tests.builders.world import GROUP, World, a_world
from tests.doubles.tokens import APP_ID

Json = dict[str, Any]
URL = "https://handbook.example/leave/"
OWN = BotFrameworkConfig(app_id=APP_ID, allowed_tenants=("t1",))
HERE = GROUP | {"tenantId": "t1"}


async def invoke(world: World, name: str, value: Any, **fields: Any) -> tuple[int, Json]:
    named = {"name": f"composeExtension/{name}", "value": value, "conversation": HERE} | fields
    token = {"token": named.pop("token")} if "token" in named else {}
    status, body = await world.post(world.activity("invoke", **named), **token)
    return status, json.loads(body) if body else {}


def on_message(content: str) -> Json:
    return {"commandId": "askPage", "messagePayload": {"id": "1", "body": {"content": content}}}


def filled(question: Any, page: Any = URL) -> Json:
    return {"commandId": "askPage", "data": {"question": question, "page": page}}


async def test_in_teams_the_answer_comes_in_a_chat_that_the_bot_begins() -> None:
    async with a_world(OWN) as world:
        world.connector.chats["29:ada"] = "a:adas"
        link = f'<p>See <a href="{URL}?a=1&amp;b=2">this</a></p>'
        status, body = await invoke(world, "fetchTask", on_message(link))
        card = body["task"]["value"]["card"]["content"]
        assert (status, card["actions"][0]["data"]) == (200, {"page": f"{URL}?a=1&b=2"})
        status, body = await invoke(world, "submitAction", filled("How long is leave?"))
        await world.settled()
        assert "personal chat" in body["task"]["value"]
        (asked,) = world.answerer.asked
        assert (asked.text, asked.page_url, asked.conversation) == ("How long is leave?", URL, "a:adas")
        told = [call for call in world.connector.calls if call.is_message]
        assert {call.conversation for call in told} == {"a:adas"}
        assert "You asked: How long is leave?" in json.dumps(told[0].activity)
        assert "16 weeks" in json.dumps(told[-1].activity)


async def test_without_the_app_a_person_of_teams_is_asked_to_write_first() -> None:
    async with a_world(OWN) as world:
        _, body = await invoke(world, "submitAction", filled("How long is leave?"))
        assert "write to me once" in body["task"]["value"]
        assert not world.store.questions


async def test_what_is_forged_for_the_form_of_teams_asks_nothing() -> None:
    async with a_world(OWN) as world:
        world.connector.chats["29:ada"] = "a:adas"
        odd: tuple[Any, ...] = (None, 7, [], {}, "", "  ", True, 0.5, "\x00")
        pages: tuple[Any, ...] = (
            None,
            7,
            [],
            "",
            "/file/secret",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
        )
        bad = [("submitAction", filled(one)) for one in odd]
        bad += [("submitAction", filled("How long?", one)) for one in pages]
        bad += [("submitAction", one) for one in (None, 7, [], {"commandId": "askPage", "data": 7})]
        bad += [("fetchTask", on_message(one)) for one in ("", "no link", "javascript:alert(1)", "/file/x")]
        bad += [("fetchTask", one) for one in ({"commandId": "askPage"}, {"commandId": "x"}, None)]
        bad += [("submitAction", filled("How long?") | {"commandId": one}) for one in ("x", None, 7)]
        seen = [await invoke(world, *one) for one in bad]
        good = ("submitAction", filled("How long is leave?"))
        foreign = HERE | {"tenantId": "t2"}
        strangers: tuple[Json, ...] = (
            {"conversation": foreign},
            {"conversation": {"id": "19:x"}},
            {"from": {"id": "29:x", "tenantId": "t2"}},
            {"channelData": {"tenant": {"id": "t2"}}},
            {"token": ""},
            {"token": "x.y.z"},
            {"serviceUrl": "https://evil.example"},
            {"channelId": "webchat"},
            {"channelId": None},
            {"serviceUrl": None},
        )
        seen += [await invoke(world, *good, **fields) for fields in strangers]
        assert len(seen) >= 40
        assert {status for status, _ in seen} <= {200, 400, 401, 403, 501}
        assert not any("personal chat." in json.dumps(body) for _, body in seen)
        await world.settled()
        assert not world.answerer.asked
        assert not world.store.questions


def shortcut(world: SlackWorld, text: Any, **fields: Any) -> Json:
    payload: Json = {
        "type": "message_action",
        "callback_id": "ask_page",
        "trigger_id": "1.2.3",
        "team": {"id": "T1", "domain": "one"},
        "user": {"id": "U1", "name": "ada", "team_id": "T1"},
        "channel": {"id": "C1", "name": "general"},
        "message": {"type": "message", "user": "U2", "ts": world.ts(), "text": text},
        "message_ts": "1.1",
        "enterprise": None,
        "is_enterprise_install": False,
    }
    return payload | fields


async def test_in_slack_the_answer_comes_in_the_persons_chat() -> None:
    async with a_slack_world() as world:
        assert await world.interact(shortcut(world, f"See <{URL}|this>")) == (200, "")
        await world.settled()
        view = world.slack.views.pop()
        status, said = await world.interact(world.submission(view | {"id": "V1"}, {"question": "How long?"}))
        await world.settled()
        assert (status, said) == (200, "")
        (asked,) = world.answerer.asked
        assert (asked.text, asked.page_url, asked.conversation) == ("How long?", URL, "T1:D1")
        words = [one.words for one in world.slack.messages("D1")]
        assert "You asked: How long?" in words[0]
        assert "16 weeks" in words[-1]
        assert not world.slack.messages("C1")


async def test_what_is_forged_for_the_form_of_slack_asks_nothing() -> None:
    async with a_slack_world() as world:
        no_link = [shortcut(world, one) for one in ("no link", "javascript:alert(1)", "/file/secret")]
        bad = [shortcut(world, one) for one in (None, 7, [], {}, "")]
        link = f"<{URL}>"
        bad += [shortcut(world, link, callback_id=one) for one in ("", None, 7, "form", "x")]
        bad += [shortcut(world, link, user=one) for one in (None, {}, {"id": 7}, {"id": "U 1"}, {"id": ""})]
        bad += [shortcut(world, link, channel=one) for one in (None, {}, {"id": 7})]
        bad += [shortcut(world, link, message=one) for one in (None, 7, [])]
        foreign: tuple[Json, ...] = ({"id": "T2"}, {"id": ""}, {"id": 7}, {})
        bad += [shortcut(world, link, team=one, user={"id": "U1", "team_id": "T2"}) for one in foreign]
        statuses = [(await world.interact(one))[0] for one in [*no_link, *bad]]
        await world.settled()
        assert not world.slack.views
        assert NO_LINK in json.dumps(world.slack.whispers, ensure_ascii=False)

        await world.interact(shortcut(world, link))
        await world.settled()
        view = world.slack.views.pop() | {"id": "V1"}
        _, said = await world.interact(world.submission(view, {"question": "   "}))
        assert EMPTY in said
        metadata = (
            "",
            "x",
            "[]",
            "7",
            "null",
            "\x00",
            '{"page": 7}',
            '{"page": []}',
            '{"page": "/file/secret"}',
            '{"page": "javascript:x"}',
        )
        for one in metadata:
            form = world.submission(view | {"private_metadata": one}, {"question": "How long?"})
            statuses.append((await world.interact(form))[0])
        for fields in ({"user": {}}, {"user": {"id": "U1", "team_id": "T2"}}, {"team": {"id": "T2"}}):
            form = world.submission(view, {"question": "How long?"}) | fields
            statuses.append((await world.interact(form))[0])
        await world.settled()
        assert len(statuses) >= 40
        assert set(statuses) <= {200, 400, 403}
        assert not world.answerer.asked
        assert not world.store.questions

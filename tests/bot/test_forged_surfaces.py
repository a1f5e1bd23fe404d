"""Each newer way in, in Teams and in Slack: what is forged, replayed or of strangers changes nothing.

Teams: the message extension (search, its form, what is filled in), unfurled links, own views of cards, files
that are sent, what is heard without a mention, and the words that begin and end it; with either library.
Slack: the shortcut, its form, unfurled links, the home page, files, and what is heard. At least 40 requests a
way; what each way refuses beside these stands in its own tests.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

import pytest

from bot.channels.asides.listening import UnaskedRules
from bot.channels.asides.one_person import ContactCipher
from bot.channels.incoming import FILE_INFO
from bot.teams.auth import BotFrameworkConfig, KeyTimes, LibraryName
from pages.library import Library
from tests.builders.forged import (
    BAD_SIGNATURES,
    FOREIGN_ENVELOPES,
    FOREIGN_PAYLOADS,
    flip_digit,
    forge_activities,
)
from tests.builders.reviewing import ROBIN
from tests.builders.sent_files import a_library
from tests.builders.slack_world import ROBIN as ROBIN_IN_SLACK
from tests.builders.slack_world import SlackWorld, a_slack_world
from tests.builders.world import BOT, World, a_world
from tests.doubles.tokens import APP_ID

Json = dict[str, Any]
URL = "https://handbook.example/leave/"
CHANNEL: Json = {"id": "19:c@thread.tacv2;messageid=9", "conversationType": "channel", "tenantId": "t1"}
CHAT: Json = {"id": "a:chat", "conversationType": "personal", "tenantId": "t1"}
MENTION = [{"type": "mention", "text": "<at>Page Bot</at>", "mentioned": BOT}]
FILE = {
    "contentType": FILE_INFO,
    "contentUrl": "https://contoso.sharepoint.com/personal/ada/a.md",
    "name": "a.md",
    "content": {"downloadUrl": "https://contoso.sharepoint.com/a.md", "uniqueId": "1", "fileType": "md"},
}
SENTENCES = {401: "Not authorised.", 403: "This bot is not for your organisation."}


def extend(name: str, **value: Any) -> Json:
    return {"type": "invoke", "name": f"composeExtension/{name}", "value": value}


IN_TEAMS: dict[str, Json] = {
    "the search of the message extension": extend(
        "query", commandId="search", parameters=[{"name": "question", "value": "How many days?"}]
    ),
    "the form of the message extension": extend(
        "fetchTask", commandId="askPage", messagePayload={"id": "1", "body": {"content": URL}}
    ),
    "what is filled in there": extend(
        "submitAction", commandId="askPage", data={"question": "How long?", "page": URL}
    ),
    "a link that unfurls": extend("queryLink", url=URL),
    "a reviewer's own view of a card": {
        "type": "invoke",
        "name": "adaptiveCard/action",
        "from": ROBIN,
        "value": {"action": {"type": "Action.Execute", "verb": "review.show", "data": {"answer_id": "a"}}},
    },
    "a file": {"type": "message", "text": "What is in it?", "attachments": [FILE]},
    "a question to nobody": {"type": "message", "text": "How long is leave?", "conversation": CHANNEL},
    "a word that lets the bot answer unasked": {
        "type": "message",
        "text": "<at>Page Bot</at> answer here",
        "from": ROBIN,
        "conversation": CHANNEL,
        "entities": MENTION,
    },
    "a word that ends it": {
        "type": "message",
        "text": "<at>Page Bot</at> quiet",
        "conversation": CHANNEL,
        "entities": MENTION,
    },
}


def foreign(conversation: Json) -> dict[str, tuple[Json, int]]:
    """Return what of an activity is of another tenant, whose token is good."""
    bare = {name: value for name, value in conversation.items() if name != "tenantId"}
    return {
        "a foreign tenant": ({"conversation": bare | {"tenantId": "t9"}}, 403),
        "no tenant": ({"conversation": bare}, 403),
        "a tenant that is a list": ({"conversation": bare | {"tenantId": ["t1"]}}, 403),
        "a tenant with a like name": ({"conversation": bare | {"tenantId": "t11"}}, 403),
        "a foreign tenant beside ours": ({"channelData": {"tenant": {"id": "t9"}}}, 403),
        "a guest of another tenant": ({"from": {"id": "29:x", "aadObjectId": "x", "tenantId": "t9"}}, 403),
    }


@pytest.fixture(params=get_args(LibraryName))
async def teams(request: pytest.FixtureRequest, library: Library) -> AsyncIterator[World]:
    config = BotFrameworkConfig(
        app_id=APP_ID, allowed_tenants=("t1",), library=request.param, hears_channels=True
    )
    times = KeyTimes(unknown_key_s=0, failure_s=0)
    unasked = UnaskedRules(is_on=True)
    async with a_world(
        config, key_times=times, file_pages=library, listed_pages=library, unasked=unasked
    ) as world:
        world.answerer.changes["confidence"] = 0.99
        yield world


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with a_library(tmp_path) as library:
        yield library


def look_at(world: World | SlackWorld) -> object:
    """Return all that could have changed."""
    store = world.store
    kept = {name: one.version for name, one in store.documents.kept.items()}
    return dict(store.questions), dict(store.answers), dict(store.feedback), kept, len(world.answerer.asked)


async def begin_listening(world: World) -> None:
    said = IN_TEAMS["a word that lets the bot answer unasked"]
    assert (await world.post(world.activity(id="0") | said))[0] == 200
    await world.settled()


async def test_in_teams_every_way_in_is_closed_to_what_is_forged(teams: World) -> None:
    await begin_listening(teams)
    before, sent = look_at(teams), len(teams.connector.calls)
    forged = forge_activities(teams)
    for way, said in IN_TEAMS.items():
        tried = 0
        activity = teams.activity(conversation=CHAT) | said
        for name, one in forged.items():
            if one.status == 403:
                continue  # by the conversation of this way, below
            status, body = await teams.post(activity | one.activity, token=one.token)
            assert (status, body) == (one.status, json.dumps({"error": SENTENCES[one.status]})), (way, name)
            tried += 1
        for name, (fields, status) in foreign(activity["conversation"]).items():
            got = await teams.post(activity | fields)
            assert got == (status, json.dumps({"error": SENTENCES[status]})), (way, name)
            tried += 1
        assert tried >= 40, way
    await teams.settled()
    assert look_at(teams) == before
    assert len(teams.connector.calls) == sent
    for way, said in IN_TEAMS.items():
        status, _ = await teams.post(teams.activity(conversation=CHAT, id=f"good {way}") | said)
        assert status in {200, 400}, (way, "the same without a forgery is let in")


def a_file() -> Json:
    return {"id": "F1", "name": "a.md", "mimetype": "text/plain", "mode": "hosted", "url_private": URL}


def list_events(world: SlackWorld) -> dict[str, Json]:
    links = [{"domain": "handbook.example", "url": URL}]
    shared = {"type": "link_shared", "channel": "C1", "user": "U1", "message_ts": world.ts(), "links": links}
    opened = {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home", "event_ts": "1.1"}
    return {
        "a link that unfurls": shared | {"event_ts": world.ts(), "is_bot_user_member": True},
        "the home page": opened,
        "a file": world.dm("What is in it?", subtype="file_share", files=[a_file()]),
        "a question to nobody": world.dm("How long is leave?", channel="C1", channel_type="channel"),
        "a word that lets the bot answer unasked": world.mention("answer here", user=ROBIN_IN_SLACK),
    }


def list_presses(world: SlackWorld) -> dict[str, Json]:
    person = {"id": "U1", "name": "ada", "team_id": "T1"}
    around: Json = {
        "team": {"id": "T1", "domain": "one"},
        "user": person,
        "trigger_id": "1.2.3",
        "enterprise": None,
        "is_enterprise_install": False,
    }
    message = {"type": "message", "user": "U2", "ts": world.ts(), "text": f"<{URL}>"}
    view: Json = {
        "id": "V1",
        "type": "modal",
        "callback_id": "ask_page",
        "private_metadata": json.dumps({"page": URL}),
        "blocks": [],
        "state": {"values": {"question": {"question": {"type": "plain_text_input", "value": "How long?"}}}},
    }
    pressed = {"type": "button", "action_id": "say:0", "block_id": "b", "value": "delete my data"}
    home = {"type": "home", "id": "V2", "blocks": [], "private_metadata": ""}
    return {
        "the shortcut": around
        | {"type": "message_action", "callback_id": "ask_page", "channel": {"id": "C1"}}
        | {"message": message, "message_ts": "1.1"},
        "the form of the shortcut": around | {"type": "view_submission", "view": view},
        "a button of the home page": around
        | {"type": "block_actions", "view": home, "actions": [pressed]}
        | {"container": {"type": "view", "view_id": "V2"}},
    }


def look_at_slack(world: SlackWorld) -> object:
    slack = world.slack
    shown = {ts: one.words for ts, one in slack.shown.items()}
    outside = (shown, list(slack.views), list(slack.whispers), list(slack.unfurled), dict(slack.homes))
    return look_at(world), outside


def as_form(payload: Json) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


async def test_in_slack_every_way_in_is_closed_to_what_is_forged(library: Library) -> None:
    unasked = UnaskedRules(is_on=True)
    async with a_slack_world(file_pages=library, listed_pages=library, unasked=unasked) as world:
        world.answerer.changes["confidence"] = 0.99
        before = look_at_slack(world)
        tried: dict[str, int] = {}

        async def send(way: str, body: bytes, kind: str, headers: Json | None = None) -> None:
            status, said = await world.post(body, kind, headers=headers)
            assert status in {200, 400, 401, 403, 404}, (way, status, said)
            tried[way] = tried.get(way, 0) + 1

        for way, event in list_events(world).items():
            for forge in BAD_SIGNATURES.values():
                body = json.dumps(world.envelope(event)).encode()
                await send(way, body, "application/json", forge(body))
            for fields in FOREIGN_ENVELOPES.values():
                await send(way, json.dumps(world.envelope(event, **fields)).encode(), "application/json")
        for way, payload in list_presses(world).items():
            body = as_form(payload)
            for forge in BAD_SIGNATURES.values():
                await send(way, body, "application/x-www-form-urlencoded", forge(body))
            for fields in FOREIGN_PAYLOADS.values():
                await send(way, as_form(payload | fields), "application/x-www-form-urlencoded")
        await world.settled()
        assert look_at_slack(world) == before
        assert min(tried.values()) >= 40, tried


def tamper(encrypted: str) -> dict[str, str]:
    """Return what is no encrypted contact of ours."""
    flipped = {
        f"another character at {at}": encrypted[:at]
        + ("A" if encrypted[at] != "A" else "B")
        + encrypted[at + 1 :]
        for at in range(0, len(encrypted) - 4, max(1, len(encrypted) // 24))
    }
    cut = {f"cut after {at}": encrypted[:at] for at in range(0, len(encrypted), max(1, len(encrypted) // 8))}
    other = ContactCipher(b"another key").encrypt('{"id": "29:eve"}')
    return {
        **flipped,
        **cut,
        "of another key": other,
        "plain": '{"conversation": {"id": "19:x"}, "user": {"id": "29:eve"}}',
        "twice": encrypted + encrypted,
        "in capitals": encrypted.upper(),
        "with an id behind it": f"{encrypted}29:eve",
        "beyond ASCII": f"{encrypted[:-1]}é",
        "half a character": f"{encrypted[:-1]}\ud800",
        "nothing but the version": "gAAAAA==",
        "a megabyte": "g" * 1_000_000,
        "one digit": flip_digit(encrypted),
    }


def test_a_way_to_one_person_that_was_tampered_with_leads_to_nobody() -> None:
    cipher = ContactCipher(b"the key")
    encrypted = cipher.encrypt('{"conversation": {"id": "19:x"}, "user": {"id": "29:ada"}}')
    assert "29:ada" in cipher.decrypt(encrypted)
    opened = {name: cipher.decrypt(one) for name, one in tamper(encrypted).items()}
    unharmed = {name for name, one in opened.items() if one == cipher.decrypt(encrypted)}
    assert unharmed <= {"twice", "with an id behind it", "beyond ASCII"}, "Base64 ends at its padding"
    assert all(not one for name, one in opened.items() if name not in unharmed)
    assert len(opened) - len(unharmed) >= 40

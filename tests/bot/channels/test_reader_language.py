"""The language of who acts: what an activity tells, what is kept of it, and what the store had before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.channels.incoming import Reference, parse_activity
from core.records import AnswerKind
from tests.builders.reviewing import shown_in
from tests.builders.world import a_world


def an_activity(**fields: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "1",
        "channelId": "msteams",
        "conversation": {"id": "c", "conversationType": "personal"},
        "from": {"id": "29:ada", "aadObjectId": "ada"},
        "text": "How long?",
    } | fields


CLIENT = {"type": "clientInfo", "locale": "fr-FR", "country": "FR", "platform": "Web"}


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"locale": "de-AT"}, "de"),
        ({"locale": "ja_JP"}, "ja"),
        ({"entities": [CLIENT]}, "fr"),
        ({"locale": "es", "entities": [CLIENT]}, "es"),
        ({"entities": [{"type": "mention", "locale": "fr"}]}, ""),
        ({"locale": ["de"], "entities": "de"}, ""),
        ({}, ""),
    ],
)
def test_a_clients_language_is_read_where_it_is_told(fields: dict[str, Any], language: str) -> None:
    assert parse_activity(an_activity(**fields)).language == language


def test_the_way_to_one_person_knows_their_language_and_that_to_several_none() -> None:
    alone = parse_activity(an_activity(locale="de-DE"))
    group = parse_activity(
        an_activity(locale="de-DE", conversation={"id": "g", "conversationType": "channel"})
    )
    ways = [alone.contact, alone.channel_contact, group.contact, group.channel_contact, group.reference]
    assert [one.language for one in ways] == ["de", "de", "", "", "de"]
    loaded = Reference.load(alone.contact.dump())
    assert loaded is not None
    assert loaded.language == "de"


def test_a_way_that_was_stored_before_has_no_language() -> None:
    before = Reference.load(
        json.dumps({"conversation": {"id": "c"}, "bot": {}, "user": {}, "activityId": "1"})
    )
    assert before is not None
    assert before.language == ""
    assert "language" not in json.loads(before.dump())


async def test_who_told_their_language_once_is_answered_in_it_where_an_activity_does_not_tell_it() -> None:
    async with a_world() as world:
        world.answerer.changes["kind"] = AnswerKind.DECLINED
        await world.ask("Wie lange?", id="1", locale="de-DE")
        await world.ask("And what is the VPN?", id="2", locale="")
        await world.settled()
        assert [one.language for one in world.store.questions.values()] == ["de", "de"]
        home = world.activity()["conversation"]["id"]
        await shown_in(world, home, "habe ich dazu nichts gefunden")

"""Who reads what is said where: people's groups by Graph and Slack, and what channels have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.channels.incoming import Reference, parse_activity
from bot.readers.access import PageAccess
from bot.readers.audiences import AudienceLimits, Audiences, Directory
from bot.readers.rooms import find_room
from bot.slack.client import SlackApi, Workspace
from bot.slack.people import SlackPeople
from bot.teams import graph
from bot.teams.graph import Directory as Graph
from bot.teams.graph import DirectoryConfig, DirectoryUnavailable, EntraPeople
from core.readers import Readers
from core.records import Answer, Channel, Citation, Passage, Question, Ruling, Timings, Verdict
from feedback.privacy.deletion_log import Deletion
from feedback.reviews.ruling_changes import PastRuling
from tests.builders.serving import served
from tests.builders.world import (
    NOW,
)
from tests.doubles.directories import GraphService, SlackMemberships

ADA = {"id": "a:ada", "conversationType": "personal", "channelId": "msteams", "tenantId": "ours"}
SUE = {"id": "T1:D5", "conversationType": "personal", "channelId": "slack", "serviceUrl": ""}
CLOSED = {
    "/site/pay": Readers(frozenset({"entra:group:g1", "slack:channel:C1"})),
    "/site/ada": Readers(frozenset({"entra:user:ada"})),
}


def audiences(directory: Directory, closed: Mapping[str, Readers] = CLOSED, **limits: float) -> Audiences:
    found = Audiences(PageAccess(lambda: closed), {"msteams", "slack"}, AudienceLimits(**limits))
    found.add("msteams", directory)
    found.add("slack", directory)
    return found


@pytest.fixture
async def entra() -> AsyncIterator[tuple[GraphService, Graph]]:
    service = GraphService({"ada": [f"G{n}" for n in range(8)], "bob": []})
    async with served(service.app) as url:
        directory = Graph(DirectoryConfig("app", "a secret", "ours", login_url=url, graph_url=url))
        yield service, directory
        await directory.close()


async def test_all_pages_of_somebodys_groups_are_read(entra: tuple[GraphService, Graph]) -> None:
    service, directory = entra
    assert await directory.list_groups("ada") == {f"g{n}" for n in range(8)}
    assert len(service.asked) == 3
    assert await directory.list_groups("bob") == frozenset()
    assert await directory.list_groups("nobody of ours") == frozenset()


async def test_graph_is_asked_again_when_it_says_so(entra: tuple[GraphService, Graph]) -> None:
    service, directory = entra
    service.statuses = [429, 200, 503, 200]
    assert len(await directory.list_groups("ada")) == 8


@pytest.mark.parametrize("statuses", [[403], [200, 500], [401], [200, 200, 302]])
async def test_half_a_list_of_groups_is_none(entra: tuple[GraphService, Graph], statuses: list[int]) -> None:
    service, directory = entra
    service.statuses = statuses
    with pytest.raises(DirectoryUnavailable):
        await directory.list_groups("ada")


async def test_the_token_goes_to_no_other_place(
    entra: tuple[GraphService, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, directory = entra
    service.next_base = "https://graph.evil.example"
    with pytest.raises(DirectoryUnavailable, match="elsewhere"):
        await directory.list_groups("ada")
    service.next_base = ""
    monkeypatch.setattr(graph, "MOST_PAGES", 2)
    with pytest.raises(DirectoryUnavailable, match="more groups"):
        await directory.list_groups("ada")


async def test_groups_are_asked_for_once_and_remembered(entra: tuple[GraphService, Graph]) -> None:
    service, directory = entra
    known = audiences(EntraPeople(directory, "OURS"))
    both = await asyncio.gather(known.find(ADA, "ada"), known.find(ADA, "ada"))
    assert both[0] >= {"entra:user:ada", "entra:group:g1"}
    asked = len(service.asked)
    assert await known.find(ADA, "ada") == both[1]
    assert known.recall(ADA) == both[1], "what is shown in the chat later is for the same person"
    assert len(service.asked) == asked == 3
    await known.forget_people(Deletion("p", "n", NOW, by="p"))
    assert known.recall(ADA) == frozenset()


async def test_nobody_is_asked_for_what_no_page_names(entra: tuple[GraphService, Graph]) -> None:
    service, directory = entra
    people = EntraPeople(directory)
    assert await audiences(people, {}).find(ADA, "ada") == frozenset()
    only = {"/x": Readers(frozenset({"entra:user:ada"}))}
    assert await audiences(people, only).find(ADA, "ada") == {"entra:user:ada"}
    assert service.asked == []


@pytest.mark.parametrize("fails", ["refuses", "is slow", "breaks"])
async def test_where_groups_are_unknown_only_the_person_is_known(
    entra: tuple[GraphService, Graph], fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, directory = entra

    async def find_badly(*_: Any) -> frozenset[str]:
        if fails == "is slow":
            await asyncio.sleep(30)
        raise ValueError("a bug")

    people = EntraPeople(directory)
    if fails == "refuses":
        service.statuses = [403] * 3
    else:
        monkeypatch.setattr(people, "find_groups", find_badly)
    known = audiences(people, timeout_s=0.05 if fails == "is slow" else 5.0)
    assert await known.find(ADA, "ada") == {"entra:user:ada"}
    asked = len(service.asked)
    assert await known.find(ADA, "ada") == {"entra:user:ada"}
    assert len(service.asked) == asked, "a directory that failed is left alone for a while"


async def test_nobody_is_known_who_is_not_vouched_for(entra: tuple[GraphService, Graph]) -> None:
    _, directory = entra
    people = EntraPeople(directory, "ours")
    known = Audiences(PageAccess(lambda: CLOSED), ())
    known.add("msteams", people)
    assert await known.find(ADA, "ada") == frozenset()
    vouched = audiences(people)
    assert await vouched.find(ADA | {"tenantId": "theirs"}, "ada") == frozenset(), "of another directory"
    assert await vouched.find(ADA | {"channelId": "local"}, "ada") == frozenset()
    assert await vouched.find(ADA, "") == frozenset()


def test_rulings_of_a_history_and_answers_from_files_are_for_those_who_may_read_them() -> None:
    access = PageAccess(lambda: {"/site/board": Readers(frozenset({"entra:group:g1"}))})
    places = {"": None, "open": "/site/open#a", "closed": "/site/board#pay"}
    history = [
        PastRuling(
            at, Verdict("r", "R", Ruling.CORRECTED, NOW, name, cited and Citation(cited, "", "", "")), NOW
        )
        for at, (name, cited) in enumerate(places.items())
    ]
    for audience, seen in ((frozenset[str](), ["", "open"]), (frozenset({"entra:group:g1"}), [*places])):
        assert [one.ruling.text for one in access.select_steps(history, audience)] == seen
    asked = Question("q", "What?", "p", "c", Channel.TEAMS, NOW)
    for page, kept_apart in (("/file/1", True), ("/site/open", False), ("/site/board", True)):
        passage = Passage(page, "", "", "Words.", "h", NOW)
        given = Answer("a", asked, "Words.", (passage,), (), "m", Timings(), NOW)
        assert access.is_kept_apart(given) is kept_apart
        assert access.are_restricted([(page, Readers(None))]) is (page == "/site/board")
    about_file = Answer("a", replace(asked, page_url="/file/1"), "", (), (), "m", Timings(), NOW)
    assert access.is_kept_apart(about_file)


async def test_who_asks_is_in_no_record_and_forgotten_once_it_is_known(
    entra: tuple[GraphService, Graph],
) -> None:
    _, directory = entra
    known = audiences(EntraPeople(directory))
    way = Reference(ADA, {}, {"id": "29:x"}, "1").dump()
    question = Question("q", "What?", "p", "a:ada", Channel.TEAMS, NOW, reply_to=way)
    known.note_asker("q", "ada")
    assert await known.find_for(question) >= {"entra:user:ada"}
    later = audiences(EntraPeople(directory))
    assert await later.find_for(question) == frozenset(), "after a crash nobody is known"
    for broken in ("", "null", "[]", "{", '{"conversation": 3}'):
        asked = Question("r", "What?", "p", "a:ada", Channel.TEAMS, NOW, reply_to=broken)
        assert await known.find_for(asked) == frozenset()


async def test_slack_tells_the_channels_that_a_person_and_the_bot_are_in() -> None:
    service = SlackMemberships({"U2": ["C1", "C2", "G3", "G4", "C5"]}, private={"G3", "G4"})
    service.bot_in = {"G3"}
    service.errors = ["", "ratelimited"]
    async with served(service.app) as url:

        async def token(_: Workspace) -> str:
            return "xoxb"

        api = SlackApi(token, base_url=url)
        known = audiences(SlackPeople(api))
        found = await known.find(SUE, "slack:T1:U2")
        assert found == {"slack:user:U2", "slack:user:T1/U2"} | {
            f"slack:channel:{prefix}{one}" for one in ("C1", "C2", "G3", "C5") for prefix in ("", "T1/")
        }
        assert await known.find(SUE | {"id": "T1:D6"}, "slack:T1:U9") == {"slack:user:U9", "slack:user:T1/U9"}
        service.errors = ["missing_scope"]
        assert await known.find(SUE | {"id": "T1:D7"}, "slack:T1:U3") == {
            "slack:user:U3",
            "slack:user:T1/U3",
        }
        await api.close()


async def test_a_press_in_a_channel_need_not_say_whose_channel_it_is(
    entra: tuple[GraphService, Graph],
) -> None:
    _, directory = entra
    known = audiences(EntraPeople(directory))
    said = activity("msteams", ROOM, team=TEAM, channel={"id": "19:t"})
    pressed = activity("msteams", ROOM | {"id": "19:c@thread;messageid=9"})
    assert known.recall(pressed) == frozenset()
    assert await known.find(said, "ada") == G1
    assert await known.find(pressed, "bob") == G1
    shared = activity("msteams", ROOM, team=TEAM, channel={"id": "19:c", "type": "shared"})
    assert await known.find(shared, "ada") == frozenset(), "it says now that others are in it"
    assert await known.find(activity("msteams", ROOM | {"id": "19:d"}), "ada") == frozenset()


def activity(channel_id: str, conversation: Mapping[str, Any], **data: Any) -> Mapping[str, Any]:
    raw = {
        "type": "message",
        "channelId": channel_id,
        "from": {"id": "29:x", "aadObjectId": "ada"},
        "conversation": conversation,
        "channelData": data,
    }
    return parse_activity(raw).conversation


ROOM = {"id": "19:c@thread;messageid=1", "conversationType": "channel", "isGroup": True}
TEAM = {"id": "19:t", "aadGroupId": "G1"}
G1 = {"entra:group:g1"}


@pytest.mark.parametrize(
    ("conversation", "everyone"),
    [
        (activity("msteams", ROOM, team=TEAM, channel={"id": "19:c", "type": "standard"}), G1),
        (activity("msteams", ROOM, team=TEAM, channel={"id": "19:c", "type": "Private"}), G1),
        (activity("msteams", ROOM, team=TEAM, channel={"id": "19:t"}), G1),
        (activity("msteams", ROOM, team=TEAM, channel={"id": "19:c", "type": "shared"}), set()),
        (activity("msteams", ROOM, team=TEAM, channel={"id": "19:c"}), set()),
        (activity("msteams", ROOM, team={"id": "19:t"}, channel={"id": "19:t"}), set()),
        (activity("msteams", ROOM), set()),
        (activity("msteams", ROOM, team=[], channel="x"), set()),
        (activity("msteams", ROOM | {"groupId": "g1", "channelKind": "standard"}), set()),
        (activity("msteams", {"id": "19:g", "conversationType": "groupChat"}, team=TEAM), set()),
        (activity("msteams", ADA, team=TEAM, channel={"id": "19:t"}), set()),
        (activity("local", ROOM, team=TEAM, channel={"id": "19:t"}), set()),
        (activity("emulator", ROOM, team=TEAM, channel={"id": "19:t"}), set()),
        (
            activity("slack", {"id": "T1:C7;messageid=1.2", "conversationType": "channel"}),
            {"slack:channel:C7", "slack:channel:T1/C7"},
        ),
        (activity("slack", SUE), set()),
    ],
)
def test_a_room_has_what_all_its_readers_have_in_common(
    conversation: Mapping[str, Any], everyone: set[str]
) -> None:
    assert find_room(conversation) == everyone

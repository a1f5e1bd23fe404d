"""Links of known pages unfurl, and the pages are searched from any chat; what is forged changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.slack.manifest import LINK_SCOPES, check_manifest, manifest
from bot.teams.auth import BotFrameworkConfig
from bot.teams.package import Package, build_manifest
from pages.fetched import Fetched
from pages.library import Library
from pages.sources import list_hosts
from tests.builders.sent_files import a_library
from tests.builders.slack_world import SlackWorld, a_slack_world
from tests.builders.world import World, a_world
from tests.doubles.tokens import APP_ID
from tests.needs import ROOT

Json = dict[str, Any]
LEAVE = "https://handbook.example/leave/"
OWN = BotFrameworkConfig(app_id=APP_ID, allowed_tenants=("t1",))


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    folder = tmp_path / "handbook"
    folder.mkdir()
    text = "# Leave\n\nEveryone gets thirty days of leave.\n\n## Parents\n\nParents get sixteen weeks.\n"
    (folder / "leave.md").write_text(text)
    async with a_library(tmp_path) as library:
        await library.refresh([f"{folder}=https://handbook.example"])
        await library.read_file("/file/secret", {"a.md": Fetched("", b"A secret of one.", "text/markdown")})
        yield library


def query_link(url: Any) -> Json:
    return {"name": "composeExtension/queryLink", "value": {"url": url}}


def query(question: Any, name: str = "question") -> Json:
    parameters = [{"name": name, "value": question}]
    options = {"skip": 0, "count": 25}
    value = {"commandId": "search", "parameters": parameters, "queryOptions": options}
    return {"name": "composeExtension/query", "value": value}


async def invoke(world: World, fields: Json, **post: Any) -> tuple[int, Json]:
    activity = world.activity("invoke", **{key: one for key, one in fields.items() if key != "token"})
    status, body = await world.post(
        activity, **({"token": fields["token"]} if "token" in fields else {}) | post
    )
    return status, json.loads(body) if body else {}


async def test_in_teams_a_link_of_a_known_page_unfurls_and_a_question_finds_its_place(
    library: Library,
) -> None:
    async with a_world(OWN, listed_pages=library) as world:
        status, body = await invoke(world, query_link(f"{LEAVE}#parents"))
        (found,) = body["composeExtension"]["attachments"]
        assert (status, body["composeExtension"]["type"]) == (200, "result")
        assert (found["preview"]["content"]["title"], found["content"]["version"]) == ("Leave", "1.3")
        assert "thirty days" in json.dumps(found["content"])
        wrapped = (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fhandbook.example%2Fleave%2F"
        )
        _, body = await invoke(world, query_link(wrapped))
        assert len(body["composeExtension"]["attachments"]) == 1
        _, body = await invoke(world, query("How many weeks do parents get?"))
        names = [one["preview"]["content"]["title"] for one in body["composeExtension"]["attachments"]]
        assert "Leave › Parents" in names
        _, body = await invoke(world, query("true", "initialRun"))
        assert body["composeExtension"]["type"] == "message"
        assert not world.store.questions  # nothing was asked, and nothing is kept


def forged_teams() -> dict[str, tuple[Json, Callable[[int, Json], bool]]]:
    """Return what nobody may learn anything from: the fields of an invoke, and what it is answered."""

    def refused(wanted: int) -> Callable[[int, Json], bool]:
        return lambda status, body: status == wanted and "thirty" not in json.dumps(body)

    def nothing(status: int, body: Json) -> bool:
        return status == 200 and not body["composeExtension"].get("attachments")

    foreign = {"id": "a:chat", "conversationType": "personal", "tenantId": "t2"}
    odd = (
        None,
        7,
        [],
        {},
        "",
        " ",
        "leave",
        "http://",
        "https://",
        "javascript:alert(1)",
        "file:///etc/passwd",
    )
    odd += ("/file/secret", "/site/leave", "https://handbook.example/other/", "http://handbook.example.evil/")
    odd += ("https://handbook.example@evil.example/leave/", "http://127.0.0.1/", "x" * 9_000, "https://[::1")
    cases: dict[str, tuple[Json, Callable[[int, Json], bool]]] = {
        f"a link that is none of ours: {str(one)[:30]!r}": (query_link(one), nothing) for one in odd
    }
    cases |= {
        f"a question that is none: {one!r}": (query(one), nothing)
        for one in (None, 7, [], {}, "", "   ", "\x00")
    }
    for name, fields in (("link", query_link(LEAVE)), ("query", query("How many days?"))):
        cases |= {
            f"{name} of another tenant": (fields | {"conversation": foreign}, refused(403)),
            f"{name} of no tenant": (fields | {"conversation": {"id": "a:chat"}}, refused(403)),
            f"{name} of a guest": (fields | {"from": {"id": "29:x", "tenantId": "t2"}}, refused(403)),
            f"{name} without a token": (fields | {"token": ""}, refused(401)),
            f"{name} with a token of nobody": (fields | {"token": "x.y.z"}, refused(401)),
            f"{name} of another service": (fields | {"serviceUrl": "https://evil.example"}, refused(401)),
            f"{name} of another channel": (fields | {"channelId": "webchat"}, refused(401)),
        }
    link = query_link(LEAVE)
    cases |= {
        "an anonymous link": (link | {"name": "composeExtension/anonymousQueryLink"}, refused(501)),
        "another invoke": (link | {"name": "composeExtension/selectItem"}, refused(501)),
        "another command": (query("x") | {"value": {"commandId": "delete"}}, refused(400)),
        "no value": (link | {"value": None}, nothing),
        "a value that is a list": (link | {"value": [LEAVE]}, nothing),
    }
    return cases


async def test_what_is_forged_in_teams_learns_nothing_and_changes_nothing(library: Library) -> None:
    cases = forged_teams()
    assert len(cases) >= 40
    async with a_world(OWN, listed_pages=library) as world:
        wrong: list[str] = []
        for name, (fields, is_right) in cases.items():
            status, body = await invoke(world, fields)
            wrong += [] if is_right(status, body) else [f"{name}: {status} {body}"]
        assert not wrong
        assert not world.store.questions
        assert not world.store.documents.kept


def shared(world: SlackWorld, *urls: Any, **fields: Any) -> Json:
    links = [{"domain": "handbook.example", "url": url} for url in urls]
    event = {"type": "link_shared", "channel": "C1", "user": "U1", "message_ts": world.ts(), "links": links}
    return event | {"event_ts": world.ts(), "is_bot_user_member": True} | fields


async def test_in_slack_a_link_of_a_known_page_unfurls_where_it_stands_or_is_written(
    library: Library,
) -> None:
    async with a_slack_world(listed_pages=library) as world:
        assert await world.event(shared(world, LEAVE, "https://handbook.example/other/")) == 200
        composed = shared(
            world, LEAVE, unfurl_id="C1.1.2", source="composer", message_ts="uuid", channel="COMPOSER"
        )
        assert await world.event(composed) == 200
        await world.settled()
        assert [list(one) for one in world.slack.unfurled] == [[LEAVE], [LEAVE]]
        assert "thirty days" in json.dumps(world.slack.unfurled)


async def test_what_is_forged_in_slack_unfurls_nothing(library: Library) -> None:
    async with a_slack_world(listed_pages=library) as world:
        odd = (
            None,
            7,
            [],
            {},
            "",
            "leave",
            "/file/secret",
            "file:///etc/passwd",
            "http://handbook.example.evil/",
        )
        odd += (
            "https://handbook.example@evil.example/leave/",
            "https://[::1",
            "x" * 9_000,
            "javascript:alert(1)",
        )
        events = [shared(world, one) for one in odd]
        events += [
            shared(world, LEAVE) | {"links": one} for one in (None, 7, "x", {}, [], [7], [None], [[LEAVE]])
        ]
        events += [shared(world, LEAVE, user="UBOT"), shared(world, LEAVE) | {"type": "link_shared_x"}]
        statuses = [await world.event(one) for one in events]
        strangers: list[Json] = [
            {"team_id": "T2", "authorizations": []},
            {"team_id": None, "authorizations": []},
            {"team_id": 7, "authorizations": []},
            {"team_id": "", "authorizations": []},
            {"authorizations": [{"team_id": "T2", "is_bot": True}]},
            {"team_id": "T2"},
            {"team_id": ["T1"], "authorizations": []},
        ]
        statuses += [await world.event(shared(world, LEAVE), **one) for one in strangers]
        foreign = [shared(world, LEAVE, **{name: "T2"}) for name in ("user_team", "source_team")]
        statuses += [await world.event(one) for one in foreign]
        body = json.dumps(world.envelope(shared(world, LEAVE))).encode()
        signatures = [
            {"X-Slack-Signature": "v0=0"},
            {"X-Slack-Signature": None},
            {"X-Slack-Signature": ""},
            {"X-Slack-Request-Timestamp": None},
            {"X-Slack-Request-Timestamp": "1"},
            {"X-Slack-Request-Timestamp": "now"},
            {"X-Slack-Request-Timestamp": "9" * 30},
            {"X-Slack-Signature": "v1=0"},
        ]
        statuses += [(await world.post(body, headers=one))[0] for one in signatures]
        await world.settled()
        assert len(statuses) >= 40
        assert set(statuses) <= {200, 400, 401, 403}
        assert not world.slack.unfurled
        assert not world.store.questions


def test_packages_name_the_hosts_of_the_pages_and_ask_for_no_more() -> None:
    sources = [
        "docs",
        "handbook=https://handbook.example/x",
        "https://intra.example/sitemap.xml",
        "https://",
        "",
    ]
    hosts = list_hosts(sources)
    assert hosts == ["handbook.example", "intra.example"]
    package = Package("11111111-2222-3333-4444-55555555abcd", "https://bot.example", "0.1.0")
    (extension,) = build_manifest(replace(package, domains=tuple(hosts)))["composeExtensions"]
    assert extension["messageHandlers"][0]["value"]["domains"] == hosts
    plain = manifest("https://bot.example", installed=False, groups=False)
    unfurls = manifest("https://bot.example", installed=False, groups=False, domains=hosts)
    check_manifest(unfurls)
    assert "unfurl_domains" not in plain["features"]
    assert unfurls["features"]["unfurl_domains"] == hosts
    docs = (ROOT / "docs" / "slack.md").read_text("utf-8")
    assert all(f"| `{scope}` | {why} |" in docs for scope, why in LINK_SCOPES.items())

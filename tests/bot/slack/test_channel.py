"""Slack as a part of the bot: wired where it is set up, absent anywhere else; its manifest; its pace."""

from __future__ import annotations

import ast
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from bot.app import Bot, CannotServe, check_channels, open_bot
from bot.bootstrap import open_parts, open_services
from bot.channels.incoming import Reference
from bot.channels.message import Message
from bot.slack.client import SlackPace, TooFast
from bot.slack.config import PaceRules
from bot.slack.endpoint import compute_signature
from bot.slack.manifest import (
    CHANNEL_SCOPES,
    EVENTS,
    GROUPS_SCOPE,
    METHODS,
    SCOPES,
    BadManifest,
    check_manifest,
    list_scopes,
    manifest,
)
from bot.stores import open_store
from cli.main import app, is_mistake
from core.settings import Settings
from tests.builders.serving import served
from tests.builders.slack_world import SECRET
from tests.doubles.slack_api import SCOPES as DOUBLES
from tests.doubles.slack_api import SlackService
from tests.needs import ROOT

# Where it is set up, and where it is not


def settings_for(folder: Path, **fields: Any) -> Settings:
    (folder / "leave.md").write_text("# Leave\n\nParents get 16 weeks of paid leave.\n")
    return Settings(base_model="canned", data_dir=folder / "data", pages=[str(folder)], port=0, **fields)


@asynccontextmanager
async def a_bot(settings: Settings) -> AsyncIterator[Bot]:
    async with (
        open_parts(settings) as parts,
        open_bot(settings, parts.page_services, parts.answering, port=1) as bot,
    ):
        yield bot


async def test_a_bot_with_slack_answers_there(tmp_path: Path) -> None:
    slack = SlackService()
    async with served(slack.app) as slack_url:
        settings = settings_for(
            tmp_path,
            slack_signing_secret=SecretStr(SECRET),
            slack_bot_token=SecretStr("xoxb-one"),
            slack_teams=["T1"],
            slack_api_url=f"{slack_url}/api",
            slack_review_channel="C9",
            slack_reviewers=["U9"],
        )
        async with a_bot(settings) as bot, served(bot.app) as url, aiohttp.ClientSession() as http:
            event = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "ts": "1.000001"}
            envelope = {"type": "event_callback", "team_id": "T1", "event_id": "Ev1"}
            body = json.dumps(
                envelope | {"event": event | {"text": "How much leave do parents get?"}}
            ).encode()
            now = str(int(time.time()))
            headers = {
                "X-Slack-Request-Timestamp": now,
                "X-Slack-Signature": compute_signature(SECRET.encode(), now, body),
                "Content-Type": "application/json",
            }
            async with http.post(f"{url}/slack/events", data=body, headers=headers) as response:
                assert response.status == 200
            (message,) = await slack.until(lambda s: s.messages("D1"), 30)
            assert message.words
            await bot.asking.drain(10)
            async with http.get(f"{url}/slack/install", allow_redirects=False) as response:
                assert response.status == 404  # its token is a setting
    assert slack.broken == []


async def test_a_bot_without_slack_has_no_routes_of_it(tmp_path: Path) -> None:
    async with a_bot(settings_for(tmp_path)) as bot:
        paths = [str(resource.canonical) for resource in bot.app.router.resources()]
    assert "/api/messages" in paths
    assert not [path for path in paths if "slack" in path]


def imports_at_once(path: Path) -> set[str]:
    """Return what a module imports as soon as it is imported."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_nothing_imports_slacks_sdk_unless_slack_is_set_up() -> None:
    files = [*ROOT.glob("[a-z]*/*.py"), *ROOT.glob("[a-z]*/[a-z]*/*.py")]
    sources = {p.relative_to(ROOT).as_posix(): imports_at_once(p) for p in files}
    heavy = {name for name, imported in sources.items() if any(one.startswith("slack_") for one in imported)}
    assert "bot/slack/endpoint.py" in heavy
    modules = {name.removesuffix(".py").replace("/", ".") for name in heavy}
    while True:  # whatever imports what imports it
        more = {
            name.removesuffix(".py").replace("/", ".")
            for name, imported in sources.items()
            if imported & modules
        }
        if more <= modules:
            break
        modules |= more
    ours = {name for name in modules if not name.startswith(("tests.", "benchmarks."))}
    assert ours
    assert all(name.startswith("bot.slack.") for name in ours), ours


def test_settings_that_do_not_fit_are_refused_before_anything_starts() -> None:
    check_channels(Settings())
    with pytest.raises(CannotServe, match="slack_teams"):
        check_channels(Settings(slack_signing_secret=SecretStr("s")))


# The manifest


def test_the_manifest_asks_for_what_the_events_and_calls_need_and_for_no_more() -> None:
    made = manifest("https://bot.example/", installed=True, groups=False)
    settings = made["settings"]
    assert settings["event_subscriptions"]["request_url"] == "https://bot.example/slack/events"
    assert settings["interactivity"]["request_url"] == "https://bot.example/slack/events"
    assert made["oauth_config"]["redirect_urls"] == ["https://bot.example/slack/oauth_redirect"]
    granted = set(made["oauth_config"]["scopes"]["bot"])
    assert (
        granted
        == set(SCOPES)
        == ({s for s in (*EVENTS.values(), *METHODS.values()) if s} | {"commands"})
        - {"usergroups:read", "links:write", *CHANNEL_SCOPES}
    )
    assert "usergroups:read" in list_scopes(groups=True)
    assert (
        "redirect_urls" not in manifest("https://bot.example", installed=False, groups=True)["oauth_config"]
    )


def test_the_docs_say_why_of_every_scope() -> None:
    docs = (ROOT / "docs" / "slack.md").read_text("utf-8")
    for scope, why in (SCOPES | CHANNEL_SCOPES).items():
        assert f"| `{scope}` | {why} |" in docs
    assert f"| `{GROUPS_SCOPE[0]}` | {GROUPS_SCOPE[1]}; " in docs


def test_every_method_that_is_called_is_known_with_its_scope() -> None:
    called: set[str] = set()
    for path in ROOT.glob("bot/slack/*.py"):
        if path.name in {"manifest.py", "client.py"}:
            continue
        texts = [n.value for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Constant)]
        called |= {text for text in texts if isinstance(text, str) and text in {*METHODS, *DOUBLES}}
    assert called == set(METHODS) == set(DOUBLES)
    assert {name: scope for name, (scope, _) in DOUBLES.items()} == METHODS


WRONG: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "an address without TLS": (
        ("settings", "event_subscriptions", "request_url"),
        "http://bot.example/slack/events",
        "HTTPS only",
    ),
    "no address": (("settings", "interactivity", "request_url"), None, "HTTPS only"),
    "another path": (
        ("settings", "event_subscriptions", "request_url"),
        "https://bot.example/events",
        "both go to",
    ),
    "no interactivity": (("settings", "interactivity", "is_enabled"), False, "Interactivity"),
    "socket mode": (("settings", "socket_mode_enabled"), True, "socket_mode_enabled"),
    "rotating tokens": (("settings", "token_rotation_enabled"), True, "token_rotation_enabled"),
    "a missing event": (
        ("settings", "event_subscriptions", "bot_events"),
        ["app_mention"],
        "message.im is missing",
    ),
    "an event of no use": (
        ("settings", "event_subscriptions", "bot_events"),
        [*EVENTS, "message.mpim"],
        "message.mpim is of no use",
    ),
    "a missing scope": (("oauth_config", "scopes", "bot"), ["chat:write"], "app_mention needs the scope"),
    "a scope of no use": (("oauth_config", "scopes", "bot"), [*SCOPES, "users:read.email"], "of no use"),
    "scopes of users": (("oauth_config", "scopes", "user"), ["search:read"], "user scopes"),
    "a long name": (("display_information", "name"), "x" * 36, "The name"),
    "no name": (("display_information", "name"), "", "The name"),
    "a long description": (("display_information", "description"), "x" * 141, "description"),
    "a short long description": (("display_information", "long_description"), "x", "long description"),
    "a tab to read only": (("features", "app_home", "messages_tab_read_only_enabled"), True, "read-only"),
    "no home tab": (("features", "app_home", "home_tab_enabled"), False, "home tab"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_that_would_not_work_is_refused_with_why(what: str) -> None:
    path, value, says = WRONG[what]
    made = manifest("https://bot.example", installed=True, groups=False)
    part = made
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(BadManifest, match=says):
        check_manifest(made)


def test_a_manifest_of_anything_else_is_refused() -> None:
    for made in ({}, {"settings": []}, {"oauth_config": {"scopes": {"bot": 7}}}):
        with pytest.raises(BadManifest):
            check_manifest(made)


def test_the_command_writes_a_manifest_that_it_finds_right(tmp_path: Path) -> None:
    runner, to = CliRunner(), tmp_path / "manifest.json"
    written = runner.invoke(app, ["slack-manifest", "--public-url", "https://bot.example", "--to", str(to)])
    assert written.exit_code == 0
    assert "Written to" in written.stderr
    assert runner.invoke(app, ["slack-manifest", "--check", str(to)]).exit_code == 0
    to.write_text(to.read_text().replace("chat:write", "chat:read"))
    for options, says in (
        (["--check", str(to)], "chat:write is missing"),
        (["--check", str(tmp_path / "none.json")], "is no manifest"),
        (["--public-url", ""], "set public_url"),
    ):
        wrong = runner.invoke(app, ["slack-manifest", *options])
        assert is_mistake(wrong.exception)
        assert says in str(wrong.exception)


# The pace


async def test_a_method_that_slack_closed_is_closed_for_that_workspace_alone() -> None:
    pace = SlackPace(PaceRules(second_s=0.01))
    pace.close("chat.update", "T1", "60")
    with pytest.raises(TooFast):
        async with pace.turn("chat.update", "T1", "C1", 0.0):
            pass
    for method, team in (("chat.update", "T2"), ("chat.delete", "T1")):
        async with pace.turn(method, team, "C1", 0.0):
            pass


async def test_more_calls_than_a_minute_takes_wait_for_the_next_one() -> None:
    pace = SlackPace(PaceRules(second_s=0.01, per_minute={"views.open": 3}))
    for _ in range(3):
        async with pace.turn("views.open", "T1", "", 0.0):
            pass
    with pytest.raises(TooFast, match="again"):
        async with pace.turn("views.open", "T1", "", 0.1):
            pass


async def test_one_channel_is_spoken_to_by_one_at_a_time() -> None:
    pace = SlackPace(PaceRules(second_s=0.001))
    speaking = 0

    async def speak(channel: str) -> None:
        nonlocal speaking
        async with pace.turn("chat.postMessage", "T1", channel, 60.0):
            speaking += channel == "C1"
            assert speaking <= 1
            await asyncio.sleep(0)
            speaking -= channel == "C1"

    await asyncio.gather(*(speak(f"C{number % 2}") for number in range(10)))


@pytest.mark.parametrize("said", ["soon", "", None, "-5"])
async def test_a_wait_that_is_no_number_is_a_short_one(said: str | None) -> None:
    pace = SlackPace(PaceRules(second_s=0.001))
    pace.close("chat.update", "T1", said)
    async with pace.turn("chat.update", "T1", "", 1.0):
        pass


# Scheduled work


async def test_scheduled_work_reaches_slack_and_no_conversation_of_it_by_another_way(tmp_path: Path) -> None:
    there = {"id": "T1:C9", "channelId": "slack", "tenantId": "T1", "serviceUrl": ""}
    slack = SlackService()
    async with served(slack.app) as slack_url:
        set_up = {
            "slack_signing_secret": SecretStr(SECRET),
            "slack_bot_token": SecretStr("xoxb-one"),
            "slack_teams": ["T1"],
            "slack_api_url": f"{slack_url}/api",
        }
        settings = settings_for(tmp_path, **set_up)
        async with open_store(settings) as store:
            async with open_services(settings, store) as borrowed:
                connector = borrowed.connect(there)
                assert connector is not None
                await connector.send(Reference(there, {}, {}, ""), Message("A card."))
            async with open_services(settings_for(tmp_path), store) as borrowed:
                assert borrowed.connect(there) is None
                assert borrowed.connect(there | {"channelId": "msteams"}) is not None
    assert [message.channel for message in slack.messages()] == ["C9"]
    assert slack.broken == []

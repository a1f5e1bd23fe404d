"""Installing the app in workspaces: the state, the encrypted token, and how it goes away again."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet

from bot.slack.client import Workspace
from bot.slack.config import BadSlackConfig, check_config
from bot.slack.installations import INSTALLATION, BadStoreKey, Installations, Installed, make_cipher
from bot.slack.oauth import STATE
from feedback.store.documents import Wanted
from feedback.store.sqlite import SqliteStore
from tests.builders.slack_world import CONFIG, SlackWorld, a_slack_world
from tests.doubles.slack_api import ALL_SCOPES

KEY = Fernet.generate_key().decode()
TOKEN = "xoxb-of-an-installed-workspace"  # noqa: S105 - of the double
INSTALLABLE = replace(
    CONFIG,
    bot_token="",
    client_id="1.2",
    client_secret="a client secret",  # noqa: S106 - of the double
    store_key=KEY,
)


@pytest.fixture
async def world() -> AsyncGenerator[SlackWorld]:
    async with a_slack_world(INSTALLABLE) as world:
        yield world


def granted(team: str = "T1", **fields: Any) -> dict[str, Any]:
    return {
        "app_id": "A1",
        "access_token": TOKEN,
        "token_type": "bot",
        "scope": ",".join(sorted(ALL_SCOPES)),
        "bot_user_id": "UBOT",
        "team": {"id": team, "name": "One"},
        "enterprise": None,
        "authed_user": {"id": "U1"},
        "is_enterprise_install": False,
    } | fields


async def begin(world: SlackWorld) -> tuple[str, str]:
    """Begin an installation; return the state and the cookie."""
    async with world.http.get(f"{world.url}/slack/install", allow_redirects=False) as response:
        assert response.status == 302
        to = urlsplit(response.headers["Location"])
        assert (to.scheme, to.hostname, to.path) == ("https", "slack.com", "/oauth/v2/authorize")
        asked = {name: values[0] for name, values in parse_qs(to.query).items()}
        cookie = response.headers["Set-Cookie"]
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
    assert asked["client_id"] == "1.2"
    assert asked["redirect_uri"] == "https://bot.example/slack/oauth_redirect"
    assert "chat:write" in asked["scope"]
    return asked["state"], cookie.partition(";")[0]


async def finish(world: SlackWorld, query: dict[str, str], cookie: str = "") -> tuple[int, str]:
    headers = {"Cookie": cookie} if cookie else {}
    url = f"{world.url}/slack/oauth_redirect"
    async with world.http.get(url, params=query, headers=headers) as response:
        return response.status, await response.text()


async def install(world: SlackWorld, **fields: Any) -> tuple[int, str]:
    state, cookie = await begin(world)
    world.slack.codes["a-code"] = granted(**fields)
    world.slack.teams[TOKEN] = "T1"
    world.slack.scopes[TOKEN] = set(ALL_SCOPES)
    return await finish(world, {"code": "a-code", "state": state}, cookie)


async def test_an_installed_workspace_is_answered_with_its_own_token(world: SlackWorld) -> None:
    status, text = await install(world)
    assert (status, "is installed" in text) == (200, True)
    await world.ask("How much leave?")
    (post,) = world.slack.of("chat.postMessage")
    assert post.token == TOKEN


async def test_the_token_is_encrypted_in_the_file_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore.open(path)
    try:
        async with a_slack_world(INSTALLABLE, store=store) as world:
            await install(world)
        async with a_slack_world(INSTALLABLE, store=store) as world:
            world.slack.teams[TOKEN] = "T1"
            world.slack.scopes[TOKEN] = set(ALL_SCOPES)
            await world.ask("How much leave?")
            assert world.slack.of("chat.postMessage")
        (kept,) = await store.documents.list_documents(Wanted(INSTALLATION))
        record = json.loads(Fernet(KEY).decrypt(kept.body.encode()))
        assert "U1" not in record.values()  # who installed it is nobody's business
    finally:
        await store.close()
    written = b"".join([file.read_bytes() for file in sorted(tmp_path.iterdir())])  # noqa: ASYNC240
    assert TOKEN.encode() not in written


@pytest.mark.parametrize(
    ("change", "cookie_change", "status"),
    [
        ({"state": "another"}, "", 400),
        ({"state": ""}, "", 400),
        ({"state": None}, "", 400),
        ({}, "slack-app-oauth-state=another", 400),
        ({}, "none", 400),
        ({"code": None}, "", 401),
        ({"code": "another"}, "", 401),
        ({"error": "access_denied"}, "", 200),
        ({"state": "x" * 3_000}, "", 400),
    ],
)
async def test_an_installation_that_somebody_else_began_or_that_fails_leaves_nothing(
    world: SlackWorld, change: dict[str, str | None], cookie_change: str, status: int
) -> None:
    state, cookie = await begin(world)
    world.slack.codes["a-code"] = granted()
    query = {"code": "a-code", "state": state} | change
    sent = {name: value for name, value in query.items() if value is not None}
    cookie = {"": cookie, "none": ""}.get(cookie_change, cookie_change)
    answered, text = await finish(world, sent, cookie)
    assert answered == status
    assert "was not installed" in text
    assert not await world.store.documents.list_documents(Wanted(INSTALLATION))


async def test_a_state_is_used_once_and_not_for_ever(world: SlackWorld) -> None:
    state, cookie = await begin(world)
    world.slack.codes |= {"a-code": granted(), "b-code": granted()}
    world.slack.teams[TOKEN] = "T1"
    assert (await finish(world, {"code": "a-code", "state": state}, cookie))[0] == 200
    assert (await finish(world, {"code": "b-code", "state": state}, cookie))[0] == 401
    state, cookie = await begin(world)
    (document,) = await world.store.documents.list_documents(Wanted(STATE))
    await world.store.documents.put(replace(document, order="2020-01-01T00:00:00.000000+00:00"))
    assert (await finish(world, {"code": "b-code", "state": state}, cookie))[0] == 401
    await begin(world)
    assert len(await world.store.documents.list_documents(Wanted(STATE))) == 1


async def test_another_workspace_than_the_allowed_ones_is_refused_and_its_token_handed_back(
    world: SlackWorld,
) -> None:
    world.slack.codes["a-code"] = granted("T666")
    world.slack.teams[TOKEN] = "T666"
    state, cookie = await begin(world)
    assert (await finish(world, {"code": "a-code", "state": state}, cookie))[0] == 403
    assert world.slack.revoked == [TOKEN]
    assert not await world.store.documents.list_documents(Wanted(INSTALLATION))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_uninstalled"},
        {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}},
    ],
)
async def test_a_removed_app_loses_its_token_and_answers_no_more(
    world: SlackWorld, event: dict[str, Any]
) -> None:
    await install(world)
    await world.ask("How much leave?")
    assert await world.event(event) == 200
    assert not await world.store.documents.list_documents(Wanted(INSTALLATION))
    assert await world.event(world.dm("And now?")) == 200
    await world.settled()
    assert len(world.slack.of("chat.postMessage")) == 1
    assert len(world.store.questions) == 1


async def test_tokens_of_people_who_leave_do_not_remove_the_app(world: SlackWorld) -> None:
    await install(world)
    await world.event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
    assert await world.store.documents.list_documents(Wanted(INSTALLATION))


async def test_no_token_and_no_secret_is_logged(world: SlackWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await install(world)
    world.slack.fail("chat.postMessage", "a_new_error", times=1)
    world.slack.fail("views.publish", "internal_error", status=500, times=4)
    await world.event(world.dm("How much leave?"))
    await world.event({"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"})
    await world.settled()
    await finish(world, {"code": "a-wrong-code", "state": "x"}, "")
    said = "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
    assert "a_new_error" in said
    for secret in (TOKEN, "a client secret", KEY, CONFIG.signing_secret, "a-code", "a-wrong-code"):
        if secret in {"a-code", "a-wrong-code"}:  # the server's own access log of this test has the address
            continue
        assert secret not in said


async def test_an_installation_for_a_whole_organisation_serves_its_workspaces() -> None:
    async with a_slack_world(
        replace(INSTALLABLE, teams=("T1", "E1"), review_channel="", reviewers=())
    ) as world:
        await install(world, team=None, enterprise={"id": "E1", "name": "All"}, is_enterprise_install=True)
        (kept,) = await world.store.documents.list_documents(Wanted(INSTALLATION))
        assert kept.id == "E1"
        grant = {"enterprise_id": "E1", "team_id": "T1", "user_id": "UBOT", "is_bot": True}
        grant["is_enterprise_install"] = True
        event = world.dm("How much leave?")
        assert await world.event(event, enterprise_id="E1", authorizations=[grant]) == 200
        await world.settled()
        assert world.slack.of("chat.postMessage")[0].token == TOKEN


# The store of installations by itself


async def test_an_installation_cannot_be_put_in_anothers_place_or_read_with_another_key(
    world: SlackWorld,
) -> None:
    documents = world.store.documents
    teams = ("T1", "T2")
    ours = Installations(documents, make_cipher(KEY), teams)
    await ours.save(Installed("T1", TOKEN, "UBOT"))
    (kept,) = await documents.list_documents(Wanted(INSTALLATION))
    await documents.put(replace(kept, id="T2"))
    assert await ours.token(Workspace("T1")) == TOKEN
    assert await ours.token(Workspace("T2")) == ""
    assert await Installations(documents, make_cipher(KEY), ("T2",)).token(Workspace("T1")) == ""
    other = Installations(documents, make_cipher(Fernet.generate_key().decode()), teams)
    assert await other.token(Workspace("T1")) == ""
    rotated = Installations(documents, make_cipher(f"{Fernet.generate_key().decode()},{KEY}"), teams)
    assert await rotated.token(Workspace("T1")) == TOKEN
    assert TOKEN not in repr(Installed("T1", TOKEN))


def test_a_key_that_is_none_is_refused_with_how_to_make_one() -> None:
    with pytest.raises(BadStoreKey, match="urlsafe_b64encode"):
        make_cipher("too short")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"teams": ()}, "slack_teams"),
        ({"bot_token": "", "client_id": ""}, "either slack_bot_token"),
        ({"bot_token": "xoxb-one", "client_id": "1.2"}, "not both"),
        ({"bot_token": "xoxb-one", "client_id": "", "teams": ("T1", "T2")}, "one workspace"),
        ({"store_key": ""}, "slack_store_key"),
        ({"store_key": "too short"}, "urlsafe_b64encode"),
        ({"public_url": ""}, "public_url"),
        ({"teams": ("T1", "T2"), "review_channel": "C9"}, "T1:C9"),
        ({"teams": ("T1", "T2"), "review_channel": "", "reviewers": ("U9",)}, "T1:U9"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_with_what_to_set(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadSlackConfig, match=says):
        check_config(replace(INSTALLABLE, **changes))

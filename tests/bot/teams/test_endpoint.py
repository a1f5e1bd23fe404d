"""The endpoint that channels post to: who is let in, what is read, what is written back."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from bot.app import CannotServe, check_channels
from bot.channel import ChannelError
from bot.teams.auth import BotCredentials, BotFrameworkConfig, KeyTimes
from bot.teams.channel import to_config
from core.settings import Settings
from tests.builders.serving import served
from tests.builders.world import (
    World,
    a_world,
)
from tests.doubles.tokens import APP_ID, LoginDouble, certificate, new_key

THUMB = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": '{"feedbackText":"good"}'}}


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with a_world() as world:
        yield world


@pytest.fixture
async def open_world() -> AsyncGenerator[World]:
    async with a_world(BotFrameworkConfig(allow_unauthenticated=True)) as world:
        yield world


async def test_a_message_with_a_good_token_is_answered_with_the_bots_own_token(world: World) -> None:
    assert await world.post(world.activity(text="How much leave?")) == (200, "")
    (message,) = await world.connector.messages()
    assert message.activity["text"] == "You get 16 weeks [1]."
    assert message.authorization == "Bearer the-bots-own"


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "bearer x", "Bearer a b c"])
async def test_a_strange_authorization_header_gets_401(world: World, header: str) -> None:
    assert (await world.post(world.activity(), token=None, headers={"Authorization": header}))[0] == 401


async def test_bad_tokens_are_refused_before_their_body_is_read(world: World) -> None:
    assert (await world.post(b"{not json", token="a.b.c"))[0] == 401  # noqa: S106
    assert (await world.post(b"x" * 1_000_000, token=None))[0] == 401


@pytest.mark.parametrize("body", [b"", b"{not json", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_object_gets_400(world: World, body: bytes) -> None:
    assert (await world.post(body))[0] == 400


@pytest.mark.parametrize("size", [1_000_001, 3_000_000])
async def test_a_body_that_is_too_large_gets_413(world: World, size: int) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(size // 50_000 + 1):
            yield b"x" * 50_000

    headers = {"Authorization": f"Bearer {world.issuer.token(world.service_url)}"}
    for data in (io.BytesIO(b"x" * size), chunks()):
        async with world.http.post(world.url, data=data, headers=headers) as response:
            assert response.status == 413


async def test_a_packed_body_is_refused_before_it_is_unpacked(world: World) -> None:
    packed = zlib.compress(b"[" * 200_000_000)
    headers = {
        "Authorization": f"Bearer {world.issuer.token(world.service_url)}",
        "Content-Encoding": "deflate",
    }
    before = time.process_time()
    for status in (415, 401):
        async with world.http.post(world.url, data=packed, headers=headers) as response:
            assert response.status == status
            assert (await response.json())["error"].endswith(".")
        headers.pop("Authorization", None)
    assert time.process_time() - before < 0.2, "unpacking it takes longer than that"


async def test_activities_with_fields_of_wrong_types_get_no_500(world: World) -> None:
    strange = [None, 1, "x", [], {}, [None, 1, {}], {"id": 1}, {"id": {}}, True]
    fields = [
        "type", "id", "from", "recipient", "conversation", "text", "entities", "value", "replyToId", "name",
        "reactionsAdded", "membersAdded", "channelData", "attachments", "textFormat",
    ]  # fmt: skip
    for kind in (
        "message",
        "messageUpdate",
        "messageDelete",
        "messageReaction",
        "conversationUpdate",
        "invoke",
    ):
        for name in fields:
            for number, value in enumerate(strange):
                activity = world.activity(kind, text="hi", name="message/submitAction", value=THUMB)
                activity |= {"id": f"{kind}-{name}-{number}", name: value}
                status, _ = await world.post(activity)
                assert status in {200, 400, 401, 501}, (kind, name, value)


async def test_an_invoke_body_is_written_once(world: World) -> None:
    status, body = await world.post(world.activity("invoke", name="message/submitAction", value=THUMB))
    assert (status, body) == (200, "{}")
    assert (await world.post(world.activity("invoke", name="task/fetch")))[0] == 501


async def test_feedback_that_cannot_be_kept_gets_503(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    world.store.down = True
    status, _ = await world.post(world.activity("invoke", name="message/submitAction", value=THUMB))
    assert status == 503


async def test_a_slow_key_server_holds_up_nobody_else(world: World) -> None:
    world.issuer.gate.clear()
    waiting = [asyncio.create_task(world.post(world.activity(text="hi", id=str(n)))) for n in range(5)]
    await world.issuer.asked.wait()
    assert (await world.post(world.activity(), token=None))[0] == 401
    assert not any(task.done() for task in waiting)
    world.issuer.gate.set()
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 5
    assert world.issuer.fetches == 1


async def test_unknown_keys_make_the_bot_fetch_keys_no_more_than_now_and_then() -> None:
    async with a_world(key_times=KeyTimes(unknown_key_s=3600, failure_s=3600)) as world:
        await world.ask("hi")
        for number in range(20):
            token = world.issuer.token(
                world.service_url, key=new_key() if number == 0 else None, key_id="key-1"
            )
            header = jwt.get_unverified_header(token) | {"kid": f"other-{number}"}
            body = token.split(".", 1)[1]
            forged = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode() + "." + body
            assert (await world.post(world.activity(), token=forged))[0] == 401
        assert world.issuer.fetches == 1


async def test_new_keys_are_fetched_when_a_token_names_one() -> None:
    async with a_world(key_times=KeyTimes(unknown_key_s=0, failure_s=0)) as world:
        await world.ask("hi")
        world.issuer.keys["key-2"] = (new_key(), ("msteams",))
        token = world.issuer.token(world.service_url, key_id="key-2")
        assert (await world.post(world.activity(text="ho", id="2"), token=token))[0] == 200


async def test_without_keys_the_channel_is_asked_to_try_again_and_old_keys_serve_on() -> None:
    async with a_world(key_times=KeyTimes(good_s=0, unknown_key_s=0, failure_s=0)) as world:
        world.issuer.broken = True
        assert (await world.post(world.activity(text="hi")))[0] == 503
        world.issuer.broken = False
        assert (await world.post(world.activity(text="hi")))[0] == 200
        world.issuer.broken = True
        token = world.issuer.token(world.service_url, jti="another")
        assert (await world.post(world.activity(text="ho", id="2"), token=token))[0] == 200


async def test_without_an_app_id_nobody_is_let_in_unless_that_was_granted() -> None:
    async with a_world(BotFrameworkConfig()) as world:
        assert (await world.post(world.activity(text="hi"), token=None))[0] == 401


async def test_without_an_app_id_a_program_on_this_machine_is_let_in(open_world: World) -> None:
    assert (await open_world.post(open_world.activity(text="hi"), token=None))[0] == 200
    (message,) = await open_world.connector.messages()
    assert message.authorization == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:3978"},
        {"Host": "169.254.169.254"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
    ],
)
async def test_without_an_app_id_a_web_page_or_a_proxy_is_not_let_in(
    open_world: World, headers: dict[str, str]
) -> None:
    body = json.dumps(open_world.activity(text="hi")).encode()
    headers = {"Content-Type": "application/json"} | headers
    assert (await open_world.post(body, token=None, headers=headers))[0] == 401


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/",
        "https://evil.example",
        "http://10.0.0.1",
        "file:///etc/passwd",
        "",
        None,
        7,
        "http://[::",
        "http://127.0.0.1\\@evil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example#@127.0.0.1",
    ],
)
async def test_without_an_app_id_answers_go_to_this_machine_only(open_world: World, address: Any) -> None:
    activity = open_world.activity(text="hi") | {"serviceUrl": address}
    assert (await open_world.post(activity, token=None))[0] == 401


async def test_no_token_can_be_had_from_a_login_server_that_is_not_there() -> None:
    own = BotCredentials(
        BotFrameworkConfig(app_id=APP_ID, app_password="x", login_url="https://127.0.0.1:9/t")  # noqa: S106
    )
    with pytest.raises(ChannelError):
        await own.get()
    assert await BotCredentials(BotFrameworkConfig()).get() == ""


async def test_the_bots_own_token_is_fetched_once_and_off_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, login = certificate(tmp_path), LoginDouble()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    async with served(login.app, tls) as url:
        own = BotCredentials(
            BotFrameworkConfig(app_id=APP_ID, app_password="very", login_url=f"{url}/tenant")  # noqa: S106
        )
        assert await asyncio.gather(*(own.get() for _ in range(10))) == ["token 1"] * 10
    (form,) = login.granted
    assert (form["client_id"], form["client_secret"]) == (APP_ID, "very")
    assert form["scope"] == "https://api.botframework.com/.default"


@pytest.mark.parametrize(
    ("app_type", "tenant"), [("SingleTenant", "t-1"), ("MultiTenant", "botframework.com")]
)
async def test_an_app_with_a_secret_answers_with_a_token_of_the_tenant_that_its_type_says(
    app_type: str, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, login = certificate(tmp_path), LoginDouble()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    async with served(login.app, tls) as url:
        config = BotFrameworkConfig(APP_ID, "very", app_type, "t-1", login_url=f"{url}/{{tenant}}")
        async with a_world(config, own_token=False) as world:
            await world.ask("How much leave?")
            (message,) = await world.connector.messages()
            assert message.authorization == "Bearer token 1"
    (form,) = login.granted
    assert (form["tenant"], form["client_id"], form["client_secret"]) == (tenant, APP_ID, "very")


async def test_a_managed_identity_answers_with_the_token_of_its_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login = LoginDouble()
    async with served(login.app) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi")
        monkeypatch.setenv("IDENTITY_HEADER", login.identity)
        config = BotFrameworkConfig(APP_ID, app_type="UserAssignedMSI")
        async with a_world(config, own_token=False) as world:
            await world.ask("How much leave?")
            (message,) = await world.connector.messages()
            assert message.authorization == "Bearer token 1"
        monkeypatch.setenv("IDENTITY_HEADER", "somebody else's")
        with pytest.raises(ChannelError, match="not this machine"):
            await BotCredentials(config).get()
    (asked,) = login.granted
    assert (asked["client_id"], asked["resource"]) == (APP_ID, "https://api.botframework.com")


def test_a_bot_does_not_start_with_half_a_registration() -> None:
    with pytest.raises(CannotServe, match="ASKPAGE_APP_PASSWORD"):
        check_channels(Settings(app_id=APP_ID, app_tenant_id="t-1"))
    with pytest.raises(CannotServe, match="ASKPAGE_APP_TENANT_ID"):
        check_channels(Settings(app_id=APP_ID, app_password=SecretStr("very")))
    check_channels(Settings(app_id=APP_ID, app_password=SecretStr("very"), app_type="MultiTenant"))
    check_channels(Settings(app_id=APP_ID, app_type="UserAssignedMSI"))


# Tenants

OURS = BotFrameworkConfig(app_id=APP_ID, allowed_tenants=("T1", "t2"))
CHAT = {"id": "a:chat", "conversationType": "personal"}


@pytest.mark.parametrize(
    "fields",
    [
        {"conversation": CHAT | {"tenantId": "t9"}},
        {"conversation": CHAT},
        {"conversation": CHAT, "channelData": {"tenant": {"id": "t9"}}},
        {"channelData": {"tenant": {"id": "t9"}}},
        {"from": {"id": "29:eve", "aadObjectId": "aad-eve", "tenantId": "t9"}},
        {"conversation": CHAT | {"tenantId": ["t1"]}},
        {"conversation": "t1", "channelData": []},
    ],
)
async def test_people_of_other_tenants_are_refused_before_anything_is_kept(fields: dict[str, Any]) -> None:
    async with a_world(OURS) as world:
        activities = [
            world.activity(text="How much leave?", **fields),
            world.activity("messageReaction", replyToId="m1", reactionsAdded=[{"type": "like"}], **fields),
            world.activity("invoke", name="message/submitAction", value=THUMB, **fields),
            world.activity("installationUpdate", action="add", **fields),
        ]
        assert [(await world.post(one))[0] for one in activities] == [403] * 4
        await world.settled()
        assert not world.store.questions
        assert not world.store.documents.kept
        assert not world.connector.calls


def test_the_setting_names_several_tenants() -> None:
    settings = Settings(allowed_tenants="t1, t2")  # type: ignore[arg-type]
    assert to_config(settings, is_public=False).allowed_tenants == ("t1", "t2")


async def test_people_of_the_tenants_that_are_named_are_let_in() -> None:
    async with a_world(OURS) as world:
        await world.ask("How much leave?", channelData={"tenant": {"id": "T1"}})
        conversation = CHAT | {"id": "a:other", "tenantId": "T2"}
        await world.ask("How much leave?", id="2", conversation=conversation)
        assert len(await world.connector.messages(2)) == 2
        assert (await world.post(world.activity(text="hi"), token=None))[0] == 401

"""The seam to a library of the Bot Framework: with each of them the same is let in, refused and sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, get_args

import aiohttp
import botbuilder.schema
import jwt
import microsoft_agents.activity
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.teams.auth import BotFrameworkConfig, KeyTimes, LibraryName, SigningKeys
from bot.teams.sdk.library import TokenRules, load_library
from tests.builders.world import World, a_world, served
from tests.doubles.tokens import APP_ID, ISSUER, KEY_ID, Issuer, new_key

LIBRARIES: tuple[LibraryName, ...] = get_args(LibraryName)
ACTIVITIES: Mapping[LibraryName, ModuleType] = {
    "botbuilder": botbuilder.schema,
    "agents": microsoft_agents.activity,
}
Json = dict[str, Any]
HOUR = 3600
OURS = {"tenantId": "t1"}


@pytest.fixture(params=LIBRARIES)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    config = BotFrameworkConfig(app_id=APP_ID, allowed_tenants=("t1",), library=request.param)
    async with a_world(config, key_times=KeyTimes(unknown_key_s=0, failure_s=0)) as world:
        yield world


def said(world: World, text: str = "How much leave?", **fields: Any) -> Json:
    chat = {"id": "a:chat", "conversationType": "personal"} | OURS
    return world.activity(text=text, conversation=chat) | fields


@dataclass(frozen=True)
class Forgery:
    """A request that must change nothing: its token, and what of a good activity is another in it."""

    token: str | None
    activity: Json = field(default_factory=dict[str, Any])
    status: int = 401


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _sign_symmetrically(payload: Json, secret: bytes) -> str:
    """Sign as a verifier would check that takes a public key for a secret; PyJWT refuses to make one."""
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(payload)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _forge_tokens(world: World) -> dict[str, str | None]:
    issuer, url, now = world.issuer, world.service_url, int(time.time())
    ours, theirs = issuer.keys[KEY_ID][0], new_key()
    good: Json = {"iss": ISSUER, "aud": APP_ID, "serviceurl": url, "exp": now + HOUR}
    public = ours.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, payload, signature = issuer.token(url).split(".")
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(theirs.public_key(), as_dict=True)
    with_header = {"kid": KEY_ID, "jwk": jwk, "jku": f"{url}/keys", "x5u": f"{url}/keys"}
    return {
        "no token": None,
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
        "no ASCII": "ä.ö.ü",
        "expired": issuer.token(url, exp=now - HOUR),
        "expired a little longer ago than clocks differ": issuer.token(url, exp=now - 310),
        "without an end": issuer.token(url, exp=None),
        "an end that is no time": issuer.token(url, exp="tomorrow"),
        "not valid yet": issuer.token(url, nbf=now + HOUR),
        "issued in an hour": issuer.token(url, iat=now + HOUR),
        "signed with another key": issuer.token(url, key=theirs),
        "a key that is not published": issuer.token(url, key=theirs, key_id="key-9"),
        "no key is named": jwt.encode(good, ours, algorithm="RS256"),
        "its own key in its header": jwt.encode(good, theirs, algorithm="RS256", headers=with_header),
        "for somebody else": issuer.token(url, aud="someone-else"),
        "for an app whose id begins as ours": issuer.token(url, aud=f"{APP_ID}0"),
        "for us as a resource": issuer.token(url, aud=f"api://{APP_ID}"),
        "for us and others": issuer.token(url, aud=[APP_ID, "someone-else"]),
        "for nobody": issuer.token(url, aud=None),
        "another issuer": issuer.token(url, iss="https://evil.example"),
        "the issuer with a slash": issuer.token(url, iss=f"{ISSUER}/"),
        "several issuers": jwt.PyJWS().encode(
            json.dumps(good | {"iss": [ISSUER]}).encode(), ours, algorithm="RS256", headers={"kid": KEY_ID}
        ),
        "no issuer": issuer.token(url, iss=None),
        "the public cloud's issuer, where another is set": issuer.token(
            url, iss="https://api.botframework.com"
        ),
        "the government cloud's issuer": issuer.token(url, iss="https://api.botframework.us"),
        "the emulator's issuer": issuer.token(
            url, iss="https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"
        ),
        "the emulator's newer issuer": issuer.token(
            url, iss="https://login.microsoftonline.com/d6d49420-f39b-4df7-a1dc-d59a935871db/v2.0"
        ),
        "another tenant's issuer": issuer.token(url, iss="https://sts.windows.net/t9/", tid="t9"),
        "another service URL": issuer.token("https://evil.example"),
        "a service URL that begins as ours": issuer.token(f"{url}.evil.example"),
        "no service URL": issuer.token(url, serviceurl=None),
        "several service URLs": issuer.token(url, serviceurl=[url]),
        "unsigned": f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(good)}.",
        "unsigned in capitals": f"{_part({'alg': 'NONE', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(good)}.",
        "the public key as a secret": _sign_symmetrically(good, pem),
        "its number as a secret": _sign_symmetrically(good, public.public_numbers().n.to_bytes(256, "big")),
        "another algorithm": jwt.encode(good, ours, algorithm="RS512", headers={"kid": KEY_ID}),
        "another kind of key": jwt.encode(
            good, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": KEY_ID}
        ),
        "another payload": f"{header}.{_part(good)}.{signature}",
        "another token's signature": f"{header}.{payload}.{issuer.token(url, jti='2').split('.')[2]}",
        "cut": f"{header}.{payload}.{signature[:-9]}",
    }


def _forge_requests(world: World) -> dict[str, Forgery]:
    issuer, url = world.issuer, world.service_url
    for key_id, endorsed in (("web", ("webchat",)), ("none", ()), ("near", ("msteams2", "teams"))):
        issuer.keys[key_id] = (issuer.keys[KEY_ID][0], endorsed)
    good = issuer.token(url)
    away = {"id": "a:chat", "conversationType": "personal"}
    return {
        **{name: Forgery(token) for name, token in _forge_tokens(world).items()},
        "a key for another channel": Forgery(issuer.token(url, key_id="web")),
        "a key for no channel": Forgery(issuer.token(url, key_id="none")),
        "a key for a channel with a like name": Forgery(issuer.token(url, key_id="near")),
        "Teams' key for the emulator": Forgery(good, {"channelId": "emulator"}),
        "Teams' key for no channel": Forgery(good, {"channelId": ""}),
        "Teams' key for channels": Forgery(good, {"channelId": ["msteams"]}),
        "a good token, replayed to answer elsewhere": Forgery(good, {"serviceUrl": "https://evil.example"}),
        "a good token, replayed with our address and more": Forgery(good, {"serviceUrl": f"{url}/x"}),
        "a good token, replayed without an address": Forgery(good, {"serviceUrl": None}),
        "a foreign tenant": Forgery(good, {"conversation": away | {"tenantId": "t9"}}, 403),
        "no tenant": Forgery(good, {"conversation": away}, 403),
        "a foreign tenant beside ours": Forgery(good, {"channelData": {"tenant": {"id": "t9"}}}, 403),
    }


async def test_forged_replayed_and_foreign_requests_are_refused_in_a_sentence_and_change_nothing(
    world: World,
) -> None:
    forged = _forge_requests(world)
    assert len(forged) >= 40
    sentences = {401: "Not authorised.", 403: "This bot is not for your organisation."}
    for name, one in forged.items():
        got = await world.post(said(world) | one.activity, token=one.token)
        assert (name, *got) == (name, one.status, json.dumps({"error": sentences[one.status]}))
    await world.settled()
    assert not world.answerer.asked
    assert not world.store.questions
    assert not world.store.documents.kept
    assert not world.connector.calls
    assert (await world.post(said(world)))[0] == 200, "the same without a forgery"


async def test_what_clocks_may_differ_by_is_let_in_and_a_redelivery_is_answered_once(world: World) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 240}, {"nbf": now + 240}, {"iat": now + 240}):
        token = world.issuer.token(world.service_url, **claims)
        assert (await world.post(said(world), token=token))[0] == 200, claims
    await world.settled()
    assert len(world.store.questions) == 1


async def test_keys_that_were_changed_are_fetched_and_the_old_ones_count_no_more(world: World) -> None:
    old = world.issuer.token(world.service_url, jti="old")
    assert (await world.post(said(world)))[0] == 200
    world.issuer.keys = {"key-2": (new_key(), ("msteams",))}
    new = world.issuer.token(world.service_url, key_id="key-2")
    assert (await world.post(said(world, id="2"), token=new))[0] == 200
    assert (await world.post(said(world, id="3"), token=old))[0] == 401
    world.issuer.keys.clear()
    world.issuer.broken = True
    known = world.issuer.fetches
    assert (await world.post(said(world, id="4"), token=new))[0] == 200, "a token that was good still is"
    assert world.issuer.fetches == known


async def test_without_keys_the_channel_is_asked_to_come_again(world: World) -> None:
    world.issuer.broken = True
    status, body = await world.post(said(world))
    assert (status, body) == (503, '{"error": "Not now. Please try again."}')


async def test_of_several_bots_in_one_process_each_takes_its_own_tokens(world: World) -> None:
    other = BotFrameworkConfig(app_id="another-app", allowed_tenants=("t1",))
    async with a_world(other) as second:
        mine, theirs = said(world), said(second)
        assert (await world.post(mine))[0] == 200
        token = second.issuer.token(second.service_url, aud="another-app")
        assert (await second.post(theirs, token=token))[0] == 200
        assert (await second.post(theirs, token=second.issuer.token(second.service_url)))[0] == 401


async def test_an_activity_with_strange_values_is_no_trouble_for_the_library(world: World) -> None:
    strange: list[Any] = [None, 1, "x", ":", " : ", [], {}, [None, 1, {}], {"id": 1}, {"id": {}}, True]
    for name in ("type", "id", "from", "recipient", "conversation", "text", "value", "name", "channelData"):
        for number, value in enumerate(strange):
            status, _ = await world.post(said(world, "hi", id=f"{name}-{number}") | {name: value})
            assert status in {200, 400, 403, 501}, (name, value)


@pytest.mark.parametrize("name", LIBRARIES)
async def test_in_another_cloud_tokens_of_its_issuer_are_read_with_the_keys_of_its_address(
    name: LibraryName,
) -> None:
    issuer = Issuer()
    government = "https://api.botframework.us"
    async with served(issuer.app) as url, aiohttp.ClientSession() as session:
        keys = SigningKeys(f"{url}/metadata", session)
        validator = load_library(name).open_validator(TokenRules(government, APP_ID, f"{url}/metadata"), keys)
        claims = await validator.read_claims(issuer.token(url, iss=government))
        assert (claims["iss"], claims["aud"], claims["serviceurl"]) == (government, APP_ID, url)
        with pytest.raises(PermissionError):
            await validator.read_claims(issuer.token(url, iss="https://api.botframework.com", aud="x"))
        validator.close()


class Greeting:
    """Middleware of either library: greets, hides what it must not pass on, and corrects itself."""

    def __init__(self, make_activity: Callable[..., Any], passes_context: bool) -> None:
        self._make_activity = make_activity
        self._passes_context = passes_context

    async def on_turn(self, context: Any, logic: Callable[..., Awaitable[None]]) -> None:
        greeting = await context.send_activity("One moment.")
        if context.activity.text == "secret":
            await context.delete_activity(greeting.id)
            return
        await (logic(context) if self._passes_context else logic())
        await context.update_activity(self._make_activity(type="message", id=greeting.id, text="Here it is."))


async def test_middleware_of_the_library_runs_around_every_turn(world: World) -> None:
    name = "agents" if "agents" in type(world.seam.turns).__module__ else "botbuilder"
    world.seam.turns.use(Greeting(ACTIVITIES[name].Activity, passes_context=name == "agents"))
    assert (await world.post(said(world)))[0] == 200
    await world.settled()
    greeting = world.connector.calls[0]
    assert (greeting.method, greeting.activity["text"]) == ("POST", "One moment.")
    (correction,) = [call for call in world.connector.calls if call.method == "PUT"]
    assert (correction.message_id, correction.activity["text"]) == ("m1", "Here it is.")
    assert [call for call in world.connector.calls if call.activity.get("text") == "You get 16 weeks [1]."]
    asked = len(world.store.questions)
    assert (await world.post(said(world, "secret", id="2")))[0] == 200
    await asyncio.sleep(0)
    assert len(world.store.questions) == asked
    assert world.connector.calls[-1].method == "DELETE"

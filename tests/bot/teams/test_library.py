"""The seam to a library of the Bot Framework: with each of them the same is let in, refused and sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any, get_args

import aiohttp
import botbuilder.schema
import microsoft_agents.activity
import pytest

from bot.teams.auth import BotFrameworkConfig, KeyTimes, LibraryName, SigningKeys
from bot.teams.sdk.library import TokenRules, load_library
from tests.builders.forged import forge_activities
from tests.builders.world import World, a_world, served
from tests.doubles.tokens import APP_ID, Issuer, new_key

LIBRARIES: tuple[LibraryName, ...] = get_args(LibraryName)
ACTIVITIES: Mapping[LibraryName, ModuleType] = {
    "botbuilder": botbuilder.schema,
    "agents": microsoft_agents.activity,
}
Json = dict[str, Any]
OURS = {"tenantId": "t1"}


@pytest.fixture(params=LIBRARIES)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    config = BotFrameworkConfig(app_id=APP_ID, allowed_tenants=("t1",), library=request.param)
    async with a_world(config, key_times=KeyTimes(unknown_key_s=0, failure_s=0)) as world:
        yield world


def said(world: World, text: str = "How much leave?", **fields: Any) -> Json:
    chat = {"id": "a:chat", "conversationType": "personal"} | OURS
    return world.activity(text=text, conversation=chat) | fields


async def test_forged_replayed_and_foreign_requests_are_refused_in_a_sentence_and_change_nothing(
    world: World,
) -> None:
    forged = forge_activities(world)
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

"""The double notes every break of Teams' limits, and the bot keeps them when much is to be said at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from bot.channel import ChannelError
from bot.http import retry_wait_s
from bot.teams.connector import BotConnector
from bot.teams.rate_limit import Pace
from tests.builders.serving import served
from tests.doubles.teams_connector import ConnectorService
from tests.doubles.teams_limits import (
    CARD,
    LABEL,
    SCALE,
    STREAM_LASTS_S,
    Rates,
    Streams,
    broken_by,
    quick_pace,
)

Json = dict[str, Any]

CHAT = {"id": "a:chat", "conversationType": "personal", "tenantId": "t1"}
MESSAGE: Json = {"type": "message", "text": "hi", "conversation": CHAT, "recipient": {"id": "29:ada"}}
TYPING = MESSAGE | {"type": "typing"}
OFFER = {"type": "imBack", "title": "More", "value": "Tell me more"}


def claims(count: int, name: str = "Leave", abstract: str = "16 weeks") -> Json:
    appearance = {"@type": "DigitalDocument", "name": name, "abstract": abstract}
    cited = [{"@type": "Claim", "position": n, "appearance": appearance} for n in range(1, count + 1)]
    return {"type": LABEL, "citation": cited}


def with_card(**fields: Any) -> Json:
    content = {"type": "AdaptiveCard", "version": "1.5", "fallbackText": "words", **fields}
    return MESSAGE | {"attachments": [{"contentType": CARD, "content": content}]}


def offering(*actions: Json, to: str = "29:ada") -> Json:
    return MESSAGE | {"suggestedActions": {"to": [to], "actions": list(actions)}}


BROKEN: dict[str, Json] = {
    "bytes": MESSAGE | {"text": "x" * 60_000},
    "an activity of type": MESSAGE | {"type": "event"},
    "without anything": MESSAGE | {"text": ""},
    "exclude each other": MESSAGE | {"channelData": {"feedbackLoop": {}, "feedbackLoopEnabled": True}},
    "unknown type": MESSAGE | {"channelData": {"feedbackLoop": {"type": "stars"}}},
    "2 root Message": MESSAGE | {"entities": [claims(1), claims(1)]},
    "21 citations": MESSAGE | {"entities": [claims(21)]},
    "name of 81": MESSAGE | {"entities": [claims(1, name="x" * 81)]},
    "name of 0": MESSAGE | {"entities": [claims(1, name="")]},
    "abstract of 161": MESSAGE | {"entities": [claims(1, abstract="x" * 161)]},
    "one position": MESSAGE | {"entities": [{"type": LABEL, "citation": claims(1)["citation"] * 2}]},
    "before the final": TYPING | {"entities": [claims(1)]},
    "feedback before": TYPING | {"channelData": {"feedbackLoop": {"type": "default"}}},
    "more than 1,000": TYPING
    | {"text": "x" * 1_001, "entities": [{"type": "streaminfo", "streamType": "informative"}]},
    "another version": with_card(version="1.6"),
    "cannot draw it": with_card(fallbackText=""),
    "more than 60 people": with_card(refresh={"userIds": ["29:x"] * 61}),
    "Action.Submit": with_card(actions=[{"type": "Action.Execute", "verb": "x"}]),
    "stars without": with_card(body=[{"type": "Input.Rating", "id": "stars"}]),
    "outside a personal": offering(OFFER) | {"conversation": CHAT | {"conversationType": "groupChat"}},
    "for nobody": offering(OFFER, to="29:bob"),
    "or too many": offering(*[OFFER] * 7),
    "says nothing": offering(OFFER | {"value": ""}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_every_activity_that_teams_would_not_take_is_noted(words: str) -> None:
    assert any(words in broken for broken in broken_by(BROKEN[words]))


def test_what_teams_takes_breaks_nothing() -> None:
    fine = [MESSAGE, TYPING, with_card(), offering(OFFER), MESSAGE | {"entities": [claims(20)]}]
    assert [list(broken_by(activity)) for activity in fine] == [[]] * len(fine)


# Streams


def part(kind: str, text: str = "a", *, sequence: int | None = None, stream_id: str = "m1") -> Json:
    info: Json = {"type": "streaminfo", "streamType": kind}
    info |= {"streamId": stream_id} if stream_id else {}
    info |= {"streamSequence": sequence} if sequence else {}
    final = kind == "final"
    return (MESSAGE if final else TYPING) | {"text": text, "entities": [info]}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (part("streaming", "a", sequence=1, stream_id=""), "one stream of a chat"),
        (part("streaming", "abc", sequence=2), "SequenceOrder"),
        (part("streaming", "abc", sequence=4), "SequenceOrder"),
        (part("streaming", "b", sequence=3), "previously streamed"),
        (part("final", "ab", sequence=3), "SequenceOrder"),
        (part("streaming", "", sequence=3), "with text"),
        (part("streaming", "abc", sequence=3, stream_id="m9"), "no such stream"),
        (part("streaming", "abc", sequence=3) | {"type": "message"}, "with text"),
    ],
)
def test_a_part_that_does_not_fit_its_stream_is_refused(wrong: Json, why: str) -> None:
    streams = Streams()
    streams.begun("m1", "a:chat", part("streaming", "a", sequence=1, stream_id=""), 0.0)
    assert streams.refused("a:chat", part("streaming", "ab", sequence=2), 1.0) is None
    refused = streams.refused("a:chat", wrong, 2.0)
    assert refused is not None
    assert why in refused[1]


def test_a_stream_is_refused_in_groups_too_fast_too_long_and_after_its_end() -> None:
    streams = Streams()
    begin = part("streaming", "a", sequence=1, stream_id="")
    group = begin | {"conversation": CHAT | {"conversationType": "groupChat"}}
    assert (streams.refused("19:x", group, 0.0) or (0,))[0] == 403
    assert streams.refused("a:chat", begin, 0.0) is None
    streams.begun("m1", "a:chat", begin, 0.0)
    assert (streams.refused("a:chat", part("streaming", "ab", sequence=2), SCALE / 2) or (0,))[0] == 429
    late = streams.refused("a:chat", part("final", "ab"), STREAM_LASTS_S + 1)
    assert late is not None
    assert "exceeded streaming time" in late[1]
    assert streams.refused("a:chat", part("final", "ab"), 1.0) is None
    assert (streams.refused("a:chat", part("final", "ab"), 2.0) or (0,))[0] == 403


# Rates


@asynccontextmanager
async def a_connector(pace: Pace) -> AsyncGenerator[tuple[ConnectorService, BotConnector, str]]:
    service = ConnectorService()
    async with served(service.app) as url, aiohttp.ClientSession() as session:
        yield service, BotConnector(session, _no_token, pace), url


async def _no_token() -> str:
    return ""


async def say(connector: BotConnector, url: str, chats: int, times: int) -> None:
    """Say something in many chats of one tenant, everything at once."""
    places = [CHAT | {"id": f"a:{number}", "serviceUrl": url} for number in range(chats)]
    said = [
        connector.post_activity(place, MESSAGE | {"conversation": place})
        for place in places
        for _ in range(times)
    ]
    await asyncio.gather(*said)


@pytest.mark.parametrize(("chats", "times"), [(1, 130), (160, 1)])
async def test_however_much_is_to_be_said_the_rates_of_threads_and_tenants_hold(
    chats: int, times: int
) -> None:
    async with a_connector(quick_pace()) as (service, connector, url):
        await say(connector, url, chats, times)
        assert len(service.calls) == chats * times
        assert not service.broken


def test_one_request_more_than_a_thread_or_a_tenant_may_make_is_noted() -> None:
    def broken(chats: int, requests: int, apart_s: float) -> set[str]:
        rates = Rates()
        asked = [(f"a:{number % chats}", number * apart_s * SCALE) for number in range(requests)]
        return {one for chat, at in asked for one in rates.broken(chat, "t1", at)}

    assert broken(1, 7, 0.1) == broken(50, 50, 0.01) == set()
    assert broken(1, 8, 0.1) == {"thread a:0 got 8 requests within 1 s"}
    assert broken(1, 9, 0.24) == {"thread a:0 got 9 requests within 2 s"}
    assert broken(60, 51, 0.01) == {"tenant t1 got 51 requests within 1 s"}


async def test_a_channel_that_stays_busy_is_asked_four_times_and_each_time_counts() -> None:
    async with a_connector(quick_pace()) as (service, connector, url):
        service.fail(429, times=99, headers={"Retry-After": "0"})
        with pytest.raises(ChannelError) as failed:
            await asyncio.gather(
                *(connector.post_activity(CHAT | {"serviceUrl": url}, MESSAGE) for _ in range(3))
            )
        assert failed.value.status == 429
        service.recover()
        await connector.post_activity(CHAT | {"serviceUrl": url}, MESSAGE)
        assert not service.broken
        assert [call.status for call in service.calls[:4]] == [429] * 4


async def test_messages_of_one_conversation_keep_their_order_while_one_is_tried_again() -> None:
    async with a_connector(quick_pace()) as (service, connector, url):
        service.fail(429, times=2, headers={"Retry-After": "0.01"})
        place = CHAT | {"serviceUrl": url}
        await asyncio.gather(*(connector.post_activity(place, MESSAGE | {"text": text}) for text in "abc"))
        assert [call.activity["text"] for call in service.calls if call.is_message] == ["a", "b", "c"]


def test_a_wait_is_what_the_channel_asked_for_with_jitter_and_never_too_long() -> None:
    assert 7 <= retry_wait_s(0, "7") <= 8.75
    assert {round(retry_wait_s(0, "7"), 6) for _ in range(20)} != {7.0}
    assert retry_wait_s(0, "9999") == 30
    assert 2 <= retry_wait_s(2, None) <= 2.5
    assert 2 <= retry_wait_s(2, "soon") <= 2.5
    assert 5 <= retry_wait_s(0, formatdate(time.time() + 10, usegmt=True)) <= 12.5
    assert retry_wait_s(0, formatdate(0, usegmt=True)) == 0


async def test_a_message_that_was_never_there_is_neither_changed_nor_deleted() -> None:
    async with a_connector(quick_pace()) as (service, connector, url):
        place = CHAT | {"serviceUrl": url}
        message_id = await connector.post_activity(place, MESSAGE)
        await connector.put_activity(place, message_id, MESSAGE)
        await connector.delete(place, message_id)
        assert not service.broken
        with pytest.raises(Exception, match="404"):
            await connector.put_activity(place | {"id": "a:other"}, message_id, MESSAGE)
        with pytest.raises(Exception, match="404"):
            await connector.delete(place, "m99")
        assert len(service.forgive()) == 2

"""What Slack did not send, or nobody may do: refused, with no change in the store, no word in the log."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.builders.forged import BAD_SIGNATURES, flip_digit, sign_at
from tests.builders.slack_world import ADA, BOB, ROBIN, SECRET, SlackWorld, a_slack_world, pressable
from tests.doubles.slack_api import Message

Json = dict[str, Any]

FORM = "application/x-www-form-urlencoded"
PROOF = "purple-elephant-4711"
"""Stands in every forged request; it must not get anywhere."""


def interaction(payload: Any) -> bytes:
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()


@dataclass
class Scene:
    """An answer in Ada's chat, and its review in the reviewers' channel."""

    world: SlackWorld
    answer: Message
    card: Message
    other: Message

    def snapshot(self) -> object:
        store = self.world.store
        kept = {name: one for name, one in store.documents.kept.items() if name[0] != "errand"}
        shown = {ts: one.words for ts, one in self.world.slack.shown.items()}
        return dict(store.questions), dict(store.answers), dict(store.feedback), kept, shown

    def question(self, **envelope: Any) -> bytes:
        """Return an event that asks something."""
        return json.dumps(self.world.envelope(self.world.mention(f"What of {PROOF}?"), **envelope)).encode()

    def press(self, action: str = "act:review.approve", user: str = ROBIN, /, **changes: Any) -> bytes:
        """Return a press of the review card by a reviewer, with these fields of the payload changed."""
        payload = self.world.press(self.card, pressable(self.card, action), user)
        return interaction(payload | changes)

    def forged(self, action: str = "act:review.approve", user: str = ROBIN, /, **data: Any) -> bytes:
        """Return a press with fields of its value changed; a callable is asked, ... leaves the field out."""
        element = pressable(self.card, action)
        before = json.loads(element["value"])
        made = {key: value(before.get(key)) if callable(value) else value for key, value in data.items()}
        value = {key: one for key, one in (before | made).items() if one is not ...}
        return interaction(self.world.press(self.card, element | {"value": json.dumps(value)}, user))

    def rated(self, side: Json, user: str = ADA, **changes: Any) -> bytes:
        """Return a thumb on the answer whose value is another one."""
        payload = self.world.press(self.answer, pressable(self.answer, "thumb"), user)
        payload["actions"][0]["value"] = json.dumps(side)
        return interaction(payload | changes)

    def rated_raw(self, value: str, action_id: str = "act:rate.expert") -> bytes:
        """Return a press on the answer whose value is this text."""
        payload = self.world.press(self.answer, pressable(self.answer, "act:rate.expert"))
        payload["actions"][0] |= {"value": value, "action_id": action_id}
        return interaction(payload)

    def thumb(self) -> Json:
        return json.loads(pressable(self.answer, "thumb")["positive_button"]["value"])

    def form(self, data: Json | None = None, user: str = ROBIN, **about: Any) -> bytes:
        """Return a correction in a form, with these fields of what comes back unseen changed."""
        known = json.loads(pressable(self.card, "open:review.correct")["value"]) | (data or {})
        unseen = {"data": known, "channel": "C9", "thread": "", "ts": self.card.ts} | about
        element = {"type": "plain_text_input", "action_id": "text"}
        view: Json = {
            "id": "V1",
            "type": "modal",
            "callback_id": "form",
            "private_metadata": json.dumps(unseen),
            "blocks": [{"type": "input", "block_id": "text", "element": element}],
        }
        return interaction(self.world.submission(view, {"text": f"It is {PROOF}."}, user))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with a_slack_world() as world:
        answer = await world.ask("How much leave?")
        other = await world.ask("How much sick leave?")
        await world.interact(world.press(answer, pressable(answer, "thumb"), side="negative_button"))
        await world.settled()
        await world.card_sync()
        (card,) = [m for m in world.slack.messages("C9") if "Please review" in m.words]
        yield Scene(world, answer, card, other)


Signed = Callable[[Scene], tuple[bytes, str, Json]]


def event(headers: Callable[[bytes], Json], body: Callable[[Scene], bytes] = Scene.question) -> Signed:
    def made(scene: Scene) -> tuple[bytes, str, Json]:
        bytes_ = body(scene)
        return bytes_, "application/json", headers(bytes_)

    return made


def as_is(body: bytes | Callable[[Scene], bytes], kind: str = "application/json") -> Signed:
    """Return a request that is signed rightly."""
    return lambda scene: (body if isinstance(body, bytes) else body(scene), kind, {})


NOT_FROM_SLACK: dict[str, Signed] = {
    **{name: event(headers) for name, headers in BAD_SIGNATURES.items()},
    "an empty body": event(lambda _: {"X-Slack-Signature": None}, lambda _: b""),
    "bytes that are no text": event(lambda _: {"X-Slack-Signature": "v0=0"}, lambda _: b"\xff\xfe" * 9),
    "an install event that nobody signed": event(
        lambda _: {"X-Slack-Signature": "v0=" + "0" * 64},
        lambda scene: json.dumps(scene.world.envelope({"type": "app_uninstalled"})).encode(),
    ),
}

UNREADABLE: dict[str, tuple[Signed, int]] = {
    "no JSON": (as_is(b"{" + PROOF.encode()), 400),
    "JSON that ends early": (as_is(lambda s: s.question()[:-20]), 400),
    "a list": (as_is(b"[]"), 400),
    "a number": (as_is(b"1"), 400),
    "null": (as_is(b"null"), 400),
    "nothing": (as_is(b""), 400),
    "no type": (as_is(b'{"team_id": "T1"}'), 400),
    "a type that is a list": (as_is(b'{"team_id": "T1", "type": ["event_callback"]}'), 400),
    "bytes that are no UTF-8": (as_is(b'{"type": "\xff"}'), 400),
    "JSON as deep as the sea": (as_is(b"[" * 200_000), 400),
    "a form without a payload": (as_is(b"a=1", FORM), 400),
    "a form with two payloads": (as_is(b"payload={}&payload={}", FORM), 400),
    "a form with a payload that is no JSON": (as_is(b"payload=" + PROOF.encode(), FORM), 400),
    "a form of a thousand fields": (as_is(b"&".join(b"payload=1" for _ in range(1_000)), FORM), 400),
    "JSON that says it is text": (as_is(lambda s: s.question(), "text/plain"), 400),
    "JSON that says it is nothing": (lambda s: (s.question(), "", {"Content-Type": None}), 400),
    "a body of two megabytes": (as_is(b'{"x": "' + b"x" * 2_000_000 + b'"}'), 413),
    "an event that is no object": (as_is(lambda s: s.question(event="message")), 400),
    "an event that is missing": (as_is(lambda s: s.question(event=None)), 400),
    "an event without a type": (as_is(lambda s: s.question(event={"text": PROOF})), 400),
    "a press on nothing": (as_is(lambda s: s.press(actions=[]), FORM), 400),
    "a press on text": (as_is(lambda s: s.press(actions=["approve"]), FORM), 400),
    "a press on something without a name": (as_is(lambda s: s.press(actions=[{"value": PROOF}]), FORM), 400),
    "a press on an object": (as_is(lambda s: s.press(actions={"action_id": PROOF}), FORM), 400),
    "a form without a view": (
        as_is(interaction({"type": "view_submission", "team": {"id": "T1"}}), FORM),
        400,
    ),
}

OF_STRANGERS: dict[str, Signed] = {
    "another workspace": as_is(lambda s: s.question(team_id="T666")),
    "no workspace": as_is(lambda s: s.question(team_id=None, authorizations=[])),
    "a workspace that is a list": as_is(lambda s: s.question(team_id=["T1"])),
    "another workspace's installation": as_is(
        lambda s: s.question(authorizations=[{"team_id": "T666", "user_id": "UBOT", "is_bot": True}])
    ),
    "a press in another workspace": as_is(lambda s: s.press(team={"id": "T666", "domain": "x"}), FORM),
    "a press by somebody of another workspace": as_is(
        lambda s: s.press(user={"id": ROBIN, "team_id": "T666", "name": "Robin"}), FORM
    ),
    "a press without a workspace": as_is(lambda s: s.press(team=None, user={"id": ROBIN}), FORM),
}

ONLY, ELSEWHERE, NO_SUCH = "Only reviewers may do this", "was not sent to this conversation", "no such action"

IN_SHARED_CHANNELS: dict[str, Signed] = {
    "somebody of another organisation asks": as_is(
        lambda s: s.question(event=s.world.mention(PROOF, user_team="T666", source_team="T666"))
    ),
    "... edits what they asked": as_is(
        lambda s: s.question(
            event={
                "type": "message",
                "subtype": "message_changed",
                "channel": "C1",
                "message": s.world.mention(PROOF, user_team="T666"),
                "previous_message": s.world.mention("before", user_team="T666"),
            }
        )
    ),
    "... or anybody reacts": as_is(
        lambda s: s.question(
            is_ext_shared_channel=True,
            event={
                "type": "reaction_added",
                "user": "U666",
                "reaction": "x",
                "item": {"type": "message", "channel": "D1", "ts": s.answer.ts},
            },
        )
    ),
}

FORGED: dict[str, tuple[Callable[[Scene], bytes], str]] = {
    "somebody who is no reviewer approves": (lambda s: s.press("act:review.approve", BOB), ONLY),
    "... claims": (lambda s: s.press("act:review.claim", BOB), ONLY),
    "... rejects": (lambda s: s.press("act:review.reject", BOB), ONLY),
    "... says not on the page": (lambda s: s.press("act:review.not_on_page", BOB), ONLY),
    "... opens the form of a correction": (lambda s: s.press("open:review.correct", BOB), ONLY),
    "... sends a correction": (lambda s: s.form(user=BOB), ONLY),
    "the asker approves the own answer": (lambda s: s.press("act:review.approve", ADA), ONLY),
    "a reviewer's name without the id": (
        lambda s: s.press(user={"id": BOB, "name": f"name of {ROBIN}", "username": ROBIN, "team_id": "T1"}),
        ONLY,
    ),
    "an id that begins like a reviewer's": (
        lambda s: s.press(user={"id": f"{ROBIN}1", "team_id": "T1"}),
        ONLY,
    ),
    "an id with a colon in it": (lambda s: s.press(user={"id": f"T1:{ROBIN}", "team_id": "T1"}), ""),
    "an id that is a list": (lambda s: s.press(user={"id": [ROBIN], "team_id": "T1"}), ""),
    "nobody": (lambda s: s.press(user={}), ""),
    "the card in another channel": (lambda s: s.press(channel={"id": "C1"}), ELSEWHERE),
    "the card in the reviewer's own chat": (lambda s: s.press(channel={"id": "D9"}), ELSEWHERE),
    "another answer's id": (
        lambda s: s.forged(answer_id=json.loads(pressable(s.other, "act:rate.expert")["value"])["answer_id"]),
        ELSEWHERE,
    ),
    "an id of no answer": (lambda s: s.forged(answer_id="none"), ELSEWHERE),
    "an id that is a number": (lambda s: s.forged(answer_id=1), NO_SUCH),
    "no id": (lambda s: s.forged(answer_id=...), NO_SUCH),
    "no signature": (lambda s: s.forged(seal=...), NO_SUCH),
    "an empty signature": (lambda s: s.forged(seal=""), ELSEWHERE),
    "a signature with one digit changed": (lambda s: s.forged(seal=flip_digit), ELSEWHERE),
    "half a signature": (lambda s: s.forged(seal=lambda signature: signature[:16]), ELSEWHERE),
    "the signature of a rating": (lambda s: s.forged(seal=s.thumb()["seal"]), ELSEWHERE),
    "a signature of a megabyte": (lambda s: s.forged(seal="0" * 100_000), NO_SUCH),
    "a signature that is a list": (lambda s: s.forged(seal=lambda signature: [signature]), NO_SUCH),
    "a verb that is none": (lambda s: s.forged(verb="review.promote"), NO_SUCH),
    "a verb that is a number": (lambda s: s.forged(verb=7), NO_SUCH),
    "another verb in a rating's button": (
        lambda s: s.rated(s.thumb() | {"verb": "review.approve", "round": 1}, ROBIN),
        ELSEWHERE,
    ),
    "a round that was": (lambda s: s.forged(round=0), "please use the new card"),
    "a round that is text": (lambda s: s.forged(round="1"), NO_SUCH),
    "a round that is true": (lambda s: s.forged(round=True), NO_SUCH),
    "a value that is no JSON": (lambda s: s.rated_raw("{"), NO_SUCH),
    "a value that is a list": (lambda s: s.rated_raw("[1]"), NO_SUCH),
    "an empty value": (lambda s: s.rated_raw(""), NO_SUCH),
    "a thumb that is none": (lambda s: s.rated(s.thumb() | {"thumb": "love"}), NO_SUCH),
    "a thumb that is a list": (lambda s: s.rated(s.thumb() | {"thumb": ["like"]}), NO_SUCH),
    "a thumb on another answer": (
        lambda s: s.rated(s.thumb() | {"answer_id": "answer to slack:T1:D1:0"}),
        ELSEWHERE,
    ),
    "a thumb in another chat": (lambda s: s.rated(s.thumb(), channel={"id": "D2"}), ELSEWHERE),
    "stars beyond five": (
        lambda s: s.rated(s.thumb() | {"verb": "rate.stars", "stars": 9}),
        "one to 5 stars",
    ),
    "stars that are no number": (
        lambda s: s.rated(s.thumb() | {"verb": "rate.stars", "stars": "NaN"}),
        "one to 5 stars",
    ),
    "a form for another channel": (lambda s: s.form(channel="C1"), ELSEWHERE),
    "a form for another answer": (lambda s: s.form({"answer_id": "another"}), ELSEWHERE),
    "a form with another signature": (lambda s: s.form({"seal": "0" * 32}), ELSEWHERE),
    "a form with another verb": (lambda s: s.form({"verb": "review.promote"}), NO_SUCH),
    "a form that says nothing of itself": (lambda s: s.form(data={}, channel=None), ""),
    "a press without its channel": (lambda s: s.press(channel=None, container={}), ""),
    "words that are put into nobody's mouth": (
        lambda s: s.rated_raw(json.dumps({"say": ""}), "say:0"),
        NO_SUCH,
    ),
}


async def refused(
    scene: Scene, request: tuple[bytes, str, Json], caplog: pytest.LogCaptureFixture
) -> tuple[int, str]:
    """Send a request; return its status and body, after looking that nothing came of it."""
    caplog.set_level(logging.DEBUG, logger="bot")
    before = scene.snapshot()
    body, kind, headers = request
    status, said = await scene.world.post(body, kind, headers=headers)
    await scene.world.settled()
    assert scene.snapshot() == before
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert PROOF not in logged
    assert SECRET not in logged
    assert "xoxb-" not in logged
    assert PROOF not in said
    return status, said


@pytest.mark.parametrize("what", NOT_FROM_SLACK)
async def test_what_slack_did_not_sign_now_is_refused(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused(scene, NOT_FROM_SLACK[what](scene), caplog) == (401, "")


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_nobody_can_read_is_refused(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    request, status = UNREADABLE[what]
    assert (await refused(scene, request(scene), caplog))[0] == status


@pytest.mark.parametrize("signed_now", [True, False])
async def test_packed_bodies_are_refused_before_they_are_unpacked(scene: Scene, signed_now: bool) -> None:
    packed = zlib.compress(b"[" * 200_000_000)
    headers = {"Content-Encoding": "deflate"} | ({} if signed_now else {"X-Slack-Signature": None})
    before = time.process_time()
    posts = (scene.world.post(packed, headers=headers) for _ in range(8))
    assert {status for status, _ in await asyncio.gather(*posts)} == {415 if signed_now else 401}
    assert time.process_time() - before < 0.2, "unpacking one of them takes longer than that"


async def test_a_body_that_is_not_signed_now_is_not_even_read(scene: Scene) -> None:
    body = b'{"x": "' + b"x" * 2_000_000 + b'"}'
    assert (await scene.world.post(body, headers=sign_at(400, body)))[0] == 401


@pytest.mark.parametrize("what", OF_STRANGERS)
async def test_who_is_of_no_workspace_of_ours_is_refused(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused(scene, OF_STRANGERS[what](scene), caplog) == (403, "")


@pytest.mark.parametrize("what", IN_SHARED_CHANNELS)
async def test_people_of_other_organisations_are_not_answered(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused(scene, IN_SHARED_CHANNELS[what](scene), caplog) == (200, "")


@pytest.mark.parametrize("what", FORGED)
async def test_what_no_card_of_ours_says_changes_nothing(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    forge, sentence = FORGED[what]
    status, body = await refused(scene, (forge(scene), FORM, {}), caplog)
    assert status == 200
    told = body + " ".join(whisper["text"] for whisper in scene.world.slack.whispers[1:])
    assert sentence in told
    assert bool(sentence) == bool(told)


# Replays


async def test_the_same_signed_press_again_does_nothing(scene: Scene) -> None:
    body = scene.press("act:review.claim")
    headers = sign_at(0, body)
    assert (await scene.world.post(body, FORM, headers=headers))[0] == 200
    await scene.world.settled()
    before = scene.snapshot()
    assert (await scene.world.post(body, FORM, headers=headers))[0] == 200
    await scene.world.settled()
    assert scene.snapshot() == before


async def test_the_same_signed_question_again_is_answered_once(scene: Scene) -> None:
    body = scene.question()
    headers = sign_at(200, body)
    for _ in range(3):
        assert (await scene.world.post(body, headers=headers))[0] == 200
    await scene.world.settled()
    assert len(scene.world.slack.messages("C1")) == 1


async def test_a_signed_request_from_within_five_minutes_is_taken(scene: Scene) -> None:
    body = scene.question()
    assert (await scene.world.post(body, headers=sign_at(290, body)))[0] == 200


# What Slack sends to see whether we are there


async def test_slack_is_told_its_challenge_and_only_slack(scene: Scene) -> None:
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB"}).encode()
    status, said = await scene.world.post(body)
    assert (status, json.loads(said)) == (200, {"challenge": "3eZbrw1aB"})
    status, said = await scene.world.post(body, headers={"X-Slack-Signature": "v0=0"})
    assert (status, "3eZbrw1aB" in said) == (401, False)


async def test_slacks_look_at_the_certificate_is_answered(scene: Scene) -> None:
    assert (await scene.world.post(b"ssl_check=1&token=t", FORM))[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_not_there(scene: Scene, method: str) -> None:
    async with scene.world.http.request(method, f"{scene.world.url}/slack/events") as response:
        assert response.status == 405

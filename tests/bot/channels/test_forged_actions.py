"""Card actions that nobody's card sends: each is refused with a sentence, and the store does not change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.builders.reviewing import (
    BOB,
    KIM,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    shown_in,
    subscribe,
    thumb_down,
)
from tests.builders.world import World, a_world
from tests.doubles.teams_connector import Call

Json = dict[str, Any]
HERE = REVIEWERS_CHANNEL | {"id": REVIEWERS_CHANNEL["id"] + ";messageid=m3"}
ADA = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
CHAT = {"id": "a:chat", "conversationType": "personal", "tenantId": "t1"}
ONLY_REVIEWERS, NOT_THIS_CARD = "Only reviewers may do this", "was not sent to this conversation"
NO_SUCH, NOT_TEXT, TOO_LONG = "no such action", "must be text", "too long"


@dataclass
class Scene:
    """A review card in the reviewers' channel, a rating card in the asker's chat, each with real actions."""

    world: World
    review: dict[str, Json]
    rating: dict[str, Json]
    other: Json

    def snapshot(self) -> object:
        return dict(self.world.store.documents.kept), dict(self.world.store.feedback)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with a_world() as world:
        world.answerer.changes["form"] = "stars@1"
        await subscribe(world)
        await world.ask("How much leave?")
        await world.ask("How much sick leave?", id="1700000000002")
        await world.settled()
        await thumb_down(world)
        asked: Call = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
        rating = [actions_of(card_of(call)) for call in world.connector.calls if is_answer(call)]
        mine = next(one for one in rating if one["rate.stars"]["answer_id"] == answered(asked))
        other = next(one for one in rating if one["rate.stars"]["answer_id"] != answered(asked))
        yield Scene(world, actions_of(card_of(asked)), mine, other["rate.stars"])


def answered(asked: Call) -> str:
    return actions_of(card_of(asked))["review.approve"]["answer_id"]


def is_answer(call: Call) -> bool:
    return call.is_message and call.conversation == "a:chat" and bool(call.activity.get("attachments"))


def flipped(signature: str) -> str:
    return ("0" if signature[0] != "0" else "1") + signature[1:]


def halved(signature: str) -> str:
    return signature[:16]


def in_a_list(signature: str) -> list[str]:
    return [signature]


Forge = Callable[[Scene], Json]


def review(
    verb: str = "review.approve", /, _conversation: Any = HERE, _from: Any = ROBIN, **data: Any
) -> Forge:
    """Return a review action with fields changed; a callable gets the real value, ... omits the field."""
    return lambda scene: action(
        verb, changed(scene.review.get(verb, scene.review["review.approve"]), data), _conversation, _from
    )


def rating(verb: str = "rate.stars", /, _conversation: Any = CHAT, _from: Any = ADA, **data: Any) -> Forge:
    return lambda scene: action(
        verb, changed(scene.rating.get(verb, scene.rating["rate.stars"]), data), _conversation, _from
    )


def with_the_others(field: str) -> Forge:
    """Return a rating whose `field` comes from another answer's card."""
    return lambda scene: action(
        "rate.stars", scene.rating["rate.stars"] | {"stars": 5, field: scene.other[field]}, CHAT, ADA
    )


def changed(data: Json, changes: Json) -> Json:
    made = {name: value(data.get(name)) if callable(value) else value for name, value in changes.items()}
    return {name: value for name, value in (data | made).items() if value is not ...}


def action(verb: Any, data: Any, conversation: Json, person: Json) -> Json:
    return {"verb": verb, "data": data, "conversation": conversation, "from": person}


LONG = "x" * 4_001
ELSEWHERE = {"id": "19:another@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}

FORGED: dict[str, tuple[Forge, str]] = {
    # Who
    "somebody who is no reviewer approves": (review(_from=BOB), ONLY_REVIEWERS),
    "... corrects": (review("review.correct", _from=BOB, text="mine"), ONLY_REVIEWERS),
    "... claims": (review("review.claim", _from=BOB), ONLY_REVIEWERS),
    "... rejects": (review("review.reject", _from=BOB), ONLY_REVIEWERS),
    "... skips": (review("review.skip", _from=BOB, reason="x"), ONLY_REVIEWERS),
    "... says not on the page": (review("review.not_on_page", _from=BOB), ONLY_REVIEWERS),
    "the asker approves the own answer": (review(_from=ADA), ONLY_REVIEWERS),
    "a reviewer's name without the id": (review(_from={"id": "29:x", "name": "Robin"}), ONLY_REVIEWERS),
    "a reviewer's id as the channel's own id": (
        review(_from={"id": "aad-robin", "name": "Robin"}),
        ONLY_REVIEWERS,
    ),
    "an id that begins like a reviewer's": (
        review(_from=ROBIN | {"aadObjectId": "aad-robin2"}),
        ONLY_REVIEWERS,
    ),
    "an id with white space": (review(_from=ROBIN | {"aadObjectId": " aad-robin"}), ONLY_REVIEWERS),
    "an id that is a list": (review(_from=ROBIN | {"aadObjectId": ["aad-robin"]}), ONLY_REVIEWERS),
    "nobody": (review(_from={}), ONLY_REVIEWERS),
    # Where
    "the card in another channel": (review(_conversation=ELSEWHERE), NOT_THIS_CARD),
    "the card in the reviewer's own chat": (review(_conversation=CHAT), NOT_THIS_CARD),
    "the card from another tenant": (review(_conversation=HERE | {"tenantId": "t2"}), NOT_THIS_CARD),
    "the card without a tenant": (review(_conversation=HERE | {"tenantId": ""}), NOT_THIS_CARD),
    "a rating in another chat": (rating(_conversation=CHAT | {"id": "a:bobs"}, stars=1), NOT_THIS_CARD),
    "a rating from another tenant": (rating(_conversation=CHAT | {"tenantId": "t2"}, stars=1), NOT_THIS_CARD),
    # What about
    "another answer's id": (review(answer_id="answer to msteams:a:chat:1700000000002"), NOT_THIS_CARD),
    "an answer's id that nobody knows": (review(answer_id="nothing"), NOT_THIS_CARD),
    "an empty id": (review(answer_id=""), NOT_THIS_CARD),
    "another answer's rating": (with_the_others("answer_id"), NOT_THIS_CARD),
    "another answer's signature": (with_the_others("seal"), NOT_THIS_CARD),
    "no signature": (review(seal=...), NO_SUCH),
    "an empty signature": (review(seal=""), NOT_THIS_CARD),
    "half a signature": (review(seal=halved), NOT_THIS_CARD),
    "an altered signature": (review(seal=flipped), NOT_THIS_CARD),
    "a signature of a rating for a ruling": (
        lambda scene: action("review.approve", scene.rating["rate.stars"] | {"round": 1}, CHAT, ROBIN),
        NOT_THIS_CARD,
    ),
    "a signature of a ruling for a rating": (
        lambda scene: action("rate.stars", scene.review["review.approve"] | {"stars": 1}, HERE, ROBIN),
        NOT_THIS_CARD,
    ),
    "a signature of half a surrogate": (review(seal="\ud800"), NOT_THIS_CARD),
    "a round that was not yet": (review(round=2), "The page has changed since"),
    "a round before the first": (review(round=0), "The page has changed since"),
    # Wrong types
    "an id that is a number": (review(answer_id=7), NO_SUCH),
    "an id that is an object": (review(answer_id={"$ne": ""}), NO_SUCH),
    "an id that is too long": (review(answer_id="x" * 5_000), NO_SUCH),
    "a signature that is a list": (review(seal=in_a_list), NO_SUCH),
    "a round that is text": (review(round="1"), NO_SUCH),
    "a round that is true": (review(round=True), NO_SUCH),
    "a round that is a fraction": (review(round=1.0), NO_SUCH),
    "a verb that nobody knows": (review("review.promote"), NO_SUCH),
    "a verb of nothing": (review("review."), NO_SUCH),
    "a verb that is a number": (
        lambda scene: action(5, scene.review["review.approve"], HERE, ROBIN),
        NO_SUCH,
    ),
    "data that is text": (lambda _: action("review.approve", "all", HERE, ROBIN), NO_SUCH),
    "data that is nothing": (lambda _: action("review.approve", None, HERE, ROBIN), NO_SUCH),
    # What was filled in
    "a correction that is too long": (review("review.correct", text=LONG), TOO_LONG),
    "a correction that is a number": (review("review.correct", text=5), NOT_TEXT),
    "a correction that is an object": (review("review.correct", text={"a": 1}), NOT_TEXT),
    "a correction of nothing": (review("review.correct", text=""), "Please write the right answer"),
    "a correction of white space": (review("review.correct", text=" \n "), "Please write the right answer"),
    "a place that the card does not offer": (
        review("review.correct", text="x", span="c9"),
        "one of the places that the card offers",
    ),
    "a place that is an address": (
        review("review.correct", text="x", span="https://evil.example"),
        "one of the places that the card offers",
    ),
    "a note that is too long": (review(note="x" * 501), TOO_LONG),
    "a note that is a list": (review(note=["x"]), NOT_TEXT),
    "skipping without a reason": (review("review.skip", reason=""), "say why"),
    "skipping for a reason that is too long": (review("review.skip", reason="x" * 501), TOO_LONG),
    "no stars": (rating(), "one to 5 stars"),
    "zero stars": (rating(stars=0), "one to 5 stars"),
    "six stars": (rating(stars="6"), "one to 5 stars"),
    "half a star": (rating(stars=4.5), "one to 5 stars"),
    "stars that are true": (rating(stars=True), "one to 5 stars"),
    "stars that are no number": (rating(stars="NaN"), "one to 5 stars"),
    "stars beyond all numbers": (rating(stars=10**400), "one to 5 stars"),
    "stars that are a list": (rating(stars=[5]), "one to 5 stars"),
    "a comment that is too long": (rating(stars=5, comment=LONG), TOO_LONG),
    "a comment that is an object": (rating("rate.comment", comment={}), NOT_TEXT),
    "a comment of nothing": (rating("rate.comment", comment=" "), "write something"),
}


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_action_is_refused_with_a_sentence_and_changes_nothing(
    scene: Scene, case: str
) -> None:
    forge, sentence = FORGED[case]
    before = scene.snapshot()
    said = await press(scene, forge(scene))
    assert sentence in said
    assert scene.snapshot() == before


async def press(scene: Scene, forged: Json, **fields: Any) -> str:
    """Send an action; return the sentence that it is answered with, or the card as text."""
    activity = scene.world.activity(
        "invoke",
        name="adaptiveCard/action",
        value={"action": {"type": "Action.Execute", "verb": forged["verb"], "data": forged["data"]}},
        replyToId="m3",
        conversation=forged["conversation"],
        **({"from": forged["from"]} | fields),
    )
    status, body = await scene.world.post(activity)
    assert status in {200, 400}
    return json.dumps(json.loads(body)["value"], ensure_ascii=False)


async def test_the_table_is_long_enough() -> None:
    assert len(FORGED) >= 40


async def test_the_same_actions_unaltered_are_taken(scene: Scene) -> None:
    assert "You gave ★★★☆☆" in await press(scene, rating(stars="3")(scene))
    assert "Robin corrected" in await press(scene, review("review.correct", text="18", span="c1")(scene))


async def test_a_replayed_ruling_changes_nothing(scene: Scene) -> None:
    await press(scene, review()(scene), id="f:one")
    before = scene.snapshot()
    assert "Robin approved" in await press(scene, review()(scene), id="f:one")
    assert "You have already approved" in await press(scene, review("review.reject")(scene), id="f:two")
    assert "Robin has already approved" in await press(scene, review(_from=KIM)(scene), id="f:one")
    assert scene.snapshot() == before


async def test_a_replayed_rating_is_one_record(scene: Scene) -> None:
    await press(scene, rating(stars=2)(scene), id="f:one", timestamp="2026-11-24T10:00:00Z")
    before = scene.snapshot()
    await press(scene, rating(stars=2)(scene), id="f:one", timestamp="2026-11-24T10:00:00Z")
    assert before[1] == scene.snapshot()[1]  # type: ignore[index]


async def test_a_claim_that_ran_out_is_no_permission(scene: Scene) -> None:
    repository = scene.world.parts.repository
    await press(scene, review("review.claim")(scene))
    held = await repository.review(scene.review["review.claim"]["answer_id"])
    assert held is not None
    await repository.change_review(replace(held, claimed_until=datetime.now(UTC) - timedelta(seconds=1)))
    before = scene.snapshot()
    assert "Your claim expired" in await press(scene, review()(scene))
    assert scene.snapshot() == before


async def test_an_action_without_the_channels_token_is_not_even_read(scene: Scene) -> None:
    before = scene.snapshot()
    for token in (None, "x", "eyJhbGciOiJub25lIn0.e30."):
        status, _ = await scene.world.post(
            scene.world.activity("invoke", name="adaptiveCard/action"), token=token
        )
        assert status in {401, 403}
    assert scene.snapshot() == before


async def test_a_deleted_questions_card_says_so(scene: Scene) -> None:
    await scene.world.post(scene.world.activity("messageDelete"))
    assert "its question was deleted" in await press(scene, review()(scene))
    assert "its question was deleted" in await press(scene, rating(stars=1)(scene))

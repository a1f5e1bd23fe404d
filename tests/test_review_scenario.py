"""From a thumb down to the corrected answer of the next asker and back into the queue: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest

from bot.dialogs.rate import RatingRules
from bot.forms import Forms
from bot.page_answerer import PageAnswerer, Verified
from records import Answer, Question
from tests.connector import Call
from tests.teams_limits import nodes_of
from tests.world import NO_SAMPLE, PAGE, World, a_world, an_answer, live

Json = dict[str, Any]

REVIEWERS_CHANNEL = {"id": "19:reviewers@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
ROBIN = {"id": "29:robin", "name": "Robin", "aadObjectId": "aad-robin"}
KIM = {"id": "29:kim", "name": "Kim", "aadObjectId": "aad-kim"}
BOB = {"id": "29:bob", "name": "Bob", "aadObjectId": "aad-bob"}
BOBS_CHAT = {"id": "a:bobs", "conversationType": "personal", "tenantId": "t1"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world(rules=(RatingRules(), NO_SAMPLE)) as world:
        yield world


def card_of(call: Call) -> Json:
    return call.activity["attachments"][0]["content"]


def actions_of(card: Json) -> dict[str, Json]:
    """Return the data of every Action.Execute in a card, by its verb."""
    return {node["verb"]: node["data"] for node in nodes_of(card) if node.get("type") == "Action.Execute"}


def text_of(card: Json) -> str:
    return json.dumps(card, ensure_ascii=False)


async def press(world: World, call: Call, verb: str, person: Json = ROBIN, **inputs: Any) -> Json:
    """Press a button of a card that the bot showed; return the body that it is answered with."""
    data = actions_of(card_of(call))[verb] | inputs
    conversation = call.activity["conversation"] | {"id": f"{call.conversation};messageid=m1"}
    if call.conversation.startswith("a:"):
        conversation = call.activity["conversation"]
    activity = world.activity(
        "invoke",
        name="adaptiveCard/action",
        value={"action": {"type": "Action.Execute", "verb": verb, "data": data}},
        conversation=conversation,
        replyToId=call.message_id or "m1",
        **{"from": person},
    )
    status, body = await world.post(activity)
    assert status == 200, body
    return json.loads(body)


async def subscribe(world: World, person: Json = ROBIN) -> None:
    await world.post(
        world.activity(
            "message", text="reviewers here", conversation=REVIEWERS_CHANNEL, **{"from": person}, id="17"
        )
    )


async def shown_in(world: World, conversation: str, wanted: str) -> Call:
    """Do what is to be done until a message with these words is in the conversation."""
    for _ in range(20):
        await world.parts.courier.do_errands()
        for call in reversed(world.connector.calls):
            if call.is_message and call.conversation == conversation and wanted in text_of(call.activity):
                return call
        await asyncio.sleep(0.05)
    raise AssertionError(f"nobody saw {wanted!r} in {conversation}")


async def thumb_down(world: World, comment: str = "it is 18 now", **fields: Any) -> None:
    feedback = json.dumps({"reasons": ["wrong"], "feedbackText": comment})
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": feedback}}
    status, body = await world.post(
        world.activity("invoke", name="message/submitAction", value=value, replyToId="m2", **fields)
    )
    assert (status, body) == (200, "{}")


class Matcher:
    """Serves a verified answer for questions that begin like its own; freshness is the world's."""

    def __init__(self, world: World) -> None:
        self.world = world

    def find(self, question: Question, _: Collection[str] = ()) -> Any:
        served = self.world.known.served.values()
        return next((one for one in served if one.question_text[:7] in question.text), None)


class Library:
    """Pages where nothing is found."""

    async def ensure(self, url: str) -> None: ...
    async def search(self, *_: object) -> list[object]:
        return []


class Model:
    """The scripted model behind the verified answers."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def stream(self, question: Question, history: list[Answer]) -> AsyncIterator[str | Answer]:
        self.world.answerer_asked.append(question.text)  # type: ignore[attr-defined]
        yield an_answer(question, support=0.9)


def with_verified_answers(world: World) -> None:
    world.answerer_asked = []  # type: ignore[attr-defined]

    def fresh(verified: Any) -> bool:
        return all(world.hashes.get(url, then) == then for url, then in verified.pages)

    verified = Verified(Matcher(world), fresh, world.parts.desk.verified)  # type: ignore[arg-type]
    world.answerer = PageAnswerer(Library(), Model(world), verified, Forms())  # type: ignore[arg-type,assignment]


async def test_a_complaint_becomes_the_next_askers_verified_answer_until_the_page_changes(
    world: World,
) -> None:
    with_verified_answers(world)
    await subscribe(world)

    await world.ask("Parents: how long is the leave?")
    await world.settled()
    await thumb_down(world)

    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    seen = text_of(card_of(asked))
    for words in (
        "Parents: how long",
        "You get 16 weeks",
        "16 weeks of paid leave",
        "it is 18 now",
        "wrong",
        "h1",
    ):
        assert words in seen
    assert "Under review" in text_of((await shown_in(world, "a:chat", "Under review")).activity)

    body = await press(
        world, asked, "review.correct", text="Parents get 18 weeks.", span="c1", note="since May"
    )
    assert body["type"] == "application/vnd.microsoft.card.adaptive"
    assert "Robin corrected the answer" in text_of(body["value"])
    settled = await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin corrected the answer")
    assert settled.method == "PUT"
    assert not actions_of(card_of(settled))
    told = await shown_in(world, "a:chat", "Your correction is live")
    assert "Parents get 18 weeks." in text_of(told.activity)
    assert "Robin" not in text_of(told.activity)
    assert "Corrected by a reviewer" in text_of((await shown_in(world, "a:chat", "Corrected by")).activity)

    await world.ask("Parents get how much leave?", conversation=BOBS_CHAT, **{"from": BOB}, id="2")
    await world.settled()
    served = await shown_in(world, "a:bobs", "Parents get 18 weeks.")
    assert "Verified by a reviewer" in text_of(served.activity)
    assert len(world.answerer_asked) == 1  # type: ignore[attr-defined]

    world.hashes[PAGE.url.partition("#")[0]] = "h2"
    await world.parts.courier.look_at_pages()
    again = await shown_in(world, REVIEWERS_CHANNEL["id"], "the page has changed since it was verified")
    assert again.method == "POST"
    assert "Robin corrected the answer" in text_of(card_of(again))
    assert actions_of(card_of(again))["review.approve"]["round"] == 2
    await world.ask("Parents have what leave?", conversation=BOBS_CHAT, **{"from": BOB}, id="3")
    await world.settled()
    assert len(world.answerer_asked) == 2  # type: ignore[attr-defined]

    tellings = [call for call in world.connector.calls if "Your correction is live" in text_of(call.activity)]
    assert len(tellings) == 1
    await world.ask("What changed because of me?")
    assert "Parents get 18 weeks." in text_of((await shown_in(world, "a:chat", "because of you")).activity)


async def test_two_reviewers_see_the_same_card_and_the_second_hears_of_the_first(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    body = await press(world, asked, "review.claim")
    assert "Robin has claimed this" in text_of(body["value"])
    assert "Robin has claimed this" in text_of(
        (await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin has claimed this")).activity
    )
    body = await press(world, asked, "review.approve", KIM)
    assert body == {
        "statusCode": 200,
        "type": "application/vnd.microsoft.activity.message",
        "value": body["value"],
    }
    assert body["value"].startswith("Robin has claimed this until")
    await press(world, asked, "review.approve")
    body = await press(world, asked, "review.approve", KIM)
    assert body["value"].startswith("Robin has already approved the answer")


async def test_the_queue_in_a_reviewers_own_chat_is_the_same_one(world: World) -> None:
    chat = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
    await world.ask("queue", conversation=chat, **{"from": ROBIN}, id="5")
    assert "Nothing waits" in text_of((await shown_in(world, "a:robins", "Nothing waits")).activity)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    await world.ask("queue", conversation=chat, **{"from": ROBIN}, id="6")
    mine = await shown_in(world, "a:robins", "Please review")
    assert (await press(world, mine, "review.skip", reason="not my field"))["type"].endswith("adaptive")
    assert (await press(world, mine, "review.reject"))["type"].endswith("adaptive")
    await shown_in(world, "a:robins", "rejected it as no real question")


@pytest.mark.parametrize("words", ["queue", "reviewers here", "reviewers stop"])
async def test_who_is_no_reviewer_is_told_so_and_nothing_changes(world: World, words: str) -> None:
    await world.ask(words)
    assert "Only reviewers may do this" in text_of(
        (await shown_in(world, "a:chat", "Only reviewers")).activity
    )
    assert not await world.parts.desk.places()


async def test_a_deleted_question_takes_its_review_cards_along(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    cards = len(world.connector.shown)
    await world.post(world.activity("messageDelete"))
    assert len(world.connector.shown) == cards - 2  # the answer and the card
    assert not await world.parts.desk.take_errands(10)


async def test_what_the_channel_does_not_take_is_carried_again(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    world.connector.fail(503, times=30, when=lambda activity: "Please review" in text_of(activity))
    await thumb_down(world)
    await world.parts.courier.do_errands()
    assert await world.parts.desk.take_errands(10)
    world.connector.recover()
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    assert not await world.parts.desk.take_errands(10)


async def test_a_reaction_that_comes_before_its_answer_finds_it(world: World) -> None:
    await world.post(world.activity("messageReaction", replyToId="m1", reactionsAdded=[{"type": "angry"}]))
    assert await world.parts.desk.untied_counts() == {"reaction": 1}
    await world.ask("How much leave?")
    await world.settled()
    [kept] = world.store.feedback.values()
    assert (kept.value, kept.model_version, kept.page_hash) == ("angry", "scripted", PAGE.page_hash)
    assert await world.parts.desk.untied_counts() == {}
    assert await world.parts.desk.review(kept.answer_id)


async def test_stars_comment_and_expert_are_kept_and_thanked_for_on_the_card(world: World) -> None:
    world.answerer.changes["form"] = "stars@3"
    await world.ask("How much leave?")
    await world.settled()
    answer = await shown_in(world, "a:chat", "You get 16 weeks")
    assert "feedbackLoop" not in answer.activity.get("channelData", {})
    ada = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
    body = await press(world, answer, "rate.stars", ada, stars=4, comment="nearly")
    assert "You gave ★★★★☆. Your comment is kept. Thank you." in text_of(body["value"])
    await press(world, answer, "rate.stars", ada, stars="1", comment="")
    await press(world, answer, "rate.expert", ada)
    kept = {(word.kind.value, word.value, word.comment) for word in world.store.feedback.values()}
    assert kept == {("stars", "1", ""), ("comment", "", "nearly"), ("expert", "", "")}
    [review], _ = await world.parts.desk.reviews("waiting", 5)
    assert set(review.reasons) == {"few_stars", "expert"}


async def test_an_older_client_submits_the_same_button_as_a_message(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    data = actions_of(card_of(asked))["review.approve"]
    for person, said in ((BOB, "Only reviewers may do this"), (ROBIN, "it is kept")):
        await world.post(
            world.activity(
                "message", value=data, conversation=REVIEWERS_CHANNEL, **{"from": person}, id=person["id"]
            )
        )
        await shown_in(world, REVIEWERS_CHANNEL["id"], said)
    assert len(await live(world.parts.desk)) == 1

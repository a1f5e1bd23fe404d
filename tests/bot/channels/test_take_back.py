"""Undo on a card, and verified answers in chat: who may, what people are told, what is on screen."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cards.notice import TAKEN_BACK, TAKES_THE_PLACE
from core.records import AnswerKind, ReviewReason, Ruling, Verdict
from feedback.privacy.audit import Audit, AuditAction
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    KIM,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    press,
    press_data,
    shown_in,
    subscribe,
    text_of,
    thumb_down,
    with_verified_answers,
    world,
)
from tests.builders.rulings import ReviewProcess
from tests.builders.world import CITED, NOW, World, live, pseudonym
from tests.doubles.teams_connector import Call

__all__ = ["world"]

CHAT = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}


async def a_complaint(world: World, text: str = "Parents: how long is the leave?") -> Call:
    """Let somebody complain of an answer; return the card that reviewers get."""
    await subscribe(world)
    await world.ask(text)
    await world.settled()
    await thumb_down(world)
    return await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")


async def told(world: World, words: str) -> int:
    """Return how often the asker was told something, after all that is to be done was done twice."""
    for _ in range(2):
        await world.parts.card_sync.process_outbox()
    return sum(
        call.method == "POST" and call.conversation == "a:chat" and words in text_of(call.activity)
        for call in world.connector.calls
        if call.is_message
    )


async def say(world: World, words: str, **fields: Any) -> None:
    await world.ask(words, conversation=CHAT, id=words, **({"from": ROBIN} | fields))


async def test_an_undone_ruling_leaves_every_screen_and_the_asker_is_told_once(world: World) -> None:
    with_verified_answers(world)
    asked = await a_complaint(world)
    await press(world, asked, "review.correct", text="Parents get 81 weeks.", span="c1")
    assert await told(world, "Your correction is live") == 1
    settled = await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin corrected the answer")
    body = await press(world, settled, "review.undo", BOB)
    assert body["value"].startswith("Only reviewers may do this")
    body = await press(world, settled, "review.undo", KIM)
    assert "Kim undid the decision" in text_of(body["value"])
    assert not await live(world.parts.repository)
    again = await shown_in(world, REVIEWERS_CHANNEL["id"], "Kim undid the decision")
    assert (again.method, again.message_id) == ("PUT", settled.message_id), "the same card, in its place"
    assert await told(world, TAKEN_BACK) == 1
    await shown_in(world, "a:chat", "Under review")
    await world.ask("Parents: how long is it?", id="8")
    await world.settled()
    assert world.answerer_asked[-1] == "Parents: how long is it?", "no verified answer"  # type: ignore[attr-defined]
    await press(world, settled, "review.undo", ROBIN)
    await press(world, again, "review.correct", text="Parents get 18 weeks.", span="c1")
    assert await told(world, TAKES_THE_PLACE) == 1
    assert await told(world, "Your correction is live") == 2
    assert await told(world, TAKEN_BACK) == 1
    assert [one.text for one in await live(world.parts.repository)] == ["Parents get 18 weeks. [1]"]
    audited_actions = [entry.what async for entry in Audit(world.parts.repository.documents).entries()]
    assert audited_actions.count(AuditAction.TOOK_BACK) == 1


async def test_what_another_process_edits_or_withdraws_is_served_so_at_once(world: World) -> None:
    with_verified_answers(world)
    asked = await a_complaint(world)
    await press(world, asked, "review.correct", text="Parents get 18 weeks.", span="c1")
    [answer] = world.store.answers.values()
    other = ReviewProcess(world.store, world.store.documents)
    await other.edit(answer, "Parents get 20 weeks.")
    assert [one.text for one in world.known.all()] == ["Parents get 18 weeks. [1]"], "known by heart"
    await world.ask("Parents get how much?", conversation=BOBS_CHAT, **{"from": BOB}, id="9")
    await world.settled()
    await shown_in(world, BOBS_CHAT["id"], "Parents get 20 weeks.")
    await other.undo(answer, 2)
    await world.ask("Parents get how many?", conversation=BOBS_CHAT, **{"from": BOB}, id="10")
    await world.settled()
    assert world.answerer_asked == ["Parents: how long is the leave?", "Parents get how many?"]  # type: ignore[attr-defined]


async def test_a_ruling_that_is_undone_before_anybody_was_told_tells_nobody(world: World) -> None:
    asked = await a_complaint(world)
    await press(world, asked, "review.correct", text="Parents get 81 weeks.", span="c1")
    data = actions_of(card_of(asked))["review.approve"]
    assert data["round"] == 1
    settled = await press(world, asked, "review.claim", KIM)
    assert "already corrected" in settled["value"]
    undo = {**data, "verb": "review.undo"}
    body = await press_data(world, asked, undo)
    assert "undid the decision" in text_of(body["value"])
    assert await told(world, "Your correction is live") == 0
    assert await told(world, TAKEN_BACK) == 0


@pytest.mark.parametrize("verb", ["review.undo", "review.withdraw", "review.edit", "review.verified"])
async def test_a_forged_token_changes_and_shows_nothing(world: World, verb: str) -> None:
    asked = await a_complaint(world)
    await press(world, asked, "review.correct", text="Parents get 18 weeks.", span="c1")
    forged = {"verb": verb, "answer_id": "answer to others", "round": 1, "text": "x", "span": "c1"}
    for data in (
        forged | {"seal": "0" * 32},
        forged | {"seal": actions_of(card_of(asked))["review.skip"]["seal"]},
    ):
        body = await press_data(world, asked, data)
        assert "was not sent to this conversation" in text_of(body)
    assert len(await live(world.parts.repository)) == 1


async def test_verified_answers_are_listed_searched_edited_and_withdrawn_in_chat(world: World) -> None:
    for number, text in enumerate(["Who pays for parents?", "How much leave?", "May I bring a dog?"]):
        await world.ask(text, id=str(number))
        await world.settled()
    for number, answer in enumerate(list(world.store.answers.values())):
        await world.parts.reviewing.flag(answer, ReviewReason.THUMB_DOWN)
        kim, text = pseudonym("aad-kim"), f"Answer {number}."
        verdict = Verdict(kim, "Kim", Ruling.CORRECTED, NOW, text, CITED, source=text)
        await world.parts.reviewing.rule(answer.id, 1, verdict)
    await say(world, "Verified answers about much LEAVE")
    found = text_of(card_of(await shown_in(world, "a:robins", "1 to 1 of 1")))
    assert "How much leave?" in found
    assert "Kim · " in found
    assert "served to nobody yet" in found
    assert "May I bring a dog?" not in found
    await say(world, "verified answers by me")
    await shown_in(world, "a:robins", "No verified answer matches.")
    await say(world, "verified answers", **{"from": BOB})
    await shown_in(world, "a:robins", "Only reviewers may do this")
    await say(world, "verified answers 7 about a dog")
    listed = await shown_in(world, "a:robins", "May I bring a dog?")
    one = await press(world, listed, "review.verified")
    assert "What people get" in text_of(one)
    assert set(actions_of(one["value"])) == {"review.edit", "review.withdraw"}
    body = await press_data(
        world,
        listed,
        actions_of(one["value"])["review.edit"] | {"text": "Yes.", "span": "c1", "note": "short"},
    )
    assert "Robin corrected the answer, " in text_of(body)
    assert "Kim corrected the answer, " in text_of(body)
    assert "Robin edited the decision (short)" in text_of(body)
    assert "Yes. [1]" in [one.text for one in await live(world.parts.repository)]
    body = await press_data(world, listed, actions_of(body["value"])["review.withdraw"] | {"reason": "a cat"})
    assert "Please review" in text_of(body)
    assert "Why: a cat" in text_of(body)
    assert "Yes. [1]" not in [one.text for one in await live(world.parts.repository)]
    body = await press(world, listed, "review.verified")
    assert body["value"] == "This verified answer is no longer served."


async def test_who_says_that_the_page_does_not_tell_is_shown_the_sentence_that_may(world: World) -> None:
    world.answerer.changes = {"kind": AnswerKind.DECLINED, "citations": ()}
    world.answerer.text = "Not there."
    asked = await a_complaint(world, "How many weeks of leave do parents get?")
    card = card_of(asked)
    assert card["actions"][0]["title"] == "Use this quote…"
    [offered] = [one["value"] for one in walk(card["actions"][0]) if one.get("id") == "text"]
    assert offered == "Parents get 16 weeks of paid leave."
    body = await press(world, asked, "review.approve")
    assert "Nothing is decided yet" in text_of(body)
    assert "Parents get 16 weeks of paid leave." in text_of(body)
    assert not await live(world.parts.repository)
    sure = actions_of(body["value"])["review.not_on_page"]
    body = await press_data(world, asked, sure)
    assert "decided that it is not on the page" in text_of(body)
    [served] = await live(world.parts.repository)
    assert served.abstained


def walk(node: Any) -> list[Any]:
    """Return every object in a part of a card."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [*([node] if isinstance(node, dict) else []), *(one for part in inside for one in walk(part))]


async def test_the_queue_says_how_many_wait_and_turns_its_pages(world: World) -> None:
    for number in range(7):
        await world.ask(f"Who pays for {number}?", id=str(number))
        await world.settled()
    for answer in list(world.store.answers.values()):
        await world.parts.reviewing.flag(answer, ReviewReason.THUMB_DOWN)
    await say(world, "queue")
    below = await shown_in(world, "a:robins", "7 are waiting for a review; these are 1 to 5.")
    assert "queue 2" in text_of(card_of(below))
    await say(world, "Queue 2")
    below = await shown_in(world, "a:robins", "7 are waiting for a review; these are 6 to 7.")
    assert "Next" not in text_of(card_of(below))
    await say(world, "help")
    assert "verified answers" in text_of(card_of(await shown_in(world, "a:robins", "You review answers")))
    await world.ask("help", id="77")
    assert "You review" not in text_of(card_of(await shown_in(world, "a:chat", "What I can do")))

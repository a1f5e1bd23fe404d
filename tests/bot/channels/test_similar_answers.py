"""A verified answer of a similar question is offered on the card, and taken or refused there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.dialogs.rate import RatingRules
from core.records import Citation, FeedbackKind, Passage
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.export import export_person
from feedback.reviews.paraphrases import KIND
from feedback.reviews.served import KIND as SERVED
from feedback.store.documents import Wanted
from tests.builders.reviewing import actions_of, card_of, press, text_of
from tests.builders.verified import verified
from tests.builders.world import NO_SAMPLE, NOW, World, a_world, pseudonym
from tests.doubles.teams_connector import Call

ADA = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
TAKEN = "Parents get 16 weeks of paid leave, mothers and fathers alike."
PLACE = Citation("/site/leave#parents", "Leave", "Parents", "16 weeks of paid leave")
FOUND = (Passage(PLACE.url, "Leave", "Parents", "Parents get 16 weeks of paid leave.", "h1", NOW),)
SIMILAR = verified(
    "How long is parental leave?", "theirs", text=f"{TAKEN} [1]", citations=(PLACE,), passages=FOUND
)
SECOND = verified("Is parental leave paid?", "second", text="Yes.", citations=(PLACE,), passages=FOUND)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world(rules=(RatingRules(), NO_SAMPLE)) as world:
        for one in (SIMILAR, SECOND):
            world.known.put(one)
            await world.parts.repository.put_verified(one)
        yield world


async def ask(world: World, *offered: str) -> Call:
    world.answerer.changes["similar"] = offered
    await world.ask("how many weeks do new dads have off?")
    await world.settled()
    return next(call for call in reversed(world.connector.calls) if call.activity.get("attachments"))


def words(world: World) -> list[tuple[str, str]]:
    return [
        (one.giver, one.value) for one in world.store.feedback.values() if one.kind is FeedbackKind.SIMILAR
    ]


async def test_an_offer_shows_the_question_and_taking_it_the_reviewers_answer(world: World) -> None:
    call = await ask(world, "theirs")
    shown = text_of(card_of(call))
    assert "A reviewer answered a similar question:" in shown
    assert "“How long is parental leave?”" in shown
    assert TAKEN not in shown
    body = await press(world, call, "rate.same", ADA)
    assert TAKEN in text_of(body["value"])
    assert "[1]" not in text_of(body["value"])
    assert "similar question" not in text_of(body["value"])
    assert words(world) == [(pseudonym("aad-ada"), "same theirs")]
    (learned,) = world.known.paraphrases.values()
    assert (learned.text, learned.same, learned.other) == ("how many weeks do new dads have off?", 1, 0)
    served = await world.store.documents.list_documents(Wanted(SERVED, state="theirs"))
    assert [one.person for one in served] == [pseudonym("aad-ada")], "and is told if a reviewer changes it"


async def test_what_was_taken_stays_on_the_card_when_a_reviewer_rules(world: World) -> None:
    call = await ask(world, "theirs")
    body = await press(world, call, "rate.same", ADA)
    answer = next(iter(world.store.answers.values()))
    said = await world.store.feedback_on(answer.id)
    (message,) = world.parts.view.make_messages(call.activity["conversation"], answer, words=said)
    assert message.card is not None
    assert TAKEN in str(message.card.body)
    assert "Thank you" in text_of(body["value"])


async def test_of_two_each_can_be_taken_and_both_refused(world: World) -> None:
    call = await ask(world, "theirs", "second")
    shown = text_of(card_of(call))
    assert "1. “How long is parental leave?”" in shown
    assert "2. “Is parental leave paid?”" in shown
    body = await press(world, call, "rate.other", ADA)
    assert "similar" not in text_of(body["value"])
    assert sorted(value for _, value in words(world)) == ["other second", "other theirs"]


async def test_what_was_not_offered_cannot_be_taken(world: World) -> None:
    call = await ask(world, "theirs")
    body = await press(world, call, "rate.same", ADA, similar="second")
    assert words(world) == []
    assert "Yes." not in text_of(body["value"])
    signature = actions_of(card_of(call))["rate.same"]["seal"]
    refused = await press(world, call, "rate.same", ADA, seal=signature[::-1])
    assert "was not sent to this conversation" in text_of(refused)
    assert words(world) == []


async def test_what_is_served_no_more_is_offered_no_more(world: World) -> None:
    world.known.drop("theirs")
    call = await ask(world, "theirs")
    assert "similar question" not in text_of(card_of(call))


async def test_personal_words_of_others_are_not_shown(world: World) -> None:
    world.known.put(replace(SIMILAR, question_text=""))
    shown = text_of(card_of(await ask(world, "theirs")))
    assert "“How long" not in shown
    assert TAKEN in shown, "the reviewer's words stand in their place"


async def documents(world: World) -> list[Any]:
    return list(await world.store.documents.list_documents(Wanted(KIND)))


async def test_a_deletion_takes_the_askers_words_and_the_givers_opinion(world: World) -> None:
    call = await ask(world, "theirs")
    await press(world, call, "rate.same", ADA)
    await press(world, call, "rate.same", {"id": "29:bob", "name": "Bob", "aadObjectId": "aad-bob"})
    (kept,) = await documents(world)
    assert '"same":2' in kept.body
    exported = await export_person(world.store, pseudonym("aad-ada"))
    assert [one["kind"] for one in exported["kept_about_you"]].count(KIND) == 1
    await forget(world, "aad-bob")
    (kept,) = await documents(world)
    assert '"same":1' in kept.body
    await forget(world, "aad-ada")
    assert await documents(world) == []


async def forget(world: World, person: str) -> None:
    who = pseudonym(person)
    deletion = await Deletions(world.store.documents).begin(Deletion(who, "d", datetime.now(UTC), by=who))
    await delete(world.store, deletion)

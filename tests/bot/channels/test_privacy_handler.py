"""What people, and nobody else, may ask of the bot about their data, from the bytes in to the bytes out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.channels import privacy_handler
from bot.channels.privacy_handler import PrivacyTerms, normalise_words
from bot.dialogs import privacy as data_links
from bot.dialogs.privacy import EVERYWHERE, HERE
from bot.web import data_download
from exporters.in_memory import recording
from feedback.privacy.audit import AuditAction
from feedback.privacy.deletion_log import LEFT_ALONE, SETTLES, Deletion, Deletions, ForgottenExamples
from feedback.privacy.opt_out import OptOuts
from feedback.privacy.retention import Retention
from feedback.store.sqlite import SqliteStore
from tests.builders.people import bytes_in
from tests.builders.privacy import ADA, Json, acted, pressed, world
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    REVIEWERS_CHANNEL,
    actions_of,
    card_of,
    press,
    shown_in,
    subscribe,
    text_of,
    thumb_down,
)
from tests.builders.world import GROUP, ScriptedAnswerer, World, a_world, pseudonym
from tests.doubles.teams_connector import Call

__all__ = ["world"]


RARE = "xylophone-omelette"
CHAT = {"id": "a:chat", "conversationType": "personal", "tenantId": "t1"}


async def told(world: World, text: str, **fields: Any) -> Call:
    """Say something; return the message that the bot answers with."""
    before = len(world.connector.calls)
    await world.ask(text, **({"id": str(before + 1_000)} | fields))
    await world.settled()
    return next(call for call in world.connector.calls[before:] if call.is_message)


async def done(world: World) -> None:
    await world.parts.privacy.wait_until_settled()


def sentence(call: Call) -> str:
    return call.activity["text"]


def documents_of(world: World, person: str = ADA) -> set[str]:
    return {one.kind for one in world.store.documents.kept.values() if one.person == person}


# What is said


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Privacy", "Your data"),
        ("datenschutz!", "Your data"),
        (" Meine  Daten ", "Your data"),
        ("Delete my data.", "Delete all your data?"),
        ("meine Daten löschen", "Delete all your data?"),
        ("Lo\u0308sche meine Daten!", "Delete all your data?"),  # as some keyboards write it
        ("Export my data", "Your data as a file"),
        ("Exportiere meine Daten", "Your data as a file"),
        ("Stop learning from me", "Learning from you is off"),
        ("Don’t learn from me", "Learning from you is off"),
        ("lerne nicht mehr von mir", "Learning from you is off"),
        ("Learn from me again", "Learning from you is on"),
        ("wieder von mir lernen", "Learning from you is on"),
    ],
)
async def test_what_is_told_is_done_and_is_no_question(
    world: World, valid: Callable[[Json], None], said: str, heard: str
) -> None:
    card = card_of(await told(world, said))
    valid(card)
    assert heard in text_of(card)
    assert not world.answerer.asked


@pytest.mark.parametrize("said", ["How do I delete my data?", "What is my data used for?", "privacy policy"])
async def test_a_question_about_it_is_a_question(world: World, said: str) -> None:
    await told(world, said)
    assert [asked.text for asked in world.answerer.asked] == [said]


def test_every_word_is_written_as_it_is_heard() -> None:
    for words in privacy_handler.WORDS:
        assert normalise_words(words) == words


async def test_the_card_tells_how_long_each_kind_is_kept(world: World) -> None:
    front = world.parts.handlers(world.asking, world.front._handlers.reviews._reviewers)
    front.privacy._place = replace(front.privacy._place, terms=PrivacyTerms(Retention(10, 20, 1_095, 40, 0)))
    world.front._handlers = replace(world.front._handlers, privacy=front.privacy)
    card = card_of(await told(world, "privacy"))
    [facts] = [node["facts"] for node in card["body"] if node["type"] == "FactSet"]
    assert [fact["value"].rpartition(", ")[0] for fact in facts] == [
        "10 days",
        "20 days",
        "1,095 days",
        "40 days",
        "for ever",
    ]
    assert set(actions_of(card)) == {"privacy.export", "privacy.stop", "privacy.delete"}


# First contact


async def test_a_new_person_is_told_once_what_is_kept_with_the_first_answer(world: World) -> None:
    first, second = await told(world, "How much leave?"), await told(world, "How much sick leave?")
    bobs = await told(world, "How much leave?", conversation=BOBS_CHAT, **{"from": BOB})
    group = await told(world, "How much?", conversation=GROUP, **{"from": {"id": "29:eve", "name": "Eve"}})
    assert ["Before we begin" in text_of(card_of(call)) for call in (first, second, bobs, group)] == [
        True,
        False,
        True,
        False,
    ]
    [button] = [node for node in card_of(first)["body"] if node["type"] == "ActionSet"]
    assert button["actions"][0]["data"]["msteams"] == {"type": "imBack", "value": "privacy"}


async def test_the_welcome_card_tells_it_and_then_the_first_answer_does_not(world: World) -> None:
    joined = {"membersAdded": [{"id": "28:bot"}]}
    await world.post(world.activity("conversationUpdate", **joined))
    await world.front.close()
    assert "Before we begin" in text_of(card_of(world.connector.calls[-1]))
    assert "Before we begin" not in text_of(card_of(await told(world, "How much leave?")))
    again = joined | {"conversation": CHAT | {"id": "a:another"}}
    await world.post(world.activity("conversationUpdate", **again))
    await world.front.close()
    assert "Before we begin" not in text_of(card_of(world.connector.calls[-1]))


async def test_who_was_told_is_remembered_by_the_next_process_and_who_was_not_reached_is_not(
    tmp_path: Path,
) -> None:
    for life, expected in enumerate((False, True, False)):
        store = SqliteStore.open(tmp_path / "s")
        async with a_world(store=store) as world:
            world.connector.fail(500, times=99 if life == 0 else 0)
            await world.ask("How much leave?", id=str(life))
            await world.settled()
            shown = [call for call in world.connector.calls if call.is_message]
            assert any("Before we begin" in text_of(card_of(call)) for call in shown) is expected
        await store.close()


# Deleting


async def complained(world: World) -> None:
    """Let Ada ask twice and complain, and a reviewer see it; Bob asks, too."""
    await subscribe(world)
    await world.ask(f"How many {RARE}s?")
    await world.settled()
    await thumb_down(world, f"There is no {RARE}")
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await told(world, "How much leave?")
    await told(world, "How much leave?", conversation=BOBS_CHAT, **{"from": BOB})


async def test_everything_of_a_person_goes_and_they_are_told_in_numbers(world: World) -> None:
    await complained(world)
    review = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    card = card_of(await told(world, "delete my data"))
    assert world.store.questions.keys() >= {"msteams:a:chat:1700000000001"}  # it only asks
    answer = await pressed(world, card, "privacy.delete_now")
    assert "am deleting your data" in text_of(answer["value"])
    await done(world)
    last = world.connector.calls[-1]
    assert last.conversation == "a:chat"
    assert "Your data is deleted" in text_of(card_of(last))
    for words in (
        "2 questions",
        "2 answers",
        "1 rating or comment by you",
        "1 review of an answer",
        "1 way to reach",
    ):
        assert words in text_of(card_of(last))
    assert [asked.asker for asked in world.store.questions.values()] == [pseudonym("aad-bob")]
    assert not world.store.feedback
    assert documents_of(world) == {"deletion", "audit"}
    assert RARE not in repr(world.store.documents.kept)
    await world.parts.card_sync.take_back_left()
    assert review.message_id not in world.connector.shown
    assert ("DELETE", "19:reviewers@thread.tacv2") in [
        (call.method, call.conversation) for call in world.connector.calls
    ]
    await told(world, "How much leave?")  # and on it goes
    assert ADA in [asked.asker for asked in world.store.questions.values()]
    assert "contact" in documents_of(world)


async def test_an_answer_under_way_is_stopped_first_and_its_question_is_forgotten(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    before = len(world.connector.calls)
    await world.ask("delete my data", id="2")
    confirm = next(call for call in world.connector.calls[before:] if call.is_message)
    await pressed(world, card_of(confirm), "privacy.delete_now")
    await done(world)
    assert world.asking.under_way == 0
    assert not world.store.questions
    texts = [call.activity.get("text") for call in world.connector.calls]
    assert "Stopped." in texts
    assert not any("16 weeks" in (text or "") for text in texts)
    assert "1 question" in text_of(card_of(world.connector.calls[-1]))


async def test_examples_that_a_model_saw_are_told(world: World) -> None:
    async def forget(answers: Collection[str], _: str) -> list[ForgottenExamples]:
        found = [ForgottenExamples("2026-11", ("v6", "v7"), 3), ForgottenExamples("2026-12", (), 1)]
        return found if answers else []

    world.parts.privacy._hooks = replace(world.parts.privacy._hooks, forget_examples=forget)
    await told(world, "How much leave?")
    await pressed(world, card_of(await told(world, "delete my data")), "privacy.delete_now")
    await done(world)
    said = text_of(card_of(world.connector.calls[-1]))
    assert (
        "3 of your questions were examples for models v6 and v7; the next update is built without them."
        in said
    )
    assert "1 of your questions was to be an example for the next model; it is built without it." in said


async def test_that_somebody_was_deleted_is_told_to_operators_as_a_number(world: World) -> None:
    with recording() as telemetry:
        await told(world, "How much leave?")
        await pressed(world, card_of(await told(world, "delete my data")), "privacy.delete_now")
        await done(world)
    assert telemetry.events("person_deleted") == [
        {"count": 4}
    ]  # question, answer, contact, that she was greeted


async def test_whoever_has_nothing_hears_that(world: World) -> None:
    await pressed(world, card_of(await told(world, "forget me")), "privacy.delete_now")
    await done(world)
    assert "no data about you" in text_of(card_of(world.connector.calls[-1]))


async def test_a_reviewers_rulings_stay_and_no_more_cards_come_to_their_chat(world: World) -> None:
    robin = {"id": "29:robin", "name": "Robin", "aadObjectId": "aad-robin"}
    chat = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
    await complained(world)
    channel = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await told(world, "reviewers here", conversation=chat, **{"from": robin})
    mine = await shown_in(world, "a:robins", "Please review")
    await press(world, channel, "review.correct", text="Eighteen", span="c1")
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin corrected the answer")
    confirm = await told(world, "delete my data", conversation=chat, **{"from": robin})
    await pressed(world, card_of(confirm), "privacy.delete_now", conversation=chat, **{"from": robin})
    await done(world)
    assert "1 review by you, now without your name" in text_of(card_of(world.connector.calls[-1]))
    for _ in range(2):
        await world.parts.card_sync.take_back_left()
    assert mine.activity["summary"] not in json.dumps(
        [shown for name, shown in world.connector.shown.items() if name == mine.message_id]
    )
    await asyncio.sleep(0)
    for document in list(world.store.documents.kept.values()):  # what is due in some seconds is due now
        if document.kind == "errand":
            await world.store.documents.put(replace(document, order=""))
    await world.parts.card_sync.process_outbox()
    card = await shown_in(world, REVIEWERS_CHANNEL["id"], "A former reviewer corrected the answer")
    assert "Eighteen" in text_of(card_of(card))
    assert "Robin" not in text_of(card_of(card))
    assert [place.id for place in await world.parts.repository.places()] == [REVIEWERS_CHANNEL["id"]]


async def test_an_older_client_gets_the_cards_as_messages(world: World) -> None:
    await told(world, "How much leave?")
    confirm = card_of(await told(world, "delete my data"))
    data = actions_of(confirm)
    await world.post(world.activity(value=data["privacy.show"], id="71"))
    await world.front.close()
    assert "How long it is kept" in text_of(card_of(world.connector.calls[-1]))
    await world.post(world.activity(value=data["privacy.delete_now"], id="72"))
    await world.front.close()
    await done(world)
    assert not world.store.questions


# What nobody else may, and nobody twice


Forge = Callable[[Json], tuple[Json, Json]]
"""Takes the data of “Delete everything”; returns the data that is sent and the fields of the activity."""


def with_data(**changes: Any) -> Forge:
    return lambda data: (data | {k: v(data[k]) if callable(v) else v for k, v in changes.items()}, {})


def with_fields(**fields: Any) -> Forge:
    return lambda data: (data, fields)


def earlier(made_at: int) -> int:
    return made_at - 1


def flipped(signature: str) -> str:
    return ("0" if signature[0] != "0" else "1") + signature[1:]


FORGED: dict[str, Forge] = {
    "somebody else": with_fields(**{"from": BOB}),
    "somebody else, in their own chat": with_fields(conversation=BOBS_CHAT, **{"from": BOB}),
    "the person in another chat": with_fields(conversation=CHAT | {"id": "a:other"}),
    "the person in a group": with_fields(conversation=GROUP),
    "the person from another tenant": with_fields(conversation=CHAT | {"tenantId": "t2"}),
    "nobody": with_fields(**{"from": {}}),
    "the person's name and channel id without the directory's": with_fields(
        **{"from": {"id": "29:ada", "name": "Ada"}}
    ),
    "the directory's id as the channel's": lambda data: (
        data,
        {"from": {"id": "29:x", "aadObjectId": "AAD-ADA"}},
    ),
    "an altered time": with_data(round=earlier),
    "a later time": with_data(round=lambda made_at: made_at + 60),
    "an altered signature": with_data(seal=flipped),
    "an empty signature": with_data(seal=""),
    "half a signature": with_data(seal=lambda signature: signature[:16]),
    "another's pseudonym in the card": lambda data: (
        data
        | {"answer_id": pseudonym("aad-bob"), "person": pseudonym("aad-bob"), "seal": flipped(data["seal"])},
        {},
    ),
}


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_deletion_is_refused_and_changes_nothing(world: World, case: str) -> None:
    await told(world, "How much leave?")
    data = actions_of(card_of(await told(world, "delete my data")))["privacy.delete_now"]
    sent, fields = FORGED[case](data)
    before = (dict(world.store.questions), dict(world.store.documents.kept))
    answer = await acted(world, {"verb": "privacy.delete_now", "data": sent}, **fields)
    assert answer["value"] == privacy_handler.NOT_YOURS
    await done(world)
    assert before == (world.store.questions, world.store.documents.kept)


@pytest.mark.parametrize(
    "verb", ["privacy.delete_now", "privacy.export", "privacy.stop", "privacy.learn", "privacy.delete"]
)
async def test_a_signature_is_for_one_button(world: World, verb: str) -> None:
    await told(world, "How much leave?")
    data = actions_of(card_of(await told(world, "delete my data")))["privacy.show"]
    answer = await acted(world, {"verb": verb, "data": data})
    assert answer["value"] == privacy_handler.NOT_YOURS
    assert world.store.questions


@pytest.mark.parametrize("verb", ["privacy.", "privacy.all", "privacy"])
async def test_an_unknown_button_is_refused(world: World, verb: str) -> None:
    data = actions_of(card_of(await told(world, "privacy")))["privacy.export"]
    answer = await acted(world, {"verb": verb, "data": data})
    assert "no such action" in answer["value"] or "not sent to this conversation" in answer["value"]


async def test_what_somebody_else_does_in_a_group_is_about_themselves(world: World) -> None:
    card = card_of(await told(world, "privacy", conversation=GROUP))
    answer = await pressed(world, card, "privacy.stop", conversation=GROUP, **{"from": BOB})
    assert answer["value"] == privacy_handler.NOT_YOURS
    await pressed(world, card, "privacy.stop", conversation=GROUP)
    choices = OptOuts(world.store.documents)
    assert (await choices.is_out(ADA), await choices.is_out(pseudonym("aad-bob"))) == (True, False)


async def test_an_old_card_does_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await told(world, "How much leave?")
    confirm, card = card_of(await told(world, "delete my data")), card_of(await told(world, "privacy"))
    monkeypatch.setattr(privacy_handler, "CONFIRM_S", -1)
    assert (await pressed(world, confirm, "privacy.delete_now"))["value"] == privacy_handler.TOO_OLD
    assert "Your data" in text_of((await pressed(world, confirm, "privacy.show"))["value"])
    monkeypatch.setattr(privacy_handler, "CARD_S", -1)
    assert (await pressed(world, card, "privacy.stop"))["value"] == privacy_handler.TOO_OLD
    assert world.store.questions
    assert not await OptOuts(world.store.documents).is_out(ADA)


async def test_the_same_press_again_is_the_same_deletion(world: World) -> None:
    await told(world, "How much leave?")
    confirm = card_of(await told(world, "delete my data"))
    await pressed(world, confirm, "privacy.delete_now")
    await done(world)
    await told(world, "How much sick leave?")
    kept = [asked.text for asked in world.store.questions.values()]
    assert kept == ["How much sick leave?"]
    assert (await pressed(world, confirm, "privacy.delete_now"))["value"] == privacy_handler.DELETED_BEFORE
    await done(world)
    assert [asked.text for asked in world.store.questions.values()] == kept
    confirm = card_of(await told(world, "delete my data"))
    await asyncio.gather(*(pressed(world, confirm, "privacy.delete_now") for _ in range(5)))
    await done(world)
    assert not world.store.questions
    assert len(await Deletions(world.store.documents).list_deletions(ADA)) == 2


# Learning


async def thumbed(world: World, question: str) -> bool:
    """Ask and press thumbs up; return whether that may be learned from."""
    call = await told(world, question)
    value = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": ""}}
    message = call.message_id or list(world.connector.shown)[-1]
    activity = world.activity("invoke", name="message/submitAction", value=value, replyToId=message)
    assert (await world.post(activity))[0] == 200
    return list(world.store.feedback.values())[-1].trainable


async def test_what_is_said_after_stop_is_not_learned_from_until_it_may_be_again(world: World) -> None:
    assert await thumbed(world, "How much leave?")
    card = card_of(await told(world, "privacy"))
    shown = await pressed(world, card, "privacy.stop")
    assert "Learning from you is off" in text_of(shown["value"])
    assert not await thumbed(world, "How much sick leave?")
    time_passes = actions_of(shown["value"])["privacy.learn"]
    again = await acted(world, {"verb": "privacy.learn", "data": time_passes})
    assert "Learning from you is on" in text_of(again["value"])
    assert await thumbed(world, "How much parental leave?")
    trail = [one.body for one in world.store.documents.kept.values() if one.kind == "audit"]
    assert len(trail) == 2
    assert ADA in trail[0]


async def test_a_press_on_a_card_from_before_another_choice_does_nothing(world: World) -> None:
    old = card_of(await told(world, "privacy"))
    await asyncio.sleep(0.01)
    await told(world, "stop learning from me")
    await told(world, "learn from me again")
    answer = await pressed(world, old, "privacy.stop")
    assert answer["value"] == privacy_handler.OLDER_CHOICE
    assert not await OptOuts(world.store.documents).is_out(ADA)


async def test_a_redelivered_message_does_not_turn_a_choice_back(world: World) -> None:
    await told(world, "stop learning from me", id="1")
    await told(world, "learn from me again", id="2")
    await told(world, "stop learning from me", id="3")
    await told(world, "learn from me again", id="2")
    assert await OptOuts(world.store.documents).is_out(ADA)


# The file


async def link_in(world: World, said: str = "export my data", **fields: Any) -> str:
    card = card_of(await told(world, said, **fields))
    [url] = [action["url"] for action in card["actions"] if action["type"] == "Action.OpenUrl"]
    assert url.startswith("https://bot.example/privacy/export/")
    return url.replace("https://bot.example", world.url.removesuffix("/api/messages"))


async def opened(world: World, url: str) -> tuple[int, Any, Any]:
    async with world.http.get(url) as response:
        text = await response.text()
        good = response.status == 200
        return response.status, json.loads(text) if good else text, response.headers


async def test_the_file_has_what_the_person_said_and_its_link_is_for_a_few_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await complained(world)
    url = await link_in(world)
    status, file, headers = await opened(world, url)
    assert status == 200
    assert headers["Content-Disposition"].startswith('attachment; filename="askpage-my-data-')
    assert headers["Cache-Control"] == "no-store"
    assert {one["record"]["text"] for one in file["questions"]} == {f"How many {RARE}s?", "How much leave?"}
    assert f"There is no {RARE}" in json.dumps(file["words"])
    assert file["person"] == ADA
    assert pseudonym("aad-bob") not in json.dumps(file)
    assert (await opened(world, url))[0] == 200  # previews of links must not use it up
    monkeypatch.setattr(data_links, "VALID_S", -1)
    assert (await opened(world, await link_in(world)))[0] == 404


async def test_a_link_from_before_a_deletion_opens_nothing_and_one_from_after_does(world: World) -> None:
    await told(world, "How much leave?")
    url = await link_in(world)
    await pressed(world, card_of(await told(world, "delete my data")), "privacy.delete_now")
    status, text, headers = await opened(world, url)  # at once, while the deletion is under way
    assert (status, text, headers["Cache-Control"]) == (410, data_download.DELETED, "no-store")
    await done(world)
    assert (await opened(world, url))[0] == 410
    assert (await opened(world, await link_in(world)))[0] == 200
    trail = [
        json.loads(one.body)["what"] for one in world.store.documents.kept.values() if one.kind == "audit"
    ]
    assert trail.count(AuditAction.EXPORTED) == 1


async def test_a_link_ends_with_a_deletion_by_an_operator_and_stays_ended_after_a_restart(
    tmp_path: Path,
) -> None:
    store = SqliteStore.open(tmp_path / "s")
    async with a_world(store=store) as world:
        await told(world, "How much leave?")
        path = (await link_in(world)).partition("/privacy/")[2]
        wished = Deletion(ADA, "by an operator", datetime.now(UTC), by="operator 7")
        await Deletions(store.documents).begin(wished)
    async with a_world(store=store) as world:
        base = world.url.removesuffix("/api/messages")
        assert (await opened(world, f"{base}/privacy/{path}"))[0] == 410
    await store.close()


async def test_an_altered_link_opens_nothing(world: World) -> None:
    url = await link_in(world)
    path, _, token = url.rpartition("/")
    says, _, signature = token.partition(".")
    made = world.parts.links
    bobs = made.address(made.link(EVERYWHERE, pseudonym("aad-bob"), "a:bobs"))
    bobs_says = bobs.rpartition("/")[2].partition(".")[0]
    local = made.address(made.link(HERE, ADA, "a:chat")).rpartition("/")[2]
    forged = [
        *(
            f"{says}.{flipped(signature)}",
            f"{says}.",
            says,
            f".{signature}",
            f"{bobs_says}.{signature}",
            local,
            "x" * 5_000,
        ),
        f"{says[:-2]}AA.{signature}",
    ]
    for one in forged:
        status, text, _ = await opened(world, f"{path}/{one}")
        assert (status, "has expired or was changed" in str(text)) == (404, True), one


async def test_in_a_group_one_is_asked_to_come_alone(world: World) -> None:
    assert sentence(await told(world, "export my data", conversation=GROUP)) == privacy_handler.ASK_ALONE
    card = card_of(await told(world, "privacy", conversation=GROUP))
    answer = await pressed(world, card, "privacy.export", conversation=GROUP)
    assert answer["value"] == privacy_handler.ASK_ALONE


@pytest.mark.parametrize("url", ["", "http://bot.example", "not an address", "ftp://bot.example"])
async def test_without_a_safe_address_the_operators_are_named(world: World, url: str) -> None:
    privacy = world.front._handlers.privacy
    privacy._place = replace(privacy._place, terms=PrivacyTerms(public_url=url))
    assert sentence(await told(world, "export my data")) == privacy_handler.NO_ADDRESS


async def test_an_export_that_cannot_be_read_says_so(world: World) -> None:
    await told(world, "How much leave?")
    url = await link_in(world)
    world.store.down = True
    status, text, headers = await opened(world, url)
    assert status == 503
    assert "cannot be read right now" in text
    assert headers["Retry-After"]


# Several processes


async def test_what_one_process_deletes_the_others_forget_and_go_on_with(tmp_path: Path) -> None:
    async with AsyncExitStack() as closing:
        worlds: list[World] = []
        for _ in range(2):
            store = SqliteStore.open(tmp_path / "s")
            closing.push_async_callback(store.close)
            worlds.append(await closing.enter_async_context(a_world(store=store)))
        one, other = worlds
        await subscribe(one)
        await one.ask(f"How many {RARE}s?")
        await one.settled()
        await thumb_down(one)
        card = await shown_in(one, REVIEWERS_CHANNEL["id"], "Please review")
        await press(one, card, "review.approve")
        for world in worlds:
            await world.parts.card_sync.look_at_pages()
            assert len(world.known.served) == 1
        other.answerer.go.clear()
        await other.ask(f"And {RARE} for part-timers?", id="17")  # under way in the other one
        await other.connector.until(lambda s: s.calls)
        confirm = await told(one, "delete my data")
        await pressed(one, card_of(confirm), "privacy.delete_now")
        await done(one)
        await other.parts.privacy.catch_up()
        await other.parts.card_sync.look_at_pages()
        assert other.asking.under_way == 0
        for world in worlds:
            assert world.known.served == {}
        assert RARE.encode() not in bytes_in(tmp_path)


async def test_a_question_that_is_deleted_alone_leaves_the_memory_of_other_processes_too(
    world: World,
) -> None:
    await complained(world)
    card = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await press(world, card, "review.approve")
    [answer_id] = world.known.served
    _, place = await world.parts.repository.list_verified_since("")
    await world.post(world.activity("messageDelete"))
    changes, _ = await world.parts.repository.list_verified_since(place)
    assert dict(changes) == {answer_id: None}
    assert RARE not in repr(world.store.documents.kept)


async def test_a_deletion_whose_process_died_is_finished_by_another_and_the_person_is_told(
    world: World,
) -> None:
    await told(world, "How much leave?")
    contact = world.store.documents.kept["contact", "a:chat"].body
    deletions = Deletions(world.store.documents)
    await deletions.begin(Deletion(ADA, "a press", datetime.now(UTC), by=ADA, reply_to=contact))
    await world.parts.privacy.catch_up()
    assert world.store.questions  # somebody may be at it
    await age(world, LEFT_ALONE)
    await world.parts.privacy.catch_up()
    await done(world)
    assert not world.store.questions
    assert "Your data is deleted" in text_of(card_of(world.connector.calls[-1]))
    [deletion] = await deletions.list_deletions(ADA)
    assert (deletion.state, deletion.reply_to) == ("settling", "")
    count = len(world.connector.calls)
    await age(world, SETTLES + LEFT_ALONE)
    await world.parts.privacy.catch_up()
    await done(world)
    [deletion] = await deletions.list_deletions(ADA)
    assert deletion.state == "done"
    assert len(world.connector.calls) == count


async def age(world: World, by: timedelta) -> None:
    """Let time pass for the deletions."""
    for name, document in list(world.store.documents.kept.items()):
        if document.kind == "deletion":
            body = json.loads(document.body)
            if body["gone_at"]:
                body["gone_at"] = (datetime.fromisoformat(body["gone_at"]) - by).isoformat()
            order = (datetime.fromisoformat(document.order) - by).isoformat(timespec="microseconds")
            world.store.documents.kept[name] = replace(document, body=json.dumps(body), order=order)
    world.parts.privacy._seen = ""


async def test_a_channel_that_is_down_is_told_later(world: World) -> None:
    await told(world, "How much leave?")
    confirm = card_of(await told(world, "delete my data"))
    world.connector.fail(500, times=99)
    await pressed(world, confirm, "privacy.delete_now")
    await done(world)
    assert not world.store.questions
    world.connector.recover()
    await age(world, LEFT_ALONE)
    await world.parts.privacy.catch_up()
    await done(world)
    assert re.search("1 question.*1 answer", text_of(card_of(world.connector.calls[-1])))


async def test_a_wish_that_cannot_be_kept_is_not_acknowledged(world: World) -> None:
    await told(world, "How much leave?")
    confirm = card_of(await told(world, "delete my data"))
    world.store.documents.refused.add("deletion")
    action = {"verb": "privacy.delete_now", "data": actions_of(confirm)["privacy.delete_now"]}
    status, _ = await world.post(
        world.activity("invoke", name="adaptiveCard/action", value={"action": action}, replyToId="m1")
    )
    assert status == 503
    world.store.documents.refused.clear()
    assert "am deleting your data" in text_of((await acted(world, action))["value"])
    await done(world)
    assert not world.store.questions


async def test_a_deletion_is_done_though_the_audit_trail_cannot_be_written(world: World) -> None:
    await told(world, "How much leave?")
    world.store.documents.refused.add("audit")
    await pressed(world, card_of(await told(world, "delete my data")), "privacy.delete_now")
    await done(world)
    assert not world.store.questions

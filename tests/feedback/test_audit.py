"""The audit trail: what is written where, what it tells of one person, and what is refused without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from feedback.privacy.audit import Audit, AuditAction, Entry
from feedback.privacy.keys import operator
from tests.builders.records import Opening, opening
from tests.builders.reviewing import (
    KIM,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    press,
    shown_in,
    subscribe,
    thumb_down,
)
from tests.builders.world import World, a_world, pseudonym

__all__ = ["opening"]

ROBINS_CHAT = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
ADA, ROBINS, KIMS = (pseudonym(f"aad-{name}") for name in ("ada", "robin", "kim"))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def trail(world: World, person: str = "") -> list[tuple[str, AuditAction, str, str]]:
    entries = Audit(world.store.documents).entries(person)
    return [(entry.who, entry.what, entry.answer_id, entry.person) async for entry in entries]


async def test_entries_are_found_by_whom_they_are_about_and_by_who_did_it(opening: Opening) -> None:
    audit = Audit((await opening()).documents)  # type: ignore[attr-defined]
    await audit.write("robin", AuditAction.RULED, answer_id="a1", person="ada")
    await audit.write("robin", AuditAction.READ_QUEUE)
    await audit.write("ada", AuditAction.EXPORTED, person="ada")
    await audit.write("operator 7", AuditAction.LOOKED, person="eve")

    async def told(person: str = "", since: datetime | None = None) -> list[tuple[str, AuditAction]]:
        return [(entry.who, entry.what) async for entry in audit.entries(person, since)]

    assert await told() == [
        ("robin", AuditAction.RULED),
        ("robin", AuditAction.READ_QUEUE),
        ("ada", AuditAction.EXPORTED),
        ("operator 7", AuditAction.LOOKED),
    ]
    assert await told("ada") == [("robin", AuditAction.RULED), ("ada", AuditAction.EXPORTED)]
    assert await told("robin") == [("robin", AuditAction.RULED), ("robin", AuditAction.READ_QUEUE)]
    assert await told("operator 7") == [("operator 7", AuditAction.LOOKED)]
    assert await told(since=datetime.now(UTC) + timedelta(seconds=1)) == []
    [entry] = [one async for one in audit.entries("eve")]
    assert entry == Entry("operator 7", AuditAction.LOOKED, entry.at, "", "eve")


def test_an_operators_name_needs_the_key() -> None:
    assert operator(b"one key", "root") == operator(b"one key", "root")
    assert operator(b"one key", "root") != operator(b"another key", "root")
    assert "root" not in operator(b"one key", "root")


async def complained(world: World) -> tuple[Any, str]:
    """Let Ada complain; return the card in the reviewers' channel and the answer's id."""
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    card = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    return card, actions_of(card_of(card))["review.approve"]["answer_id"]


async def test_what_reviewers_do_is_on_record_and_what_was_said_is_not(world: World) -> None:
    card, answer_id = await complained(world)
    await press(world, card, "review.claim")
    await press(world, card, "review.skip", reason="not my field")
    await press(world, card, "review.correct", person=KIM, text="Eighteen weeks", span="c1")
    assert await trail(world) == [
        (ROBINS, AuditAction.CLAIMED, answer_id, ADA),
        (ROBINS, AuditAction.SKIPPED, answer_id, ADA),
        (KIMS, AuditAction.RULED, answer_id, ADA),
    ]
    assert await trail(world, ADA) == await trail(world)
    assert await trail(world, KIMS) == [(KIMS, AuditAction.RULED, answer_id, ADA)]
    for (kind, _), document in world.store.documents.kept.items():
        if kind == "audit":
            assert "Eighteen" not in repr(document)
            assert "leave" not in repr(document)


async def test_a_refused_or_repeated_action_is_not_audited(world: World) -> None:
    card, answer_id = await complained(world)
    await press(world, card, "review.approve")
    await press(world, card, "review.approve", person=KIM)  # too late
    assert await trail(world) == [(ROBINS, AuditAction.RULED, answer_id, ADA)]


async def test_reading_the_queue_is_on_record_before_anything_is_shown(world: World) -> None:
    _, answer_id = await complained(world)
    before = len(world.connector.calls)
    world.store.documents.refused.add("audit")
    await world.ask("queue", id="30", conversation=ROBINS_CHAT, **{"from": ROBIN})
    said = [call.activity for call in world.connector.calls[before:] if call.is_message]
    assert [one["text"] for one in said] == ["I could not save this. Please try again in a minute."]
    world.store.documents.refused.clear()
    await world.ask("queue", id="31", conversation=ROBINS_CHAT, **{"from": ROBIN})
    await shown_in(world, ROBINS_CHAT["id"], "Please review")
    assert await trail(world) == [
        (ROBINS, AuditAction.READ_QUEUE, "", ""),
        (ROBINS, AuditAction.OPENED, answer_id, ADA),
    ]


async def test_a_ruling_counts_though_the_trail_cannot_be_written(world: World) -> None:
    card, answer_id = await complained(world)
    world.store.documents.refused.add("audit")
    await press(world, card, "review.approve")
    review = await world.parts.repository.review(answer_id)
    assert review is not None
    assert review.ruling is not None


async def test_nothing_in_the_store_names_a_reviewer_but_the_name_that_they_go_by(world: World) -> None:
    """Their directory id stands nowhere, and what is theirs is found by their pseudonym."""
    card, answer_id = await complained(world)
    await world.ask("reviewers here", id="32", conversation=ROBINS_CHAT, **{"from": ROBIN})
    await shown_in(world, ROBINS_CHAT["id"], "Please review")
    await press(world, card, "review.approve")
    await shown_in(world, ROBINS_CHAT["id"], "review")
    kept = world.store.documents.kept
    assert "aad-robin" not in repr(kept)
    theirs = {document.kind for document in kept.values() if document.person == ROBINS}
    assert {"place", "shown", "reviewed", "reviewer"} <= theirs
    assert kept["reviewed", f"{answer_id}|{ROBINS}"].answer_id == answer_id
    assert kept["contact", "a:chat"].person == ADA

"""People's wishes for their data while Cosmos DB is away: they wait, are done later, and reach what waits."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.background import PeriodicTasks
from bot.channels import privacy_handler
from core.records import derive_answer_id
from feedback.privacy.anonymise import NAME
from feedback.privacy.audit import SOMEBODY
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.store.base import ProcessLease
from tests.builders.people import bytes_in
from tests.builders.privacy import ADA, pressed
from tests.builders.reviewing import ROBIN, card_of, text_of
from tests.builders.stores import Afternoon, afternoon, another_store
from tests.builders.world import pseudonym

__all__ = ["afternoon"]

Json = dict[str, Any]
RARE = "xylophone-omelette"
ROBINS_CHAT = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}


async def confirm(afternoon: Afternoon, **fields: Any) -> Json:
    """Ask for the deletion; return the card that asks once more."""
    before = len(afternoon.world.connector.calls)
    await afternoon.world.ask("delete my data", **({"id": "90"} | fields))
    return card_of(next(call for call in afternoon.world.connector.calls[before:] if call.is_message))


async def caught_up(afternoon: Afternoon) -> None:
    """The store is back, and the process does what it does every few seconds."""
    await afternoon.back()
    await afternoon.world.parts.privacy.catch_up()
    await afternoon.world.parts.privacy.wait_until_settled()


async def of_ada(afternoon: Afternoon) -> set[str]:
    """Return the kinds of what Cosmos DB has of Ada."""
    return {
        str(row.fields["kind"]) if row.table == "document" else row.table
        for row in await afternoon.rows()
        if ADA in repr(row)
    }


async def test_a_deletion_waits_for_the_store_and_takes_with_it_what_waits_before_it(
    afternoon: Afternoon, tmp_path: Path
) -> None:
    card = await confirm(afternoon)
    afternoon.front.gone = True
    await afternoon.world.ask(f"How many {RARE}s?", id="3")
    await afternoon.world.connector.until(lambda _: afternoon.answers_shown(3))
    await afternoon.world.settled()
    await afternoon.thumb(2, "dislike", "press 7")
    spool = afternoon.store.spool
    assert spool.records == 4  # a question, that it is to be looked at, and a thumb that came twice
    assert RARE.encode() in bytes_in(tmp_path)
    answer = await pressed(afternoon.world, card, "privacy.delete_now")
    assert "am deleting your data" in text_of(answer["value"])
    assert RARE.encode() not in bytes_in(tmp_path)
    assert spool.records <= 2  # the wish; and an id, which is nobody's
    await caught_up(afternoon)
    assert await of_ada(afternoon) == {"deletion", "audit"}
    last = card_of(afternoon.world.connector.calls[-1])
    assert "Your data is deleted" in text_of(last)
    assert "2 questions" in text_of(last)


async def test_a_wish_not_to_be_learned_from_waits_too(afternoon: Afternoon) -> None:
    afternoon.front.gone = True
    world = afternoon.world
    await world.ask("stop learning from me", id="91")
    said = [call.activity.get("text", "") for call in world.connector.calls if call.is_message]
    assert privacy_handler.KEPT_FOR_LATER in said
    await afternoon.thumb(2, "like", "press 8")  # waits behind the wish
    await afternoon.back()
    assert await OptOuts(afternoon.store.documents).is_out(ADA)
    [word] = await afternoon.store.feedback_on(derive_answer_id("msteams:a:chat:2"))
    assert not word.trainable


async def test_a_ruling_that_waits_loses_its_reviewers_name_and_counts(afternoon: Afternoon) -> None:
    card = await confirm(afternoon, conversation=ROBINS_CHAT, **{"from": ROBIN})
    afternoon.front.gone = True
    await afternoon.rule("review.correct", "press 9", text="You get 18 weeks.")
    await pressed(afternoon.world, card, "privacy.delete_now", conversation=ROBINS_CHAT, **{"from": ROBIN})
    waiting = [document.body for document in await afternoon.store.spool._all()]
    assert not any("Robin" in body for body in waiting)
    await caught_up(afternoon)
    review = await afternoon.world.parts.repository.review(derive_answer_id("msteams:a:chat:1"))
    assert review is not None
    assert review.ruling is not None
    assert (review.ruling.reviewer, review.ruling.reviewer_name) == (SOMEBODY, NAME)
    assert review.ruling.text == "You get 18 weeks."
    names = [row for row in await afternoon.rows() if pseudonym("aad-robin") in repr(row)]
    assert {row.fields["kind"] for row in names} <= {"deletion", "audit"}


async def test_what_waits_in_another_process_is_not_carried_over_after_a_deletion(
    afternoon: Afternoon,
) -> None:
    """One process is cut off; meanwhile an operator deletes what is Ada's in the store."""
    afternoon.front.gone = True
    await afternoon.world.ask(f"How many {RARE}s?", id="3")
    await afternoon.world.connector.until(lambda _: afternoon.answers_shown(3))
    await afternoon.world.settled()
    afternoon.front.heal()
    async with another_store(afternoon.config) as far:
        wished = Deletion(ADA, "by an operator", datetime.now(UTC), by="operator 7")
        await delete(far, await Deletions(far.documents).begin(wished))
    world = afternoon.world
    upkeep = PeriodicTasks(world.asking, lambda _: None, afternoon.store, ProcessLease(), world.parts.privacy)
    running = asyncio.create_task(upkeep.run())
    for _ in range(200):
        await asyncio.sleep(0.1)
        if not afternoon.store.spool.records:
            break
    running.cancel()
    await asyncio.wait([running])
    assert not afternoon.store.spool.records
    assert RARE not in json.dumps([row.fields for row in await afternoon.rows()])

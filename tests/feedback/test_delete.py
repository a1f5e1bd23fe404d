"""All of one person, given out and deleted: every byte of the store is read, on SQLite and Cosmos DB."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.records import derive_answer_id
from exporters.in_memory import recording
from feedback.privacy.anonymise import NAME
from feedback.privacy.audit import SOMEBODY, Audit, AuditAction
from feedback.privacy.delete import DeletionHooks, delete, export_person
from feedback.privacy.deletion_log import Deletion, Deletions, ForgottenExamples, Overtaken, list_excluded
from feedback.privacy.keys import pseudonym
from feedback.privacy.opt_out import OptOuts, list_opt_outs
from feedback.store.rows import every_row
from feedback.store.sqlite import SqliteStore
from tests.builders.people import (
    ADA,
    BOB,
    EVE,
    KEY,
    RARE,
    Store,
    Town,
    bytes_in,
    held_by,
    names,
    town,
    verified,
)
from tests.builders.records import Opening, opening, question, thumb
from tests.needs import ROOT

__all__ = ["opening", "town"]


async def begun(store: Store, **changes: Any) -> Deletion:
    deletion = replace(Deletion(ADA, "one", datetime.now(UTC), by=ADA), **changes)
    return await Deletions(store.documents).begin(deletion)


async def test_one_of_many_is_deleted_to_the_last_byte_and_nobody_else_loses_anything(
    opening: Opening, tmp_path: Path
) -> None:
    town = Town(store := await opening())
    await town.settle(10_000 if isinstance(store, SqliteStore) else 200)
    before = await town.lines()
    bytes_before = await held_by(store, tmp_path)
    assert bytes_before.count(ADA.encode()) > 20
    assert RARE.encode() in bytes_before
    asked_for: list[str] = []

    async def forget(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        assert await list_excluded(store.documents) == {ADA} == {person}
        asked_for.extend(answer_ids)
        return [ForgottenExamples("d1", ("v7",), 2), ForgottenExamples("d2", (), 1)] if answer_ids else []

    forgotten: list[str] = []
    hooks = DeletionHooks(forget_examples=forget, forgotten=forgotten.append)
    deletion = await delete(store, await begun(store), hooks)
    assert deletion.state == "settling"
    assert deletion.counts["question"] == 3
    assert deletion.counts["answer"] == 2
    assert deletion.counts["word"] == 3
    assert deletion.counts["word of others"] == 1
    assert deletion.counts["review"] == deletion.counts["verified"] == 1
    assert deletion.sum_examples() == [ForgottenExamples("d1", ("v7",), 2), ForgottenExamples("d2", (), 1)]
    hers = {derive_answer_id(f"chat/{ADA[:6]}/{number}") for number in (1, 2)}
    assert set(asked_for) == set(forgotten) == hers

    assert await list_excluded(store.documents) == set()
    left = await names(town)
    assert {key.split()[1] for key in left} == {"deletion", "audit"}
    assert (
        len([key for key in left if "audit" in key]) == 1
    )  # that an operator looked, and no more about answers
    assert RARE.encode() not in await held_by(store, tmp_path)
    after = await town.lines()
    await store.drop_rows(
        [row async for row in every_row(store, "document") if f"document {row.key}" in left]
    )
    bytes_after = await held_by(store, tmp_path)
    assert RARE.encode() not in bytes_after
    assert ADA.encode() not in bytes_after
    assert b"Ada Lovelace" not in bytes_after

    others = {
        key: line for key, line in before.items() if not any(word in line for word in (ADA, RARE, *hers))
    }
    assert others == {key: line for key, line in after.items() if key in others}
    assert len(others) > 500


async def test_what_a_person_ruled_stays_without_the_name_and_is_served(town: Town) -> None:
    await delete(town.store, await begun(town.store))
    review = await town.repository.review(town.ruled.id)
    assert review is not None
    assert review.ruling is not None
    assert review.ruling == replace(
        review.ruling, reviewer=SOMEBODY, reviewer_name=NAME, source="", text="26", note="as of May"
    )
    assert review.earlier == review.ruling
    assert review.change is not None
    assert (review.change.reviewer, review.change.reviewer_name, review.change.source) == (SOMEBODY, NAME, "")
    assert (review.change.reason, review.change.before) == ("a slip", review.ruling)
    [past] = (await town.repository.past_reviews(10))[0]
    assert past.verdicts == review.verdicts
    held = await town.repository.review(town.held.id)
    assert held is not None
    assert (held.claimed_by, held.claimed_name, held.claimed_until) == ("", "", None)
    assert [skip.reviewer for skip in held.skips] == [SOMEBODY, EVE]
    kept = await town.repository.read_verified(town.ruled.id)
    assert kept == verified(town.ruled, SOMEBODY)
    served = await town.store.answer(town.served.id)
    assert served == replace(town.served, verified_by=SOMEBODY, question=served.question)
    entries = [
        entry async for entry in Audit(town.store.documents).entries() if entry.what is AuditAction.RULED
    ]
    assert [(entry.who, entry.person) for entry in entries] == [(SOMEBODY, BOB)] * 2


async def test_whoever_knows_a_verified_answer_by_heart_hears_that_it_is_gone(town: Town) -> None:
    changes, place = await town.repository.list_verified_since("")
    hers = derive_answer_id(f"chat/{ADA[:6]}/1")
    assert dict(changes)[hers] is not None
    await delete(town.store, await begun(town.store))
    changes, _ = await town.repository.list_verified_since(place)
    assert dict(changes)[hers] is None
    assert dict(changes)[town.ruled.id] == verified(town.ruled, SOMEBODY)


async def test_cards_are_left_to_the_courier_and_changed_ones_are_drawn_anew(town: Town) -> None:
    await delete(town.store, await begun(town.store))
    left = await town.repository.list_left_cards(10)
    assert sorted(card.message_id for card in left) == ["card 1", "card 2"]
    assert ADA not in repr(left)
    for card in left:
        await town.repository.remove_left_card(card)
    assert await town.repository.list_left_cards(10) == []
    due = {
        row.fields["id"] async for row in every_row(town.store, "document") if row.fields["kind"] == "errand"
    }
    assert {town.bobs.id, town.ruled.id, town.held.id} <= due


async def test_a_deletion_can_be_repeated_and_spares_what_was_said_afterwards(town: Town) -> None:
    deletion = await delete(town.store, await begun(town.store))
    later = question(9, asker=ADA, asked_at=datetime.now(UTC) + timedelta(seconds=1))
    await town.store.add_question(later)
    late = thumb(town.bobs, giver=ADA, comment=RARE)  # it was under way in another process
    await town.store.put_feedback(late)
    again = await delete(town.store, deletion)
    assert again.state == "done"
    assert again.counts == deletion.counts
    assert await town.store.feedback_on(town.bobs.id) == [thumb(town.bobs, "like", giver=EVE)]
    assert {row.key async for row in every_row(town.store, "question", person=ADA)} == {later.id}
    assert (await begun(town.store)).state == "done"  # the same request once more
    other = await delete(town.store, await begun(town.store, name="two", begun_at=later.asked_at))
    assert other.counts["question"] == 1
    assert not [row async for row in every_row(town.store, "question", person=ADA)]
    assert [one.name for one in await Deletions(town.store.documents).list_deletions(ADA)] == ["one", "two"]


async def test_the_wish_that_nothing_is_learned_outlives_the_deletion(town: Town) -> None:
    choices = OptOuts(town.store.documents)
    assert await choices.choose(ADA, out=True, source="a1")
    await choices.choose(BOB, out=True, source="b1")
    await choices.choose(BOB, out=False, source="b2")
    await delete(town.store, await begun(town.store))
    assert await list_opt_outs(town.store.documents) == {ADA}
    await delete(town.store, await begun(town.store, person=BOB))
    assert not await choices.is_out(BOB)
    assert (await choices.choice(BOB)).since is None


async def test_of_two_processes_at_one_deletion_the_slower_one_stops(opening: Opening) -> None:
    town = Town(await opening())
    await town.settle(5)
    mine = await begun(town.store)
    await Deletions((await opening()).documents).move_on(mine)
    with pytest.raises(Overtaken):
        await delete(town.store, mine)


async def test_an_export_has_everything_and_nobody_elses_name(town: Town) -> None:
    await OptOuts(town.store.documents).choose(ADA, out=True, source="a1")
    await begun(town.store, name="earlier")
    told = await export_person(town.store, ADA)
    text = json.dumps(told)
    first, *_, open_ = sorted(told["questions"], key=lambda one: one["id"])
    assert first["record"]["text"] == f"How many {RARE}s?"
    assert first["answer"]["text"] == f"Twelve {RARE}s."
    assert first["answer"]["passages"]
    assert [(said["by"], said["value"]) for said in first["said"]] == [
        ("a colleague", "like"),
        ("you", "like"),
    ]
    assert first["review"]["ruling"]["text"] == f"Thirteen {RARE}s"
    assert "answer" not in open_
    assert len(told["words"]) == 4  # a thumb that was changed is two
    [ruling] = [
        one for round_ in told["reviewed"] for one in round_["rulings"] if one["note"] == "as of May"
    ][:1]
    assert ruling["text"] == "26"
    assert [skip["reason"] for round_ in told["reviewed"] for skip in round_["skips"]] == ["not my field"]
    assert {one["changed"]["reason"] for one in told["reviewed"] if "changed" in one} == {"a slip"}
    kinds = {one["kind"] for one in told["kept_about_you"]}
    assert kinds == {
        *("contact", "declined", "greeted", "notice", "place", "reviewed", "reviewer", "served", "shown"),
        "untied",
    }
    assert told["learning"]["stopped"] is True
    assert len(told["deletions"]) == 1
    assert {(one["who"], one["what"]) for one in told["audit"]} == {
        ("a colleague", AuditAction.OPENED),
        ("operator 7", AuditAction.LOOKED),
        (ADA, AuditAction.RULED),
    }
    assert ADA in text
    for other in (BOB, EVE, "Bob", "How much leave", "unclear"):
        assert other not in text
    for field in told:
        assert field in json.dumps(told["meaning"]) or field in {"meaning", "made_at", "what_this_is"}


async def test_a_deletion_is_told_by_its_size_and_what_waited_for_a_review_waits_no_more(town: Town) -> None:
    with recording() as told:
        deletion = await delete(town.store, await begun(town.store))
        await delete(town.store, deletion)
    assert told.events("person_deleted") == [{"count": sum(deletion.counts.values())}]
    assert len(told.events("question_forgotten")) == deletion.counts["answer"]
    assert ADA not in "".join(record.to_json() for record in told.records)


async def test_a_person_whom_nobody_knows_has_nothing(town: Town) -> None:
    told = await export_person(town.store, pseudonym(KEY, "nobody"))
    assert told["questions"] == told["words"] == told["kept_about_you"] == told["audit"] == []
    deletion = await delete(town.store, await begun(town.store, person=pseudonym(KEY, "nobody")))
    assert set(deletion.counts.values()) <= {0}


# Killed in the middle


KILLED = """
import asyncio, sys
from pathlib import Path
from datetime import datetime
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.store.sqlite import SqliteStore
from tests.processes.dying import die_after

die_after(int(sys.argv[2]))

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    at = datetime.fromisoformat(sys.argv[4])
    deletion = await Deletions(store.documents).begin(Deletion(sys.argv[3], "one", at, by=sys.argv[3]))
    await delete(store, deletion)
    await store.close()

asyncio.run(main())
"""


def test_a_deletion_that_is_killed_again_and_again_comes_to_the_same_end(tmp_path: Path) -> None:
    path, whole = tmp_path / "a" / "store.sqlite3", tmp_path / "b" / "store.sqlite3"
    asyncio.run(_settled(path))
    whole.parent.mkdir()
    shutil.copy(path, whole)
    at = datetime.now(UTC).isoformat()
    killed = 0
    for run in range(1, 200):
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(run), ADA, at],
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        killed += 1
    assert killed > 15
    one, other = asyncio.run(_lines_after(path)), asyncio.run(_lines_after(whole, at))
    assert one.keys() == other.keys()
    for key in one:
        if "errand" not in key and "verified" not in key:
            assert _timeless(one[key]) == _timeless(other[key])
    assert RARE.encode() not in bytes_in(path.parent)


async def _settled(path: Path) -> None:
    store = SqliteStore.open(path)
    town = Town(store)
    await town.settle(50)
    for number in range(4, 14):
        await town.asks(ADA, number, f"{RARE} {number}")
    await store.close()


async def _lines_after(path: Path, at: str = "") -> dict[str, str]:
    store = SqliteStore.open(path)
    if at:
        await delete(store, await begun(store, begun_at=datetime.fromisoformat(at)))
    lines = await Town(store).lines()
    await store.close()
    return lines


def _timeless(line: str) -> Any:
    """Return a row without what differs from run to run: when, how often it was written, and random names."""
    row = json.loads(line)
    row.pop("version", None)
    row.pop("place", None)
    if row.get("kind") == "deletion":
        row["body"].pop("gone_at")
    return row

"""A town of people with rare words, and a search for them in every byte of a store."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.records import (
    Answer,
    ChangeKind,
    Feedback,
    FeedbackKind,
    Question,
    Review,
    ReviewReason,
    Ruling,
    RulingChange,
    Skip,
    Verdict,
    VerifiedAnswer,
    derive_answer_id,
)
from feedback.privacy.audit import Audit, AuditAction
from feedback.privacy.keys import pseudonym
from feedback.reviews.repository import (
    ASKER,
    CardDestination,
    Notification,
    PostedMessage,
    ReviewRepository,
    place_of_reviewer,
)
from feedback.reviews.served import keep_taken
from feedback.reviews.unmatched import UnmatchedFeedback, keep_unmatched
from feedback.store.base import moment
from feedback.store.cosmos import CosmosStore
from feedback.store.documents import Document
from feedback.store.rows import TABLES, Row, build_row_key, every_row, to_line
from feedback.store.serialization import to_json
from tests.builders.records import NOON, Opening, answer, opening, question, thumb

__all__ = ["opening"]


KEY = b"a key of the tests"
ADA, BOB, EVE = (pseudonym(KEY, name) for name in ("ada", "bob", "eve"))
RARE = "xylophone-omelette"
NOW = datetime.now(UTC)
Store = Any


def crowd(people: int) -> list[Row]:
    """Return the rows of so many people, each with a question, its answer, a thumb and a notice."""
    rows: list[Row] = []
    for number in range(people):
        person = pseudonym(KEY, f"colleague {number}")
        asked = question(
            number, id=f"crowd/{number:05}", conversation=f"c{number}", asker=person, reply_to=""
        )
        given = answer(asked, derive_answer_id(asked.id))
        said = thumb(given, giver=person)
        rows += [_of_question(asked), _of_answer(given), _of_word(said, number + 10**9)]
        rows.append(_of_notice(Notification(given.id, person, moment(NOON), sent=True)))
    return rows


def _of_question(asked: Question) -> Row:
    fields = {
        "id": asked.id,
        "conversation": asked.conversation,
        "asker": asked.asker,
        "asked_at": moment(asked.asked_at),
        "record": to_json(asked),
        "reply_to": "",
        "message_id": "m",
    }
    return Row("question", asked.id, fields)


def _of_answer(given: Answer) -> Row:
    fields = {
        "id": given.id,
        "question_id": given.question.id,
        "conversation": given.question.conversation,
        "answered_at": moment(given.answered_at),
        "record": to_json(given),
        "question": to_json(given.question),
        "asker": given.question.asker,
    }
    return Row("answer", given.id, fields)


def _of_word(said: Feedback, number: int) -> Row:
    fields = {
        "number": number,
        "answer_id": said.answer_id,
        "giver": said.giver,
        "kind": said.kind.value,
        "reaction": "",
        "given_at": moment(said.given_at),
        "changed_at": moment(said.given_at),
        "record": to_json(said),
        "source": "",
    }
    return Row("feedback", build_row_key("feedback", fields), fields)


def _of_notice(notice: Notification) -> Row:
    fields = {
        "kind": "notice",
        "id": f"{notice.answer_id}|{notice.person}",
        "body": json.dumps(
            {"answer_id": notice.answer_id, "person": notice.person, "made_at": notice.made_at, "sent": True}
        ),
        "answer_id": notice.answer_id,
        "person": notice.person,
        "state": "sent",
        "place": notice.made_at,
        "version": 1,
    }
    return Row("document", build_row_key("document", fields), fields)


class Town:
    """A store with a crowd in it, and among them Ada, who has done everything that somebody can do."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.repository = ReviewRepository(store.documents)

    async def settle(self, people: int) -> None:
        rows = crowd(people)
        for first in range(0, len(rows), 2_000):
            await self.store.put_rows(rows[first : first + 2_000])
        await self.ask_and_be_answered()
        await self.think_of_others()
        await self.review_others()
        await self.be_kept_about()

    async def asks(self, person: str, number: int, words: str, **changes: Any) -> Answer:
        asked = question(
            number,
            id=f"chat/{person[:6]}/{number}",
            conversation=f"chat of {person[:6]}",
            asker=person,
            text=words,
        )
        given = answer(asked, derive_answer_id(asked.id), **changes)
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        await self.store.mark_delivered(asked.id, f"m{number}")
        return given

    async def ask_and_be_answered(self) -> None:
        """Ada asks; a colleague corrects, others get what came of it and say what they think."""
        first = await self.asks(ADA, 1, f"How many {RARE}s?", text=f"Twelve {RARE}s.")
        await self.asks(ADA, 2, f"Where are the {RARE}s?")
        await self.store.add_question(question(3, id="chat/open", asker=ADA, text=f"{RARE}, still open"))
        await self.store.put_feedback(thumb(first, "dislike", giver=ADA, comment=f"No {RARE} at all"))
        await self.store.put_feedback(thumb(first, "like", 70, giver=ADA))
        await self.store.put_feedback(thumb(first, "like", giver=BOB))
        corrected = Verdict(BOB, "Bob", Ruling.CORRECTED, NOON, text=f"Thirteen {RARE}s")
        review = Review(first.id, (ReviewReason.THUMB_DOWN,), NOON, verdicts=(corrected,), settled_at=NOON)
        await self.repository.add_review(review)
        await self.repository.keep_round(review)
        await self.repository.put_verified(verified(first, BOB))
        await self.repository.put_shown(PostedMessage(first.id, "team#1", "{}", "card 1", "s"))
        await self.repository.put_shown(PostedMessage(first.id, ASKER, "{}", "m1", "s"))
        await self.repository.mark_reviewer(first.id, BOB)
        await self.repository.add_declined(first)
        await self.repository.add_outbox_entry(first.id, NOON)

    async def think_of_others(self) -> None:
        """Ada says what she thinks of an answer to Bob."""
        self.bobs = bobs = await self.asks(BOB, 1, "How much leave?")
        await self.store.put_feedback(thumb(bobs, "dislike", giver=ADA, comment=f"{RARE}!"))
        await self.store.put_feedback(
            thumb(bobs, "heart", giver=ADA, kind=FeedbackKind.REACTION, source="chat of ada|f:1")
        )
        await self.store.put_feedback(thumb(bobs, "like", giver=EVE))
        taken = Feedback(bobs.id, ADA, FeedbackKind.SIMILAR, "same x", True, NOON)
        await keep_taken(self.store.documents, bobs, taken, verified(bobs, EVE))

    async def review_others(self) -> None:
        """Ada rules on an answer to Bob, skips another one, and holds a third."""
        ruled = Verdict(
            ADA, "Ada Lovelace", Ruling.CORRECTED, NOON, text="26", note="as of May", source="ada|f:2"
        )
        self.ruled = await self.asks(BOB, 2, "How many days?")
        edited = RulingChange(ChangeKind.EDITED, ADA, "Ada Lovelace", NOON, "a slip", ruled, "ada|f:3")
        review = Review(
            self.ruled.id,
            (ReviewReason.SAMPLE,),
            NOON,
            verdicts=(ruled,),
            settled_at=NOON,
            earlier=ruled,
            change=edited,
        )
        await self.repository.add_review(review)
        await self.repository.keep_round(review)
        await self.repository.put_verified(verified(self.ruled, ADA))
        self.held = await self.asks(BOB, 3, "How many hours?")
        await self.repository.add_review(
            Review(
                self.held.id,
                (ReviewReason.SAMPLE,),
                NOON,
                claimed_by=ADA,
                claimed_name="Ada Lovelace",
                claimed_until=NOW + timedelta(hours=1),
                skips=(Skip(ADA, "not my field", NOON), Skip(EVE, "unclear", NOON)),
            )
        )
        for one in (self.ruled, self.held):
            await self.repository.mark_reviewer(one.id, ADA)
            await Audit(self.store.documents).write(ADA, AuditAction.RULED, answer_id=one.id, person=BOB)
        self.served = await self.asks(EVE, 1, "How many days, please?", verified_by=ADA, verified_at=NOON)

    async def be_kept_about(self) -> None:
        place = place_of_reviewer(ADA)
        await self.repository.put_place(
            CardDestination(place, '{"conversation": {"id": "chat of ada"}}', ADA)
        )
        await self.repository.put_shown(
            PostedMessage(self.held.id, f"{place}#1", '{"conversation": "ada"}', "card 2", "s")
        )
        await self.repository.put_contact("chat of ada", "{}", ADA)
        await self.repository.add_notice(Notification(self.bobs.id, ADA, moment(NOON)))
        word = Feedback("", ADA, FeedbackKind.COMMENT, "", False, NOON, comment=RARE, source="ada|f:9")
        await keep_unmatched(
            self.repository.documents, UnmatchedFeedback("comment", "chat of ada", "m77", word), "ada|f:9"
        )
        await self.store.documents.put(Document("greeted", ADA, "", person=ADA))
        await Audit(self.store.documents).write(
            BOB, AuditAction.OPENED, answer_id=derive_answer_id(f"chat/{ADA[:6]}/1"), person=ADA
        )
        await Audit(self.store.documents).write("operator 7", AuditAction.LOOKED, person=ADA)

    async def lines(self) -> dict[str, str]:
        """Return every row as text, by table and key."""
        return {
            f"{table} {row.key}": to_line(row)
            for table in TABLES
            for row in [one async for one in every_row(self.store, table)]
        }


def verified(given: Answer, by: str) -> VerifiedAnswer:
    return VerifiedAnswer(
        given.id,
        given.question.text,
        None,
        given.text,
        given.citations,
        given.passages,
        (("p", "h"),),
        False,
        by,
        NOON,
    )


async def held_by(store: Store, folder: Path) -> bytes:
    """Return every byte that a store has written: all files of SQLite, all items of Cosmos DB."""
    if isinstance(store, CosmosStore):
        return json.dumps(await store._items.query("SELECT * FROM c")).encode()
    return bytes_in(folder)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def names(town: Town) -> Collection[str]:
    """Return the keys of the rows that Ada's pseudonym stands in."""
    return {key for key, line in (await town.lines()).items() if ADA in key or ADA in line}


@pytest.fixture
async def town(opening: Opening) -> Town:
    town = Town(await opening())
    await town.settle(20)
    return town

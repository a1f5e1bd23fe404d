"""A store with records of every shape, as many as are wanted: for copies, exports and retention."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

from core.records import (
    Answer,
    Feedback,
    FeedbackKind,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
    VerifiedAnswer,
    derive_answer_id,
)
from feedback.reviews.repository import CardDestination, Notification, PostedMessage, ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question

ODD_TEXTS = (
    "plain",
    "a lone half \ud83d",
    "nothing \x00 here",
    "\U0001f600 and \uff5e",
    "Zeile\r\nzwei",
    "“quoted”",
    "",
)
ODD_NAMES = ("a", "~", "é", "\uff5e", "\ue000", "\U0001f600", "\U0001f601", "\ud7ff")
"""Among them those that UTF-8 and UTF-16 sort differently."""
_AT_ONCE = 200


async def fill(store: SqliteStore, answers: int, first: int = 0) -> None:
    """Keep so many questions, about four records for each: open, answered, rated, taken back, reviewed."""
    numbers = range(first, first + answers)
    for start in range(numbers.start, numbers.stop, _AT_ONCE):
        chunk = numbers[start - first : start - first + _AT_ONCE]
        await asyncio.gather(*(_one(store, number) for number in chunk))


async def _one(store: SqliteStore, number: int) -> None:
    dice = random.Random(number)  # noqa: S311 - nothing secret
    conversation = f"chat {dice.choice(ODD_NAMES)}{number % 50}"
    asked = question(
        number,
        id=f"{conversation}/{number}",
        conversation=conversation,
        asker=f"p{number % 40}",
        text=f"{dice.choice(ODD_TEXTS)}, {number}: how many days of leave?",
        asked_at=NOON + timedelta(seconds=number),
    )
    await store.add_question(asked)
    if number % 20 == 7:  # nobody has answered it yet
        return
    given = answer(asked, derive_answer_id(asked.id), text=dice.choice(ODD_TEXTS) + " 26 days [1].")
    await store.add_answer(given)
    if number % 20 != 3:  # its delivery is under way
        await store.mark_delivered(asked.id, "" if number % 20 == 4 else f"m{number}")
    await _rate(store, given, number)
    await _review(ReviewRepository(store.documents), given, number)


async def _rate(store: SqliteStore, given: Answer, number: int) -> None:
    giver = f"p{number % 40}"
    at = given.answered_at + timedelta(seconds=9)
    thumb = Feedback(given.id, giver, FeedbackKind.THUMB, "like", trainable=True, given_at=at)
    words = [replace(thumb, source=f"f{number}")]
    if number % 3 == 0:  # a change of mind, and another one
        words.append(replace(thumb, value="dislike", given_at=at + timedelta(seconds=1), source=f"g{number}"))
        words.append(replace(words[-1], withdrawn_at=at + timedelta(seconds=2), source=f"h{number}"))
    if number % 4 == 0:
        words += [
            replace(thumb, kind=FeedbackKind.REACTION, value=name, giver="p1", source=f"{name}{number}")
            for name in ("heart", "😀")
        ]
    if number % 5 == 0:
        words.append(
            replace(thumb, kind=FeedbackKind.COMMENT, value="", comment=ODD_TEXTS[number % len(ODD_TEXTS)])
        )
    for word in words:
        await store.put_feedback(word)


async def _review(repository: ReviewRepository, given: Answer, number: int) -> None:
    asked = given.question
    at = given.answered_at + timedelta(seconds=60)
    if number % 10 == 1:
        await repository.put_contact(asked.conversation, f'{{"service": "{number}"}}', person=asked.asker)
    if number % 4:
        return
    verdict = Verdict("r1", "Robin", Ruling.CORRECTED, at, "27 days [1].", given.citations[0])
    review = Review(given.id, (ReviewReason.THUMB_DOWN,), at)
    await repository.add_review(review)
    if number % 8 == 0:
        settled = replace(review, verdicts=(verdict,), settled_at=at, version=1)
        await repository.change_review(settled)
        await repository.put_verified(
            VerifiedAnswer(
                given.id,
                asked.text,
                None,
                verdict.text,
                given.citations,
                (),
                (("/leave", "h"),),
                False,
                "r1",
                at,
            )
        )
        await repository.add_notice(Notification(given.id, asked.asker, at.isoformat()))
    await repository.put_place(CardDestination(f"place {number % 7}", "{}"))
    await repository.put_shown(PostedMessage(given.id, f"place {number % 7}", "{}", f"m{number}", "stamp"))

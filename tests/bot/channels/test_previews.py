"""What a ruling would serve: counted beside everything else, in bounds, and without anybody's words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cards.review_actions import RulingPreview
from bot.channels.previews import BATCH, DAYS, MOST_ANSWERS, RulingPreviews, read_recent
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import Answer, Feedback, FeedbackKind, Ruling
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from pages.index.embeddings import HashedEmbedder
from tests.builders.days import settle, stars
from tests.builders.records import answer, question
from tests.builders.world import NothingKnown

NOW = datetime.now(UTC)
WORDS = "Who pays for a bicycle?"


class Alike(NothingKnown):
    """Knows equal words; says how many texts it has looked at, and takes its time for each."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.seen = 0

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        self.seen += len(others)
        time.sleep(self.seconds * len(others))
        return super().alike(text, others)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield opened
    await opened.close()


async def ask_for(store: SqliteStore, number: int, text: str = WORDS, **changes: Any) -> Answer:
    at = changes.pop("at", NOW - timedelta(minutes=number))
    asked = question(number, text=text, asked_at=at, page_url=changes.pop("page_url", None))
    await store.add_question(asked)
    return await store.add_answer(replace(answer(asked, answered_at=at), **changes))


def thumb(on: Answer, value: str, giver: str = "p") -> Feedback:
    return Feedback(on.id, giver, FeedbackKind.THUMB, value, trainable=True, given_at=NOW)


async def preview_of(store: SqliteStore, one: Answer, known: Any = None, **limits: float) -> RulingPreview:
    previews = RulingPreviews(store, ReviewRepository(store.documents), known or NothingKnown(), **limits)
    await previews.compute(one.id)
    found = previews.peek(one.id)
    assert found is not None
    return found


async def test_questions_that_ask_the_same_are_counted_and_those_whose_answers_were_right(
    store: SqliteStore,
) -> None:
    one = await ask_for(store, 1)
    liked, starred, approved, disliked, corrected = [await ask_for(store, number) for number in range(2, 7)]
    await ask_for(store, 7, "Who pays for a visa?")
    await store.put_feedback(thumb(liked, "like"))
    await store.put_feedback(stars(starred, 4, NOW))
    await store.put_feedback(thumb(disliked, "dislike"))
    await store.put_feedback(thumb(corrected, "like"))
    await settle(store, approved, Ruling.APPROVED, NOW)
    await settle(store, corrected, Ruling.CORRECTED, NOW)
    assert await preview_of(store, one) == RulingPreview(5, 3, 6, DAYS)


async def test_only_questions_about_the_same_pages_of_the_last_days_that_stand_alone_count(
    store: SqliteStore,
) -> None:
    one = await ask_for(store, 1)
    await ask_for(store, 2, page_url="https://example.com/elsewhere")
    await ask_for(store, 3, at=NOW - timedelta(days=DAYS + 1))
    await ask_for(store, 4, stopped=True)
    follow_up = await ask_for(store, 5, "And for part-timers?")
    await ask_for(store, 6, "And for part-timers?")
    assert await preview_of(store, one) == RulingPreview(0, 0, 0, DAYS)
    assert (await preview_of(store, follow_up)).count == 0, "it needs the question before it"


async def test_nearly_the_same_words_count(store: SqliteStore) -> None:
    one = await ask_for(store, 1, "How long is the probation period?")
    await ask_for(store, 2, "how long is the probation period")
    await ask_for(store, 3, "How long is the notice period?")
    known = VerifiedAnswers(HashedEmbedder())
    assert await preview_of(store, one, known) == RulingPreview(1, 0, 2, DAYS)


async def test_equal_words_are_looked_at_once_and_of_many_questions_only_the_newest(
    store: SqliteStore,
) -> None:
    one = await ask_for(store, 0)
    for number in range(1, 2 * BATCH):
        await ask_for(store, number, f"Who pays bill {number}?", at=NOW - timedelta(days=3, minutes=number))
        await ask_for(
            store, 1000 + number, f"who pays BILL {number}", at=NOW - timedelta(days=5, minutes=number)
        )
    known = Alike()
    found = await preview_of(store, one, known)
    assert (found.looked_at, known.seen) == (2 * (2 * BATCH - 1), 2 * BATCH - 1)
    slow = Alike(seconds=0.01)
    short = await preview_of(store, one, slow, work_s=0.05)
    assert slow.seen == BATCH
    assert (short.looked_at, short.days) == (2 * BATCH, 6), "what was looked at is what is told"


async def test_no_more_than_the_newest_answers_are_read(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.previews.MOST_ANSWERS", 3)
    for days in (40, 10, 2, 1):
        await ask_for(store, days, f"Who pays bill {days}?", at=NOW - timedelta(days=days, minutes=-5))
    asked, whole = await read_recent(store, NOW)
    assert [one.text for one in asked] == ["Who pays bill 1?", "Who pays bill 2?", "Who pays bill 10?"]
    assert not whole
    assert MOST_ANSWERS == 2_000


async def test_a_card_is_drawn_again_only_where_there_is_something_to_tell(store: SqliteStore) -> None:
    repository = ReviewRepository(store.documents)
    one, _ = await ask_for(store, 1), await ask_for(store, 2)
    alone = await ask_for(store, 3, "Who pays for a visa?")
    previews = RulingPreviews(store, repository, NothingKnown())
    woken = asyncio.Event()
    previews.wake = woken.set
    assert (previews.peek(alone.id), previews.peek(one.id)) == (None, None)
    running = asyncio.create_task(previews.run())
    await asyncio.wait_for(woken.wait(), 10)
    running.cancel()
    [(name, version)] = await repository.claim_outbox_entries(10)
    assert name == one.id
    await repository.complete_outbox_entry(name, version)
    assert previews.peek(one.id) == RulingPreview(1, 0, 2, DAYS)
    assert previews.peek(alone.id) == RulingPreview(0, 0, 2, DAYS)
    await previews.compute(one.id)
    assert not await repository.claim_outbox_entries(10), "nothing new"


async def test_what_is_deleted_is_counted_no_more(store: SqliteStore) -> None:
    one, other = await ask_for(store, 1), await ask_for(store, 2)
    third = await ask_for(store, 3)
    previews = RulingPreviews(store, ReviewRepository(store.documents), NothingKnown())
    await previews.compute(one.id)
    assert previews.peek(one.id) == RulingPreview(2, 0, 2, DAYS)
    await store.forget_question(other.question.id)
    previews.forget(other.id)
    await previews.compute(third.id)
    assert previews.peek(third.id) == RulingPreview(1, 0, 1, DAYS)
    previews.forget(one.id)
    assert previews.peek(one.id) is None

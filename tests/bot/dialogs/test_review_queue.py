"""Which review is offered next: the oldest, or the one that teaches most, and never without the sample."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cards.review_actions import RulingPreview
from bot.dialogs.review_queue import ReviewOrder, ReviewQueue, compute_worth, interleave
from core.records import Review, ReviewReason, Ruling, Verdict
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield opened
    await opened.close()


async def open_review(
    store: SqliteStore, number: int, *, confidence: float | None = None, weight: float = 0.0, **changes: Any
) -> str:
    """Let an answer wait for its reviewer since minute `number`."""
    asked = question(number)
    await store.add_question(asked)
    given = await store.add_answer(answer(asked, f"a{number}", confidence=confidence))
    opened_at = NOON + timedelta(minutes=number)
    review = Review(given.id, (ReviewReason.THUMB_DOWN,), opened_at, weight=weight)
    await ReviewRepository(store.documents).add_review(replace(review, **changes))
    return given.id


async def offered(
    store: SqliteStore, order: ReviewOrder = "teaches_most", count: int = 9, **counts: int
) -> list[str]:
    """Return the answers whose reviews come next; `counts` is how many others ask the same."""

    def preview(answer_id: str) -> RulingPreview | None:
        return RulingPreview(counts[answer_id], 0, 100, 90) if answer_id in counts else None

    queue = ReviewQueue(store, ReviewRepository(store.documents), preview, order)
    return [review.answer_id for review in await queue.list_waiting()][:count]


async def test_the_oldest_comes_first_where_nothing_else_is_set(store: SqliteStore) -> None:
    for number, confidence in ((1, 0.9), (2, 0.1), (3, 0.5)):
        await open_review(store, number, confidence=confidence)
    assert await offered(store, "oldest", a2=50) == ["a1", "a2", "a3"]
    assert await offered(store, "oldest", 2) == ["a1", "a2"]


async def test_what_many_ask_and_the_bot_was_unsure_of_comes_first(store: SqliteStore) -> None:
    """Worth: 1 × 0.9, 10 × 0.2, 4 × 0.8, 1 × 0.5 for one that nothing judged or counted, 1 × 0.5."""
    for number, confidence in ((1, 0.1), (2, 0.8), (3, 0.2), (4, None), (5, 0.5)):
        await open_review(store, number, confidence=confidence)
    assert await offered(store, a1=0, a2=9, a3=3) == ["a3", "a2", "a1", "a4", "a5"]
    assert await offered(store, "teaches_most", 1, a2=9, a3=3) == ["a3"]


async def test_every_second_card_at_least_is_from_the_sample_in_the_order_of_the_draw(
    store: SqliteStore,
) -> None:
    for number in (1, 2, 3, 4, 5):
        await open_review(store, number, confidence=0.5)
    for number in (6, 7):
        await open_review(store, number, confidence=0.99, weight=20.0)
    assert await offered(store, a5=9, a4=5, a7=99) == ["a6", "a5", "a7", "a4", "a1", "a2", "a3"]
    assert await offered(store, "teaches_most", 1) == ["a6"], "who takes one at a time gets the sample, too"


@pytest.mark.parametrize("order", ["oldest", "teaches_most"])
async def test_who_asked_for_an_expert_comes_before_the_sample(
    store: SqliteStore, order: ReviewOrder
) -> None:
    await open_review(store, 1, confidence=0.1, weight=20.0, reasons=(ReviewReason.SAMPLE,))
    await open_review(store, 2, confidence=0.1)
    await open_review(store, 3, confidence=0.9, reasons=(ReviewReason.THUMB_DOWN, ReviewReason.EXPERT))
    assert await offered(store, order) == ["a3", "a1", "a2"]


async def test_what_waits_for_a_second_reviewer_has_left_the_queue_of_the_first(store: SqliteStore) -> None:
    given = Verdict("p-robin", "Robin", Ruling.CORRECTED, NOON, "30")
    await open_review(store, 1, needed=2, verdicts=(given,))
    await open_review(store, 2)
    queue = ReviewQueue(store, ReviewRepository(store.documents), lambda _: None)
    waiting = {
        name: [one.answer_id for one in await queue.list_waiting(name)] for name in ("p-robin", "p-kim")
    }
    assert waiting == {"p-robin": ["a2"], "p-kim": ["a1", "a2"]}


async def test_a_review_whose_question_is_gone_is_not_offered(store: SqliteStore) -> None:
    await open_review(store, 1)
    await open_review(store, 2)
    repository = ReviewRepository(store.documents)
    await repository.add_review(Review("gone", (ReviewReason.THUMB_DOWN,), NOON))
    assert await offered(store) == ["a1", "a2"]


def test_worth_is_how_many_ask_times_how_unsure_the_bot_was() -> None:
    sure = answer(question(), confidence=0.75)
    assert compute_worth(sure, RulingPreview(3, 1, 9, 90)) == pytest.approx(1.0)
    assert compute_worth(replace(sure, confidence=None), None) == pytest.approx(0.5)
    assert compute_worth(replace(sure, confidence=1.0), RulingPreview(9, 0, 9, 90)) == 0


def test_where_one_ends_the_other_goes_on() -> None:
    one, two, three = (Review(name, (ReviewReason.SAMPLE,), NOON) for name in "abc")
    assert interleave([], [one, two]) == [one, two]
    assert interleave([one, two, three], []) == [one, two, three]
    assert interleave([one], [two, three]) == [one, two, three]

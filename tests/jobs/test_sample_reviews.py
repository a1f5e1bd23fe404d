"""Answers that were delivered and not looked at come into the sample like all, once, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.dialogs.rate import RatingRules
from bot.dialogs.review import ReviewRules
from bot.services import Services
from core.records import Answer, ReviewReason
from feedback.reviews.repository import WAITING, ReviewRepository
from feedback.store.base import StoreUnavailable
from feedback.store.documents import Wanted
from jobs.registry import Store
from jobs.sample_reviews import GIVEN_UP, sample_reviews
from tests.builders.days import ask, store
from tests.builders.world import KEY, some_dependencies

__all__ = ["store"]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)


def parts_of(store: Store, share: float = 1.0) -> Services:
    """The bot's own parts on this store, which sample this share."""
    rules = (RatingRules(), ReviewRules(sample_share=share))
    dependencies = some_dependencies(lambda: None)
    return Services(store, ReviewRepository(store.documents), KEY, dependencies, rules)  # type: ignore[arg-type]


async def delivered(store: Store, number: int, at: datetime, parts: Services | None = None) -> Answer:
    """Deliver an answer; with `parts` it is looked at, too, as a bot does."""
    answer = await ask(store, number, at)
    await store.mark_delivered(answer.question.id, f"m{number}")
    if parts is not None:
        await parts.looking.on_delivered(answer.question, f"m{number}")
    return answer


async def sampled(store: Store) -> dict[str, float]:
    """Return the weights of the sample by answer."""
    reviews, _ = await ReviewRepository(store.documents).reviews(WAITING, 1_000)
    return {review.answer_id: review.weight for review in reviews if review.weight}


async def run(store: Store, parts: Services, now: datetime = NOW) -> tuple[Any, Any]:
    done = await sample_reviews(store, parts.looking.look_at, now)
    return done["answers"], done["considered"]


async def test_an_answer_that_nobody_looked_at_is_looked_at_once(store: Store) -> None:
    parts = parts_of(store)
    seen = await delivered(store, 1, LONG_AGO, parts)
    missed = await delivered(store, 2, LONG_AGO + timedelta(hours=1))
    assert set(await sampled(store)) == {seen.id}
    assert await run(store, parts) == (2, 1)
    assert set(await sampled(store)) == {seen.id, missed.id}
    review = await parts.repository.review(missed.id)
    assert review is not None
    assert review.reasons == (ReviewReason.SAMPLE,)
    assert await run(store, parts) == (0, 0)
    assert await parts.repository.next_number(f"sample|{review.stratum}") == 3  # each was counted once


async def test_what_is_doubtful_is_found_too_and_the_words_that_came_early_are_tied(store: Store) -> None:
    parts = parts_of(store, share=0.0)
    await delivered(store, 1, LONG_AGO, parts)
    doubtful = await ask(store, 2, LONG_AGO + timedelta(hours=1), support=0.1)
    await store.mark_delivered(doubtful.question.id, "m2")
    assert await run(store, parts) == (2, 1)
    review = await parts.repository.review(doubtful.id)
    assert review is not None
    assert review.reasons == (ReviewReason.LOW_SUPPORT,)


async def test_the_weights_of_the_sample_stand_for_all_answers_whoever_looked_at_them(store: Store) -> None:
    parts = parts_of(store, share=0.2)
    for number in range(60):
        looked_at = parts if number % 3 or not number else None
        await delivered(store, number, LONG_AGO + timedelta(minutes=number), looked_at)
    assert sum((await sampled(store)).values()) == 40  # 41 were looked at, in blocks of five
    assert await run(store, parts) == (60, 19)
    assert sum((await sampled(store)).values()) == 60


async def test_an_answer_that_is_looked_at_again_is_not_drawn_again(store: Store) -> None:
    parts = parts_of(store)
    answer = await delivered(store, 1, LONG_AGO, parts)
    for _ in range(3):  # what waited in a spool may be done twice
        await parts.looking.on_delivered(answer.question, "m1")
    review = await parts.repository.review(answer.id)
    assert review is not None
    assert await parts.repository.next_number(f"sample|{review.stratum}") == 2


async def test_an_answer_on_its_way_is_waited_for_and_one_that_never_arrives_is_given_up(
    store: Store,
) -> None:
    parts = parts_of(store)
    await delivered(store, 1, LONG_AGO, parts)
    late = await ask(store, 2, LONG_AGO + timedelta(hours=1))
    never = await ask(store, 3, LONG_AGO + timedelta(hours=2))
    assert await run(store, parts) == (3, 0)
    await delivered(store, 4, LONG_AGO + timedelta(hours=3), parts)
    await store.mark_delivered(late.question.id, "m2")
    assert await run(store, parts) == (3, 1)  # again from where one was missing
    assert late.id in await sampled(store)
    await store.mark_delivered(never.question.id, "")  # its channel never takes it
    assert (await run(store, parts))[1] == 0
    assert await run(store, parts, NOW + GIVEN_UP) == (2, 0)
    assert await run(store, parts, NOW + GIVEN_UP) == (0, 0)
    assert never.id not in await sampled(store)


async def test_a_young_answer_is_left_to_whoever_delivered_it(store: Store) -> None:
    parts = parts_of(store)
    await delivered(store, 1, LONG_AGO, parts)
    young = await delivered(store, 2, NOW - timedelta(minutes=9))
    assert await run(store, parts) == (1, 0)
    assert await run(store, parts, NOW + timedelta(minutes=10)) == (1, 1)
    assert young.id in await sampled(store)


async def test_answers_from_before_the_first_mark_are_not_looked_at_again(store: Store) -> None:
    parts = parts_of(store)
    await delivered(store, 1, LONG_AGO)
    assert await run(store, parts) == (0, 0)
    first = await delivered(store, 2, LONG_AGO + timedelta(hours=1), parts)
    assert await run(store, parts) == (1, 0)
    assert set(await sampled(store)) == {first.id}


async def test_a_run_that_fails_in_between_is_gone_on_with(store: Store) -> None:
    parts = parts_of(store)
    for number in range(4):
        await delivered(store, number, LONG_AGO + timedelta(hours=number), None if number else parts)
    seen: list[str] = []

    async def fails(answer: Answer, message_id: str) -> None:
        if seen:
            raise StoreUnavailable("the store is away")
        seen.append(answer.id)
        await parts.looking.look_at(answer, message_id)

    with pytest.raises(StoreUnavailable):
        await sample_reviews(store, fails, NOW)
    assert await run(store, parts) == (4, 2)
    assert len(await sampled(store)) == 4


async def test_a_mark_goes_with_its_question(store: Store) -> None:
    parts = parts_of(store)
    answer = await delivered(store, 1, LONG_AGO, parts)
    await store.forget_question(answer.question.id)
    assert await store.documents.list_documents(Wanted("considered")) == []
    other = replace(answer, id="other")
    assert not await parts.repository.is_considered(other.id)

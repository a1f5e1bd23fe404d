"""Unmet questions: what is lacking in an answer, and whose questions are not looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Review, ReviewReason, Ruling, Verdict
from feedback.gaps.build import group_vectors
from feedback.gaps.unmet import AskedRules, Lack, find_lacks, read_asked
from feedback.reviews.ratings import Scale
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question, thumb

LATER = NOON + timedelta(hours=2)
PLAIN = answer(question())
SAID = thumb(PLAIN, "dislike")


def ruling(one: Ruling) -> Verdict:
    return Verdict("r", "Robin", one, NOON, "30 days." if one is Ruling.CORRECTED else "")


@pytest.mark.parametrize(
    ("kind", "words", "ruled", "lacks"),
    [
        ("answered", [], None, set()),
        ("declined", [], None, {Lack.DECLINED}),
        ("declined", [], Ruling.APPROVED, {Lack.DECLINED}),
        ("declined", [], Ruling.CORRECTED, {Lack.DECLINED, Lack.CORRECTED}),
        ("quoted", [], None, {Lack.UNUSED}),
        ("quoted", [], Ruling.APPROVED, set()),
        ("quoted", [replace(SAID, value="like")], None, set()),
        ("quoted", [replace(SAID, kind=FeedbackKind.IMPLICIT, value="opened", giver="")], None, set()),
        ("quoted", [SAID], None, {Lack.RATED_DOWN}),
        ("answered", [SAID], None, {Lack.RATED_DOWN}),
        ("answered", [SAID], Ruling.APPROVED, set()),
        ("answered", [SAID, replace(SAID, kind=FeedbackKind.STARS, value="5", given_at=LATER)], None, set()),
        ("answered", [replace(SAID, kind=FeedbackKind.STARS, value="1")], None, {Lack.RATED_DOWN}),
        ("answered", [], Ruling.NOT_ON_PAGE, {Lack.CORRECTED}),
    ],
)
def test_what_is_lacking_in_an_answer(
    kind: str, words: list[Feedback], ruled: Ruling | None, lacks: set[Lack]
) -> None:
    given = replace(PLAIN, kind=AnswerKind(kind))
    assert find_lacks(given, words, ruling(ruled) if ruled else None, Scale(), LATER) == lacks


def test_a_quotation_of_a_minute_ago_may_yet_be_used() -> None:
    given = replace(PLAIN, kind=AnswerKind.QUOTED)
    assert not find_lacks(given, [], None, Scale(), given.answered_at + timedelta(minutes=1))


async def test_nothing_is_read_of_people_and_pages_that_are_left_out(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    repository = ReviewRepository(store.documents)

    async def ask(number: int, text: str, asker: str = "a1", **changes: object) -> Answer:
        given = replace(answer(question(number, text=text, asker=asker)), **changes)
        await store.add_question(given.question)
        await store.add_answer(given)
        return given

    await ask(1, "Open?", kind=AnswerKind.DECLINED)
    await ask(2, "Opted out?", asker="out", kind=AnswerKind.DECLINED)
    await ask(3, "Closed?", kind=AnswerKind.DECLINED)
    await ask(4, "And then?", kind=AnswerKind.DECLINED)
    await ask(5, "Half?", kind=AnswerKind.DECLINED, stopped=True)
    rejected = await ask(6, "Hello?", kind=AnswerKind.DECLINED)
    review = Review(
        rejected.id, (ReviewReason.DECLINED,), NOON, verdicts=(ruling(Ruling.REJECTED),), settled_at=NOON
    )
    await repository.add_review(review)
    rated = await ask(7, "Rated?")
    await store.put_feedback(replace(thumb(rated, "dislike"), giver="out"))
    rules = AskedRules(
        excluded={"out"},
        is_restricted=lambda given, _: given.question.text == "Closed?",
        follows=lambda text: text.startswith("And"),
    )
    read = [one async for one in read_asked(store, repository, rules, NOON, LATER)]
    assert [(one.text, set(one.lacks)) for one in read] == [("Open?", {Lack.DECLINED}), ("Rated?", set())]
    assert not [one async for one in read_asked(store, repository, rules, LATER, LATER)]
    await store.close()


def test_groups_join_the_nearest_first_while_their_mean_is_near() -> None:
    angles = np.radians([0, 10, 80, 90, 45])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert group_vectors(vectors, 0.9) == [[0, 1], [2, 3], [4]]
    assert group_vectors(vectors, 0.7) == [[0, 1, 4], [2, 3]]
    assert group_vectors(vectors, -1) == [[0, 1, 2, 3, 4]]
    assert group_vectors(vectors[:1]) == [[0]]
    assert group_vectors(vectors[:0]) == []

"""The scale of ratings: what a word says of an answer, and who complains with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.records import Feedback, FeedbackKind
from feedback.reviews.ratings import Scale
from tests.builders.records import NOON, answer, question, thumb

SAID = thumb(answer(question()), "dislike")


def _say(kind: FeedbackKind, value: str) -> Feedback:
    return replace(SAID, kind=kind, value=value)


@pytest.mark.parametrize(
    ("few_stars", "opinions"),
    [(0, [0, 0, 0, 1, 1]), (2, [-1, -1, 0, 1, 1]), (4, [-1, -1, -1, -1, 1]), (5, [-1, -1, -1, -1, -1])],
)
def test_stars_that_the_setting_calls_few_are_bad_also_where_others_would_call_them_many(
    few_stars: int, opinions: list[int]
) -> None:
    scale = Scale(few_stars=few_stars)
    words = [_say(FeedbackKind.STARS, str(stars)) for stars in range(1, 6)]
    assert [scale.read_opinion(word) for word in words] == opinions
    complained = [bool(scale.list_complainers([word])) for word in words]
    assert complained == [opinion < 0 for opinion in opinions]


@pytest.mark.parametrize(
    ("word", "opinion"),
    [
        (_say(FeedbackKind.THUMB, "like"), 1),
        (_say(FeedbackKind.THUMB, "dislike"), -1),
        (_say(FeedbackKind.REACTION, "heart"), 1),
        (_say(FeedbackKind.REACTION, "angry"), -1),
        (_say(FeedbackKind.REACTION, "surprised"), 0),
        (_say(FeedbackKind.COMMENT, ""), 0),
        (replace(SAID, withdrawn_at=NOON), 0),
    ],
)
def test_what_a_word_says(word: Feedback, opinion: int) -> None:
    assert Scale().read_opinion(word) == opinion


def test_whoever_asks_for_an_expert_complains_until_they_take_it_back() -> None:
    wish = _say(FeedbackKind.EXPERT, "")
    assert Scale().list_complainers([wish]) == {SAID.giver}
    assert not Scale().list_complainers([replace(wish, withdrawn_at=NOON)])

"""A correction cites the place that says it, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.cards.places import (
    AUTO,
    FIND_IT,
    NO_PLACE,
    NONE,
    Draft,
    NoSuchPlace,
    find_choice,
    find_place,
    list_choices,
)
from bot.dialogs.review import build_verified_answer
from core.records import Citation, Passage, Ruling, Verdict
from model.answering.learned_places import read_lesson
from tests.builders.records import answer, question

NOW = datetime(2026, 11, 1, tzinfo=UTC)
JURY = Passage("/pay#jury", "Pay", "Jury service", "You get your full pay during jury service.", "h", NOW)
SAYS = "It rains. The grant is three times your yearly salary."
DEATH = Passage("/death#grant", "Death in service", "Grant", SAYS, "h", NOW)
OWN = Citation(JURY.url, JURY.title, JURY.heading, JURY.text)
GIVEN = replace(
    answer(question(text="How much does my family get?")), passages=(JURY, DEATH), citations=(OWN,)
)


def test_the_place_that_says_the_correction_takes_the_place_of_one_that_does_not() -> None:
    place = find_place(GIVEN, AUTO, Draft("Three times your yearly salary.", OWN))
    assert place is not None
    assert (place.url, place.quote) == (DEATH.url, "The grant is three times your yearly salary.")
    assert find_place(GIVEN, "", Draft("You get full pay.", OWN)) == OWN


@pytest.mark.parametrize(
    "text", ["Four times your yearly salary.", "You do not get full pay.", "Ask the pension office."]
)
def test_a_correction_that_no_place_says_has_none(text: str) -> None:
    assert find_place(GIVEN, AUTO, Draft(text, OWN)) is None


def test_who_chooses_decides() -> None:
    draft = Draft("Three times your yearly salary.", OWN)
    assert find_place(GIVEN, "c1", draft) == OWN
    assert find_place(GIVEN, NONE, draft) is None
    with pytest.raises(NoSuchPlace):
        find_place(GIVEN, "c9", draft)


def test_the_places_stand_between_the_two_other_choices_those_that_say_the_text_first() -> None:
    choices = list_choices(GIVEN, "Three times your yearly salary.")
    assert [choices[0][1], choices[-1][1]] == [FIND_IT, NO_PLACE]
    assert choices[1][1].startswith("Death in service")
    assert list_choices(GIVEN)[1][0] == "c1"
    assert list_choices(replace(GIVEN, passages=(), citations=())) == ()


def test_a_form_begins_with_the_choice_that_changes_nothing() -> None:
    assert find_choice(GIVEN, Draft("You get full pay.", OWN)) == AUTO
    assert find_choice(GIVEN, Draft("Three times your yearly salary.", OWN)) == "c1"
    assert find_choice(GIVEN, Draft("You get full pay.", None)) == NONE


def test_a_correction_without_a_place_shows_no_source_and_teaches_none() -> None:
    verdict = Verdict("robin", "Robin", Ruling.CORRECTED, NOW, "Ask the pension office.")
    served = build_verified_answer(GIVEN, verdict, NOW)
    assert served is not None
    assert (served.text, served.citations) == ("Ask the pension office.", ())
    assert read_lesson(served) is None

"""What an answer says on screen, by its kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.cards.answer_text import Line, Run, lead_in, quotation, render_quoted_text, render_shown_text
from bot.cards.elements import read_quote
from core.records import Answer, AnswerKind, Channel, Citation, Question
from tests.builders.world import NOW, an_answer

QUESTION = Question("q1", "How much leave is there?", "a", "c", Channel.LOCAL, NOW)
ANNUAL = Citation("/site/leave#annual", "Leave", "Annual leave", "26 days a year.")
CARRY = Citation("/site/leave#carry", "Leave", "Carry over", "Ten days\n move on.")
SICK = Citation("/site/sick", "Sick leave", "Sick leave", "Call before ten.")


def quoted(text: str = "There are 26 days a year. Ask early.", **changes: Any) -> Answer:
    answer = an_answer(QUESTION, text, kind=AnswerKind.QUOTED, citations=(ANNUAL, CARRY, SICK))
    return replace(answer, **{"marked": "There are 26 days a year."} | changes)


def test_a_quoted_answer_says_where_its_words_stand_and_where_else_to_look() -> None:
    assert render_shown_text(quoted()) == (
        "I am not certain, but “Leave › Annual leave” says:\n\n"
        "There are 26 days a year. Ask early.\n\n"
        "See also:\nLeave › Carry over: “Ten days move on.”\nSick leave: “Call before ten.”"
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("- A badge, at the door.", "A badge, at the door."),
        ("• A badge,\n  at the door.", "• A badge, at the door."),
        ("- a badge\n- a laptop", "- a badge - a laptop"),
        ("3. Mai ist ein Feiertag.", "3. Mai ist ein Feiertag."),
        ("-5 degrees are too cold.", "-5 degrees are too cold."),
    ],
)
def test_a_quotation_of_one_item_has_no_bullet_and_keeps_its_numbers(words: str, shown: str) -> None:
    assert read_quote(replace(ANNUAL, quote=words)) == shown


@pytest.mark.parametrize("heading", ["", "Leave"])
def test_a_place_is_its_title_alone_where_the_heading_says_no_more(heading: str) -> None:
    alone = quoted(citations=(Citation("/site/leave", "Leave", heading, "26 days"),))
    assert lead_in(alone) == "I am not certain, but “Leave” says:"


def test_the_best_sentence_is_marked_where_it_stands() -> None:
    assert quotation(quoted("Leave. There are 26 days a year. Ask early.")) == [
        Line((Run("Leave. "), Run("There are 26 days a year.", marked=True), Run(" Ask early.")))
    ]


def test_items_and_rows_stand_on_lines_of_their_own() -> None:
    text = "Bring:\n\n- a pass\n  - of this year\n2. a pen\nKind | Days\nAnnual | 26"
    lines = quotation(quoted(text, marked="- a pass\n  - of this"))
    assert [(line.sign, line.depth, line.text) for line in lines] == [
        ("", 0, "Bring:"),
        ("•", 0, "a pass"),
        ("•", 1, "of this year"),
        ("2.", 0, "a pen"),
        ("", 0, "Kind | Days"),
        ("", 0, "Annual | 26"),
    ]
    marked = [run.text for line in lines for run in line.runs if run.marked]
    assert marked == ["a pass", "of this"]
    assert render_quoted_text(quoted(text)).startswith("Bring:\n• a pass\n  • of this year\n2. a pen\n")


def test_words_that_are_not_in_the_quotation_mark_nothing() -> None:
    assert quotation(quoted(marked="Something else.")) == [
        Line((Run("There are 26 days a year. Ask early."),))
    ]
    assert quotation(quoted(marked="")) == [Line((Run("There are 26 days a year. Ask early."),))]


def test_who_found_nothing_says_so_of_the_page_or_of_all_pages_whatever_the_text_is() -> None:
    nothing = an_answer(QUESTION, "anything", kind=AnswerKind.DECLINED, citations=())
    assert render_shown_text(nothing) == "I found nothing about this on the pages I know."
    of_one = replace(nothing, question=replace(QUESTION, page_url="https://a.example/"), citations=(ANNUAL,))
    assert render_shown_text(of_one) == (
        "That is not on this page.\n\nThe nearest section I found:\nLeave › Annual leave: “26 days a year.”"
    )


def test_an_answered_one_says_its_own_text_and_what_it_stands_on() -> None:
    assert render_shown_text(an_answer(QUESTION)) == (
        "You get 16 weeks [1].\n\nFrom:\nLeave › Parents: “16 weeks of paid leave”"
    )


def test_who_asks_in_another_language_than_the_pages_is_told_so() -> None:
    quoted = an_answer(
        replace(QUESTION, text="Wie viele Tage Urlaub bekomme ich im Jahr?"),
        "You get 26 days of leave a year, and they must be taken in that year.",
        kind=AnswerKind.QUOTED,
        citations=(ANNUAL,),
    )
    assert lead_in(quoted).startswith("Diese Seite ist auf Englisch. I am not certain")
    assert lead_in(replace(quoted, question=QUESTION)).startswith("I am not certain")

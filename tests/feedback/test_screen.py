"""The quick look for personal data in the serving process: rather too careful than too quick."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain

import pytest

from benchmarks.masking import REPORTING, read_labelled
from feedback.masking.screen import PersonalScreen
from model.text.languages import FUNCTION_WORDS

SCREEN = PersonalScreen(chain.from_iterable(FUNCTION_WORDS.values()))


@pytest.mark.parametrize(
    "text",
    [
        "Maria Lopez is away, who signs?",
        "who signs when Maria is away?",
        "ask maria about the budget?",
        "my manager lena refuses, who else signs?",
        "Is m.lopez@example.org right?",
        "My number is 030 123 456, who calls back?",
        "Why is \\\\server\\lopez away?",
        "<@U0123456> says so, is it true?",
        "I was born on June 2, 1984, do I get more?",
    ],
)
def test_what_may_name_somebody_is_seen(text: str) -> None:
    assert SCREEN.may_be_personal(text, "The budget is signed by the lead.")


@pytest.mark.parametrize(
    "text",
    [
        "How much leave do I get in March?",
        "how do i reset my password",
        "What is FMLA?",
        "Who is Karen Oduya's deputy?",
        "I'm new here. Where's my badge?",
        "Bekomme ich frei?",
    ],
)
def test_plain_questions_and_what_the_page_names_pass(text: str) -> None:
    assert not SCREEN.may_be_personal(
        text, "FMLA is for all. Ask Karen Oduya or her deputy. New? Bekomme frei"
    )


def test_of_the_labelled_texts_it_misses_no_more_than_measured() -> None:
    """benchmarks/neighbours.py printed 4 of 121: names in small letters that nothing announces."""
    personal = [one.text for one in read_labelled(REPORTING) if one.places]
    assert sum(not SCREEN.may_be_personal(text, "") for text in personal) <= 4


def test_it_brings_no_language_model_into_the_process() -> None:
    code = (
        "import sys, bot.dialogs.neighbours; print(*{'spacy', 'faker', 'presidio_analyzer'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""

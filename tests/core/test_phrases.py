"""Phrases keep what they are made of, cross to another process, and are filled in, never run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from core.phrases import Phrase, read_phrases, write_phrases
from core.translation import is_sayable, say, speak

BUSY = "{site} is busy right now; please try again in a few minutes."


def test_a_phrase_is_its_english_sentence_and_is_said_in_the_readers_language() -> None:
    phrase = Phrase(BUSY, site="example.com")
    assert phrase == "example.com is busy right now; please try again in a few minutes."
    with speak("de"):
        assert is_sayable(phrase)
        assert say(phrase) == (
            "example.com ist gerade überlastet; bitte versuchen Sie es in ein paar Minuten noch einmal."
        )


def test_numbers_and_phrases_within_it_are_said_in_that_language_too() -> None:
    kinds = Phrase(
        "That PDF has {count} pages; I read at most {most}. Please send a part of it.", count=12_345, most=500
    )
    whole = Phrase("{name}: {why}", name="Plan.pdf", why=kinds)
    assert whole.startswith("Plan.pdf: That PDF has 12,345 pages; I read at most 500.")
    with speak("de"):
        assert say(whole).startswith("Plan.pdf: Dieses PDF hat 12.345 Seiten; ich lese höchstens 500.")
        size = Phrase(
            "The page from {site} is larger than {size} MB; please send a smaller part of it.",
            site="x",
            size=1.5,
        )
        assert "1,5 MB" in say(size)


def test_it_crosses_to_another_process_as_json() -> None:
    inner = Phrase(BUSY, site="{site.__class__}")
    sent = json.loads(json.dumps(Phrase("{name}: {why}", name="a", why=inner).to_json()))
    came = Phrase.from_json(sent)
    assert came == "a: {site.__class__} is busy right now; please try again in a few minutes."
    assert isinstance(came.values["why"], Phrase)


@pytest.mark.parametrize(
    "written",
    [
        None,
        7,
        "a plain text of an older version with {braces}",
        [],
        [BUSY],
        [BUSY, []],
        [7, {}],
        ["{0} {1.real} {x!r} {x:>99999999} {x.__class__.__mro__}", {"x": 1}],
        ["{a}", {"a": ["{b}", {"b": ["{c}", {"c": ["{d}", {"d": ["{e}", {"e": ["{f}", {}]}]}]}]}]}],
        ["{a}", {"a": None}],
        ["{self} {cls} {template} {depth}", {"self": "x", "cls": "y", "template": "t", "depth": 1}],
    ],
)
def test_what_is_no_phrase_becomes_a_text_and_is_never_run(written: object) -> None:
    phrase = Phrase.from_json(written)
    assert "<class" not in phrase
    assert len(phrase) < 300
    with speak("fr"):
        assert "<class" not in say(phrase)


def test_phrases_are_kept_beside_their_english_texts_and_what_changed_or_is_older_stays_a_text() -> None:
    texts = [Phrase(BUSY, site="a.example"), "Plain", Phrase(BUSY, site="b.example")]
    written, kept = write_phrases(texts), [str(text) for text in texts]
    read = read_phrases(written, kept)
    assert read == kept
    assert [isinstance(text, Phrase) for text in read] == [True, False, True]
    struck = [*kept[:2], "(gone)"]
    assert [isinstance(text, Phrase) for text in read_phrases(written, struck)] == [True, False, False]
    assert read_phrases(written, struck) == struck
    assert read_phrases("", kept) == kept
    assert read_phrases(written, kept[:2]) == kept[:2], "a text was taken out"
    assert write_phrases(kept) == ""


def test_a_process_that_only_parses_loads_no_translation() -> None:
    code = (
        "import sys, pages.parse.sandbox_worker, pages.fetched; sys.exit('core.translation' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""What people type around a question, and the errors that they make, do not sink it."""

from __future__ import annotations

import numpy as np
import pytest

from pages.index.embeddings import HashedEmbedder
from pages.index.ranking import (
    Spelling,
    edit_distance,
    embed_question,
    find_asking_part,
    to_question_terms,
    to_terms,
    vocabulary,
)
from tests.builders.timing import least_seconds

PAGES = ["vacation", "travel", "receipts", "receipt", "receipt", "concur", "segregation", "maizière"]


def never(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("I'm moving to Denver next month, how do I change my address?", "how do I change my address?"),
        ("Hi! My manager is away. Who approves overtime? Thanks a lot!", "Who approves overtime?"),
        ("new here - so what is the wifi password", "so what is the wifi password"),
        ("How long is leave?", "How long is leave?"),
        ("parental leave", "parental leave"),
        ("わかりません。休暇は 何日 ありますか？ ありがとう。", "休暇は 何日 ありますか？"),
        ("It is late, right?", "It is late, right?"),
        ("", ""),
    ],
)
def test_the_part_that_asks_is_found(question: str, part: str) -> None:
    assert find_asking_part(question) == part


def test_the_part_that_asks_counts_half() -> None:
    embedder = HashedEmbedder()
    asked = "how do I change my address?"
    whole = f"I am moving to Denver next month, {asked}"
    vector = embed_question(embedder, whole, 0.5)
    one, part = embedder.embed([whole, asked])
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert part @ one < part @ vector < 1
    assert np.array_equal(embed_question(embedder, whole, 0.0), one)
    assert np.array_equal(embed_question(embedder, asked, 0.5), part)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vacaiton", "vacation"),  # swapped
        ("vacatin", "vacation"),  # missing
        ("travvel", "travel"),  # doubled
        ("trabel", "travel"),  # wrong
        ("vacaitom", "vacation"),  # two errors in a long word
        ("Maiziere", "maizière"),
        ("reciept", "receipt"),  # the commoner one of two
    ],
)
def test_a_mistyped_word_becomes_the_one_of_the_pages(typed: str, meant: str) -> None:
    assert Spelling(PAGES).correct_question(f"my {typed}, please", never) == f"my {meant}, please"


@pytest.mark.parametrize(
    "typed", ["trvl", "vacation", "Vacation", "desegregation", "cncr", "ravvel", "xyzzy", "123456", "concert"]
)
def test_what_is_short_known_or_far_stays(typed: str) -> None:
    assert Spelling(PAGES).correct_question(typed, never) == typed


def test_a_word_that_the_pages_do_not_have_is_no_error() -> None:
    assert Spelling(PAGES).correct_question("gravel", lambda word: word == "gravel") == "gravel"
    assert Spelling([]).correct_question("vacaiton", never) == "vacaiton"


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("abc", "abc", 0),
        ("abc", "acb", 1),
        ("abc", "ab", 1),
        ("abc", "xbcd", 2),
        ("abc", "xyz", 3),
        ("a", "abcd", 3),
    ],
)
def test_edits_are_counted_up_to_a_bound(one: str, other: str, edits: int) -> None:
    assert edit_distance(one, other, 2) == edits


def test_a_question_of_rubbish_costs_little() -> None:
    known = Spelling(
        f"{first}{second}word{last}" for first in "abcdefgh" for second in range(50) for last in "abcde"
    )
    rubbish = " ".join(f"{letter}xyzword{letter}" * 2 for letter in "abcdefghijklmnop" * 200)
    assert least_seconds(lambda: known.correct_question(rubbish, never)) < 1


def test_words_that_only_ask_are_left_out_of_a_question_unless_it_has_no_others() -> None:
    assert to_question_terms("How do I get my receipts?") == ["receipt"]
    assert to_question_terms("who do you have") == to_terms("who do you have")
    assert to_question_terms("What is due in May?") == ["due", "may"]


def test_parts_of_names_are_words_of_their_own_and_numbers_are_whole() -> None:
    assert vocabulary("rules.html x_y 1,000 9:00 the team's हिन्दी") == [
        "rules",
        "html",
        "x",
        "y",
        "1000",
        "9:00",
        "the",
        "team",
        "हिन्दी",
    ]

"""A text falls into sentences, items and rows, and into words, whatever its script and whoever wrote it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.sentences import Piece, pieces, words
from tests.builders.timing import least_seconds


def cut(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in pieces(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Срок отпуска 28 дней.|Отпуск можно делить.|Заявление подают за месяц.",
        "Η άδεια είναι 20 μέρες.|Ζητήστε την νωρίς.|Ευχαριστώ.",
        "الإجازة ثلاثون يوما.|هل يمكن تقسيمها؟|نعم، يمكن ذلك.",
        "अवकाश 20 दिन है।|इसे बाँटा जा सकता है।|आवेदन पहले दें।",
        "Es gilt überall.|Über Ausnahmen entscheidet das Team.|Ärzte helfen.|Am 3. Oktober ist frei.",
        "Ask before you go.|“Nobody” is no answer.|(See the form.)|Is it late?|Run!",
        "It lasts 30.|The next one is longer.",
    ],
)
def test_sentences_end_at_the_marks_of_their_script(text: str) -> None:
    assert cut(text.replace("|", " ")) == text.split("|")


def test_chinese_and_japanese_sentences_need_no_space_between_them() -> None:
    assert cut("有給休暇は二十日です。半日でも取れます！申請してください。") == [
        "有給休暇は二十日です。",
        "半日でも取れます！",
        "申請してください。",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "The notice period is approx. 30 days after the trial period.",
        "Ask Mr. Smith, Dr. No or Prof. Jones, e.g. Anna, i.e. Ms. Bee.",
        "We meet at 9 a.m. Monday, vs. 5 p.m. Berlin time.",
        "It was led by William E. Simon.",
        "The U.S. Department of State pays 3.50 EUR, see Sec. 4 and No. 5.",
        "Forms, pens, etc. are on https://intra.example/a.b?c=1.2 and mail.example.com.",
        "Wait... until it is over… and then go.",
        "Der Urlaub beträgt z.B. 30 Tage bzw. Dr. Meiers Wert gem. Abs. 2.",
        "The version 1.2.3 is at v. 4.",
    ],
)
def test_abbreviations_decimals_addresses_and_ellipses_end_no_sentence(sentence: str) -> None:
    assert cut(f"{sentence} The next begins.") == [sentence, "The next begins."]


def test_an_abbreviation_ends_a_sentence_where_the_next_word_begins_one() -> None:
    assert cut(
        "We work in the U.S. The law holds. Bring pens, etc. Then go. Is it paid? No. It never is."
    ) == [
        "We work in the U.S.",
        "The law holds.",
        "Bring pens, etc.",
        "Then go.",
        "Is it paid?",
        "No.",
        "It never is.",
    ]


def test_lines_that_were_broken_because_they_were_full_are_joined() -> None:
    text = (
        "Remote work rules\n\nEmployees who have finished their trial period may work from\n"
        "home for at most three days in each calendar week. Ask the lead of\n"
        "your team, or in their absence whoever leads our offices in\nFrance."
    )
    assert cut(text) == [
        "Remote work rules",
        "Employees who have finished their trial period may work from\n"
        "home for at most three days in each calendar week.",
        "Ask the lead of\nyour team, or in their absence whoever leads our offices in\nFrance.",
    ]


def test_short_lines_stay_lines() -> None:
    assert cut("Example Ltd\n5 High Street\nLondon") == ["Example Ltd", "5 High Street", "London"]


def test_a_number_at_the_beginning_of_a_wrapped_line_begins_no_item() -> None:
    text = (
        "Whoever is ill has to hand in a note from a doctor after\n"
        "3. The note is paid for by the company, as the law has it."
    )
    assert [piece.kind for piece in pieces(text)] == ["sentence"] * len(pieces(text))


def test_items_keep_their_bullets_and_know_what_introduces_them() -> None:
    text = (
        "You need:\n\n- a passport\n- photographs:\n"
        "  1. one small\n  2. one large\n- the contract\n\nThat is all."
    )
    assert [(text[p.start : p.end], p.kind, p.lead) for p in pieces(text)] == [
        ("You need:", "sentence", ""),
        ("- a passport", "item", "You need:"),
        ("- photographs:", "item", "You need:"),
        ("1. one small", "item", "- photographs:"),
        ("2. one large", "item", "- photographs:"),
        ("- the contract", "item", "You need:"),
        ("That is all.", "sentence", ""),
    ]


def test_a_list_without_an_introduction_has_none() -> None:
    assert [p.lead for p in pieces("Our office is old.\n\n- Ask first.\n- Then go.")] == ["", "", ""]


def test_items_that_lost_their_bullets_are_items_below_a_colon() -> None:
    assert [(p.kind, p.lead) for p in pieces("You need:\na badge\na laptop\n84 days")] == [
        ("sentence", ""),
        *[("item", "You need:")] * 3,
    ]


def test_a_long_item_is_cut_into_its_sentences_and_a_short_one_is_not() -> None:
    assert cut("1. Open it. Then click.") == ["1. Open it. Then click."]
    long = "1. " + "Open the portal and look for the form that you need in the list. " * 4
    found = pieces(long)
    assert [p.kind for p in found] == ["item"] * 4
    assert long[found[0].start : found[0].end].startswith("1. Open the portal")


def test_rows_know_their_header() -> None:
    text = "Rates:\n\nCountry | Meals | Hotel\nFrance | 55 EUR | 150 EUR\nNorway | 72 EUR | |\n\nAsk first."
    header = "Country | Meals | Hotel"
    assert [(text[p.start : p.end], p.kind, p.header) for p in pieces(text)] == [
        ("Rates:", "sentence", ""),
        (header, "header", ""),
        ("France | 55 EUR | 150 EUR", "row", header),
        ("Norway | 72 EUR | |", "row", header),
        ("Ask first.", "sentence", ""),
    ]


def test_a_table_of_facts_has_no_header() -> None:
    assert {p.kind for p in pieces("2025 | 30 days\n2026 | 31 days")} == {"row"}
    assert {p.kind for p in pieces("Chat | #travel\nMail | travel@example.com")} == {"row"}
    assert pieces("Phone | 555") == [Piece(0, 11, "row")]


def test_an_item_may_have_a_bar_and_a_row_may_begin_with_a_number() -> None:
    assert [p.kind for p in pieces("- Jane | away\n- Joe | here")] == ["item", "item"]
    assert [p.kind for p in pieces("Step | What\n1. | Ask\n2. | Go")] == ["header", "row", "row"]


def test_nothing_is_lost_and_nothing_overlaps() -> None:
    text = "A. B? c\n\n- d e\n\tf.\n g | h\n| |\n--- | ---\n\r\n\u2028i… J) k.\n3. l\n\n\n    m: n.\no"
    found = pieces(text)
    assert all(text[p.start : p.end] == text[p.start : p.end].strip() != "" for p in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
    letters = [one for p in found for one in text[p.start : p.end] if one.isalnum()]
    assert letters == [one for one in text if one.isalnum()]
    assert pieces("") == pieces(" \n\n ") == []


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "a. ",
        "- ",
        "| ",
        "\n",
        "- x\n",
        " - a:\n",
        "((",
        "a\n",
        "1.",
        "! ",
        "x:\n\n- y\n",
        "a'",
        " ",
        "|\n",
    ],
)
def test_time_grows_with_the_text_whatever_it_is(text: str) -> None:
    def took(count: int) -> float:
        many = text * count
        return least_seconds(lambda: (pieces(many), words(many)))

    assert took(40_000) < 40 * max(took(4_000), 0.02)  # 100 times as long where it is quadratic


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's 1,000 or 3.50 at 9:00, don’t!", "it's 1,000 or 3.50 at 9:00 don't"),
        ("हिन्दी में छुट्टी", "हिन्दी में छुट्टी"),
        ("有給休暇はカタカナ", "有 給 休 暇 は カタカナ"),
        ("휴가는 20일", "휴가는 20일"),
        ("Straße der ÄRZTE", "strasse der ärzte"),
        ("A\u0308rzte", "ärzte"),
        ("co-op (U.S.) x_y __init__ --", "co op u.s x_y __init__"),
        ("می‌خواهم", "می‌خواهم"),
        ("", ""),
    ],
)
def test_words_are_those_of_the_script(text: str, found: str) -> None:
    assert words(text) == found.split()

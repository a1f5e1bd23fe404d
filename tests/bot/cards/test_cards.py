"""Cards are valid by Microsoft's schema, and nothing of a page or a model in them is rendered as markup."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cards.adaptive import render_card
from bot.cards.answer import SimilarAnswer, Standing, answer_card
from bot.cards.answer_text import full_text
from bot.cards.help import help_card
from bot.cards.privacy import (
    Buttons,
    brief,
    build_deleted_card,
    confirm_card,
    deleting_card,
    export_card,
    privacy_card,
)
from bot.channels.answer_message import compose_messages
from bot.channels.privacy_handler import VERBS
from core.records import Answer, AnswerKind, Channel, Citation, Question
from core.text import absolute, calm
from core.translation import speak
from feedback.privacy.deletion_log import Deletion, ForgottenExamples
from feedback.privacy.retention import Retention
from tests.builders.cards import SITE, parts
from tests.builders.pseudo import find_plain_words, speak_pseudo
from tests.builders.world import CITED, NOW, an_answer

QUESTION = Question("q", "How much leave?", "p", "c", Channel.TEAMS, NOW)
Check = Callable[[dict[str, Any]], None]


def drawn(answer: Answer, site_url: str) -> dict[str, Any]:
    card = answer_card(answer, site_url)
    assert card is not None
    return render_card(card)


def test_the_answers_card_shows_place_quote_and_button(valid: Check) -> None:
    card = drawn(an_answer(QUESTION), SITE)
    valid(card)
    texts = [part["text"] for part in parts(card) if part.get("type") == "TextRun"]
    assert texts == ["Source", "1  Leave › Parents", "“16 weeks of paid leave”"]
    urls = [part["url"] for part in parts(card) if part.get("type") == "Action.OpenUrl"]
    assert urls == ["https://bot.example/site/leave#parents"]


def test_an_abstention_shows_the_nearest_section_only(valid: Check) -> None:
    card = drawn(an_answer(QUESTION, kind=AnswerKind.DECLINED, citations=(CITED, CITED)), SITE)
    valid(card)
    assert "nearest section" in json.dumps(card)
    assert len([part for part in parts(card) if part.get("type") == "Action.OpenUrl"]) == 1


def test_without_citations_there_is_no_card() -> None:
    assert answer_card(an_answer(QUESTION, citations=()), SITE) is None


def test_a_verified_answer_says_so_without_a_name(valid: Check) -> None:
    card = drawn(an_answer(QUESTION, verified_by="p-reviewer"), SITE)
    valid(card)
    assert "Verified by a reviewer" in json.dumps(card, ensure_ascii=False)
    assert "p-reviewer" not in json.dumps(card)


@pytest.mark.parametrize(
    ("offered", "buttons"),
    [
        (1, ["That's it", "No"]),
        (2, ["It's 1", "It's 2", "Neither"]),
        (3, ["It's 1", "It's 2", "It's 3", "None of these"]),
    ],
)
def test_each_offered_answer_can_be_taken_and_all_of_them_refused(
    offered: int, buttons: list[str], valid: Check
) -> None:
    similar = [
        SimilarAnswer(f"Leave {at}?", "16 weeks.", CITED, {"similar": f"v{at}"}) for at in range(offered)
    ]
    card = answer_card(an_answer(QUESTION), SITE, Standing(similar=similar))
    assert card is not None
    rendered = render_card(card)
    valid(rendered)
    pressed = [part for part in parts(rendered) if part.get("type") == "Action.Execute"]
    assert [part["title"] for part in pressed] == buttons
    assert ",".join(f"v{at}" for at in range(offered)) in json.dumps(pressed[-1])


def test_many_sources_are_cut_and_a_bad_address_has_no_button(valid: Check) -> None:
    bad = [
        replace(CITED, url=url)
        for url in ("javascript:alert(1)", "data:text/html,x", "http://[::", "x" * 3000)
    ]
    card = drawn(an_answer(QUESTION, citations=tuple(bad + [CITED] * 30)), SITE)
    valid(card)
    assert len([part for part in parts(card) if part.get("type") == "Action.OpenUrl"]) == 2


def test_the_help_and_the_welcome_card(valid: Check) -> None:
    for one in (help_card(), help_card(["Who am I?"] * 9), help_card(welcome=True)):
        card = render_card(one)
        valid(card)
        assert len(card.get("actions", [])) <= 5


@pytest.mark.parametrize("wrong", [{"text": 1}, {"text": None}, {"size": "Tiny"}, {"type": "Texts"}])
def test_a_card_that_is_like_a_valid_one_but_for_a_wrong_part_is_found(
    valid: Check, wrong: dict[str, Any]
) -> None:
    text = {"type": "TextBlock", "text": "Leave", "size": "Small"}
    card = {"type": "AdaptiveCard", "version": "1.5", "fallbackText": "Leave", "body": [text]}
    valid(card)
    valid(card | {"body": [text | {"text": "Travel"}]})
    with pytest.raises(AssertionError):
        valid(card | {"body": [text | wrong]})


def test_every_naughty_string_makes_a_valid_card_that_renders_no_markup(
    valid: Check, shared_data: Path
) -> None:
    for text in json.loads((shared_data / "security" / "blns.json").read_text("utf-8")):
        for kind in AnswerKind:
            citations = (Citation(text, text, text, text),) * 2
            answer = an_answer(QUESTION, text, kind=kind, citations=citations, marked=text[:9])
            card = drawn(answer, SITE)
            valid(card)
            nothing_renders(card)


def nothing_renders(card: dict[str, Any]) -> None:
    """Check that nothing in a card is markup, and that its links lead into the web."""
    assert not [part for part in parts(card) if part.get("type") in {"TextBlock", "Image", "Media"}]
    for part in parts(card):
        if part.get("type") == "Action.OpenUrl":
            assert part["url"].startswith(("http://", "https://"))


MARKUP = (
    "# https://evil.example **b** _i_ `c` ~~s~~ [l](https://evil.example) "
    "![i](https://evil.example/i.png) <at>All</at> &#60; \\"
)


def test_a_place_and_a_quotation_that_are_markup_stay_words_in_a_message_and_in_a_stream() -> None:
    place = Citation("/site/x", MARKUP, "> - x", MARKUP)
    answer = an_answer(
        QUESTION, f"{MARKUP}\n> x\n- {MARKUP}", kind=AnswerKind.QUOTED, citations=(place, place)
    )
    (message,) = compose_messages(answer, SITE)
    for text in (message.text, full_text(answer, SITE, shows_line_breaks=False)):
        assert not set("*_`~<&\\") & set(text.replace("[1]", ""))
        assert "](" not in text
        assert "evil.example" not in text
        assert "![" not in text
        assert not [line for line in text.split("\n") if line.lstrip().startswith(("#", ">", "-", "+"))]
    assert message.text.startswith("I am not certain, but “")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [1] and [2].", "plain [1] and (2)."),
        ("a < b, c > d, x[0]", "a < b, c > d, x(0)"),
        ("![alt](https://evil.example/x.png)", "alt"),
        ("[text](https://evil.example/a_(b) 'title') end", "text end"),
        ("[1](https://evil.example)", "[1]"),
        ("[1]: https://evil.example", "[1] : (link left out)"),
        ("[x][1]", "(x)[1]"),
        ("[![i](https://evil.example)](https://evil.example)", "i"),
        ("<at>All</at><img src=x>", "‹at>All‹/at>‹img src=x>"),
        ("mail mailto:a@evil.example, www.evil.example!", "mail (link left out), (link left out)!"),
        ("go to https://ok.example/page#part.", "go to https://ok.example/page#part."),
        ("go to https://ok.example/page?q=secret", "go to (link left out)"),
    ],
)
def test_what_a_model_writes_becomes_calm(text: str, shown: str) -> None:
    assert calm(text, keep_urls={"https://ok.example/page"}, markers=1) == shown


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("/site/docs/x#y", "https://bot.example/site/docs/x#y"),
        ("https://a.example/ä b?c=%20#d", "https://a.example/%C3%A4%20b?c=%20#d"),
        ("ftp://a.example", ""),
        ("", "https://bot.example/"),
        ("//a.example/x", "https://a.example/x"),
    ],
)
def test_addresses_become_absolute(url: str, opened: str) -> None:
    assert absolute(url, SITE) == opened


def test_every_word_of_help_and_privacy_comes_from_a_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Buttons(1, dict.fromkeys(VERBS, "s"))
    kinds = ("question", "answer", "word", "word of others", "review", "verified", "notice", "reviewed", "x")
    for count in (1, 2_000):
        forgotten = {"x": tuple(ForgottenExamples(f"{n}", ("δ",) * n, count) for n in range(3))}
        deleted = Deletion("p", "n", NOW, "p", counts=dict.fromkeys(kinds, count), examples=forgotten)
        with speak_pseudo(monkeypatch):
            cards = [
                help_card(("δ",), welcome=True, brief=brief(), reviews=True),
                help_card(),
                *(privacy_card(Retention(questions_days=0), said, out=out) for out in (True, False)),
                confirm_card(said, count, ours=False),
                deleting_card(),
                build_deleted_card(deleted, ours=False),
                build_deleted_card(Deletion("p", "n", NOW, "p"), ours=True),
                export_card("https://bot.example/x", NOW, said),
            ]
            plain = [find_plain_words(render_card(card), "JSON") for card in cards]
        assert plain == [set[str]()] * len(cards)


@pytest.mark.parametrize(
    ("language", "declines", "quotes", "states"),
    [
        (
            "de",
            "Auf den Seiten, die ich kenne",
            "aber in „Leave › Parents“ steht:",
            "Geprüft und bestätigt, ",
        ),
        ("es", "No encontré nada", "pero «Leave › Parents» dice:", "Verificada por un revisor, "),
        ("fr", "Je n’ai rien trouvé", "mais « Leave › Parents » dit :", "Vérifiée par un réviseur, "),
        ("ja", "見つかりませんでした", "「Leave › Parents」には", "レビュー担当者が確認済み（"),
    ],
)
def test_the_frame_of_an_answer_is_in_the_readers_language_and_the_pages_words_stay(
    language: str, declines: str, quotes: str, states: str
) -> None:
    quoted = an_answer(QUESTION, kind=AnswerKind.QUOTED, citations=(CITED,))
    with speak(language):
        assert declines in full_text(
            an_answer(QUESTION, kind=AnswerKind.DECLINED), SITE, shows_line_breaks=True
        )
        text = full_text(quoted, SITE, shows_line_breaks=True)
        assert quotes in text
        assert "You get 16 weeks" in text
        card = drawn(an_answer(QUESTION, verified_by="p", verified_at=NOW), SITE)
    assert states in json.dumps(card, ensure_ascii=False)
    assert "16 weeks of paid leave" in json.dumps(card)

"""Dates on cards: each reader's client writes them in its zone, and nothing that a page says becomes one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.cards.adaptive import render_card as render_adaptive
from bot.cards.dates import Date, day, find_zone, split_dates, when, write_dates
from bot.cards.elements import Card, Element, Facts, Table, heading, line, small_print
from bot.channels.message import card_message
from bot.slack.blocks import render_card as render_slack
from bot.slack.blocks import render_message
from core.text import clip_text
from core.translation import format_ago, format_span, speak
from tests.doubles.slack_api import check_message

AT = datetime(2026, 11, 30, 23, 5, 59, tzinfo=UTC)
DATE, TIME = "{{DATE(2026-11-30T23:05:59Z,SHORT)}}", "{{TIME(2026-11-30T23:05:59Z)}}"


@pytest.mark.parametrize(
    ("element", "drawn"),
    [
        (heading(f"{day(AT)}  Corrected"), f"{DATE}  Corrected"),
        (line(f"Kim approved it, {day(AT)}"), f"Kim approved it, {DATE}"),
        (small_print(f"Counted {when(AT)}"), f"Counted {DATE}, {TIME}"),
        (Table((("What", "When"), ("Live", when(AT))), (1, 1)), f"{DATE}, {TIME}"),
        (Facts((("Live since", day(AT)),)), DATE),
    ],
)
def test_both_services_write_a_cards_dates_for_each_reader(element: Element, drawn: str) -> None:
    card = Card((element,), (), f"Said {day(AT)}")
    assert json.dumps(drawn) in json.dumps(render_adaptive(card))
    blocks = render_slack(card)
    if not isinstance(element, Table | Facts):
        [date] = [
            piece for part in blocks[0]["elements"] for piece in part["elements"] if piece["type"] == "date"
        ]
        assert date["timestamp"] == AT.timestamp() // 1
        assert ("{time}" in date["format"]) is ("TIME" in drawn)
    check_message(render_message(card_message(card)))
    for said in (json.dumps(blocks), json.dumps(render_adaptive(card))):
        assert "\\ufdd0" not in said
    assert card_message(card).summary == "Said 30 Nov 2026"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"])
def test_where_there_is_only_text_a_known_zone_writes_its_own_time(zone: str) -> None:
    there = AT.astimezone(ZoneInfo(zone))
    said = write_dates(f"Ruled {when(AT)}.", find_zone(zone))
    assert said == f"Ruled {there.day} {there:%b %Y}, {there:%H:%M}."
    assert write_dates(when(AT)) == "30 Nov 2026, 23:05 UTC"
    assert find_zone(f"{zone}/../{zone}") is None


@pytest.mark.parametrize(
    "name", ["", "Nowhere", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", None, 7, {}]
)
def test_a_zone_that_is_none_is_not_known(name: object) -> None:
    assert find_zone(name) is None


@pytest.mark.parametrize("cut", range(1, len(when(AT)) + 6))
def test_a_date_that_was_cut_off_is_never_shown_as_its_mark(cut: int) -> None:
    clipped = clip_text(f"Details: {when(AT)}, page", 9 + cut)
    for shown in (write_dates(clipped), json.dumps(render_adaptive(Card((line(clipped),), (), clipped)))):
        assert "\ufdd0" not in shown
        assert "\\ufdd" not in shown
        assert f"t{int(AT.timestamp())}"[: max(3, cut)] not in shown


@pytest.mark.parametrize("words", [DATE, f"say {TIME}!", "{{{DATE(2020-01-01T00:00:00Z, LONG)}}"])
def test_what_a_page_says_about_dates_of_cards_stays_what_it_says(words: str) -> None:
    shown = render_adaptive(Card((line(words),), (), words))["body"][0]["inlines"][0]["text"]
    assert shown.replace("\u2060", "") == words
    assert "{{DATE" not in shown
    assert "{{TIME" not in shown


@pytest.mark.parametrize(
    "words", ["\ufdd0", "\ufdd1", "\ufdd0t\ufdd1", "\ufdd0d99999999999\ufdd1", "a\ufdd0d1\ufdd0"]
)
def test_marks_that_are_none_of_ours_do_no_harm(words: str) -> None:
    assert not [piece for piece in split_dates(words) if isinstance(piece, Date)]
    assert not {"\ufdd0", "\ufdd1"} & set(write_dates(words))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "a moment"), (59, "a moment"), (60, "1 minute"), (7_199, "1 hour"), (86_400 * 3, "3 days")],
)
def test_a_span_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert format_span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "5 minutes ago"), ("de", "vor 5 Minuten"), ("fr", "il y a 5 minutes"), ("ja", "5 分前")],
)
def test_how_long_ago_is_said_as_the_language_does(language: str, said: str) -> None:
    with speak(language):
        assert format_ago(datetime.now(UTC) - timedelta(minutes=5, seconds=20)) == said

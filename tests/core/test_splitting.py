"""A long text in several messages: cut where a reader would pause, and nowhere else."""

from __future__ import annotations

import json
import random
import re

import pytest

from core.text import MOST_PARTS, PART_BYTES, split

WORDS = (
    "leave",
    "“weeks”",
    "𝄞",
    "a\\b",
    "é",
    "x" * 40,
    "[1]",
    "[12]",
    "https://bot.example/site/leave?x=1#parents",
    '"so"',
)
PAUSES = (" ", " ", " ", ". ", "\n", "\n\n")


def size(text: str) -> int:
    """Return how large Teams counts a text: as JSON in UTF-16, without its quotes."""
    return len(json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-16-le"))


def test_what_has_room_stays_whole() -> None:
    assert split("") == [""]
    assert split("Ten days [1].") == ["Ten days [1]."]
    assert len(split("x" * (PART_BYTES // 2))) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two three.\n\nfour five six seven.", ["one two three.", "four five six seven."]),
        ("one two three\nfour five six seven", ["one two three", "four five six seven"]),
        ("One two three [1]. Four five six.", ["One two three [1].", "Four five six."]),
        ("One two three. [1] Four five six.", ["One two three. [1]", "Four five six."]),
        ("one two three fourfive [1] six", ["one two three", "fourfive [1] six"]),
        ("one two https://a.example/bcdef", ["one two", "https://a.example/bcdef"]),
        ("𝄞" * 20, ["𝄞" * 12, "𝄞" * 8]),
    ],
)
def test_it_is_cut_where_a_reader_would_pause(text: str, parts: list[str]) -> None:
    assert split(text, 48) == parts


def test_of_a_text_without_an_end_the_last_part_ends_with_an_ellipsis() -> None:
    parts = split("word " * 200_000)
    assert len(parts) == MOST_PARTS
    assert parts[-1].endswith("word…")
    assert all(size(part) <= PART_BYTES for part in parts)


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_torn_or_too_large(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311 - dice of a test
    text = "".join(drawn.choice(WORDS) + drawn.choice(PAUSES) for _ in range(400)).strip()
    most_bytes = drawn.randrange(300, 3_000)
    parts = split(text, most_bytes, most_parts=1_000)
    assert all(0 < size(part) <= most_bytes for part in parts)
    assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", text)
    words = set(WORDS)
    for part in parts:
        assert not re.match(r"\[\d+\]", part) or part is parts[0]
        assert {word.rstrip(".") for word in part.split()} <= {*words, ""}

"""Markdown as the tools write it, and plain text: read as a reader of the finished page sees it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pages.parse.extract import extract
from pages.parse.plain_text import join_wrapped_lines

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def text_of(written: str, kind: str = "text/markdown", url: str = "https://w.test/depot") -> str:
    page = extract(written.encode(), url=url, content_type=kind, fetched_at=NOW)
    return "\n".join(f"# {one.heading}\n{one.text}" if one.heading else one.text for one in page.sections)


DIALECTS = {
    "a footnote": (
        "Vans carry 12[^w] crates.\n\n[^w]: In winter 10.\n",
        "Vans carry 12 [¹] crates.\n\n1. In winter 10.",
    ),
    "raised and lowered": (
        "Up to 10^4^ crates of CO~2~, 2^8 kinds, ~3 to ~4 days.",
        "Up to 10 ⁴ crates of CO2, 2^8 kinds, ~3 to ~4 days.",
    ),
    "struck": ("A crate costs ~~7~~ 9 euros.", "A crate costs 9 euros."),
    "an admonition": (
        '!!! warning "Mind the ramp"\n    It is 4 m wide.\n',
        "Mind the ramp\n\nIt is 4 m wide.",
    ),
    "one that folds": ("??? tip\n\n    Ask Ada.\n", "Tip\n\nAsk Ada."),
    "a callout": ("> [!IMPORTANT]\n> Lock the gate.\n", "Important\n\nLock the gate."),
    "a callout with a title": ("> [!info]- Who has keys\n> The guard.\n", "Who has keys\n\nThe guard."),
    "a box": (":::danger Forklifts\n\nKeep away.\n\n:::\n", "Forklifts\n\nKeep away."),
    "a box without a title": (":::note\nKeep left.\n:::\n", "Note\n\nKeep left."),
    "tabs": (
        '=== "North"\n\n    Gate 3.\n\n=== "South"\n\n    Gate 5.\n',
        "North\n\nGate 3.\n\nSouth\n\nGate 5.",
    ),
    "terms": ("Ramp\n: Where vans are filled\n", "Ramp: Where vans are filled"),
    "wiki links": ("See [[Keys]], [[Gates#south|the gates]] and ![[map.png]].", "See Keys, the gates and ."),
    "an abbreviation": (
        "The HGV waits.\n\n*[HGV]: heavy goods vehicle\n",
        "The HGV waits.\n\nHGV: heavy goods vehicle",
    ),
    "marked words": ("Gates are ==locked== at ten.", "Gates are locked at ten."),
    "a table of contents": ("[TOC]\n\nGates are locked.", "Gates are locked."),
    "a shortcode": ("{{< button href='/x' >}}Gates are locked.", "Gates are locked."),
    "code": ('```\n=== "North"\n[[keys]]\n!!! note\n```\n', '=== "North"\n[[keys]]\n!!! note'),
}


@pytest.mark.parametrize("kind", DIALECTS)
def test_dialects_are_read_without_their_signs(kind: str) -> None:
    written, text = DIALECTS[kind]
    assert text_of(f"# Depot\n\n{written}") == f"# Depot\n{text}"


INCLUDES = [
    '--8<-- "parts/gates.md"',
    "--8<--\nparts/gates.md\n--8<--",
    '{% include "parts/gates.md" %}',
    "{! parts/gates.md !}",
    "{{#include parts/gates.md}}",
    "{{< include parts/gates.md >}}",
    ".. include:: parts/gates.md",
    "![[parts/gates.md]]",
]


@pytest.mark.parametrize("written", INCLUDES)
def test_what_a_page_includes_is_said_to_be_missing(written: str) -> None:
    text = text_of(f"# Depot\n\nGates:\n\n{written}\n\nEnd.\n")
    assert text == "# Depot\nGates:\n\n(This page includes parts/gates.md, which was not read.)\n\nEnd."


@pytest.mark.parametrize(
    ("written", "url", "read"),
    [
        ("# Gates\n\nThey are *locked*.\n", "https://w.test/raw/gates.md", "# Gates\nThey are locked."),
        ("# Gates\n\n## Keys\n\nAsk Ada.\n", "https://w.test/gates", "# Keys\nAsk Ada."),
        ("# a comment\nretries = 4\n", "https://w.test/gates.conf", "# a comment\nretries = 4"),
        ("Gates\n=====\n*locked*\n", "https://w.test/gates.txt", "Gates\n=====\n*locked*"),
    ],
)
def test_markdown_that_is_sent_as_plain_text_is_markdown(written: str, url: str, read: str) -> None:
    assert text_of(written, "text/plain", url) == read


JOINED = [
    (
        "Vans that come back after nine in the evening have to wait outside of the gate\n"
        "until the guard has counted what they still carry, and signed for it in the\nbook.",
        1,
    ),
    (
        (
            "- Vans that come back after nine in the evening have to wait outside of the\n  "
            "gate.\n- Others do not."
        ),
        2,
    ),
    ("Ada Byron\nDepot 4\n10115 Berlin", 3),
    ("if gate.is_open(): wait(gate, 10)  # then go\nelse: raise Closed(gate.name, when=now())", 2),
    ("Name      Gate    Time\nAda       4       6:00", 2),
]


@pytest.mark.parametrize(("text", "lines"), JOINED)
def test_only_lines_that_were_full_are_joined(text: str, lines: int) -> None:
    assert len(join_wrapped_lines(text).splitlines()) == lines
    assert join_wrapped_lines(text).split() == text.split()

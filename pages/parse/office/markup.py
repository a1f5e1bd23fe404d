"""HTML that was made of an office file → sections, and the rows of a sheet → tables with their header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from core.records import Section
from pages.parse.elements.anchors import mark_anchors
from pages.parse.elements.plain_elements import write_plain_elements
from pages.parse.html_sections import split_sections
from pages.visibility.html_tree import empty, parse_html

ROWS = 100
"""Rows of one table; a longer one is told in parts, each below the header row."""

_DIGIT = re.compile(r"\d")


def read_markup(html: str) -> tuple[Section, ...]:
    """Return the sections of HTML of our own making, without what is struck out."""
    root = parse_html(f"<html><body>{html}</body></html>")
    if root is None:
        return ()
    for struck in list(root.iter("s", "del")):
        empty(struck)
    write_plain_elements(root)
    mark_anchors(root)
    return split_sections(root)


def write_heading(text: str, anchor: str, level: int = 2) -> str:
    """Return a heading that opens the file at an anchor."""
    return f'<h{level} id="{escape(anchor)}">{escape(text)}</h{level}>'


def write_paragraph(text: str) -> str:
    """Return a paragraph; its lines stay apart."""
    return f"<p>{escape(text, quote=False)}</p>".replace("\n", "<br>")


def write_table(rows: Sequence[Sequence[str]], *, header: bool) -> str:
    """Return rows as a table."""
    written: list[str] = []
    for number, row in enumerate(rows):
        tag = "th" if header and number == 0 else "td"
        written.append("".join(f"<{tag}>{escape(cell, quote=False)}</{tag}>" for cell in row))
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in written)}</table>"


def write_rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield what rows are: tables between empty rows, and titles and notes that fill one cell of a row."""
    block: list[Sequence[str]] = []
    for row in (*rows, ()):
        if any(row):
            block.append(row)
        elif block:
            yield from _write_block(block)
            block = []


def _write_block(block: Sequence[Sequence[str]]) -> Iterator[str]:
    start = 0
    while start < len(block) and sum(map(bool, block[start])) == 1:
        yield write_paragraph(next(filter(None, block[start])))
        start += 1
    rows = _without_empty_columns(block[start:])
    if not rows:
        return
    header = len(rows) > 1 and _is_header(rows[0], rows[1:])
    for at in range(int(header), len(rows), ROWS):
        part = rows[at : at + ROWS]
        yield write_table([rows[0], *part] if header else part, header=header)


def _without_empty_columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(map(len, rows), default=0)
    full = [[*row, *("",) * (width - len(row))] for row in rows]
    used = [any(row[column] for row in full) for column in range(width)]
    return [[cell for cell, is_used in zip(row, used, strict=True) if is_used] for row in full]


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Tell whether a first row names the columns: nearly all of it filled, and fewer numbers than below."""
    numbers = sum(_DIGIT.search(cell) is not None for cell in first)
    most = max(sum(_DIGIT.search(cell) is not None for cell in row) for row in below[:ROWS])
    filled = sum(map(bool, first))
    return filled * 2 > len(first) and (numbers < most or (not numbers and len(first) > 1))

"""Lines and tables of a page → headings, paragraphs, list items, tables.

A line goes on with the one above it when it is of the same size and weight, stands as close as the lines of
its column do, is no item of a list, and when its first word had no room left above it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from pages.parse.pdf.grids import Table, without_leaders
from pages.parse.pdf.hyphens import Hyphens, is_range
from pages.parse.pdf.layout import Block, Line

_LARGER = 1.15
_LONGEST_HEADING = 200
_LONGEST_BOLD = 120
_MOSTLY_BOLD = 0.4
_SAME_SIZE = 0.08
_LOOSE = 1.25
_USUAL = 1.3
_INDENT = 0.8
_SLACK = 0.6
"""Sizes of a letter by which a line may be shorter than its column and still be full."""
_STRETCHED = 1.8
_WIDTH = 0.5
"""Width of a letter, in sizes."""

_ITEM = re.compile(r"(?:[-*•‣◦⁃∙▪●○·–—]|\(?(?:\d{1,3}|[a-z])[.)])\s+(?=\S)")
_BULLET = re.compile(r"\A[*•‣◦⁃∙▪●○·–—]\s+")
_ENDS = (".", "!", "?", ":", ";", "。")
_MARKS_AFTER = "\"'”’»)]"


@dataclass(slots=True)
class Style:
    """What is usual in a file: the size of its text, and whether much of it is bold."""

    size: float
    mostly_bold: bool


@dataclass(slots=True)
class Element:
    """A piece of a page's text; a line in a paragraph that ends on purpose ends there.

    `ends_on` is the page where it ends; `cells` are the pieces of a single line that gutters part.
    """

    kind: Literal["heading", "paragraph", "item", "table"]
    page: int
    text: str = ""
    rows: list[list[str]] = field(default_factory=list[list[str]])
    size: float = 0.0
    ends_on: int = 0
    cells: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a sentence goes on behind it."""
        return self.kind != "table" and not self.text.rstrip(_MARKS_AFTER).endswith(_ENDS)


def find_style(blocks: Iterable[Block]) -> Style:
    """Return what is usual in a file's text."""
    sizes: Counter[float] = Counter()
    bold = 0
    for block in blocks:
        for line in block if isinstance(block, list) else ():
            sizes[round(line.size * 2) / 2] += len(line.text)
            bold += len(line.text) if line.bold else 0
    size = sizes.most_common(1)[0][0] if sizes else 0.0
    return Style(size, bold > _MOSTLY_BOLD * max(1, sizes.total()))


def build_elements(blocks: Sequence[Block], page: int, style: Style, hyphens: Hyphens) -> list[Element]:
    """Return what a page says, in reading order."""
    elements: list[Element] = []
    for number, block in enumerate(blocks):
        if isinstance(block, Table):
            elements.append(Element("table", page, rows=block.rows, ends_on=page))
            continue
        groups = _groups(block)
        for at, group in enumerate(groups):
            followed = at + 1 < len(groups) or number + 1 < len(blocks)
            following = groups[at + 1][0] if at + 1 < len(groups) else None
            is_heading = _is_heading(group, style, followed=followed, following=following)
            elements += _read_group(group, page, hyphens, is_heading=is_heading)
    return elements


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Group the lines that belong together by their size, weight and distance."""
    steps = Counter(
        round((one.base - other.base) * 2) / 2
        for one, other in pairwise(lines)
        if _is_alike(one, other) and one.base > other.base
    )
    usual = min((step for step, count in steps.items() if count == max(steps.values())), default=0.0)
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if last is not None and _is_alike(last, line) and _is_near(last, line, usual):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _is_alike(one: Line, other: Line) -> bool:
    return one.bold == other.bold and abs(one.size - other.size) <= _SAME_SIZE * max(one.size, other.size)


def _is_near(one: Line, other: Line, usual: float) -> bool:
    step = one.base - other.base
    pitch = max(min(usual, 2.5 * one.size), _USUAL * one.size)
    return 0 < step <= _LOOSE * pitch


def _is_heading(group: Sequence[Line], style: Style, *, followed: bool, following: Line | None) -> bool:
    text = " ".join(line.text for line in group)
    if not any(map(str.isalpha, text)) or _ITEM.fullmatch(f"{text} x") or "…" in without_leaders(text):
        return False
    if group[0].size >= _LARGER * style.size and len(text) <= _LONGEST_HEADING:
        return True
    return (
        group[0].bold
        and not style.mostly_bold
        and followed
        and (following is None or not following.bold)
        and group[0].size >= (1 - _SAME_SIZE) * style.size
        and len(text) <= _LONGEST_BOLD
        and not text.endswith((".", ",", ";", ":"))
        and not text[0].islower()
    )


def _read_group(group: Sequence[Line], page: int, hyphens: Hyphens, *, is_heading: bool) -> list[Element]:
    if is_heading:
        text = group[0].text
        for line in group[1:]:
            text = hyphens.join(text, line.text)
        return [Element("heading", page, text, size=group[0].size, ends_on=page)]
    elements: list[Element] = []
    last: Line | None = None
    first = group[0]
    for line in group:
        text = without_leaders(line.text)
        is_item = _ITEM.match(text) is not None
        if last is None or is_item or _begins(first, last, line, elements[-1]):
            kind = "item" if is_item else "paragraph"
            text = _BULLET.sub("- ", text, count=1)
            elements.append(Element(kind, page, text, size=line.size, ends_on=page, cells=line.cells))
            first = line
        elif _is_prose(last) and (_goes_on(last, line) or _is_full(last, line)):
            elements[-1].text = hyphens.join(elements[-1].text, text)
        else:
            elements[-1].text += f"\n{text}"
        last = line
    return elements


def _is_prose(line: Line) -> bool:
    """Tell whether the next line may go on with this one: it is no code, no form, no table of contents."""
    words = line.text.count(" ") + 1
    is_form = line.widest > _STRETCHED and 2 * len(line.cells) <= words + 2
    return not (line.fixed or is_form or "…" in without_leaders(line.text))


def _begins(first: Line, last: Line, line: Line, element: Element) -> bool:
    """Tell whether a line begins a paragraph: it is indented, or stands left of the item above it."""
    if _goes_on(last, line):
        return False
    if element.kind == "item":
        return line.left <= first.left + _INDENT * line.size and not _is_full(last, line)
    return line.left - last.left > _INDENT * line.size and not element.is_open


def _is_full(last: Line, line: Line) -> bool:
    """Tell whether the first word of a line had no room on the one above it."""
    word = line.text.split(" ", 1)[0]
    needed = (len(word) + 1) * _WIDTH * line.size
    return last.right + needed > last.column[1] - _SLACK * line.size


def _goes_on(last: Line, line: Line) -> bool:
    ends_open = not last.text.rstrip(_MARKS_AFTER).endswith(_ENDS)
    return (
        last.text.endswith("-")
        or is_range(last.text, line.text)
        or (line.text[:1].islower() and ends_open and _ITEM.match(line.text) is None)
    )

"""A tree of HTML → sections: headings with the anchors that they really have, and plain text.

One pass from the first element to the last, so that a hostile page costs time in proportion to its size and
no recursion. Where a text needs more than its words, its module says how it is written: `tables`, `inline`,
`code_blocks`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from core.records import Section
from pages.parse.elements.abbreviations import Abbreviations
from pages.parse.elements.anchors import ANCHOR, HEADINGS
from pages.parse.elements.code_blocks import is_code_line
from pages.parse.elements.inline import is_raised, is_short, is_way_back, write_lowered, write_raised
from pages.parse.elements.tables import Grid, find_data_tables
from pages.parse.elements.text_buffer import TextBuffer
from pages.visibility.html_tree import Element, to_one_line, visible, walk

_PARAGRAPHS = frozenset(
    """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure
    footer form header hr main nav ol p pre section summary table ul
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_TABLE_PARTS = frozenset({"td", "th", "tr", "thead"})
_LISTS = frozenset({"ul", "ol"})
_CODE_LINES = frozenset({"div", "li", "p", "tr", "ol", "ul", "table", "tbody"})
_PERMALINK_SIGN = re.compile(r"(?:(?<!\s)\s+)?[¶#§🔗]\s*$")
_FILE_NAME = re.compile(r"\w+\.(?:png|jpe?g|gif|webp|svg|bmp)|[a-z0-9]+(?:-[a-z0-9]+){2,}(?:\.[a-z]{3,4})?")
"""What stands for an image where nobody has said what it shows."""
_LONGEST_TERM = 80
"""Characters of a term that stands in one line with what it means."""
_ENDS_TERM = tuple("?!.:")
_CONTEXT = 16
_MOST_LINKS = 200
"""Links of one section that are kept, for the page's own view; each with so many characters at most."""
_LONGEST_ADDRESS, _LONGEST_WORDS, _TEXTS_IN_LINK = 1_000, 300, 20


@dataclass(slots=True)
class _Table:
    """A table of data that is open. `outer` takes the text around the cell that is open."""

    element: Element
    grid: Grid
    outer: TextBuffer
    cell: Element | None = None


def split_sections(root: Element) -> tuple[Section, ...]:
    """Return the sections that have text, in order.

    What stands before the first heading comes with heading "".
    """
    writer = _Writer(find_data_tables(root))
    for event, element in walk(root):
        if event == "start":
            writer.start(element)
        else:
            writer.end(element, followed=element is not root)
    return tuple(writer.finish())


class _Writer:
    """Turns the events of a walk into sections."""

    def __init__(self, data_tables: frozenset[Element]) -> None:
        self._data_tables = data_tables
        self._text = TextBuffer()
        self._heading: tuple[str, str] = ("", "")
        self._level = 2
        self._in_heading: Element | None = None
        self._pre = 0
        self._lists: list[int] = []  # of every open list the next number, 0 for bullets
        self._tables: list[_Table] = []
        self._written: Element | None = None  # what was written whole when it began
        self._term: str | None = None
        self._links: list[tuple[str, str]] = []
        self._abbreviations = Abbreviations()
        self.done: list[Section] = []

    def start(self, element: Element) -> None:
        if self._written is not None:
            return
        tag = str(element.tag)
        if tag in HEADINGS and self._in_heading is None and not self._tables:
            self._close_section()
            self._in_heading = element
        elif self._in_heading is not None:  # a heading is one line
            self._add_space(tag)
        elif self._tables and self._tables[-1].cell is not None:
            self._open_in_cell(element, tag)
        else:
            self._open_block(element, tag)
        if not self._write_whole(element, tag):
            self._add(element.text)

    def end(self, element: Element, *, followed: bool) -> None:
        tag = str(element.tag)
        if self._written is not None:
            if element is not self._written:
                return
            self._written = None
        if tag == "a" and self._in_heading is None:
            self._note_link(element)
        if element is self._in_heading:
            heading = _PERMALINK_SIGN.sub("", to_one_line(self._text.take()))
            self._heading = (heading, element.get(ANCHOR) or "")
            self._level = int(tag[1:])
            self._in_heading = None
        elif self._in_heading is not None:
            self._add_space(tag)
        elif self._tables and self._close_in_table(element, tag):
            pass
        else:
            self._close_block(element, tag)
        if followed:
            self._add(element.tail)

    def finish(self) -> list[Section]:
        self._close_section()
        return self.done

    def _write_whole(self, element: Element, tag: str) -> bool:
        """Write what is more than its text; what is in it is then left out."""
        if tag == "img":
            said = to_one_line(element.get("alt") or "")
            self._text.add("" if _FILE_NAME.fullmatch(said) else said)
        elif tag == "abbr":
            self._abbreviations.note(element)
        elif is_way_back(element):
            self._written = element
        elif not self._pre and is_raised(element):
            self._text.add(write_raised(element, self._text.ends_with(_CONTEXT)))
            self._written = element
        elif tag == "sub" and not self._pre and is_short(element):
            self._text.add(write_lowered(element, self._text.ends_with(_CONTEXT)))
            self._written = element
        return self._written is not None

    def _add_space(self, tag: str) -> None:
        if tag in _PARAGRAPHS or tag == "br":
            self._text.add(" ")

    def _open_block(self, element: Element, tag: str) -> None:
        if self._pre and tag in _CODE_LINES:
            self._text.break_line(1)
            return
        if tag in _PARAGRAPHS:
            self._open_paragraph(element, tag)
        if tag in _LISTS:
            self._lists.append(_first_number(element))
        elif tag == "li":
            self._text.bullet("  " * (len(self._lists) - 1) + self._bullet())
        elif tag == "br":
            self._text.break_by_br(1 if self._lists or self._pre else 2)
        elif tag in _TABLE_PARTS:
            self._open_in_table(element, tag)

    def _open_paragraph(self, element: Element, tag: str) -> None:
        if tag == "dd" and self._term:
            self._open_meaning()
            return
        close = self._lists or tag == "dd" or (tag == "dt" and self._term)
        self._text.break_line(1 if close else 2)
        self._pre += tag == "pre"
        if element in self._data_tables:
            self._tables.append(_Table(element, Grid(), self._text))

    def _open_in_table(self, element: Element, tag: str) -> None:
        table = self._tables[-1] if self._tables else None
        if table is None:  # it lays out a page
            self._text.break_line(1 if tag == "tr" else 2)
        elif tag == "tr":
            table.grid.begin_row()
        elif tag == "thead":
            table.grid.in_head = True
        else:
            table.cell = element
            self._text = TextBuffer()

    def _open_meaning(self) -> None:
        """Put what a term means behind it."""
        if self._term and len(self._term) <= _LONGEST_TERM and not self._term.endswith(_ENDS_TERM):
            self._text.separate(": ")
            self._text.held = True
        else:
            self._text.break_line(1)
        self._term = None

    def _open_in_cell(self, element: Element, tag: str) -> None:
        """Keep a row in one line: items and the rows of a table in a cell follow a semicolon."""
        if tag == "table" and element in self._data_tables:
            self._tables.append(_Table(element, Grid(), self._text))
        elif tag == "li":
            if self._text.has_text() and self._text.ends_with(1) not in {":", ";"}:
                self._text.separate("; ")
            else:
                self._text.add(" ")
        else:
            self._add_space(tag)

    def _close_in_table(self, element: Element, tag: str) -> bool:
        table = self._tables[-1]
        if element is table.cell:
            table.grid.add_cell(element, to_one_line(self._text.take()))
            self._text, table.cell = table.outer, None
        elif element is table.element:
            self._close_table(self._tables.pop())
        elif table.cell is None:
            table.grid.in_head &= tag != "thead"
            return False
        else:
            self._add_space(tag)
        return True

    def _close_table(self, table: _Table) -> None:
        if self._tables and self._tables[-1].cell is not None:
            inner = table.grid.write_inline()
            if inner and self._text.has_text():
                self._text.separate("; ")
            self._text.add(f"{inner} ")
            return
        for line in table.grid.write():
            self._text.break_line(1)
            self._text.add(line, raw=True)
        self._text.break_line(1 if self._lists else 2)

    def _close_block(self, element: Element, tag: str) -> None:
        if self._pre and tag in _CODE_LINES:
            self._text.break_line(1)
            return
        if self._pre and is_code_line(element) and "\n" not in (element.tail or ""):
            self._text.break_line(1)
        if tag in _LISTS and self._lists:
            self._lists.pop()
        if tag == "dt":
            self._term = to_one_line("".join(element.itertext()))
        if tag in _PARAGRAPHS:
            self._text.break_line(1 if self._lists or tag in {"dt", "dd"} else 2)
            self._pre -= tag == "pre"

    def _bullet(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "

    def _add(self, text: str | None) -> None:
        if not text:
            return
        if self._tables and self._tables[-1].cell is None and not text.strip():
            return  # between rows and cells
        self._text.add(visible(text), raw=self._pre > 0)

    def _close_section(self) -> None:
        text = self._text.take()
        said = self._abbreviations.take()
        if text:
            whole = "\n\n".join(filter(None, (text, said)))
            self.done.append(Section(*self._heading, whole, self._level, tuple(self._links)))
        self._links = []

    def _note_link(self, element: Element) -> None:
        href = (element.get("href") or "").strip()
        if href and len(href) <= _LONGEST_ADDRESS and len(self._links) < _MOST_LINKS:
            words = visible(to_one_line("".join(islice(element.itertext(), _TEXTS_IN_LINK))))
            if words and len(words) <= _LONGEST_WORDS:
                self._links.append((words, href))


def _first_number(element: Element) -> int:
    """Return the number of a list's first item; 0 for a list with bullets."""
    if element.tag != "ol":
        return 0
    start = element.get("start") or "1"
    return int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1  # noqa: PLR2004 - a sane number

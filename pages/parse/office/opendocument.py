"""OpenDocument files (.odt, .ods, .odp) → sections: content.xml, element by element, as HTML.

Read with lxml: the format is one XML file. Deletions, comments, notes of a speaker, hidden text, collapsed
rows and hidden sheets stay out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import quote

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted, count_of
from pages.parse.office.archive import read_parts, read_title, read_xml
from pages.parse.office.markup import read_markup, write_heading
from pages.visibility.html_tree import Element, walk

_SPACE = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
_TEXT, _TABLE, _OFFICE, _STYLE, _DRAW = (
    f"{{{_SPACE.format(one)}}}" for one in ("text", "table", "office", "style", "drawing")
)
_SHOWN = f"{{{_SPACE.format('presentation')}}}"
_MOST_REPEATED = 50
_MOST_ELEMENTS = 400_000
_PLAIN = {
    f"{_TEXT}p": "p",
    f"{_TEXT}list": "ul",
    f"{_TEXT}list-item": "li",
    f"{_TABLE}table": "table",
    f"{_TABLE}table-row": "tr",
    f"{_TABLE}covered-table-cell": "td",
}
_LEFT_OUT = {
    f"{_TEXT}tracked-changes": "deletion",
    f"{_OFFICE}annotation": "comment",
    f"{_SHOWN}notes": "speaker's note",
    f"{_TEXT}hidden-text": "",
    f"{_TEXT}hidden-paragraph": "",
    f"{_TEXT}note-citation": None,
    f"{_OFFICE}forms": None,
    f"{_DRAW}desc": None,
}


def read_opendocument(body: bytes) -> Extracted:
    """Return what a document, a workbook or slides say. Raises PageUnreadable."""
    parts = read_parts(body, {"content.xml", "meta.xml"}.__contains__)
    root = read_xml(parts, "content.xml")
    content = root.find(f"{_OFFICE}body")
    if content is None or sum(1 for _ in root.iter()) > _MOST_ELEMENTS:
        raise PageUnreadable(mark("That file is damaged or very large; please send a part of it."))
    writer = _Writer(_hidden_styles(root), _tags_of_styles(root))
    for event, element in walk(content):
        writer.start(element) if event == "start" else writer.end(element)
    sections = read_markup("".join(writer.parts))
    title = read_title(parts, "meta.xml") or writer.first_heading
    return Extracted(title, sections, writer.unseen, tuple(writer.left_out()))


def _hidden_styles(root: Element) -> frozenset[str]:
    names: set[str] = set()
    for style in root.iter(f"{_STYLE}style"):
        looks = [*style.findall(f"{_STYLE}text-properties"), *style.findall(f"{_STYLE}table-properties")]
        if any(
            one.get(f"{_TEXT}display") == "none" or one.get(f"{_TABLE}display") == "false" for one in looks
        ):
            names.add(style.get(f"{_STYLE}name") or "")
    return frozenset(names)


def _tags_of_styles(root: Element) -> dict[str, str]:
    """Return the tags that say what styles do to words: raise them, strike them out."""
    tags: dict[str, str] = {}
    for style in root.iter(f"{_STYLE}style"):
        for look in style.findall(f"{_STYLE}text-properties"):
            if (look.get(f"{_STYLE}text-position") or "").startswith("super"):
                tags[style.get(f"{_STYLE}name") or ""] = "sup"
            if (look.get(f"{_STYLE}text-line-through-style") or "none") != "none":
                tags[style.get(f"{_STYLE}name") or ""] = "s"
    return tags


class _Writer:
    """Turns the events of a walk into HTML."""

    def __init__(self, hidden: frozenset[str], tags: Mapping[str, str]) -> None:
        self._hidden = hidden
        self._tags = tags
        self._skipped: Element | None = None
        self._counts: dict[str, int] = {}
        self._pages = 0
        self._empty = 0  # cells of this row that nothing followed yet
        self._in_note = False
        self._in_heading: list[str] | None = None
        self.parts: list[str] = []
        self.unseen = 0
        self.first_heading = ""

    def start(self, element: Element) -> None:
        if self._skipped is not None:
            return
        if self._is_left_out(element) or self._is_empty_cell(element):
            self._skipped = element
            return
        if tag := self._find_tag(element):
            self._add(f"<{tag}>")
        opening = _OPENINGS.get(str(element.tag))
        if opening is not None:
            self._add(opening(element))
        elif str(element.tag) == f"{_DRAW}page":
            self._pages += 1
            name = element.get(f"{_DRAW}name") or f"Slide {self._pages}"
            self._add(write_heading(name, f"slide={self._pages}"))
        elif (tag := _PLAIN.get(str(element.tag))) is not None and not self._in_note:
            self._add(f"<{tag}>")
        self._in_note = self._in_note or str(element.tag) == f"{_TEXT}note-body"
        if str(element.tag) == f"{_TEXT}h" and not self.first_heading:
            self._in_heading = []
        self._add_text(element.text)

    def end(self, element: Element) -> None:
        if self._skipped is None:
            is_heading = str(element.tag) == f"{_TEXT}h"
            closing = f"h{_level(element)}" if is_heading else _CLOSINGS.get(str(element.tag))
            if closing and not self._in_note:
                self._add(f"</{closing}>")
            if tag := self._find_tag(element):
                self._add(f"</{tag}>")
            if is_heading and self._in_heading is not None:
                self.first_heading, self._in_heading = "".join(self._in_heading), None
            if str(element.tag) == f"{_TEXT}note-body":
                self._in_note = False
                self._add("]")
        if element is self._skipped:
            self._skipped = None
        if self._skipped is None:
            self._add_text(element.tail)

    def _find_tag(self, element: Element) -> str:
        is_span = str(element.tag) == f"{_TEXT}span"
        return self._tags.get(element.get(f"{_TEXT}style-name") or "", "") if is_span else ""

    def left_out(self) -> list[str]:
        return [f"{count_of(count, name)}." for name, count in self._counts.items()]

    def _is_left_out(self, element: Element) -> bool:
        tag = str(element.tag)
        if tag in _LEFT_OUT:
            name = _LEFT_OUT[tag]
            if name == "":
                self.unseen += 1
            elif name:
                self._counts[name] = self._counts.get(name, 0) + 1
            return True
        styles = {element.get(f"{space}style-name") for space in (_TEXT, _TABLE, _DRAW)}
        folded = element.get(f"{_TABLE}visibility") in {"collapse", "filter"}
        if folded or styles & self._hidden:
            self.unseen += 1
            return True
        return False

    def _is_empty_cell(self, element: Element) -> bool:
        """Tell whether a cell is empty; it is written once one follows that is not."""
        if str(element.tag) == f"{_TABLE}table-row":
            self._empty = 0
        if str(element.tag) != f"{_TABLE}table-cell":
            return False
        if any(text.strip() for text in element.itertext()):
            self._add("<td></td>" * min(self._empty, _MOST_REPEATED))
            self._empty = 0
            return False
        repeated = element.get(f"{_TABLE}number-columns-repeated") or "1"
        self._empty += int(repeated) if repeated.isdigit() and len(repeated) < 6 else 1  # noqa: PLR2004
        return True

    def _add(self, html: str) -> None:
        self.parts.append(html)

    def _add_text(self, text: str | None) -> None:
        if text:
            self.parts.append(escape(text, quote=False))
            if self._in_heading is not None:
                self._in_heading.append(text)


def _heading(element: Element) -> str:
    return f"<h{_level(element)}>"


def _level(element: Element) -> int:
    level = element.get(f"{_TEXT}outline-level") or "1"
    return min(int(level), 6) if level.isdigit() and len(level) < 3 and int(level) else 1  # noqa: PLR2004


def _table(element: Element) -> str:
    name = element.get(f"{_TABLE}name") or ""
    above = element.getparent()
    is_sheet = above is not None and str(above.tag) == f"{_OFFICE}spreadsheet"
    return (write_heading(name, f"sheet={quote(name)}") if is_sheet and name else "") + "<table>"


_OPENINGS: dict[str, Callable[[Element], str]] = {
    f"{_TEXT}h": _heading,
    f"{_TABLE}table": _table,
    f"{_TABLE}table-cell": lambda _: "<td>",
    f"{_TEXT}s": lambda _: " ",
    f"{_TEXT}tab": lambda _: " ",
    f"{_TEXT}line-break": lambda _: "<br>",
    f"{_TEXT}note-body": lambda _: " [",
}
_CLOSINGS = {**_PLAIN, f"{_TABLE}table-cell": "td"}

"""A tree of HTML → sections: headings with the anchors that they really have, and plain text.

Two passes, each once from the first element to the last, so that a hostile page costs time in proportion to
its size and no recursion: `mark_anchors` looks around every heading, and `split_sections` turns a part of the
tree into text.

`main_part` finds where the main text of a page lies. trafilatura knows which words are the page's own, and
gives them back as paragraphs that have often lost their headings, anchors and code lines. So it is asked
*where* only: the smallest element that holds nearly all the words it keeps is the main part, and that part is
then read with the structure it really has.
"""

from __future__ import annotations

import copy
import logging
import re
from dataclasses import dataclass, field
from itertools import islice

import trafilatura

from core.records import Section
from pages.visibility.html_tree import Element, empty, parse_html, to_one_line, visible, walk

log = logging.getLogger(__name__)

_FURNITURE = frozenset({"nav", "footer", "button", "input", "dialog", "menu"})
_FURNITURE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog"})
_MOST_ELEMENTS = 30_000
"""Beyond this trafilatura's heuristics take longer than anybody waits."""

_CONTAINERS = frozenset(
    {"article", "body", "center", "div", "form", "main", "section", "table", "tbody", "td", "tr"}
)
_NEARLY_ALL = 0.9
_TOO_LITTLE = 0.2


def main_part(root: Element) -> Element:
    """Return the element with the main text, freed of menus, footers and controls. Changes the tree."""
    part = _own_word(root)
    kept = _words_kept(part)
    part = _smallest_with(part, kept)
    for element in list(part.iter("*")):
        if element is not part and _is_furniture(element):
            empty(element)
    return part


def _own_word(root: Element) -> Element:
    """Return what the page itself marks as its main part, when there is exactly one; else its body."""
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = root.findall(path)
        if len(found) == 1:
            return found[0]
    body = root.find(".//body")
    return root if body is None else body


def _is_furniture(element: Element) -> bool:
    if element.tag == "aside":  # a menu, or a note that belongs to the text
        linked = sum(len("".join(link.itertext())) for link in element.iter("a"))
        return 2 * linked > len("".join(element.itertext()).strip())
    if element.tag == "button" and _is_title(element):
        return False
    return element.tag in _FURNITURE or element.get("role") in _FURNITURE_ROLES


def _is_title(button: Element) -> bool:
    """Tell whether a button is the question, or all of the heading, that an answer folds away below."""
    above, said = button.getparent(), to_one_line("".join(button.itertext()))
    if above is not None and above.tag in HEADINGS | {"dt", "summary"}:
        return to_one_line("".join(above.itertext())) == said
    return said.endswith("?")


def _words_kept(part: Element) -> frozenset[str]:
    """Return the pieces of text that trafilatura finds worth keeping; none where it gives up."""
    page = parse_html("<html><body></body></html>")
    if page is None or sum(1 for _ in part.iter()) > _MOST_ELEMENTS:
        return frozenset()
    inner = copy.deepcopy(part)
    inner.tag, inner.tail = ("div" if part.tag in {"body", "html"} else "article"), None
    next(page.iter("body")).append(inner)
    try:
        document = trafilatura.bare_extraction(
            page,  # pyright: ignore[reportArgumentType] # it is lxml's, behind our protocol
            fast=True,
            favor_recall=True,
            include_comments=False,
            include_tables=True,
            with_metadata=False,
        )
    except Exception:
        log.warning("trafilatura gave up on a page", exc_info=True)
        return frozenset()
    body: Element | None = getattr(document, "body", None)
    return frozenset() if body is None else frozenset(to_one_line(text) for text in body.itertext())


def _smallest_with(part: Element, kept: frozenset[str]) -> Element:
    """Return the smallest element with nearly all kept text of `part`; `part` if there is little."""
    if not kept:
        return part
    weights: list[list[int]] = [[0, 0]]  # of every open element: characters kept, characters in all
    done: dict[Element, list[int]] = {}
    for event, element in walk(part):
        if event == "start":
            weights.append([0, 0])
            _weigh(weights[-1], element.text, kept)
        else:
            done[element] = weights.pop()
            weights[-1][0] += done[element][0]
            weights[-1][1] += done[element][1]
            _weigh(weights[-1], element.tail if element is not part else None, kept)
    whole, everything = done[part]
    if whole < _TOO_LITTLE * everything or not whole:
        return part
    while True:
        inner = next((child for child in part.iterchildren() if done[child][0] >= _NEARLY_ALL * whole), None)
        if inner is None or inner.tag not in _CONTAINERS or _has_heading_before(inner):
            return part
        part = inner


def _has_heading_before(element: Element) -> bool:
    """Tell whether a heading stands just above this element: then it belongs to it."""
    before = element.getprevious()
    while before is not None:
        is_header = before.tag in {"header", "hgroup"} and before.find(".//nav") is None
        if before.tag in HEADINGS or (is_header and any(True for _ in before.iter(*HEADINGS))):
            return True
        before = before.getprevious()
    return False


def _weigh(weight: list[int], text: str | None, kept: frozenset[str]) -> None:
    words = to_one_line(text or "")
    weight[0] += len(words) if words in kept else 0
    weight[1] += len(words)


HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "main",
        "nav",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
        "ol",
        "caption",
        "center",
    ]
)
_CELLS = frozenset({"td", "th"})
_LISTS = frozenset({"ul", "ol"})
_SPACES = re.compile(r"\s+")
_PERMALINK_SIGN = re.compile(r"(?:(?<!\s)\s+)?[¶#§🔗]\s*$")
_ANCESTORS = 4
_LOOKED_AT = 20
"""Elements of a cell or of raised text that are looked at."""
_LONGEST_CELL = 500
"""Characters of a cell that is put on one line."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_ANCHOR = "data-askpage-anchor"


def mark_anchors(root: Element) -> None:
    """Mark every heading with the fragment that opens the page there: an id of it, in it or around it.

    An element around a heading counts when the heading is the first in it: otherwise its id opens another
    section.
    """
    around: list[tuple[str, bool]] = []  # (id, already has a heading) of the open elements
    for event, element in walk(root):
        if event == "end":
            around.pop()
            continue
        if element.tag in HEADINGS:
            near = (name for name, has_heading in reversed(around[-_ANCESTORS:]) if name and not has_heading)
            element.set(_ANCHOR, _own_anchor(element) or next(near, ""))
            around = [(name, True) for name, _ in around]
        around.append(("" if element.tag in {"html", "body"} else _id(element), False))


def _id(element: Element) -> str:
    name = element.get("id") or (element.get("name") if element.tag == "a" else "") or ""
    return "" if any(character.isspace() for character in name) else visible(name)


def _own_anchor(heading: Element) -> str:
    inside = (_id(element) for element in heading.iterdescendants("*"))
    before = heading.getprevious()
    just_before = (
        _id(before) if before is not None and before.tag == "a" and not (before.tail or "").strip() else ""
    )
    return _id(heading) or next(filter(None, inside), "") or just_before


@dataclass
class _Text:
    """Plain text being written: spaces collapse, breaks are at most one empty line."""

    parts: list[str] = field(default_factory=list[str])
    breaks: int = 0
    at_space: bool = True
    at_bullet: bool = False

    def add(self, text: str, *, raw: bool = False) -> None:
        text = text if raw else _SPACES.sub(" ", text)
        if self.at_space or self.breaks:
            text = text.lstrip("\n") if raw else text.lstrip(" ")
        if not text:
            return
        if self.breaks and self.parts:
            self.parts[-1] = self.parts[-1].rstrip()
            self.parts.append("\n" * self.breaks)
        self.breaks = 0
        self.parts.append(text)
        self.at_space, self.at_bullet = text[-1].isspace(), False

    def bullet(self, sign: str) -> None:
        self.break_line(1)
        self.add(sign, raw=True)
        self.at_bullet = True

    def break_line(self, lines: int) -> None:
        if not self.at_bullet:  # the first paragraph of a list's item stands beside its bullet
            self.breaks = max(self.breaks, lines)

    def separate(self, sign: str) -> None:
        if self.parts and not self.breaks:
            self.parts[-1] = self.parts[-1].rstrip(" ")
        self.add(sign, raw=True)

    def take(self) -> str:
        text = "".join(self.parts)
        self.parts, self.breaks, self.at_space, self.at_bullet = [], 0, True, False
        return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


class _Writer:
    """Turns the events of a walk into sections."""

    def __init__(self) -> None:
        self._text = _Text()
        self._heading: tuple[str, str] = ("", "")
        self._in_heading: Element | None = None
        self._pre = 0
        self._lists: list[int] = []  # of every open list the next number, 0 for bullets
        self._cells = 0
        self._in_cell: Element | None = None
        self._raised: Element | None = None
        self.done: list[Section] = []

    def start(self, element: Element) -> None:
        tag = str(element.tag)
        if tag in HEADINGS and self._in_heading is None:
            self._close_section()
            self._in_heading = element
        elif self._in_heading is None and self._in_cell is None:
            self._open_block(element, tag)
        elif tag in _PARAGRAPHS or tag == "br":  # a heading is one line, and so is a row, whatever is in them
            self._text.add(" ")
        if tag == "sup" and self._raised is None and _is_mark(element):
            self._text.add(" ")
            self._raised = element
        if tag == "img":
            self._text.add(to_one_line(element.get("alt") or ""))
        self._add(element.text)

    def end(self, element: Element, *, followed: bool) -> None:
        tag = str(element.tag)
        if element is self._raised:
            self._raised = None
        if element is self._in_cell:
            self._in_cell = None
        if element is self._in_heading:
            heading = _PERMALINK_SIGN.sub("", to_one_line(self._text.take()))
            self._heading = (heading, element.get(_ANCHOR) or "")
            self._in_heading = None
        elif self._in_heading is None and self._in_cell is None:
            self._close_block(tag)
        if followed:
            self._add(element.tail)

    def finish(self) -> list[Section]:
        self._close_section()
        return self.done

    def _open_block(self, element: Element, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._text.break_line(1 if self._lists else 2)
            self._pre += tag == "pre"
        if tag in _LISTS:
            self._lists.append(_first_number(element))
        elif tag == "li":
            self._text.bullet("  " * (len(self._lists) - 1) + self._bullet())
        elif tag == "tr":
            self._text.break_line(1)
            self._cells = 0
        elif tag in _CELLS:
            if self._cells:
                self._text.separate(" | ")
            self._cells += 1
            self._in_cell = element if _fits_a_line(element) else None
        elif tag == "br":
            self._text.break_line(1)

    def _close_block(self, tag: str) -> None:
        if tag in _LISTS and self._lists:
            self._lists.pop()
        if tag in _PARAGRAPHS:
            self._text.break_line(1 if self._lists else 2)
            self._pre -= tag == "pre"

    def _bullet(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "

    def _add(self, text: str | None) -> None:
        if text:
            said = visible(text).translate(_RAISED) if self._raised is not None else visible(text)
            self._text.add(said, raw=self._pre > 0)

    def _close_section(self) -> None:
        text = self._text.take()
        if text:
            self.done.append(Section(*self._heading, text))


def _is_mark(raised: Element) -> bool:
    """Tell whether raised text is a footnote's mark or a power: glued to "25", its 1 would make 251 of it."""
    text = "".join(islice(raised.itertext(), _LOOKED_AT)).strip()
    return bool(text) and all(character.isdigit() or character in "[](),*†‡§ " for character in text)


def _fits_a_line(cell: Element) -> bool:
    """Tell whether a cell is one of data, and not a part of a page that was laid out with a table."""
    elements = list(islice(cell.iter("*"), _LOOKED_AT + 1))
    length = sum(len(text) for text in islice(cell.itertext(), 2 * _LOOKED_AT))
    blocks = {"table", "ul", "ol", "dl", "pre"} | HEADINGS
    return (
        len(elements) <= _LOOKED_AT
        and length <= _LONGEST_CELL
        and not any(one.tag in blocks for one in elements[1:])
    )


def _first_number(element: Element) -> int:
    """Return the number of a list's first item; 0 for a list with bullets."""
    if element.tag != "ol":
        return 0
    start = element.get("start") or "1"
    return int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1  # noqa: PLR2004 - a sane number


def split_sections(root: Element) -> tuple[Section, ...]:
    """Return the sections that have text, in order.

    What stands before the first heading comes with heading "".
    """
    writer = _Writer()
    for event, element in walk(root):
        if event == "start":
            writer.start(element)
        else:
            writer.end(element, followed=element is not root)
    return tuple(writer.finish())

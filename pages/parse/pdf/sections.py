"""Elements of a PDF → sections, written as the text of any other page is (`pages.parse.html_sections`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from core.records import Section
from pages.parse.html_sections import split_sections
from pages.parse.pdf.hyphens import Hyphens
from pages.parse.pdf.paragraphs import Element, Style
from pages.visibility.html_tree import parse_html

_FOOTNOTE = 0.92
"""Size of a footnote's letters, in those of the text."""
_DIGIT = re.compile(r"\d")


def join_elements(elements: Sequence[Element], style: Style, hyphens: Hyphens) -> list[Element]:
    """Join a paragraph that goes on in the next column or on the next page; a table gets its header there.

    Footnotes between the two parts are passed over.
    """
    joined: list[Element] = []
    for element in elements:
        last = _last_of_text(joined, element.page, style)
        if last is None:
            joined.append(element)
        elif element.kind == "table":
            if last.kind == "table" and last.ends_on < element.page:
                _repeat_header(last.rows[0], element)
            elif len(last.cells) == len(element.rows[0]) and _repeat_header(list(last.cells), element):
                joined.remove(last)
            joined.append(element)
        elif element.kind == "paragraph" and _goes_on(last, element):
            last.text, last.ends_on = hyphens.join(last.text, element.text), element.page
        else:
            joined.append(element)
    return joined


def _last_of_text(joined: Sequence[Element], page: int, style: Style) -> Element | None:
    """Return what ends a column, or the page before; footnotes are left aside at the end of a page."""
    for element in reversed(joined):
        if element.ends_on < page - 1:
            return None
        if element.ends_on == page or element.kind == "table" or element.size >= _FOOTNOTE * style.size:
            return element
    return None


def _goes_on(last: Element, element: Element) -> bool:
    return last.kind in {"paragraph", "item"} and last.is_open and element.text[:1].islower()


def _repeat_header(header: list[str], table: Element) -> bool:
    """Put a header row above a table unless it has one; tell whether that was done."""
    first = table.rows[0]
    names = not any(map(_DIGIT.search, header)) and all(header)
    if names and len(header) == len(first) and header != first and any(map(_DIGIT.search, first)):
        table.rows.insert(0, header)
        return True
    return False


def build_sections(elements: Sequence[Element]) -> tuple[Section, ...]:
    """Return a section for each heading, and for each page that goes on below it.

    A heading that nothing stands below is text itself: a slide, the name of a part.
    """
    sections: list[Section] = []
    heading: Element | None = None
    waits = False  # for the text below it
    for (page, is_heading), group in groupby(elements, key=lambda one: (one.page, one.kind == "heading")):
        for element in group if is_heading else ():
            if heading is not None and waits:
                sections.append(_section(heading.text, heading.page, [heading]))
            heading, waits = element, True
        if not is_heading:
            sections.append(_section(heading.text if heading else f"Page {page}", page, list(group)))
            waits = False
    if heading is not None and waits:
        sections.append(_section(heading.text, heading.page, [heading]))
    return tuple(section for section in sections if section.text)


def _section(heading: str, page: int, elements: Sequence[Element]) -> Section:
    root = parse_html(f"<html><body>{''.join(_write(elements))}</body></html>")
    parts = split_sections(root) if root is not None else ()
    return Section(heading, f"page={page}", "\n\n".join(part.text for part in parts))


def _write(elements: Sequence[Element]) -> Iterator[str]:
    for kind, group in groupby(elements, key=lambda one: one.kind):
        if kind == "table":
            yield from map(_write_table, group)
        elif kind == "item":
            yield f"<p>{'<br>'.join(map(_write_text, group))}</p>"
        else:
            yield from (f"<p>{_write_text(one)}</p>" for one in group)


def _write_text(element: Element) -> str:
    return escape(element.text, quote=False).replace("\n", "<br>")


def _write_table(element: Element) -> str:
    rows = ("".join(f"<td>{escape(cell, quote=False)}</td>" for cell in row) for row in element.rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

"""PowerPoint files (.pptx) → a section for each slide, which `slide=N` opens.

Read with lxml: python-pptx wants XlsxWriter and Pillow besides, and tells neither what is hidden nor what
lies beside the slide.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.parse.elements.note_marks import ends_with_unit, write_mark
from pages.parse.extracted import Extracted, count_of
from pages.parse.office.archive import is_xml, read_parts, read_relations, read_title, read_xml
from pages.parse.office.markup import read_markup, write_heading, write_paragraph, write_table
from pages.visibility.html_tree import Element

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MOST_SLIDES = 2000
_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"sldNum", "dt", "ftr", "hdr"})
_BODY = frozenset({"body", "obj", ""})
_DEEPEST = 20
_WIDE, _HIGH = 12_192_000, 6_858_000  # English Metric Units of a slide that does not say


def read_slides(body: bytes) -> Extracted:
    """Return what the slides of a file say, the hidden ones left out. Raises PageUnreadable."""
    parts = read_parts(body, lambda name: is_xml(name) and not name.startswith("ppt/slideLayouts"))
    main = "ppt/presentation.xml"
    root = read_xml(parts, main)
    names = read_relations(parts, main)
    listed = [one.get(f"{_R}id") or "" for one in root.iter(f"{_P}sldId")]
    if len(listed) > _MOST_SLIDES:
        raise PageUnreadable(
            mark("That file has more than {most} slides; please send a part of it."), most=_MOST_SLIDES
        )
    reader = _Reader(root)
    written = [
        reader.write(read_xml(parts, names[one]), number)
        for number, one in enumerate(listed, start=1)
        if names.get(one) in parts
    ]
    sections = read_markup("".join(written))
    notes = sum(name.startswith("ppt/notesSlides/") and name.endswith(".xml") for name in parts)
    return Extracted(
        read_title(parts) or reader.first_title, sections, reader.unseen, tuple(reader.left_out(notes))
    )


class _Reader:
    """Writes slides as HTML, and counts what it leaves out."""

    def __init__(self, presentation: Element) -> None:
        size = presentation.find(f"{_P}sldSz")
        self._wide = _number(size, "cx", _WIDE)
        self._high = _number(size, "cy", _HIGH)
        self._hidden_slides = 0
        self.unseen = 0
        self.first_title = ""

    def write(self, slide: Element, number: int) -> str:
        if slide.get("show") in {"0", "false"}:
            self._hidden_slides += 1
            return ""
        tree = slide.find(f"{_P}cSld/{_P}spTree")
        shapes = list(self._shapes(tree)) if tree is not None else []
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        title = " ".join(filter(None, (" ".join(_lines(shape)) for shape in titles)))
        self.first_title = self.first_title or title
        body = "".join(part for shape in shapes if shape not in titles for part in _write_shape(shape))
        if title and not body:
            body = write_paragraph(title)
        return write_heading(title or f"Slide {number}", f"slide={number}") + body

    def _shapes(self, tree: Element, depth: int = 0) -> Iterator[Element]:
        """Yield the shapes and tables that are seen, groups unfolded."""
        for one in tree.iterchildren():
            kind = str(one.tag).rpartition("}")[2]
            if kind not in {"sp", "graphicFrame", "grpSp"} or _placeholder(one) in _FURNITURE:
                continue
            if self._is_hidden(one, depth):
                self.unseen += 1
            elif kind == "grpSp" and depth < _DEEPEST:
                yield from self._shapes(one, depth + 1)
            else:
                yield one

    def _is_hidden(self, shape: Element, depth: int) -> bool:
        look = next(shape.iter(f"{_P}cNvPr"), None)
        if look is not None and look.get("hidden") in {"1", "true"}:
            return True
        place = next(shape.iter(f"{_A}off"), None)
        extent = next(shape.iter(f"{_A}ext"), None)
        if place is None or depth:  # a group has a scale of its own
            return False
        x, y = _number(place, "x", 0), _number(place, "y", 0)
        right, bottom = x + _number(extent, "cx", 0), y + _number(extent, "cy", 0)
        return x >= self._wide or y >= self._high or right < 0 or bottom < 0

    def left_out(self, notes: int) -> Iterator[str]:
        if self._hidden_slides:
            yield f"{count_of(self._hidden_slides, 'hidden slide')}."
        if notes:
            yield f"The speaker's notes of {count_of(notes, 'slide')}."


def _number(element: Element | None, name: str, otherwise: int) -> int:
    written = (element.get(name) or "") if element is not None else ""
    is_number = written.removeprefix("-").isascii() and written.removeprefix("-").isdigit()
    return int(written) if is_number and len(written) < 16 else otherwise  # noqa: PLR2004 - a sane number


def _placeholder(shape: Element) -> str | None:
    found = next(shape.iter(f"{_P}ph"), None)
    return None if found is None else found.get("type") or ""


def _write_shape(shape: Element) -> Iterator[str]:
    for table in shape.iter(f"{_A}tbl"):
        rows = [[_cell(cell) for cell in row.iter(f"{_A}tc")] for row in table.iter(f"{_A}tr")]
        look = table.find(f"{_A}tblPr")
        yield write_table(rows, header=look is None or look.get("firstRow") in {"1", "true"})
        return
    lines = _lines(shape)
    if _placeholder(shape) in _BODY and len(lines) > 1:
        yield write_paragraph("\n".join(f"- {line}" for line in lines))
    else:
        yield from map(write_paragraph, lines)


def _cell(cell: Element) -> str:
    return "" if {"1", "true"} & {cell.get("hMerge"), cell.get("vMerge")} else " ".join(_lines(cell))


def _lines(shape: Element) -> list[str]:
    """Return the paragraphs of a shape or a cell that say something."""
    paragraphs = (_line(paragraph) for paragraph in shape.iter(f"{_A}p"))
    return [line for line in paragraphs if line]


def _line(paragraph: Element) -> str:
    """Return a paragraph's words, without those that are struck out; marks of notes stand apart."""
    line = ""
    for one in paragraph.iter(f"{_A}t", f"{_A}br"):
        words = " " if str(one.tag) == f"{_A}br" else one.text or ""
        run = one.getparent()
        look = run.find(f"{_A}rPr") if run is not None else None
        if look is not None and (look.get("strike") or "noStrike") != "noStrike":
            continue
        is_raised = look is not None and _number(look, "baseline", 0) > 0
        mark = write_mark(words.strip(), line) if is_raised else ""
        line += (mark if ends_with_unit(line) else f" {mark}") if mark else words
    return " ".join(line.split())

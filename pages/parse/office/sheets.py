"""Excel files and CSV → a section for each sheet, which `sheet=NAME` opens: rows below their header.

Read with lxml, row by row. openpyxl (MIT, 3 MB) makes an object of every cell of a merged range, so a file of
2 KB takes all memory, and its quick mode does not tell which rows and columns are hidden.
Formulas are read as the values that the file was saved with.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from core.phrases import mark
from core.records import Section
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted, count_of
from pages.parse.office.archive import is_xml, read_parts, read_relations, read_title, read_xml
from pages.parse.office.markup import read_markup, write_heading, write_rows
from pages.parse.office.numbers import NumberFormats
from pages.visibility.html_tree import Element

MOST_CELLS = 200_000
"""Cells of a file that have something in them, five seconds of work."""
_MOST_COLUMNS = 500
_MOST_HIDDEN = 16_384
_ROWS_AT_ONCE = 400
_LETTERS = re.compile(r"[A-Z]{1,3}")
_DELIMITERS = ",;\t|"
_LOOKED_AT = 20  # lines of a CSV file in which its delimiter is counted
_LONGEST_FIELD = 1_000_000

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def read_sheets(body: bytes) -> Extracted:
    """Return what the sheets of a workbook say, hidden ones left out. Raises PageUnreadable."""
    parts = read_parts(body, is_xml)
    main = "xl/workbook.xml"
    root = read_xml(parts, main)
    names = read_relations(parts, main)
    reader = _Reader(parts)
    sections: list[Section] = []
    hidden = 0
    for sheet in root.iter(f"{_S}sheet"):
        part = names.get(sheet.get(f"{_R}id") or "", "")
        if sheet.get("state") in {"hidden", "veryHidden"}:
            hidden += 1
        elif part in parts:
            name = sheet.get("name") or "Sheet"
            sections += write_sheet(name, reader.rows(read_xml(parts, part)))
    said = [f"{count_of(hidden, 'hidden sheet')}."] if hidden else []
    if reader.hidden:
        said.append(f"{count_of(reader.hidden, 'hidden row')}, columns included.")
    return Extracted(read_title(parts), tuple(sections), left_out=tuple(said))


def write_sheet(name: str, rows: Sequence[Sequence[str]]) -> Iterator[Section]:
    """Yield the sections of a sheet, the parts of a long one below each other."""
    heading = write_heading(name, f"sheet={quote(name)}") if name else ""
    pieces: list[str] = []
    count = 0
    for piece in write_rows(rows):
        pieces.append(piece)
        count += piece.count("<tr>")
        if count >= _ROWS_AT_ONCE:
            yield from read_markup(heading + "".join(pieces))
            pieces, count = [], 0
    if pieces:
        yield from read_markup(heading + "".join(pieces))


def read_csv(text: str) -> Extracted:
    """Return the rows of a CSV file, whatever its delimiter is. Raises PageUnreadable."""
    lines = text.splitlines()[:_LOOKED_AT]
    delimiter = max(_DELIMITERS, key=lambda sign: (_even(lines, sign), -_DELIMITERS.index(sign)))
    csv.field_size_limit(_LONGEST_FIELD)
    rows: list[list[str]] = []
    room = MOST_CELLS
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            room -= len(row)
            if room < 0:
                raise _too_large()
            rows.append([" ".join(cell.split()) for cell in row])
    except csv.Error:
        raise PageUnreadable(
            mark("That CSV file is damaged; please save it once more and send that.")
        ) from None
    return Extracted("", tuple(write_sheet("", rows)))


def _even(lines: Sequence[str], sign: str) -> int:
    """Return how well a sign parts lines: the number that most of them have of it."""
    counts = sorted(line.count(sign) for line in lines if line.strip())
    return counts[len(counts) // 2] if counts else 0


def _too_large() -> PageUnreadable:
    return PageUnreadable(
        mark("That file has more than {most} cells; please send a part of it."), most=MOST_CELLS
    )


class _Reader:
    """Reads the sheets of one workbook."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._shared = _shared_strings(parts)
        self._formats = NumberFormats(parts)
        self._room = MOST_CELLS
        self.hidden = 0

    def rows(self, sheet: Element) -> list[list[str]]:
        """Return the rows that are seen; where rows or cells are empty, the place is not kept."""
        hidden = self._hidden_columns(sheet)
        rows: list[list[str]] = []
        last = 0
        for row in sheet.iter(f"{_S}row"):
            number = _to_number(row.get("r") or "", last + 1)
            if row.get("hidden") in {"1", "true"}:
                self.hidden += 1
            else:
                if number > last + 1 and rows:
                    rows.append([])
                rows.append(self._cells(row, hidden))
            last = number
        return rows

    def _hidden_columns(self, sheet: Element) -> frozenset[int]:
        columns: set[int] = set()
        for one in sheet.iter(f"{_S}col"):
            if one.get("hidden") in {"1", "true"}:
                first = _to_number(one.get("min") or "", 1)
                last = min(_to_number(one.get("max") or "", first), _MOST_HIDDEN)
                columns.update(range(first, last + 1))
        self.hidden += len(columns)
        return frozenset(columns)

    def _cells(self, row: Element, hidden: frozenset[int]) -> list[str]:
        cells: dict[int, str] = {}
        last = 0
        for cell in row.iterchildren():
            last = _column(cell.get("r") or "", last + 1)
            value = self._value(cell)
            if not value:
                continue
            self._room -= 1
            if self._room < 0:
                raise _too_large()
            if last not in hidden and last <= _MOST_COLUMNS:
                cells[last] = value
        return [cells.get(column, "") for column in range(1, max(cells, default=0) + 1)]

    def _value(self, cell: Element) -> str:
        kind = cell.get("t") or "n"
        if kind == "inlineStr":
            return _text(cell)
        found = cell.find(f"{_S}v")
        value = (found.text or "").strip() if found is not None else ""
        if kind == "s":
            at = _to_number(value, -1)
            return self._shared[at] if 0 <= at < len(self._shared) else ""
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, "")
        if kind == "n" and value:
            return self._formats.show(value, cell.get("s") or "")
        return "" if kind == "e" else " ".join(value.split())


def _shared_strings(parts: Mapping[str, bytes]) -> list[str]:
    name = "xl/sharedStrings.xml"
    return [_text(one) for one in read_xml(parts, name).iter(f"{_S}si")] if name in parts else []


def _text(element: Element) -> str:
    """Return a string's text without the reading aids of Japanese."""
    aids = {id(text) for aid in element.iter(f"{_S}rPh") for text in aid.iter(f"{_S}t")}
    texts = [text for text in element.iter(f"{_S}t") if id(text) not in aids]
    return " ".join("".join(text.text or "" for text in texts).split())


def _to_number(written: str, otherwise: int) -> int:
    return int(written) if written.isascii() and written.isdigit() and len(written) < 9 else otherwise  # noqa: PLR2004


def _column(reference: str, otherwise: int) -> int:
    """Return the number of a cell's column: "B7" is in the second."""
    found = _LETTERS.match(reference)
    if found is None:
        return otherwise
    number = 0
    for letter in found[0]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number

"""Tables: which are data and which lay out a page; rows and columns with their spans, headers, sections.

    Grid.write()  →  ["Country | Meals | Hotel", "--- | --- | ---", "France | 55 | 150", "Norway | 72 | 190"]

A row is one line, its cells apart by " | ", whatever stands in them; a cell that spans rows or columns stands
in each of them, so that every value has its column's name and its row's. Rows of headers are joined to one.
Readers of the text (`core.sentences`) guess from its rows whether the first is a header; where the page says
it and a guess would be wrong, a line of dashes says it, too: below a header, or above a table without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from core.sentences import names_columns
from pages.visibility.html_tree import Element, walk

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LONGEST_CELL = 1000
"""Characters beyond which a cell is a part of a page and not a value."""
_LAYOUT_ROLES = frozenset({"presentation", "none"})
_MOST_SPAN, _MOST_CELLS = 60, 20_000
_LONGEST_REPEATED = 120
"""Characters of a cell that is repeated in each row it spans: more would multiply a page."""
_DASHES = "---"


@dataclass(slots=True)
class _Measure:
    """What a table has in it: cells, long ones, and whether there are headings or code."""

    cells: int = 0
    long: int = 0
    laid_out: bool = False


def find_data_tables(root: Element) -> frozenset[Element]:
    """Return the tables that hold data: cells with values, not parts of a page with headings of their own."""
    data: set[Element] = set()
    tables: list[_Measure] = []
    lengths: list[int] = []  # of each open cell
    for event, element in walk(root):
        tag = element.tag
        if event == "start":
            _enter(element, tables, lengths)
        elif tag in {"td", "th"} and lengths and tables:
            length = lengths.pop()
            tables[-1].cells += 1
            tables[-1].long += length > _LONGEST_CELL
            if lengths:
                lengths[-1] += length
        elif tag == "table" and tables and _is_data(tables.pop(), tables):
            data.add(element)
        if event == "end" and lengths:
            lengths[-1] += len(element.tail or "")
    return frozenset(data)


def _is_data(done: _Measure, around: list[_Measure]) -> bool:
    laid_out = done.laid_out or 2 * done.long > done.cells
    if laid_out and around and done.cells > 1:
        around[-1].laid_out = True
    return not laid_out and done.cells > 0


def _enter(element: Element, tables: list[_Measure], lengths: list[int]) -> None:
    tag = element.tag
    if tag == "table":
        tables.append(_Measure(laid_out=(element.get("role") or "").lower() in _LAYOUT_ROLES))
    elif tag in {"td", "th"}:
        lengths.append(0)
    elif tables and lengths and (tag in _HEADINGS or tag == "pre") and not _is_in_header(element):
        tables[-1].laid_out = True
    if lengths:
        lengths[-1] += len(element.text or "")


def _is_in_header(element: Element) -> bool:
    above = element.getparent()
    return above is not None and above.tag == "th"


@dataclass(slots=True)
class _Cell:
    text: str
    wide: int
    tall: int
    header: bool


@dataclass
class Grid:
    """The cells of one table, in the order in which they come."""

    rows: list[list[_Cell]] = field(default_factory=list[list[_Cell]])
    heads: int = 0
    """Rows in <thead>."""
    in_head: bool = False
    _cells: int = 0

    def begin_row(self) -> None:
        """Begin a row."""
        self.rows.append([])
        self.heads += self.in_head

    def add_cell(self, cell: Element, text: str) -> None:
        """Put a cell behind the last one."""
        if not self.rows:
            self.begin_row()
        wide, tall = (_read_span(cell, name) for name in ("colspan", "rowspan"))
        self._cells += wide * tall
        if self._cells > _MOST_CELLS:
            wide = tall = 1
        self.rows[-1].append(_Cell(text, wide, tall, cell.tag == "th"))

    def write(self) -> list[str]:
        """Return the table's lines."""
        heads = self._count_headers()
        spread = _spread(self.rows)
        body = _without_empty_columns(spread)
        titles, lines = _split_titles(body[: len(spread)], self.rows)
        heads = max(0, heads - len(titles))
        header = _join_headers(lines[:heads])
        written = [*([" | ".join(header)] if heads else []), *(_write_row(row) for row in lines[heads:])]
        written = [line for line in written if line.strip(" |")]
        return [*titles, *_with_dashes(written, known=bool(heads), none=self._has_row_headers_only())]

    def write_inline(self) -> str:
        """Return the table in one line, for a cell of another one."""
        rows = (", ".join(filter(None, (cell.text for cell in row))) for row in self.rows)
        return "; ".join(filter(None, rows))

    def _count_headers(self) -> int:
        """Return how many rows at the top name columns: all of their cells are headers."""
        count = 0
        for at, row in enumerate(self.rows):
            filled = [cell for cell in row if cell.text]
            named = at < self.heads or (bool(filled) and all(cell.header for cell in filled))
            if not named:
                break
            count += 1
        return count if count < len(self.rows) else min(count, 1) if len(self.rows) > 1 else 0

    def _has_row_headers_only(self) -> bool:
        """Tell whether every row is named by its first cell, and no column is."""
        return len(self.rows) > 1 and all(
            len(row) > 1 and row[0].header and not any(cell.header for cell in row[1:]) for row in self.rows
        )


def _read_span(cell: Element, name: str) -> int:
    written = (cell.get(name) or "1").strip()
    if not (written.isascii() and written.isdigit() and len(written) < 6):  # noqa: PLR2004 - a sane number
        return 1
    return max(1, min(int(written), _MOST_SPAN))


@dataclass(slots=True)
class _Held:
    """A cell that reaches into the rows below."""

    text: str
    rows: int


def _spread(rows: list[list[_Cell]]) -> list[list[str]]:
    """Return the texts by row and column, each cell in all the columns and rows that it spans."""
    done: list[list[str]] = []
    held: dict[int, _Held] = {}
    for row in rows:
        line: list[str] = []
        for cell in row:
            _fill(line, held)
            repeated = cell.text if len(cell.text) <= _LONGEST_REPEATED else ""
            spans_all = len(row) == 1
            for column in range(cell.wide):
                if cell.tall > 1:
                    held[len(line)] = _Held(repeated, cell.tall)
                line.append(cell.text if not column else "" if spans_all else repeated)
        _fill(line, held)
        held = {at: _Held(one.text, one.rows - 1) for at, one in held.items() if one.rows > 1}
        done.append(line)
    return done


def _fill(line: list[str], held: dict[int, _Held]) -> None:
    while len(line) in held:
        at = len(line)
        line.append(held[at].text)


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    filled = [any(column) for column in zip_longest(*rows, fillvalue="")]
    return [[text for at, text in enumerate(row) if filled[at]] for row in rows]


def _split_titles(lines: list[list[str]], rows: list[list[_Cell]]) -> tuple[list[str], list[list[str]]]:
    """Split off what stands above the columns: rows at the top with one cell that spans all."""
    width = max((len(line) for line in lines), default=0)
    titles: list[str] = []
    if width > 1:
        for line, row in zip(lines, rows, strict=True):
            if len(row) != 1 or row[0].wide < 2 or len(titles) == len(lines) - 1:  # noqa: PLR2004
                break
            titles.append(line[0] if line else "")
    return [one for one in titles if one], lines[len(titles) :]


def _join_headers(rows: list[list[str]]) -> list[str]:
    """Join the rows of headers: "Rates" over "Meals" and "Hotel" is "Rates Meals" and "Rates Hotel"."""
    columns = zip_longest(*rows, fillvalue="")
    return [" ".join(dict.fromkeys(filter(None, column))) for column in columns]


def _write_row(row: list[str]) -> str:
    line = " | ".join(row)
    if len(row) > 1 and not any(row[1:]):  # a name for the rows below it, in the same table
        return f"{row[0]} |"
    return line.rstrip()


def _with_dashes(lines: list[str], *, known: bool, none: bool) -> Iterator[str]:
    guessed = len(lines) > 1 and names_columns(lines[0], lines[1])
    columns = lines[0].count(" | ") + 1 if lines else 0
    dashes = " | ".join([_DASHES] * columns)
    if none and guessed and columns > 1:
        yield dashes
    for at, line in enumerate(lines):
        yield line
        if not at and known and not guessed and columns > 1 and len(lines) > 1:
            yield dashes

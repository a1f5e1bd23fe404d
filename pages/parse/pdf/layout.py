"""Fragments of a page → lines and tables in reading order.

A page is cut from top to bottom into bands, stretches without white space across the page. Bands that follow
each other and leave the same gutters free are columns of prose, or a table whose columns are aligned without
any rules. What they are is told by their cells: prose fills its column with lines of several words; a table's
cells stand on common base lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from pages.parse.elements.note_marks import ends_with_unit, write_mark
from pages.parse.pdf.glyphs import Fragment
from pages.parse.pdf.grids import Table, cell_text

_GUTTER = 0.9
"""Narrowest gutter, in sizes of the letters beside it."""
_CROSSED = 0.15
"""Share of bands that may cross a gutter: a heading over two columns of a table."""
_ENOUGH = 4  # bands, of which one may
_FAR = 3.5
"""Distance of two bands, in sizes, beyond which they are not of one table."""
_DEEPEST = 6
_GLUED = 0.12
_RAISED = 0.15
_SAME_LINE = 0.75
_SMALLER = 0.9
_PROSE_WORDS = 4
_PROSE_WIDTH = 0.55
_PROSE_LINES = 3
_PROSE_LETTERS = 0.6
_ALIGNED = 0.35
_MOSTLY = 0.7
_LOOSE = 0.5
_TIGHT = 0.85
_NEVER = 1e6

_MARKER = re.compile(r"[-*+•‣◦⁃∙▪●○·–—]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\d{1,2}(?:\.\d{1,2}){0,4}")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")

Item = Fragment | Table


@dataclass(slots=True)
class Line:
    """A line of text; `column` is the left and right edge of the text around it."""

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool
    fixed: bool = False
    column: tuple[float, float] = (0.0, 0.0)
    widest: float = 0.0
    """Its widest gap, in sizes of its letters; a line stretched to its column has some of two."""
    cells: tuple[str, ...] = ()
    """Its pieces, where gutters part it: all that is left on this page of a table, perhaps."""


Block = Table | list[Line]


def arrange(items: Sequence[Item], depth: int = 0) -> list[Block]:
    """Return the blocks of a page, or of a column, in the order in which they are read."""
    bands = cut_bands(items)
    blocks: list[Block] = []
    lines: list[Line] = []
    at = 0
    while at < len(bands):
        count, found = _read_stretch(bands[at : at + _stretch(bands, at)], depth)
        found = found or _read_band(bands[at])
        at += count
        for block in found:
            if isinstance(block, list):
                lines += block
            else:
                _close(blocks, lines)
                lines = []
                blocks.append(block)
        if count > 1:
            _close(blocks, lines)
            lines = []
    _close(blocks, lines)
    return blocks


def _close(blocks: list[Block], lines: list[Line]) -> None:
    if lines:
        column = (min(line.left for line in lines), max(line.right for line in lines))
        for line in lines:
            if line.column == (0.0, 0.0):
                line.column = column
        blocks.append(lines)


def cut_bands(items: Sequence[Item]) -> list[list[Item]]:
    """Cut items, from top to bottom, wherever there is white space across all of them."""
    bands: list[list[Item]] = []
    low = 0.0
    for item in sorted(items, key=lambda one: -one.high):
        if bands and item.high > low:
            bands[-1].append(item)
            low = min(low, item.low)
        else:
            bands.append([item])
            low = item.low
    return bands


def _size(band: Sequence[Item]) -> float:
    return max((item.size for item in band if isinstance(item, Fragment)), default=10.0)


def _intervals(items: Sequence[Item]) -> list[tuple[float, float]]:
    """Return the stretches of a band's width that have something in them."""
    merged: list[tuple[float, float]] = []
    for left, right in sorted((item.left, item.right) for item in items):
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


def _gaps(band: Sequence[Item]) -> list[tuple[float, float]]:
    least = _GUTTER * _size(band)
    return [(one[1], other[0]) for one, other in pairwise(_intervals(band)) if other[0] - one[1] >= least]


def _stretch(bands: Sequence[list[Item]], start: int) -> int:
    """Return how many bands, from `start` on, leave a gutter of the first one free."""
    gutters = _gaps(bands[start])
    end = start + 1
    while end < len(bands) and gutters:
        size = _size(bands[end])
        above = min(item.low for item in bands[end - 1])
        if above - max(item.high for item in bands[end]) > _FAR * size:
            break
        left = [gap for gutter in gutters for gap in _freed(gutter, bands[end], _GUTTER * size)]
        if not left:
            break
        gutters = left
        end += 1
    return end - start


def _freed(gutter: tuple[float, float], band: Sequence[Item], least: float) -> list[tuple[float, float]]:
    """Return what a band leaves free of a gutter."""
    free: list[tuple[float, float]] = []
    at = gutter[0]
    for left, right in _intervals(band):
        if right <= at or left >= gutter[1]:
            continue
        if left - at >= least:
            free.append((at, left))
        at = max(at, right)
    if gutter[1] - at >= least:
        free.append((at, gutter[1]))
    return free


def _ends_table(above: Sequence[Item], item: Item) -> bool:
    """Tell whether a single piece stands below a table, and is no part of the row above it."""
    column = [one for one in above if one.left < item.right and item.left < one.right]
    leftmost = min(one.left for one in above)
    if not column or not isinstance(item, Fragment) or item.left <= leftmost + item.size:
        return True
    return column[0].low - item.high >= item.size


def _read_stretch(bands: Sequence[list[Item]], depth: int) -> tuple[int, list[Block]]:
    """Return how many bands with common gutters there are, and their blocks; none where they are lines."""
    edges = _column_edges(bands) if len(bands) > 1 and depth < _DEEPEST else []
    if len(edges) < 2:  # noqa: PLR2004 - one column is none
        return 1, []
    cells = [_split_band(band, edges) for band in bands]
    columns = [[item for row in cells for item in row[number]] for number in range(len(edges))]
    by_chance = len(bands) < _ENOUGH and _is_stretched(cells)
    if (len(edges) == 2 and _are_markers(columns[0])) or by_chance:  # noqa: PLR2004
        return 1, []
    is_table = _is_table(cells, columns, edges)
    alone = bands[-1][0] if len(bands[-1]) == 1 else None
    if alone is not None and (_ends_table if is_table else _is_apart)(bands[-2], alone):
        return _read_stretch(bands[:-1], depth)
    if is_table:
        return len(bands), [_make_table(bands, cells)]
    if max(map(len, columns)) < _PROSE_LINES:
        return 1, []
    return len(bands), [block for column in columns for block in arrange(column, depth + 1)]


def _is_apart(above: Sequence[Item], item: Item) -> bool:
    """Tell whether a single piece below columns stands so far off that it belongs to neither."""
    return min(one.low for one in above) - item.high > _size([item])


def _column_edges(bands: Sequence[list[Item]]) -> list[tuple[float, float]]:
    """Return the columns that (nearly) all bands leave apart."""
    events: list[tuple[float, int]] = []
    for band in bands:
        for left, right in _intervals(band):
            events += [(left, 1), (right, -1)]
    allowed = max(int(_CROSSED * len(bands)), int(len(bands) >= _ENOUGH))
    least = _GUTTER * median(_size(band) for band in bands)
    columns: list[tuple[float, float]] = []
    depth, start = 0, 0.0
    for place, change in sorted(events, key=lambda event: (event[0], -event[1])):
        if depth <= allowed < depth + change:
            goes_on = bool(columns) and place - columns[-1][1] < least
            start = columns.pop()[0] if goes_on else place
        elif depth > allowed >= depth + change:
            columns.append((start, place))
        depth += change
    return columns


def _split_band(band: Sequence[Item], edges: Sequence[tuple[float, float]]) -> list[list[Item]]:
    row: list[list[Item]] = [[] for _ in edges]
    for item in band:
        overlaps = [min(item.right, right) - max(item.left, left) for left, right in edges]
        first = next((at for at, one in enumerate(overlaps) if one > 0), None)
        nearest = overlaps.index(max(overlaps))
        row[nearest if first is None or isinstance(item, Table) else first].append(item)
    return row


def _are_markers(column: Sequence[Item]) -> bool:
    return all(isinstance(item, Fragment) and _MARKER.fullmatch(item.text) for item in column)


def _is_table(
    cells: Sequence[Sequence[Sequence[Item]]],
    columns: Sequence[Sequence[Item]],
    edges: Sequence[tuple[float, float]],
) -> bool:
    if any(isinstance(item, Table) for column in columns for item in column):
        return False
    prose = [_is_prose(column, right - left) for column, (left, right) in zip(columns, edges, strict=True)]
    rows = [row for row in cells if sum(map(bool, row)) > 1]
    if sum(prose) > 1 or len(rows) < 2:  # noqa: PLR2004 - a header and a row
        return False
    aligned = sum(_is_aligned(row) for row in rows)
    return aligned >= _MOSTLY * len(rows)


def _is_stretched(cells: Sequence[Sequence[Sequence[Item]]]) -> bool:
    """Tell whether these are lines stretched to their column: many gaps within cells are wide as gutters."""
    lines = [
        [cell for cell in row if cell] for row in cells if _is_line([one for cell in row for one in cell])
    ]
    filled = [cell for line in lines for cell in line]
    loose = sum(len(_gaps(cell)) for cell in filled if len(cell) > 1)
    return 2 * len(lines) > len(cells) and loose > _LOOSE * len(filled)


def _is_line(band: Sequence[Item]) -> bool:
    return max(item.low for item in band) - min(item.low for item in band) < _ALIGNED * _size(band)


def _is_prose(column: Sequence[Item], width: float) -> bool:
    lines = [
        isinstance(item, Fragment)
        and item.text.count(" ") + 1 >= _PROSE_WORDS
        and sum(map(str.isalpha, item.text)) >= _PROSE_LETTERS * len(item.text)
        and item.right - item.left >= _PROSE_WIDTH * width
        for item in column
    ]
    return sum(lines) >= _PROSE_LINES and sum(lines) * 2 >= len(lines)


def _is_aligned(row: Sequence[Sequence[Item]]) -> bool:
    """Tell whether cells stand on one base line; the tops of cells with several lines do."""
    tops = [max(cell, key=lambda item: item.low) for cell in row if cell]
    size = max(item.size for item in tops if isinstance(item, Fragment))
    return max(item.low for item in tops) - min(item.low for item in tops) <= _ALIGNED * size


def _make_table(bands: Sequence[list[Item]], cells: Sequence[Sequence[Sequence[Item]]]) -> Table:
    """Read each band as a row; one that goes on with the row above is joined to it."""
    heights = [max(item.low for item in band) for band in bands]
    begins = [height for height, row in zip(heights, cells, strict=True) if row[0]]
    pitch = median([one - other for one, other in pairwise(begins)] or [0.0])
    rows: list[list[list[Fragment]]] = []
    waits = False  # the last row is the beginning of one whose first cell stands lower
    for number, row in enumerate(cells):
        here = [[item for item in cell if isinstance(item, Fragment)] for cell in row]
        step = heights[number - 1] - heights[number] if number else 0.0
        next_step = heights[number] - heights[number + 1] if number + 1 < len(heights) else _NEVER
        is_part = not row[0] and (step < _TIGHT * pitch or 2 * sum(map(bool, row)) <= len(row))
        if rows and (waits or (is_part and step <= next_step + 1)):
            rows[-1] = [[*cell, *more] for cell, more in zip(rows[-1], here, strict=True)]
            waits = False
        else:
            rows.append(here)
            waits = is_part and next_step < max(step, _TIGHT * pitch)
    items = [item for band in bands for item in band]
    return Table(
        [[cell_text(cell) for cell in row] for row in rows],
        min(item.left for item in items),
        max(item.right for item in items),
        min(item.low for item in items),
        max(item.high for item in items),
    )


def _read_band(band: Sequence[Item]) -> list[Block]:
    """Return the lines of a band; more than one where pieces stand above each other."""
    fragments = [item for item in band if isinstance(item, Fragment)]
    lines: list[list[Fragment]] = []
    for fragment in sorted(fragments, key=lambda one: (-one.size, -one.base)):
        for line in lines:
            near = abs(line[0].base - fragment.base) < _SAME_LINE * line[0].size
            if near and not any(_overlap(one, fragment) for one in line):
                line.append(fragment)
                break
        else:
            lines.append([fragment])
    lines.sort(key=lambda line: -line[0].base)
    blocks: list[Block] = [[build_line(line) for line in lines]] if lines else []
    gaps = _gaps(band)
    if len(lines) == 1 and gaps:
        widest = max(right - left for left, right in gaps) / _size(band)
        blocks = [[replace(build_line(lines[0]), cells=_cells(band), widest=widest)]]
    return [*blocks, *(item for item in band if isinstance(item, Table))]


def _cells(band: Sequence[Item]) -> tuple[str, ...]:
    starts = [right for _, right in _gaps(band)]
    cells: list[list[Fragment]] = [[] for _ in range(len(starts) + 1)]
    for item in band:
        if isinstance(item, Fragment):
            cells[sum(item.left >= start for start in starts)].append(item)
    return tuple(map(cell_text, cells))


def _overlap(one: Fragment, other: Fragment) -> bool:
    return min(one.right, other.right) - max(one.left, other.left) > 0.3 * min(one.size, other.size)


def build_line(fragments: Sequence[Fragment]) -> Line:
    """Join the fragments of a line; raised numbers stand apart, so that 25 with a note 1 is no 251."""
    main = max(fragments, key=lambda one: (len(one.text), one.size))
    backwards = bool(_RIGHT_TO_LEFT.search(main.text))
    text, last = "", None
    for one in sorted(fragments, key=lambda one: -one.right if backwards else one.left):
        words = one.text
        gap = _distance(last, one) if last is not None else 0.0
        is_raised = one.size < _SMALLER * main.size and one.base - main.base > _RAISED * main.size
        if is_raised and (mark := write_mark(words, text)):
            words, gap = mark, 0.0 if ends_with_unit(text) else main.size
        text += (" " if last is not None and gap > _GLUED * main.size else "") + words
        last = one
    return Line(
        text,
        min(one.left for one in fragments),
        max(one.right for one in fragments),
        main.base,
        main.size,
        all(one.bold for one in fragments),
        all(one.fixed for one in fragments),
    )


def _distance(one: Fragment, other: Fragment) -> float:
    return max(other.left - one.right, one.left - other.right)

"""Rules of a page → grids, and what stands in their cells: tables that are drawn with lines.

A rule counts where it is drawn, so a cell without a line to its neighbour is one cell with it. A cell over
several rows is read in each of them ("Europe" in the row of France and in that of Norway), one over several
columns once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pages.parse.pdf.drawing import Box, Drawing
from pages.parse.pdf.glyphs import Fragment

_NEAR = 2.5
"""Points between two rules that are meant to be one, or to touch."""
_MOST_SLOTS = 20_000
_SMALLEST = 2  # rows, and columns
_LEADERS = re.compile(r"(?:\s?\.){4,}\s?")


@dataclass(slots=True)
class Table:
    """Rows of cells, and the place they take."""

    rows: list[list[str]]
    left: float
    right: float
    low: float
    high: float


@dataclass(slots=True)
class Grid:
    """Rules that meet: the columns' edges from left to right, the rows' from top to bottom."""

    xs: list[float]
    ys: list[float]
    across: list[tuple[float, float, float]]
    down: list[tuple[float, float, float]]
    inside: list[list[list[Fragment]]] = field(default_factory=list[list[list[Fragment]]])

    @property
    def box(self) -> Box:
        return self.xs[0], self.ys[-1], self.xs[-1], self.ys[0]


def find_grids(drawing: Drawing) -> list[Grid]:
    """Return the grids of a page that have at least two rows and two columns."""
    grids: list[Grid] = []
    for across, down in _connected(drawing.across, drawing.down):
        xs = _clusters(x for _, _, x in down)
        ys = _clusters(y for _, _, y in across)[::-1]
        if len(xs) > _SMALLEST and len(ys) > _SMALLEST and len(xs) * len(ys) <= _MOST_SLOTS:
            grids.append(Grid(xs, ys, across, down))
    return grids


def _connected(
    across: Sequence[tuple[float, float, float]], down: Sequence[tuple[float, float, float]]
) -> Iterable[tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]]:
    """Group rules that meet; rules are bounded in number, so each may be held to each."""
    group = list(range(len(across) + len(down)))

    def root(one: int) -> int:
        while group[one] != one:
            group[one] = group[group[one]]
            one = group[one]
        return one

    for number, (bottom, top, x) in enumerate(down, start=len(across)):
        for other, (left, right, y) in enumerate(across):
            if left - _NEAR <= x <= right + _NEAR and bottom - _NEAR <= y <= top + _NEAR:
                group[root(number)] = root(other)
    found: dict[int, tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]] = {}
    for number, rule in enumerate([*across, *down]):
        found.setdefault(root(number), ([], []))[number >= len(across)].append(rule)
    return found.values()


def _clusters(values: Iterable[float]) -> list[float]:
    clusters: list[float] = []
    for value in sorted(values):
        if not clusters or value - clusters[-1] > _NEAR:
            clusters.append(value)
    return clusters


def take_tables(grids: Sequence[Grid], fragments: list[Fragment]) -> tuple[list[Table], list[Fragment]]:
    """Return the tables that have text in at least two cells, and the fragments outside of them."""
    tables: list[Table] = []
    rest = fragments
    for grid in sorted(grids, key=lambda one: (one.xs[-1] - one.xs[0]) * (one.ys[0] - one.ys[-1])):
        inside, outside = _fill(grid, rest)
        if sum(any(cell) for row in grid.inside for cell in row) >= _SMALLEST and inside:
            tables.append(Table(_rows(grid), *_extent(grid)))
            rest = outside
    return tables, rest


def _extent(grid: Grid) -> tuple[float, float, float, float]:
    left, low, right, high = grid.box
    return left, right, low, high


def _fill(grid: Grid, fragments: Sequence[Fragment]) -> tuple[list[Fragment], list[Fragment]]:
    """Put fragments into the slots of a grid; return those inside and those outside."""
    grid.inside = [[[] for _ in grid.xs[1:]] for _ in grid.ys[1:]]
    inside: list[Fragment] = []
    outside: list[Fragment] = []
    heights = [-y for y in grid.ys]
    for fragment in fragments:
        x = min((fragment.left + fragment.right) / 2, fragment.left + fragment.size)
        column = bisect_right(grid.xs, x) - 1
        row = bisect_right(heights, -(fragment.low + fragment.high) / 2) - 1
        if 0 <= column < len(grid.xs) - 1 and 0 <= row < len(grid.ys) - 1:
            grid.inside[row][column].append(fragment)
            inside.append(fragment)
        else:
            outside.append(fragment)
    return inside, outside


def _rows(grid: Grid) -> list[list[str]]:
    rows = [row for row in _merged_down(grid, _merged_across(grid)) if any(row)]
    used = [any(row[column] for row in rows) for column in range(len(grid.xs) - 1)]
    return [[cell for cell, is_used in zip(row, used, strict=True) if is_used] for row in rows]


def _merged_across(grid: Grid) -> list[list[list[Fragment]]]:
    """Join the slots of a row between which no rule is drawn."""
    rows: list[list[list[Fragment]]] = []
    for (top, bottom), slots in zip(pairwise(grid.ys), grid.inside, strict=True):
        middle = (top + bottom) / 2
        row: list[list[Fragment]] = []
        start = 0
        for column, slot in enumerate(slots):
            row.append([])
            parted = column == 0 or _is_ruled(grid.down, grid.xs[column], middle)
            start = column if parted else start
            row[start].extend(slot)
        rows.append(row)
    return rows


def _merged_down(grid: Grid, rows: list[list[list[Fragment]]]) -> list[list[str]]:
    """Read a cell in each row that it stands beside."""
    texts = [[""] * len(row) for row in rows]
    for column, (left, right) in enumerate(pairwise(grid.xs)):
        middle = (left + right) / 2
        start = 0
        for row in range(1, len(rows) + 1):
            if row < len(rows) and not _is_ruled(grid.across, grid.ys[row], middle):
                continue
            cell = [fragment for part in rows[start:row] for fragment in part[column]]
            for part in texts[start:row]:
                part[column] = cell_text(cell)
            start = row
    return texts


def _is_ruled(rules: Sequence[tuple[float, float, float]], at: float, middle: float) -> bool:
    return any(start <= middle <= end and abs(place - at) <= _NEAR for start, end, place in rules)


def cell_text(fragments: Sequence[Fragment]) -> str:
    """Return what stands in a cell, its lines joined."""
    lines: dict[float, list[Fragment]] = {}
    for fragment in sorted(fragments, key=lambda one: (-one.base, one.left)):
        base = next((one for one in lines if abs(one - fragment.base) < fragment.high - fragment.low), None)
        lines.setdefault(fragment.base if base is None else base, []).append(fragment)
    text = " ".join(
        " ".join(one.text for one in sorted(line, key=lambda one: one.left)) for line in lines.values()
    )
    return without_leaders(text)


def without_leaders(text: str) -> str:
    """Return text with a single sign for the dots that lead from a title to its page number."""
    return _LEADERS.sub(" … ", text)

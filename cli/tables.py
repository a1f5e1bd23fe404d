"""Tables of the command line: whole on a terminal, however narrow, and a line for each row elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from rich import box
from rich.console import Console
from rich.table import Column, Table

from cli.console import out

_WIDEST = 10_000
"""Columns of a line in a pipe or a file: more than any row has."""


def print_table(table: Table) -> None:
    """Print a table; what its cells say is text, not markup.

    On a terminal a word that is too long for its column goes on in the next line, so nothing is cut off. In a
    pipe or a file no line is broken, for grep and other programs.
    """
    for column in table.columns:
        column.overflow = "fold"
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    if out.is_terminal:
        table.box = table.box and box.SIMPLE_HEAD
        out.print(table, markup=False, highlight=False)
        return
    table.box, table.show_lines = None, False
    wide = Console(width=_WIDEST)
    with wide.capture() as printed:
        wide.print(table, markup=False, highlight=False)
    for line in printed.get().splitlines():
        print(line.rstrip())  # noqa: T201 - the command's output


def print_values(values: Mapping[str, Any]) -> None:
    """Print names and values as a table of two columns."""
    table = Table("What", Column("Value", overflow="fold"))
    for what, value in values.items():
        table.add_row(what, to_cell(value))
    print_table(table)


def flatten(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested figures as one table: "training recipe rank"."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        what = f"{above} {name.replace('_', ' ')}".strip()
        flat |= flatten(cast("dict[str, Any]", value), what) if isinstance(value, dict) else {what: value}
    return flat


def to_cell(value: object) -> str:
    """Return a value as a cell shows it; "–" for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, list | tuple):
        return " ".join(map(str, cast("list[object]", value)))
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Tables of the command line: whole on a terminal, however narrow, and a line for each row elsewhere."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

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

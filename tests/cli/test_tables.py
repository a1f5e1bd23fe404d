"""Tables of the command line: each fits 80 columns with nothing cut off, and is a line a row in a pipe.

Every command stands in one of the two lists below; a new one fails until somebody has looked at it.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from cli import main, tables
from cli.main import COMMANDS, import_command
from feedback.store.sqlite import SqliteStore
from jobs.registry import JOBS
from tests.builders.company import fill, sum_up
from tests.needs import ROOT

COLUMNS = 80
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
NAME = "an-update-with-a-name-that-is-longer-than-its-column-2026-11-30T17-55-32"
SHOWN = {
    "feedback": "",
    "learning": "",
    "tokens": "--token-price-in 0.5 --token-price-out 2",
    "verified list": "",
    "jobs list": "",
    "models list": "",
    "models catalogue": "",
    "examples list": "",
    "privacy show": "p1",
    "privacy audit": "",
    "store retain": "--dry-run --keep-questions-days 1 --keep-feedback-days 1",
}
"""Commands with a table that only read, and what else they are called with here."""
OTHERS = """
serve, setup, ask, doctor, evaluate, learn-demo, export, slack-manifest, teams-package, settings, completion
pages text, pages who, pages add, pages refresh, pages list, pages remove, models show, models report
models diff, models import, models train, models promote, models canary, models rollback, models search-head
models retire, models prune, model serve, examples build, examples show, examples diff, jobs run, jobs serve
verified show, verified edit, verified withdraw, gaps, gaps show, gaps send, gaps patch, store init
store copy
store status, privacy export, privacy delete, privacy opt-out, privacy scan, privacy rotate-key
"""
"""Commands without a table, or that take long or change something: what prints theirs is held, too."""


def list_commands(name: str, command: Any) -> Iterator[str]:
    """Yield a command, or those of a group; the group, too, where it runs alone."""
    below: dict[str, Any] = getattr(command, "commands", None) or {}
    if not below or command.invoke_without_command:
        yield name
    for part, one in below.items():
        yield from list_commands(f"{name} {part}", one)


def test_every_command_has_been_looked_at_for_tables() -> None:
    every = {one for name in COMMANDS for one in list_commands(name, import_command(name))}
    assert every == {*SHOWN, *OTHERS.strip().replace("\n", ", ").split(", ")}


def test_every_table_is_printed_by_the_one_that_cuts_nothing() -> None:
    for path in (ROOT / "cli").rglob("*.py"):
        source = path.read_text("utf-8")
        if path.name == "tables.py" or "from rich.table import" not in source:
            continue
        calls = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call)]
        names = [one.func.id for one in calls if isinstance(one.func, ast.Name)]
        made = sum(name in ("Table", "ScreenTable") for name in names)
        assert made <= names.count("print_table"), path


async def fill_folder(folder: Path) -> None:
    store, now = SqliteStore.open(folder / "askpage.sqlite3"), datetime.now(UTC)
    await fill(store, now, days=20, busy=0.1)
    await sum_up(store, now)
    await store.close()


def test_tables_fit_a_narrow_terminal_and_are_whole_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(fill_folder(tmp_path))
    for command, more in SHOWN.items():
        called = [*command.split(), *more.split(), "--data-dir", str(tmp_path)]
        piped = CliRunner().invoke(main.app, called)
        assert piped.exit_code == 0, (command, piped.output)
        terminal = Console(width=COLUMNS, force_terminal=True, no_color=True, highlight=False)
        monkeypatch.setattr(tables, "out", terminal)
        with terminal.capture() as shown:
            CliRunner().invoke(main.app, called)
        monkeypatch.undo()
        drawn = _STYLE.sub("", shown.get())
        assert max(map(cell_len, drawn.splitlines()), default=0) <= COLUMNS, command
        assert drawn.count("…") == sum(line.count("…") for line in piped.stdout.splitlines()), command


@pytest.mark.parametrize("columns", [2, 7])
def test_nothing_is_cut_or_taken_for_markup(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make() -> Table:
        table = Table(*(f"Heading {at}" for at in range(columns)))
        table.add_row(*([NAME] * (columns - 1)), "[bold]Asked by [person][/bold]")
        return table

    terminal = Console(width=COLUMNS, force_terminal=True, no_color=True)
    monkeypatch.setattr(tables, "out", terminal)
    with terminal.capture() as shown:
        tables.print_table(make())
    letters = "".join(shown.get().split())
    assert letters.count("-") >= NAME.count("-") * (columns - 1)
    assert "…" not in letters
    monkeypatch.setattr(tables, "out", Console())
    tables.print_table(make())
    _, row = capsys.readouterr().out.splitlines()
    assert row.count(NAME) == columns - 1
    assert row.endswith("[bold]Asked by [person][/bold]")


def test_the_admin_page_says_of_each_job_what_the_command_line_says() -> None:
    script = (ROOT / "bot" / "static" / "admin.js").read_text("utf-8")
    assert all(f'{name}: "{job.sentence}"' in script for name, job in JOBS.items())

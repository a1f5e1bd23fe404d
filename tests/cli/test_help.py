"""The help of every command: the same whether what it does is imported or not, and without what is slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Any

import pytest

from cli.help import asks_for_help
from cli.main import COMMANDS, import_command
from jobs.report_gaps import DAYS
from tests.needs import ROOT

SLOW = frozenset(
    {"aiohttp", "azure", "bot", "demo", "exporters", "feedback", "jobs", "langchain_core", "model", "numpy"}
    | {"onnxruntime", "opentelemetry", "pages", "playwright", "spacy", "torch", "transformers"}
)


def list_helps(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield each command from this one downwards, with what its help prints."""
    printed = StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        command.main([*words, "--help"], prog_name="askpage")
    yield " ".join(words), printed.getvalue()
    found = command
    for word in words:
        found = found.commands[word]
    for name in getattr(found, "commands", {}):
        yield from list_helps(command, (*words, name))


def print_helps() -> None:
    """Print the help of each command, and which slow modules that took; for a process of its own."""
    said = {name: dict(list_helps(import_command(name))) for name in COMMANDS}
    loaded = {name for name, module in sys.modules.items() if getattr(module, "__file__", None)}
    print(json.dumps([said, sorted(SLOW & {name.partition(".")[0] for name in loaded})]))  # noqa: T201


def test_no_help_imports_what_the_command_does_and_all_say_what_they_say_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    script = "import sys; sys.argv = ['askpage', 'serve', '--help']; import cli.main\n"
    script += "sys.argv = ['askpage']; from tests.cli.test_help import print_helps; print_helps()"
    shown = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},  # noqa: TID251
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    said, slow = json.loads(shown.stdout)
    assert slow == []
    assert "import" in said["models"]
    assert f"; {DAYS} if not" in said["gaps"][""], "a default of a room that no help imports"
    for name in COMMANDS:
        assert said[name] == dict(list_helps(import_command(name))), name


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        ("serve --help", True),
        ("ask Why --page x --help", True),
        ("models", True),
        ("models import --help", True),
        ("gaps --help", True),
        ("gaps", False),
        ("serve", False),
        ("ask -- --help", False),
        ("models list", False),
        ("no-such-command --help", False),
    ],
)
def test_only_who_asks_for_help_gets_the_command_that_does_nothing(words: str, shows: bool) -> None:
    arguments = words.split()
    assert asks_for_help(arguments, COMMANDS.get(arguments[0])) is shows


def test_help_in_the_place_of_an_options_value_does_nothing_and_says_so() -> None:
    tried = subprocess.run(
        [sys.executable, "-m", "cli.main", "ask", "Why?", "--page", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tried.returncode, tried.stdout) == (2, "")
    assert "--help stands alone" in tried.stderr

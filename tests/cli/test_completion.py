"""Shells complete commands and options from a script that starts no Python; what is misspelt gets a hint."""

from __future__ import annotations

import subprocess

import pytest
from typer.testing import CliRunner

from cli import main
from cli.completion import Shell, build_script
from cli.console import MATTER, describe_unknown_setting, find_settings

TRY = """
try() { COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
  _shtab_askpage askpage "${COMP_WORDS[$COMP_CWORD]}" x; echo "${COMPREPLY[*]}"; }
try askpage ga
try askpage gaps pa
try askpage gaps patch --t
try askpage ask --bas
try askpage ask --no-such
"""


def test_bash_completes_commands_their_options_and_the_settings_that_matter() -> None:
    script = build_script(Shell.BASH)
    said = subprocess.run(["bash", "-c", script + TRY], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["gaps", "patch", "--to", "--base-model", ""]
    assert len(script) < 60_000, "a shell reads it at every start"


@pytest.mark.parametrize(("shell", "begin"), [(Shell.ZSH, "#compdef askpage"), (Shell.FISH, "")])
def test_zsh_and_fish_get_a_script_with_every_command(shell: Shell, begin: str) -> None:
    script = build_script(shell)
    assert script.startswith(begin)
    assert [name for name in main.COMMANDS if name not in script] == []
    assert "base-model" in script


def test_a_misspelt_command_setting_or_option_gets_the_one_that_is_meant() -> None:
    assert main.describe_unknown("verifyed") == "No such command 'verifyed'. Did you mean 'verified'?"
    assert main.describe_unknown("dance") == "No such command 'dance'."
    assert (
        describe_unknown_setting("keep-question-days").partition("mean ")[2].startswith("keep_questions_days")
    )
    assert describe_unknown_setting("zzz").endswith("description.")
    assert find_settings(["ASKPAGE_PAGE_OWNERS"]) == find_settings(["--page-owners"]) == ["page_owners"]
    said = CliRunner().invoke(main.app, ["settings", "--keep-question-days", "3"], env={"COLUMNS": "200"})
    assert "--keep-questions-days" in said.output
    assert said.exit_code == 2


def test_help_fits_a_screen_and_names_its_own_options_and_few_settings() -> None:
    said = CliRunner().invoke(main.app, ["ask", "--help"], env={"COLUMNS": "80"}).output
    assert len(said.splitlines()) < 40
    assert max(map(len, said.splitlines())) <= 80
    assert all(f"--{name.replace('_', '-')}" in said for name in MATTER)
    assert "askpage settings" in said
    assert "--keep-questions-days" not in said


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(main.app, ["--version"]).output.startswith("askpage 0.")


def test_settings_on_a_pipe_are_a_table_and_can_be_searched() -> None:
    said = CliRunner().invoke(main.app, ["settings", "how", "long", "questions"]).output.splitlines()
    assert said[0] == "| setting | value | what it does |"
    assert any(row.startswith("| `keep_questions_days` | `365` |") for row in said)
    assert len(said) < 8

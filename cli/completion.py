"""The command `askpage completion`: a script that lets bash, zsh or fish complete commands and options.

The script has all words in it, so that a press of TAB starts no Python: to ask the commands themselves takes
seconds of processor time, as they import the bot. It names a command's own options and the settings that its
help shows. shtab writes it from a parser of argparse, which is all that shtab reads.
"""

from __future__ import annotations

import argparse
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import shtab
import typer

from cli.help import read_help

PROGRAM = "askpage"


class Shell(StrEnum):
    """The shells that it is written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion_command(
    shell: Annotated[Shell, typer.Argument(help="The shell that reads the script.")],
) -> None:
    """Print a script that lets your shell complete commands and options."""
    print(build_script(shell))  # noqa: T201 - the command's output


def build_script(shell: Shell) -> str:
    """Return the script. Imports every command."""
    return shtab.complete(build_parser(), shell=shell)


def build_parser() -> argparse.ArgumentParser:
    """Return the commands with their options as argparse has them; it parses nothing."""
    from cli.main import COMMANDS, import_command  # noqa: PLC0415 - it imports this module

    parser = argparse.ArgumentParser(prog=PROGRAM, add_help=False)
    parser.add_argument("--help", action="store_true", help="Show what there is.")
    parser.add_argument("--version", action="store_true", help="Show the version.")
    commands = parser.add_subparsers()
    for name in COMMANDS:
        below = commands.add_parser(name, add_help=False, help=_escape(read_help(COMMANDS[name])))
        _fill(below, import_command(name))
    return parser


def _fill(parser: argparse.ArgumentParser, command: Any) -> None:
    """Give a parser the options of a command, and the commands below it.

    Any stands for the types of the click that typer carries, and does not show.
    """
    parser.add_argument("--help", action="store_true", help="Show what there is.")
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            _add_option(parser, parameter)
        elif parameter.param_type_name == "argument":
            _complete_paths(parser.add_argument(parameter.name, nargs="*"), parameter)
    below = getattr(command, "commands", {})
    if below:
        commands = parser.add_subparsers()
        for name, one in below.items():
            _fill(commands.add_parser(name, add_help=False, help=_escape(one.help or "")), one)


def _add_option(parser: argparse.ArgumentParser, option: Any) -> None:
    flags = [*option.opts, *option.secondary_opts]
    kind: dict[str, Any] = {"action": "store_true"} if option.is_flag else {}
    added = parser.add_argument(*flags, help=_escape(option.help or ""), **kind)
    _complete_paths(added, option)


def _complete_paths(added: argparse.Action, parameter: Any) -> None:
    if parameter.type_descriptor.annotation is Path:
        added.complete = shtab.FILE  # type: ignore[attr-defined]


def _escape(text: str) -> str:
    """Return the first line of a help, without what argparse would fill in."""
    return text.strip().partition("\n")[0].replace("%", "%%")

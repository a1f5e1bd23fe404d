"""Shows what a command says of itself without importing what it does: that takes seconds.

The list of commands is drawn from the text of their modules. For the help of one command, its module is
imported with all that it imports, but for the rooms that do the work: what it takes from those is `Absent`.
Options and their defaults stand in `cli/`, so nothing is lost; tests/cli/test_main.py compares each help with
that of a whole import.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

ROOMS = frozenset(
    {"aiohttp", "bot", "demo", "exporters", "feedback", "jobs", "model", "numpy", "pages", "shtab"}
)
"""What no help needs."""


def read_help(place: str) -> str:
    """Return what the command at a place of COMMANDS says of itself: a docstring, or a group's `help`."""
    match _find(place):
        case ast.FunctionDef() as function:
            return ast.get_docstring(function) or ""
        case ast.Call(keywords=given):
            told = (one.value for one in given if one.arg == "help")
            return "".join(str(text.value) for text in told if isinstance(text, ast.Constant))
        case _:
            return ""


def asks_for_help(arguments: Sequence[str], place: str | None) -> bool:
    """Tell whether arguments show a command's help: they say so, or name a group that does nothing alone.

    `place` is where the first of them stands, None where there is no such command.
    """
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return place is not None and ("--help" in own or (len(arguments) == 1 and _needs_more(place)))


def _needs_more(place: str) -> bool:
    match _find(place):
        case ast.Call(keywords=given):
            return any(one.arg == "no_args_is_help" for one in given)
        case _:
            return False


def _find(place: str) -> ast.FunctionDef | ast.Call | None:
    """Return the function or the group of a command, as its module's text has it."""
    module, attribute = place.split(":")
    for node in _parse(module).body:
        match node:
            case ast.FunctionDef() if node.name == attribute:
                return node
            case ast.Assign([ast.Name(id=assigned)], ast.Call() as call) if assigned == attribute:
                return call
            case _:
                continue
    return None


@cache
def _parse(module: str) -> ast.Module:
    path = Path(__file__).resolve().parents[1].joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_bytes())


class Absent:
    """Whatever a module that is not imported has. It can be named, called and joined, and does nothing."""

    def __call__(self, *_: object, **__: object) -> Absent:
        return self

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    __or__ = __ror__ = __truediv__ = __getitem__ = __call__


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent()


class _AbsentRooms(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        absent = fullname.partition(".")[0] in ROOMS
        return ModuleSpec(fullname, self, is_package=True) if absent else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


def leave_rooms_out() -> None:
    """Import none of ROOMS from here on in this process, which can show help then and do nothing else."""
    sys.meta_path.insert(0, _AbsentRooms())


def is_help_only() -> bool:
    """Tell whether this process can show help, and nothing else."""
    return any(isinstance(one, _AbsentRooms) for one in sys.meta_path)


def disarm(command: Any) -> None:
    """Take from a command, and from those below it, what it does, and let options pass that no help shows.

    Any stands for the types of the click that typer carries, and does not show.
    """
    below = getattr(command, "commands", {})
    command.callback = None if below else _refuse
    command.context_settings |= {"ignore_unknown_options": True, "allow_extra_args": True}
    for one in below.values():
        disarm(one)


def _refuse(**_: object) -> NoReturn:
    sys.stderr.write("askpage: --help stands alone; it is no value of an option.\n")
    sys.exit(2)

"""The plan of the house: no circle of imports, folders that can be looked over, few ways between rooms."""

from __future__ import annotations

import subprocess
import tomllib
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import PurePosixPath

from tests.conftest import LONGEST
from tests.needs import ROOT
from tools.imports import read_source, to_module

MOST_MODULES = 16
"""In one folder, without its `__init__.py`."""
MOST_ARROWS = 40
"""Between the folders at the top: A → B where some module of A imports one of B."""


@cache
def list_paths() -> tuple[str, ...]:
    """Return every file of Python but the tests."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, text=True
    )
    return tuple(
        path for path in listed.splitlines() if not path.startswith("tests/") and (ROOT / path).exists()
    )


@cache
def read_imports() -> dict[str, frozenset[str]]:
    """Return the modules that each module imports, wherever in it."""
    modules = {to_module(path) for path in list_paths()}
    return {
        to_module(path): read_source((ROOT / path).read_text("utf-8"), modules).imports - {to_module(path)}
        for path in list_paths()
    }


def test_no_module_imports_itself_by_way_of_others_not_even_inside_a_function() -> None:
    imports = read_imports()
    assert imports["bot.app"] >= {"bot.bootstrap"}
    TopologicalSorter(imports).prepare()  # CycleError tells the circle


def test_no_folder_of_the_program_has_more_modules_than_one_looks_over() -> None:
    paths = [PurePosixPath(path) for path in list_paths() if not path.startswith("benchmarks/")]
    counts = Counter(str(path.parent) for path in paths if path.name != "__init__.py")
    assert counts["bot"] > 1
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_no_module_lies_in_the_root() -> None:
    assert [path for path in list_paths() if "/" not in path] == []


def test_every_folder_of_a_room_that_is_installed_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = set(project["tool"]["setuptools"]["packages"])
    rooms = {one.partition(".")[0] for one in packages}
    folders = {path.rpartition("/")[0].replace("/", ".") for path in list_paths()}
    assert {one for one in folders if one.partition(".")[0] in rooms} == packages


def test_few_ways_lead_from_one_room_at_the_top_to_another() -> None:
    arrows = {
        (module.partition(".")[0], used.partition(".")[0])
        for module, imported in read_imports().items()
        for used in imported
    }
    between = sorted((room, other) for room, other in arrows if room != other)
    assert ("bot", "core") in between
    assert len(between) <= MOST_ARROWS, between


def test_the_files_of_tests_that_are_begun_first_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []

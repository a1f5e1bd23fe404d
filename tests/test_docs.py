"""What the docs name is there: links and their sections, pictures, commands, options, settings, targets."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cli.main import COMMANDS, import_command
from core.settings import FIELDS
from pages.parse.markdown import to_html
from tests.needs import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = "benchmarks|bot|core|docs|feedback|infra|jobs|model|pages|tests"
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|\s)(?:\.venv/bin/)?askpage ([a-z].+)")
_HEADING = re.compile(r'<h\d id="([^"]+)"')


def name_page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("path", PAGES, ids=name_page)


@cache
def read_text(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def find_anchors(path: Path) -> frozenset[str]:
    """Return the ids of a page's headings, as the bot makes them of Markdown."""
    return frozenset(_HEADING.findall(to_html(read_text(path))[1]))


def find_code(path: Path) -> list[str]:
    """Return what a page has in code style: shell lines without their comments, and words in prose."""
    text = read_text(path)
    blocks = "\n".join(body for kind, body in _FENCE.findall(text) if kind == "sh").replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in blocks.splitlines()]
    return lines + _CODE.findall(_FENCE.sub("", text))


def find_mistake(words: list[str]) -> str:
    """Return what askpage would say to a command line, "" where it would run; its arguments are not read."""
    name, *rest = words
    if name not in COMMANDS:
        return f"no command {name}"
    command: Any = import_command(name)  # Any: of the click that typer carries
    while known := getattr(command, "commands", None):
        if command.invoke_without_command and (not rest or rest[0].startswith("-")):
            break
        name, *rest = rest or [""]
        if name not in known:
            return f"no command {name}"
        command = known[name]
    try:
        command.make_parser(command.context_class(command, info_name=name)).parse_args(list(rest))
    except Exception as mistake:  # noqa: BLE001 - the click that typer carries does not show its mistakes
        return str(mistake)
    return ""


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("models rollback", ""),
        ("jobs run roll_up_metrics", ""),
        ("serve --pages handbook --port 8000", ""),
        ("models rolback", "no command rolback"),
        ("models", "no command "),
        ("dance", "no command dance"),
        ("gaps", ""),
        ("gaps --days 30", ""),
        ("gaps --dayz 30", "No such option"),
        ("gaps shows 1", "no command shows"),
        ("serve --prot 8000", "No such option"),
    ],
)
def test_a_command_that_would_not_run_is_told_from_one_that_would(said: str, mistake: str) -> None:
    found = find_mistake(said.split())
    assert mistake in found
    assert bool(mistake) == bool(found)


@every_page
def test_commands_and_their_options_exist(path: Path) -> None:
    found = [
        match[1] for code in find_code(path) if (match := _COMMAND.search(code)) and match[1] != "--help"
    ]
    mistakes = {
        said: find_mistake(shlex.split(re.split(r"(?: (?:>>?|\||&&) | #)", said)[0])) for said in found
    }
    assert not {said: mistake for said, mistake in mistakes.items() if mistake}


@every_page
def test_names_in_the_environment_are_settings(path: Path) -> None:
    named = set(re.findall(r"ASKPAGE_([A-Z_]+)\b", read_text(path)))
    assert {name for name in named if name.lower() not in FIELDS} == set()


@every_page
def test_make_has_the_targets(path: Path) -> None:
    named = {match[1] for code in find_code(path) if (match := re.match(r"make ([a-z]+)", code))}
    assert named <= TARGETS


@every_page
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", read_text(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in find_anchors(target), link


@every_page
def test_files_of_the_project_that_are_named_exist(path: Path) -> None:
    for name in re.findall(
        r"`((?:infra|tests|benchmarks|docs|feedback|model|bot|jobs)/[\w./]+)`", read_text(path)
    ):
        assert (ROOT / name).exists() or re.search("[A-Z]{3}", name), name

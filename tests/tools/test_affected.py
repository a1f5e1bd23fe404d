"""What a change touches is found from who uses whom: tests to run, files to type-check."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.affected import find_affected_tests, find_affected_types, list_changed_files
from tools.imports import read_source, to_module

FILES = {
    "pyproject.toml": '[tool.pyright]\ninclude = ["parts", "cli.py"]\n',
    "parts/__init__.py": "",
    "parts/words.py": "WORD = 1\n",
    "parts/lines.py": "from parts import words\n",
    "parts/queries.py": 'QUERY = "daily.kql"\n',
    "parts/alone.py": "",
    "queries/daily.kql": "",
    "docs/words.md": "",
    "cli.py": 'COMMANDS = {"show": "parts.lines:show"}\n',
    "tests/conftest.py": (
        "import pytest\nfrom parts.words import WORD\n\n\n"
        "@pytest.fixture\ndef word():\n    return WORD\n\n\n"
        "@pytest.fixture\ndef longer(word):\n    return word\n"
    ),
    "tests/commands.py": 'COMMAND = ["python", "cli.py"]\n',
    "tests/test_alone.py": '"""Not of parts.words."""\n\nfrom parts.alone import nothing\n',
    "tests/test_commands.py": "from tests.commands import COMMAND\n",
    "tests/test_docs.py": 'FOLDER = ROOT / "docs"\n',
    "tests/test_fixtures.py": "def test_it(longer):\n    pass\n",
    "tests/test_lines.py": "def test_it():\n    from parts.lines import show\n",
    "tests/test_plugins.py": 'pytest_plugins = ["parts.words"]\n',
    "tests/test_queries.py": "from parts.queries import QUERY\n",
}


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Robin", "-c", "user.email=robin@example.com")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--initial-branch", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "One")
    return tmp_path


def test_what_changed_is_what_differs_from_the_last_commit_or_from_where_the_branch_began(
    project: Path,
) -> None:
    assert list_changed_files(None, project) == []
    (project / "parts" / "words.py").write_text("WORD = 2\n")
    (project / "parts" / "new.py").write_text("")
    (project / "cli.py").unlink()
    assert list_changed_files(None, project) == ["cli.py", "parts/new.py", "parts/words.py"]
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(project, "add", "parts/new.py")
    git(project, "commit", "-m", "Two")
    assert list_changed_files(None, project) == ["cli.py", "parts/new.py", "parts/words.py"]
    assert list_changed_files("HEAD", project) == ["cli.py", "parts/words.py"]
    with pytest.raises(SystemExit, match="no commit nowhere"):
        list_changed_files("nowhere", project)


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("parts/words.py", ["commands", "fixtures", "lines", "plugins"]),
        ("parts/lines.py", ["commands", "lines"]),
        ("parts/alone.py", ["alone"]),
        ("parts/__init__.py", ["alone", "commands", "fixtures", "lines", "plugins", "queries"]),
        ("cli.py", ["commands"]),
        ("queries/daily.kql", ["queries"]),
        ("docs/words.md", ["docs"]),
        ("tests/commands.py", ["commands"]),
        ("tests/conftest.py", ["alone", "commands", "docs", "fixtures", "lines", "plugins", "queries"]),
    ],
)
def test_a_change_reaches_the_tests_that_use_it_by_import_by_name_by_fixture_or_by_file(
    project: Path, changed: str, tests: list[str]
) -> None:
    own, reached = find_affected_tests([changed], project)
    assert own == []
    assert sorted(reached) == [f"tests/test_{name}.py" for name in tests]


def test_tests_that_changed_themselves_are_apart_and_the_nearest_others_come_first(project: Path) -> None:
    own, reached = find_affected_tests(["parts/words.py", "tests/test_plugins.py"], project)
    assert own == ["tests/test_plugins.py"]
    assert reached == ["tests/test_fixtures.py", "tests/test_lines.py", "tests/test_commands.py"]


def test_a_deleted_module_reaches_those_who_still_use_it(project: Path) -> None:
    (project / "parts" / "lines.py").unlink()
    assert find_affected_tests(["parts/lines.py"], project)[1] == [
        "tests/test_lines.py",
        "tests/test_commands.py",
    ]


def test_types_are_checked_in_what_imports_a_change_and_everywhere_where_nothing_or_everything_changed(
    project: Path,
) -> None:
    assert find_affected_types(["parts/words.py"], project) == ["parts/lines.py", "parts/words.py"]
    assert find_affected_types(["tests/test_lines.py", "docs/words.md"], project) == []
    everything = [path for path in FILES if path.endswith(".py") and not path.startswith("tests/")]
    assert (
        find_affected_types([], project)
        == find_affected_types(["pyproject.toml"], project)
        == sorted(everything)
    )


def test_a_string_names_a_module_and_a_docstring_does_not() -> None:
    modules = {"a", "a.b", "a.b.c", "tests.d"}
    source = read_source(
        '"""See a.b."""\n\nx = ["a.b.c.d", "tests/d.py", "a:main", f"import a.b; {x}"]\n', modules
    )
    assert source.named == {"a", "a.b", "a.b.c", "tests.d"}
    assert read_source('"""See a.b."""\n', modules).named == set()
    assert to_module("a/b/__init__.py") == "a.b"

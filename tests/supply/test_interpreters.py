"""Which Python of a version is taken, and what is said where there is none; no network is asked."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from supply.interpreters import Places, find_python, prepare_python


def put(path: Path, *lines: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def a_python(path: Path, version: str) -> Path:
    return put(path, f"echo {version}")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places((tmp_path / "bin", tmp_path / "sbin"), tmp_path / "home", tmp_path / "own")


KEPT = {
    "path": "sbin/python3.10",
    "pyenv": "home/.pyenv/versions/3.10.13/bin/python3.10",
    "uv": "home/.local/share/uv/python/cpython-3.10.19-linux-x86_64-gnu/bin/python3.10",
    "fetched": "own/cpython-3.10.19-linux-x86_64-gnu/bin/python3.10",
}


@pytest.mark.parametrize("where", KEPT)
def test_a_version_is_found_where_it_may_lie(places: Places, tmp_path: Path, where: str) -> None:
    here = a_python(tmp_path / KEPT[where], "3.10")
    assert find_python("3.10", places) == here
    assert find_python("3.8", places) is None


def test_what_does_not_run_as_its_version_is_passed_over(places: Places, tmp_path: Path) -> None:
    put(tmp_path / "bin/python3.10", "echo 'pyenv: python3.10: command not found' >&2", "exit 127")
    a_python(tmp_path / "sbin/python3.10", "3.11")
    (tmp_path / "home/.pyenv/versions/3.10.2/bin/python3.10").mkdir(parents=True)
    assert find_python("3.10", places) is None
    assert find_python("3.10", places) is None
    real = a_python(tmp_path / KEPT["uv"], "3.10")
    assert find_python("3.10", places) == real


def prepare(places: Places, uv: Path) -> str:
    said = StringIO()
    prepare_python("3.10", places, uv, said)
    return said.getvalue()


def test_uv_is_asked_only_where_there_is_none_and_keeps_it_in_this_project(
    places: Places, tmp_path: Path
) -> None:
    brought, calls = tmp_path / KEPT["fetched"], tmp_path / "calls"
    uv = put(
        tmp_path / "uv",
        f'echo "$*" >> {calls}',
        f"mkdir -p {brought.parent}",
        f"printf '#!/bin/sh\\necho 3.10\\n' > {brought}",
        f"chmod 755 {brought}",
    )
    assert prepare(places, uv) == f"Python 3.10: {brought}\n"
    assert prepare(places, uv) == f"Python 3.10: {brought}\n"
    assert calls.read_text() == f"python install --no-bin --install-dir {places.own} 3.10\n"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("echo 'error: Failed to install' >&2", "echo '  cause: no name' >&2", "exit 1"), "cause: no name"),
        (("exit 2",), "exit status 2"),
        (("exit 0",), "what uv brought does not run"),
        ((), "uv does not start: No such file or directory"),
    ],
)
def test_where_uv_brings_none_one_line_says_why(
    places: Places, tmp_path: Path, lines: tuple[str, ...], why: str
) -> None:
    uv = put(tmp_path / "uv", *lines) if lines else tmp_path / "uv"
    said = prepare(places, uv)
    assert said.count("\n") == 1
    assert said.startswith(f"No Python 3.10: {why}. ")
    assert "CI=true" in said

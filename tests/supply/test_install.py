"""What an install shows: one line of progress, and pip's own words only where it fails."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from supply import install
from supply.install import ProgressLine, count_pinned, install_layers, run_pip, show_end

SAID = [
    "Collecting aiohttp==3.14.1 (from -r locks/base.txt (line 3))",
    "  Downloading aiohttp-3.14.1-cp311.whl (1.7 MB)",
    "Requirement already satisfied: certifi==2026.1.1 in ./lib",
    "WARNING: Location 'file:///wheels/x/' is ignored: it is neither a file nor a directory.",
    "Installing collected packages: aiohttp",
    "Successfully installed aiohttp-3.14.1",
]


class Terminal(io.StringIO):
    """Says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pip that says its lines, and ends as the file `status` says."""
    (tmp_path / "locks").mkdir()
    for name in ("base", "other"):
        (tmp_path / "locks" / f"{name}.txt").write_text("a==1 \\\n    --hash=sha256:0\nb==2\n# c==3\n")
    (tmp_path / "status").write_text("0")
    code = (
        f"import sys; print({chr(10).join(SAID)!r}); "
        "sys.exit(int(open('status').read()) if 'locks/base.txt' in sys.argv else 0)"
    )
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "LOG", tmp_path / "build" / "install.log")
    monkeypatch.setattr(install, "PIP", (sys.executable, "-S", "-c", code))
    return tmp_path


def test_what_layers_name_is_counted(pip: Path) -> None:
    assert count_pinned(["base", "other"]) == 4


def test_progress_is_one_line_on_a_terminal_and_few_lines_elsewhere(pip: Path) -> None:
    out, log = Terminal(), io.StringIO()
    assert install_layers(["base"], log, out)
    assert out.getvalue().count("\n") == 1
    assert "Fetching packages: 2 of 2" in out.getvalue()
    assert log.getvalue().splitlines() == SAID
    piped = io.StringIO()
    line = ProgressLine(piped, 100)
    for done in range(101):
        line.show("Fetching packages", done)
    assert piped.getvalue().splitlines() == [
        f"Fetching packages: {done} of 100" for done in (25, 50, 75, 100)
    ]


def test_other_layers_are_taken_where_the_first_cannot_be_had(
    pip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pip / "status").write_text("1")
    assert install.main(["base", "--otherwise", "other"]) == 0
    said = capsys.readouterr().out
    assert "Not installed: base" in said
    assert "Installed: other" in said
    assert install.main(["base"]) == 1
    shown = capsys.readouterr().err
    assert SAID[-1] in shown
    assert SAID[3] not in shown
    assert str(pip / "build" / "install.log") in shown


def test_what_pip_cannot_do_is_shown_whole_where_it_is_short(tmp_path: Path) -> None:
    path = tmp_path / "install.log"
    path.write_text("ERROR: No matching distribution\n")
    out = io.StringIO()
    show_end(path, out)
    assert out.getvalue() == f"ERROR: No matching distribution\nAll that pip said: {path}\n"


def test_an_exit_status_is_handed_on(pip: Path) -> None:
    (pip / "status").write_text("3")
    assert run_pip(["locks/base.txt"], io.StringIO(), ProgressLine(io.StringIO(), 0)) == 3

"""The script of the GPU checks fits into ten minutes, names what it fetches, and goes on after a failure."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from supply.lock import name_of, read_layer
from tests.needs import ROOT

SCRIPT = ROOT / "benchmarks" / "gpu_checks.sh"


def run(*words: str, cwd: Path = ROOT, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin" if path else f"{ROOT}/.venv/bin:/usr/bin:/bin"}
    return subprocess.run(
        ["bash", str(SCRIPT), *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def read_plan(*words: str) -> dict[str, tuple[int, str]]:
    lines = re.findall(r"^(\w+) +(\d+) s(?:  (.*))?$", run("--plan", *words).stdout, re.MULTILINE)
    return {name: (int(limit), command) for name, limit, command in lines}


def test_the_script_can_be_parsed_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0
    assert (run("--dyr").returncode, run(cwd=tmp_path).returncode) == (2, 2)


@pytest.mark.parametrize("words", [(), ("--dry",)])
def test_all_checks_together_end_within_ten_minutes(words: tuple[str, ...]) -> None:
    plan = read_plan(*words)
    together, _ = plan.pop("together")
    assert together == sum(limit for limit, _ in plan.values()) <= 600
    device = "cpu" if words else "cuda"
    assert all(f"--device {device}" in plan[name][1] for name in ("doctor", "import", "ladder", "answer"))
    assert ("packages" in plan) is not bool(words)
    assert list(plan).index("tokens") < list(plan).index("ladder")


def test_every_wheel_that_is_fetched_is_named_with_its_size() -> None:
    text = SCRIPT.read_text("utf-8")
    named = {
        name: float(size) for name, size in re.findall(r"^#   ([\w-]+) +(\d+(?:\.\d+)?)$", text, re.MULTILINE)
    }
    layers = set(re.findall(r"locks/([\w-]+)\.txt", text))
    assert layers == {"build", "base", "gpu", "import", "torch", "models"}
    large = {name_of(entry)[0] for layer in ("gpu", "torch") for entry in read_layer(layer)}
    assert large - {"flatbuffers", "protobuf", "numpy"} <= named.keys()
    assert sum(named.values()) == pytest.approx(float(re.search(r"together (\d+)", text)[1]), abs=2)  # type: ignore[index]


def test_a_check_that_fails_is_noted_with_its_last_words_and_the_next_one_begins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    tool = tmp_path / "bin" / "python"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\ncase "$*" in *import*) echo "no room" >&2; exit 3;; esac\necho "$@"\n')
    tool.chmod(0o755)
    done = run("--dry", cwd=tmp_path, path=str(tool.parent))
    assert done.returncode == 1
    told = json.loads((tmp_path / "gpu-checks" / "checks.json").read_text())
    assert {one["name"]: one["status"] != 0 for one in told["checks"]} == {
        "doctor": False, "import": True, "tokens": True, "whole": False, "answer": False, "ladder": False,
        "precisions": True,
    }  # fmt: skip
    assert (told["device"], told["failed"]) == ("cpu", 1)
    text = (tmp_path / "gpu-checks" / "checks.txt").read_text()
    assert re.search(r"^import +failed +\d+ s of 75\nno room$", text, re.MULTILINE)
    assert "benchmarks.seed_speedup --device cpu" in text, "the ladder's words are in the text"

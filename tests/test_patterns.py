"""Regular expressions over foreign text: none takes more than its length, whatever it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.processes.hostile_patterns import LONGEST_S

_LONGEST_RUN_S = 270.0


@pytest.fixture(scope="module")
def timed() -> list[dict[str, Any]]:
    """Return what each pattern took; the process is ended when one of them never comes back."""
    command = [sys.executable, "-m", "tests.processes.hostile_patterns"]
    try:
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=_LONGEST_RUN_S
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else ""
        pytest.fail(f"the last of these did not come back: {said.splitlines()[-1:]}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_every_pattern_is_linear_in_hostile_text(timed: list[dict[str, Any]]) -> None:
    slow = [one for one in timed if one.get("took_s", 0.0) > LONGEST_S]
    assert slow == []


def test_the_patterns_are_found_where_they_stand(timed: list[dict[str, Any]]) -> None:
    found = {one["where"] for one in timed if "took_s" in one}
    assert len(found) > 200
    assert found > {
        "pages.parse.markdown._TAG",
        "core.sentences._STOP",
        "feedback.examples.poisoning._MARKUP",
        "bot.channels.links._URL",
    }
    assert any(name.startswith("bot.channels.links:") for name in found), "those in calls, too"


@pytest.mark.parametrize(
    "pattern", [r"\s*#$", r"a+b", r"x\s*,?\s*y", r"\{%\s*(\w[\w-]*)?[^%]*%\}", r"(?:a|aa)+$", r"q.*?q.*?!"]
)
def test_a_pattern_that_is_not_linear_is_noticed(pattern: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _ALONE, pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout.strip() == "slow"


_ALONE = """
import re, signal, sys
from tests.processes.hostile_patterns import LONGEST_S, worst
signal.signal(signal.SIGPROF, lambda *_: (print("slow", flush=True), sys.exit()))
signal.setitimer(signal.ITIMER_PROF, 2.0)  # of the processor
print("slow" if worst(re.compile(sys.argv[1]), True)[0] > LONGEST_S else "fast")
"""

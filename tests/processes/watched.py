"""A process whose connections are watched with strace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.usage_reporting import SWITCHES
from tests.conftest import ROOT, need
from tests.doubles.connection_watch import Watch

QUESTION = "For how many minutes does the bot use the conversation?"

UNWATCHED = ("ASKPAGE_", "CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", *(s.variable for s in SWITCHES))
"""Variables that a test must not inherit: some libraries are quiet in CI, which would prove nothing."""


def an_environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a watched process, with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWATCHED)}  # noqa: TID251
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")} | more


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    need(Path(shutil.which("strace") or "/usr/bin/strace"), "strace is missing: install the package strace")
    return Watch(tmp_path / "trace")


def run_watched(watch: Watch, code: str, environment: Mapping[str, str]) -> list[str]:
    """Run Python code under the watch; return the calls that it made."""
    with subprocess.Popen(
        [*watch.under, sys.executable, "-c", code], cwd=ROOT, env=dict(environment), stderr=subprocess.PIPE
    ) as process:
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()
    return watch.lines(process.pid)

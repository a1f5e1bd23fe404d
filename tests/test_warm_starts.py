"""Processes that are started warm end as those do that start cold."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.needs import ROOT
from tests.processes.warm_server import SharedRun, serve_warm

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="processes start cold on this system")


def find_address(launcher: str) -> str:
    [address] = re.findall(r"server\.connect\('(.+)'\)", Path(launcher).read_text("utf-8"))
    return address


@pytest.fixture
def worker(warm_reader: str) -> Iterator[subprocess.Popen[bytes]]:
    """The sandbox of foreign pages, started and ready."""
    with subprocess.Popen(
        [warm_reader, "-m", "pages.parse.sandbox_worker", str(1 << 30)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        size = int.from_bytes(process.stdout.read(8), "big")
        assert json.loads(process.stdout.read(size))["memory_bytes"] == 1 << 30
        yield process


def test_a_process_whose_launcher_is_killed_ends(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.stdout.read() == b"", "nobody has the other end any more"
    assert worker.wait() == -signal.SIGKILL


def test_a_process_ends_with_its_input_and_its_launcher_with_its_status(
    worker: subprocess.Popen[bytes],
) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait() == 0


def test_a_process_that_ends_by_a_signal_or_an_error_tells_so(warm_reader: str) -> None:
    command = [warm_reader, "-m", "pages.parse.sandbox_worker"]
    done = subprocess.run([*command, "no number"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"ValueError" in done.stderr


@pytest.mark.parametrize("asked", [b"", b"\0\0\0"])
def test_a_launcher_that_is_killed_before_it_has_asked_keeps_nobody_waiting(
    warm_reader: str, asked: bytes
) -> None:
    address = find_address(warm_reader)
    with socket.socket(socket.AF_UNIX) as launcher:
        launcher.connect(address)
        launcher.sendall(asked)
    command = [warm_reader, "-m", "pages.parse.sandbox_worker", "no number"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode == 1


def test_what_it_does_not_know_starts_cold(warm_reader: str) -> None:
    script = "import sys; print(sys.argv[1:], sys.executable); sys.exit(3)"
    done = subprocess.run([warm_reader, "-c", script, "a"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, f"['a'] {sys.executable}\n")


def test_all_that_want_a_server_in_a_run_have_one_and_it_ends_with_the_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = SharedRun(tmp_path, process.pid)
        with ThreadPoolExecutor(4) as threads:
            [launcher] = set(threads.map(lambda _: serve_warm(run, "python", ("this",), ()), range(4)))
        address = Path(find_address(launcher))
        said = subprocess.run([launcher, "-m", "this"], capture_output=True, text=True, check=True)
        assert "Zen of Python" in said.stdout
        assert address.exists()
        process.kill()
    for _ in range(1000):
        if not address.parent.exists():
            break
        time.sleep(0.02)
    assert not address.parent.exists()

"""Names of processes: which one it was, and whether it has ended."""

from __future__ import annotations

import subprocess
import sys

from core.processes import is_gone, name_process


def test_a_process_keeps_its_name_while_it_runs_and_is_gone_afterwards() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    name = name_process(process.pid)
    assert name == name_process(process.pid) != name_process()
    assert not is_gone(name)
    process.kill()
    process.communicate()
    assert is_gone(name)
    assert name_process(process.pid) == ""


def test_another_process_with_the_same_number_is_not_the_same() -> None:
    machine, number, started = name_process().split()
    assert is_gone(f"{machine} {number} {int(started) - 1}")
    assert not is_gone(f"{machine} {number} {started}")


def test_of_another_machine_and_of_the_unknown_nothing_is_known() -> None:
    _, number, started = name_process().split()
    assert not is_gone(f"another/pid:[1] {number} {started}")
    assert not is_gone("")

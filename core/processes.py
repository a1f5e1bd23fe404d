"""Which process on which machine something belongs to, and whether it is known to have ended.

Linux alone tells enough (/proc): elsewhere no process has a name, and none is known to have ended.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 19  # of the fields behind the program's name: clock ticks since the machine started


def name_process(pid: int | None = None) -> str:
    """Return a name that no other process has or will have: boot, namespace of numbers, number, start.

    "" where it cannot be told, or no such process runs.
    """
    number = pid or os.getpid()
    try:
        started = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()[_STARTED]
        return f"{_name_machine()} {number} {started}"
    except (OSError, IndexError):
        return ""


def is_gone(name: str) -> bool:
    """Tell whether a process with such a name ran here and does not any more; False where that is unknown."""
    machine, _, numbers = name.partition(" ")
    try:
        here = _name_machine()
    except OSError:
        return False
    return bool(name) and machine == here and name_process(int(numbers.split()[0])) != name


def _name_machine() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"

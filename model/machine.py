"""What this machine computes with, and how much memory that has: the processor, or an NVIDIA GPU."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_TIMEOUT_S = 10.0
_MIB = 1 << 20


def processor_name(device: str, gpu: int = 0) -> str:
    """Return the name of what computes on "cpu" or "cuda"; "" where nothing tells it."""
    if device == "cuda":
        return _gpu(gpu)[0]
    with contextlib.suppress(OSError):
        if named := re.search(r"^model name\s*: *(.+)$", _CPUINFO.read_text("utf-8"), re.MULTILINE):
            return named[1].strip()
    return platform.processor() or platform.machine()


def memory_gb(device: str, gpu: int = 0) -> float | None:
    """Return the memory that a model can have there, GB; of a container its limit. None where nothing tells it."""
    if device == "cuda":
        return _gpu(gpu)[1]
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        total = min(total, int(_CGROUP.read_text("utf-8")))
    return total / 1e9


def cpu_s(pid: int) -> float:
    """Return how long a process and its threads have computed, seconds; 0 where nothing tells it."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@cache
def _gpu(number: int) -> tuple[str, float | None]:
    """Return a GPU's name and memory, as the driver's own tool tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "", None
    query = [tool, f"--id={number}", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
        name, _, mib = told.stdout.strip().rpartition(",")
        return name.strip(), int(mib) * _MIB / 1e9
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", None

"""Processes: started beside the loop and ended with it; named, so that it is known whether one has ended.

Linux alone tells enough (/proc): elsewhere no process has a name, and none is known to have ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
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


def read_peak_memory(pid: int) -> int:
    """Return the most address space that a process ever had, bytes; 0 where it cannot be told."""
    try:
        lines = (_PROC / str(pid) / "status").read_text(errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmPeak:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0


log = logging.getLogger(__name__)


async def start_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    stop_within_s: float,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
) -> asyncio.subprocess.Process:
    """Start a process; one that begins while this is cancelled is ended, too. Raises OSError."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(*command, env=dict(environment), stdin=stdin, stdout=stdout)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await end_process(await starting, stop_within_s)
        raise


async def run_process(
    command: Sequence[str], environment: Mapping[str, str], stop_within_s: float
) -> tuple[asyncio.subprocess.Process, str]:
    """Run a program that ends when this process does; return it, and what it said. Raises OSError."""
    process = await start_process(
        command,
        environment,
        stop_within_s,
        stdin=asyncio.subprocess.PIPE,  # it ends when this does
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = await process.stdout.read()
        await process.wait()
    except asyncio.CancelledError:
        await end_process(process, stop_within_s)
        raise
    return process, said.decode("utf-8", "replace")


async def end_process(process: asyncio.subprocess.Process, within_s: float) -> None:
    """Tell a process to stop; kill it where that takes too long."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        log.warning("a process that was told to stop did not within %.0f s, and is killed", within_s)
        process.kill()
        await process.wait()

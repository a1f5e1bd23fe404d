"""Processes that are started beside the loop, and end with what started them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

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

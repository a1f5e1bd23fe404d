"""The schedule as a process of its own: `askpage jobs serve`, and the one that `askpage serve` keeps beside the bot.

It starts the jobs as processes, so it imports neither the bot nor the model, and takes little memory for as long as it
runs. `askpage jobs serve` becomes this program.

Run as: askpage jobs serve
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from bot.storing import open_store
from feedback.store import StoreError
from jobs.schedule import schedule_of
from jobs.serving import Runner, Way, end
from private_files import keep_private
from settings import Settings, environment_of

log = logging.getLogger("jobs.serve")

HERE = Path(__file__).resolve()
WITH_PARENT = "--with-parent"
"""An argument of ours: end when standard input does, so that no process outlives the one that started it."""
PAUSES_S = (2.0, 10.0, 60.0, 300.0)
"""Before a schedule beside the bot that ended is started again: the longer, the oftener it ended."""
GOOD_S = 600.0
"""One that ran for so long is no broken one."""
STOP_WITHIN_S = 25.0
AWAY_S = 15.0


def become_schedule(settings: Settings) -> NoReturn:
    """Go on as the schedule, in this very process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, _command(), environment_of(settings))  # noqa: S606 - our own program


@asynccontextmanager
async def schedule_beside(settings: Settings) -> AsyncGenerator[None]:
    """Keep the schedule running beside what happens in the block, where the settings want that; end it afterwards."""
    if not settings.run_jobs_here:
        yield
        return
    keeping = asyncio.create_task(keep_running(settings), name="schedule")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


async def keep_running(settings: Settings, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
    """Run the schedule, again and again, until cancelled."""
    ended = 0
    while True:
        began = time.monotonic()
        try:
            status = f"status {await _schedule_process(settings)}"
        except OSError as error:
            status = str(error)
        ended = 0 if time.monotonic() - began > GOOD_S else ended + 1
        pause_s = pauses_s[min(max(ended, 1), len(pauses_s)) - 1]
        log.error("the schedule ended (%s); it is started again in %.0f s", status, pause_s)
        await asyncio.sleep(pause_s)


async def _schedule_process(settings: Settings) -> int:
    """Run it until it ends, or this is cancelled; return its exit status. Raises OSError when it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        *_command(), WITH_PARENT, env=environment_of(settings), stdin=asyncio.subprocess.PIPE
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await end(process, STOP_WITHIN_S)
        raise


def end_with_parent() -> None:
    """Stop this process, as SIGTERM does, once whoever started it is gone."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):  # not through sys.stdin, whose lock an exiting interpreter wants
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watches the parent", daemon=True).start()


def _command() -> list[str]:
    return [sys.executable, str(HERE)]


def _job_command(name: str) -> list[str]:
    return [sys.executable, str(HERE.with_name("cli.py")), "jobs", "run", name, "--if-due", WITH_PARENT]


async def serve_schedule(settings: Settings) -> None:
    """Run what is due until SIGTERM or SIGINT. Raises ScheduleInvalid."""
    schedule = schedule_of(settings)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    way = Way(_job_command, environment_of(settings))
    log.info("the schedule of %s begins", ", ".join(schedule.names) or "nothing")
    while not stop.is_set():
        try:
            async with open_store(settings) as store:
                await Runner(store.documents, schedule, way).run(stop)
        except StoreError as error:
            log.warning("the schedule waits for the store: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AWAY_S)


def main() -> None:
    """Run it with the settings of the environment."""
    keep_private()
    settings = Settings()  # pyright: ignore[reportCallIssue] - everything has a default
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("jobs").setLevel(settings.log_level.upper())
    if WITH_PARENT in sys.argv[1:]:
        os.nice(10)  # its jobs inherit that: people who wait for answers come first
        end_with_parent()
    asyncio.run(serve_schedule(settings))


if __name__ == "__main__":
    main()

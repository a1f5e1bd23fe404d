"""Runs the jobs as their schedule says, in a process of its own, until it is told to stop.

Run as: askpage jobs serve

`askpage serve` keeps the same process beside the bot. It starts each run of a job as a process, so it imports
neither the bot's services nor the model, and takes little memory for as long as it runs.

APScheduler tells the moments. What should have run by then and has not, whatever the reason (nothing ran
here, the store was away, a process was killed), is found by looking at the jobs' documents, at the start and
every minute; however many times were missed, it runs once. Of several schedules on several machines one runs
a job, by its lease, and the others find that it is not due any more.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false
# APScheduler is untyped.

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.stores import open_store
from core.files import keep_private
from core.processes import end_process, run_process, start_process
from core.settings import Settings, build_environment
from feedback.store.base import StoreError, moment
from feedback.store.documents import Documents
from feedback.store.job_runs import (
    DIED,
    RUNNING,
    JobRun,
    free_lease,
    job_run,
    keep_run,
    meet,
    name_lease,
    plan,
)
from jobs.scheduling.schedule import Schedule, read_schedule

log = logging.getLogger("jobs.scheduling.scheduler")  # its own name is __main__ where it runs

AT_ONCE = 2
"""Jobs that run beside each other: a long one holds nobody up, and making up for much is no storm."""


@dataclass(frozen=True, slots=True)
class JobLauncher:
    """How a job is started as a process, and with how much patience (seconds)."""

    command: Callable[[str], Sequence[str]]
    environment: Mapping[str, str]
    look_every_s: float = 60.0
    stop_within_s: float = 20.0


@dataclass
class Runner:
    """One schedule on one machine."""

    documents: Documents
    schedule: Schedule
    launcher: JobLauncher
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, "asyncio.Task[None]"])
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _met: set[str] = field(default_factory=set[str])

    async def run(self, stop: asyncio.Event) -> None:
        """Run what is due until `stop` is set; then the jobs under way are told to stop, and waited for."""
        scheduler: Any = AsyncIOScheduler()
        for name, trigger in self.schedule.triggers.items():
            scheduler.add_job(self.look, trigger, [name], coalesce=True, misfire_grace_time=None)
        scheduler.start()
        looking = asyncio.create_task(self._look_again(), name="look for what is due")
        try:
            await stop.wait()
        finally:
            scheduler.shutdown(wait=False)
            looking.cancel()
            under_way = [looking, *self._running.values()]
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)

    async def look(self, *names: str) -> None:
        """Start those of these jobs that are due and not under way here."""
        for name in names or self.schedule.names:
            try:
                run = await self._last_run(name)
            except StoreError as error:
                log.warning("the schedule waits for the store: %s", error)
                return
            if name not in self._running and self.schedule.is_due(run, datetime.now(UTC)):
                task = asyncio.create_task(self._one(name), name=f"job {name}")
                self._running[name] = task
                task.add_done_callback(lambda _, name=name: self._running.pop(name, None))

    async def _look_again(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("a look at the schedule failed; the next one goes on")
            await asyncio.sleep(self.launcher.look_every_s)

    async def _last_run(self, name: str) -> JobRun:
        """Return how a job stands.

        From the first look on the schedule knows it, and keeps when it is due next.
        """
        if name not in self._met:
            now = datetime.now(UTC)
            due = self.schedule.next_after(name, now)
            next_at = moment(due) if due else ""
            if not await meet(self.documents, JobRun(name, known_since=moment(now), next_at=next_at)):
                await plan(self.documents, name, next_at, known_since=moment(now))
            self._met.add(name)
        return await job_run(self.documents, name)

    async def _one(self, name: str) -> None:
        async with self._gate:
            process, said = await run_process(
                self.launcher.command(name), self.launcher.environment, self.launcher.stop_within_s
            )
        log.info("%s", said.strip() or f"{name} said nothing")
        if process.returncode is not None and process.returncode < 0:
            await self._note_death(name, process.pid, -process.returncode)

    async def _note_death(self, name: str, pid: int, by: int) -> None:
        """Write down that a process was killed, so that it is not begun over and over; free what it held."""
        who = f"{socket.gethostname()}, process {pid}"
        error = (
            f"Its process was ended by signal {by} ({signal.Signals(by).name}), perhaps for want of memory."
        )
        log.error("%s: %s", name, error)
        try:
            run = await job_run(self.documents, name)
            if (run.outcome, run.by) == (RUNNING, who):
                await keep_run(
                    self.documents,
                    replace(
                        run,
                        outcome=DIED,
                        error=error,
                        ended_at=moment(datetime.now(UTC)),
                        covers=run.started_at,
                    ),
                )
                await free_lease(self.documents, name_lease(name), who)
        except StoreError as away:
            log.warning("it is not written down: %s", away)


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
    os.execve(sys.executable, _command(), build_environment(settings))  # noqa: S606 - our own program


@asynccontextmanager
async def schedule_beside(settings: Settings) -> AsyncGenerator[None]:
    """Keep the schedule running beside what happens in the block, where the settings want that.

    End it afterwards.
    """
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
    """Run it until it ends, or this is cancelled; return its exit status.

    Raises OSError when it cannot be started.
    """
    process = await start_process(
        [*_command(), WITH_PARENT], build_environment(settings), STOP_WITHIN_S, stdin=asyncio.subprocess.PIPE
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await end_process(process, STOP_WITHIN_S)
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
    return [sys.executable, "-m", "jobs.scheduling.scheduler"]


def _job_command(name: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "jobs", "run", name, "--if-due", WITH_PARENT]


async def serve_schedule(settings: Settings) -> None:
    """Run what is due until SIGTERM or SIGINT. Raises ScheduleInvalid."""
    schedule = read_schedule(settings)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    launcher = JobLauncher(_job_command, build_environment(settings))
    log.info("the schedule of %s begins", ", ".join(schedule.names) or "nothing")
    while not stop.is_set():
        try:
            async with open_store(settings) as store:
                await Runner(store.documents, schedule, launcher).run(stop)
        except StoreError as error:
            log.warning("the schedule waits for the store: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AWAY_S):
                    await stop.wait()


def main() -> None:
    """Run it with the settings of the environment."""
    keep_private()
    settings = Settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("jobs").setLevel(settings.log_level.upper())
    if WITH_PARENT in sys.argv[1:]:
        os.nice(10)  # its jobs inherit that: people who wait for answers come first
        end_with_parent()
    asyncio.run(serve_schedule(settings))


if __name__ == "__main__":
    main()

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false
# APScheduler is untyped.
"""Runs the jobs as their schedule says, until it is told to stop: each run is a process of its own.

APScheduler tells the moments. What should have run by then and has not, whatever the reason (nothing ran here, the
store was away, a process was killed), is found by looking at the jobs' documents, at the start and every minute; however
many times were missed, it runs once. Of several schedules on several machines one runs a job, by its lease, and the
others find that it is not due any more.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from feedback.documents import Documents
from feedback.job_runs import DIED, RUNNING, JobRun, job_run, keep_run, lease_of, meet, plan
from feedback.lease import free_of
from feedback.store import StoreError, moment
from jobs.schedule import Schedule

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Jobs that run beside each other: a long one holds nobody up, and a start that makes up for much is no storm."""


@dataclass(frozen=True, slots=True)
class Way:
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
    way: Way
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
            await asyncio.sleep(self.way.look_every_s)

    async def _last_run(self, name: str) -> JobRun:
        """Return how a job stands; from the first look on the schedule knows it, and keeps when it is due next."""
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
            process = await asyncio.create_subprocess_exec(
                *self.way.command(name),
                env=dict(self.way.environment),
                stdin=asyncio.subprocess.PIPE,  # it ends when this does
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                said = await process.stdout.read()
                await process.wait()
            except asyncio.CancelledError:
                await end(process, self.way.stop_within_s)
                raise
        log.info("%s", said.decode("utf-8", "replace").strip() or f"{name} said nothing")
        if process.returncode is not None and process.returncode < 0:
            await self._note_death(name, process.pid, -process.returncode)

    async def _note_death(self, name: str, pid: int, by: int) -> None:
        """Write down that a process was killed, so that it is not begun again and again, and free what it held."""
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
                await free_of(self.documents, lease_of(name), who)
        except StoreError as away:
            log.warning("it is not written down: %s", away)


async def end(process: asyncio.subprocess.Process, within_s: float) -> None:
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

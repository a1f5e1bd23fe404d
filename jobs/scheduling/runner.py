"""One run of a job, on one machine at a time: it takes the lease, works, and says how it went.

    done, failed        it came to an end
    stopped             it was told to stop, or lost its lease; it is made up for
    elsewhere           somebody else is at it, and nothing was done here
    not due             the schedule wants nothing of it now, and nothing was done

How it ended is a document (feedback/store/job_runs.py), too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.stores import open_store
from core import telemetry
from core.settings import Settings
from core.subprocess_step import OnProgress
from feedback.store.base import StoreError, moment
from feedback.store.documents import Documents
from feedback.store.job_runs import (
    DONE,
    FAILED,
    HOLD_S,
    RUNNING,
    STOPPED,
    Held,
    JobRun,
    Lease,
    job_run,
    keep_run,
    name_lease,
)
from jobs.registry import JobContext, JobFailed, Result, Run
from jobs.scheduling.schedule import Schedule, read_schedule

log = logging.getLogger(__name__)

ELSEWHERE, NOT_DUE = "elsewhere", "not due"
LOST = (
    "It lost its lease to another process, or could not renew it: "
    "the store is away, or this machine stood still."
)
TOLD = "It was told to stop."

Work = Callable[[], Awaitable[Result]]


class LeaseLost(Exception):
    """Another process may do this work now, so this one must not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. `error` is for people, `kept` what of it is written down."""

    outcome: str
    said: Result
    error: str = ""
    kept: str = ""


async def run_job(
    name: str, run: Run, settings: Settings, *, if_due: bool = False, tell: OnProgress | None = None
) -> dict[str, object]:
    """Run a job on the store of the settings; return what is printed of it.

    Nothing is raised but ScheduleInvalid. `tell` hears how far it is, where the job tells that.
    """
    schedule = read_schedule(settings)
    with telemetry.span("job"):
        try:
            async with open_store(settings) as store:
                context = JobContext(settings, store, *([tell] if tell else []))
                return await run_alone(store.documents, name, lambda: run(context), schedule, if_due=if_due)
        except StoreError as error:  # before it had begun
            telemetry.event("job_finished", job=name, outcome=FAILED, seconds=0.0)
            return {"job": name, "outcome": FAILED, "seconds": 0.0, "error": str(error)}


async def run_alone(
    documents: Documents,
    name: str,
    work: Work,
    schedule: Schedule,
    *,
    if_due: bool = False,
    hold_s: float = HOLD_S,
) -> dict[str, object]:
    """Run a job unless somebody else does; return what is printed of it.

    Raises StoreError only before it begins. `if_due`: only where the schedule wants it since the last run.
    """
    lease = Lease(documents, name_lease(name), who_we_are(), hold_s=hold_s)
    other = await lease.take()
    if other is not None:
        return {"job": name, "outcome": ELSEWHERE, "by": other.who, "sentence": describe_holder(name, other)}
    try:
        before = await job_run(documents, name)
        if if_due and not schedule.is_due(before, datetime.now(UTC)):
            return {"job": name, "outcome": NOT_DUE}
        began, began_at = time.perf_counter(), datetime.now(UTC)
        begun = replace(
            before, outcome=RUNNING, started_at=moment(began_at), ended_at="", by=who_we_are(), error=""
        )
        await keep_run(documents, begun)
        ended = await _run_to_end(name, lease, work)
        seconds = round(time.perf_counter() - began, 3)
        await _keep(documents, lease, _record_end(begun, ended, seconds, schedule))
        telemetry.event("job_finished", job=name, outcome=ended.outcome, seconds=seconds)
        error = {"error": ended.error} if ended.error else {}
        return {"job": name, "outcome": ended.outcome, "seconds": seconds, **ended.said, **error}
    finally:
        try:
            await lease.give_back()
        except StoreError as error:
            log.warning("a lease ends by itself, since it cannot be given back: %s", error)


def who_we_are() -> str:
    """Name this process for people."""
    return f"{socket.gethostname()}, process {os.getpid()}"


def describe_holder(name: str, held: Held) -> str:
    """Say who is at a job."""
    since = held.since[:16].replace("T", " ")
    return f"{name} is being run by {held.who} since {since} UTC; nothing was done here."


async def _run_to_end(name: str, lease: Lease, work: Work) -> Ended:
    try:
        return Ended(DONE, await _while_held(lease, work))
    except asyncio.CancelledError:  # SIGTERM; whoever asked for it waits for the line that is printed
        return Ended(STOPPED, {}, TOLD, TOLD)
    except LeaseLost:
        return Ended(STOPPED, {}, LOST, LOST)
    except (StoreError, JobFailed) as error:
        return Ended(FAILED, {}, str(error), str(error))
    except Exception as error:
        log.exception("the job %s failed", name)
        telemetry.record_error(error)
        kind = type(error).__name__  # its words may be anybody's, and are not written down
        return Ended(
            FAILED, {}, f"{kind}: {error}", f"It failed with {kind}; the log of {who_we_are()} says where."
        )


async def _while_held(lease: Lease, work: Work) -> Result:
    working = asyncio.ensure_future(work())
    keeping = asyncio.ensure_future(lease.keep())
    try:
        await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise LeaseLost
    finally:
        for task in (working, keeping):
            task.cancel()
        await asyncio.wait({working, keeping})


def _record_end(begun: JobRun, ended: Ended, seconds: float, schedule: Schedule) -> JobRun:
    now = datetime.now(UTC)
    next_at = schedule.next_after(begun.name, now)
    whole = ended.outcome in {DONE, FAILED}
    return replace(
        begun,
        outcome=ended.outcome,
        ended_at=moment(now),
        seconds=seconds,
        error=ended.kept,
        said=dict(ended.said) if ended.outcome == DONE else begun.said,
        done_at=moment(now) if ended.outcome == DONE else begun.done_at,
        covers=begun.started_at if whole else begun.covers,
        next_at=moment(next_at) if next_at else "",
    )


async def _keep(documents: Documents, lease: Lease, run: JobRun) -> None:
    """Write down how it ended, where that is still ours to say."""
    try:
        if await lease.renew():
            await keep_run(documents, run)
    except StoreError as error:
        log.warning("how the job %s ended is not written down: %s", run.name, error)

"""The scheduled work: `askpage jobs list | run NAME | serve`.

`run` prints one line of JSON on standard output, {"job", "outcome", "seconds", …}, and its exit status says
how it went: 0 done, or somebody else is at it; 1 failed; 3 stopped before its end. The jobs are those of
`jobs/registry.py`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Column, Table

from bot.stores import open_store
from cli.console import Json, print_json, progress_bar, progress_out, telling, with_settings
from cli.tables import print_table
from core.settings import Settings
from core.subprocess_step import OnProgress
from feedback.store.base import StoreError
from feedback.store.job_runs import DONE, FAILED, STOPPED, JobRun, job_runs, name_lease, who_holds
from jobs.registry import JOBS, Job
from jobs.scheduling.runner import ELSEWHERE, NOT_DUE, TOLD, run_job
from jobs.scheduling.schedule import Schedule, read_schedule
from jobs.scheduling.scheduler import become_schedule, end_with_parent

log = logging.getLogger(__name__)

EXIT = {DONE: 0, ELSEWHERE: 0, NOT_DUE: 0, FAILED: 1, STOPPED: 3}
"""Exit status by outcome."""


jobs_app = typer.Typer(help="Scheduled jobs: list them, run one, or run the schedule.", no_args_is_help=True)


@jobs_app.command("list")
@with_settings
def jobs_list(settings: Settings, as_json: Json = False) -> None:
    """List the jobs: when each is due, and how its last run went."""
    lines = asyncio.run(_lines(settings, read_schedule(settings)))
    if as_json:
        print_json(lines)
        return
    name = Column("Job", width=max(map(len, JOBS)) + 1)
    table = Table(name, "Schedule", "Last run", "Outcome", "Next", caption="Times are UTC.", show_lines=True)
    for line in lines:
        cells = (_format_time(str(line[name])) for name in ("schedule", "started_at", "state", "next_at"))
        table.add_row(f"{line['job']}\n{line['does']}", *cells)
    print_table(table)


async def _lines(settings: Settings, schedule: Schedule) -> list[dict[str, object]]:
    """Return what is known of every job."""
    runs: dict[str, JobRun] = {}
    at_work: dict[str, str] = {}
    try:
        async with open_store(settings) as store:
            runs = {run.name: run for run in await job_runs(store.documents)}
            for name in JOBS:
                held = await who_holds(store.documents, name_lease(name))
                at_work |= {name: held.who} if held else {}
    except StoreError as error:
        progress_out.print(f"How the last runs went is not known: {error}", markup=False)
    now = datetime.now(UTC)
    return [
        _line(job, runs.get(name, JobRun(name)), at_work.get(name, ""))
        | {
            "schedule": settings.schedule.values().get(name, ""),
            "next_at": str(schedule.next_after(name, now) or ""),
        }
        for name, job in JOBS.items()
    ]


def _line(job: Job, run: JobRun, at_work: str) -> dict[str, object]:
    state = f"running: {at_work}" if at_work else run.outcome
    if run.outcome == "running" and not at_work:
        state = "ended without a word"
    elif run.outcome and not at_work:
        state = f"{run.outcome} in {run.seconds:g} s" + (f": {run.error}" if run.error else "")
    return {"job": run.name, "does": job.sentence, "state": state, **asdict(run)}


def _format_time(text: str) -> str:
    """Return a time without its seconds, anything else as it is."""
    return text[:16].replace("T", " ") if text[:4].isdecimal() else text


@jobs_app.command("run")
@with_settings
def jobs_run(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="A job, as `askpage jobs list` names it.")],
    if_due: Annotated[bool, typer.Option("--if-due", help="Run it only if it is due.")] = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run a job; print what it did as one line of JSON.

    Exit status 0 done, 1 failed, 3 stopped before its end.
    """
    if name not in JOBS:
        raise typer.BadParameter(f"there is no job {name}; `askpage jobs list` shows them")
    if with_parent:
        end_with_parent()
    with telling(settings):
        result = asyncio.run(_run_until_told(name, settings, if_due=if_due))
    if result["outcome"] == ELSEWHERE:
        progress_out.print(str(result["sentence"]), markup=False)
    print_json(result)
    if status := EXIT[str(result["outcome"])]:
        raise typer.Exit(status)


@jobs_app.command("serve")
@with_settings
def jobs_serve(settings: Settings) -> None:
    """Run the schedule until Ctrl-C or SIGTERM. Jobs that were missed run once."""
    read_schedule(settings)  # what is wrong with it is said here
    become_schedule(settings)


async def _run_until_told(name: str, settings: Settings, *, if_due: bool) -> dict[str, object]:
    """Run a job, with a bar where it says how far it is; SIGTERM and SIGINT stop it."""
    with ExitStack() as showing:
        running = asyncio.create_task(
            run_job(name, JOBS[name].load(), settings, if_due=if_due, tell=_bar(name, showing))
        )
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, running.cancel)
        try:
            return await running
        except asyncio.CancelledError:  # before it had begun
            return {"job": name, "outcome": STOPPED, "error": TOLD}


def _bar(name: str, showing: ExitStack) -> OnProgress:
    """Return what shows how far a job is: nothing before it says so for the first time."""
    bars: list[tuple[Progress, TaskID]] = []

    def tell(step: str, share: float) -> None:
        if not bars:
            bar = showing.enter_context(progress_bar())
            bars.append((bar, bar.add_task(name, total=1.0)))
        bars[0][0].update(bars[0][1], description=step, completed=share)

    return tell

"""The scheduled work: `askpage jobs list | run NAME | serve`, and the table of jobs.

`run` prints one line of JSON on standard output, {"job", "outcome", "seconds", …}, and its exit status says how it
went: 0 done, or somebody else is at it; 1 failed; 3 stopped before its end. A new job is a file in `jobs/`, a line here,
and a setting `schedule_NAME`. Jobs that do a part of the bot's work get it here, since neither imports the other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, cast

import typer
from rich.table import Column, Table

from bot.stores import Store as OpenStore
from bot.stores import open_store, retention_of
from cli.console import Json, out, progress_out, telling
from cli.options import with_settings
from core import telemetry
from core.settings import Settings
from feedback.store.base import StoreError
from feedback.store.cosmos import CosmosStore
from feedback.store.job_runs import DONE, FAILED, STOPPED, JobRun, job_runs, lease_of
from feedback.store.lease import who_holds
from jobs.registry import Job, Result, Store
from jobs.runner import ELSEWHERE, NOT_DUE, TOLD, run_alone, who_we_are
from jobs.schedule import PREFIX, Schedule, schedule_of
from jobs.scheduler import become_schedule, end_with_parent

log = logging.getLogger(__name__)

EXIT = {DONE: 0, ELSEWHERE: 0, NOT_DUE: 0, FAILED: 1, STOPPED: 3}
"""Exit status by outcome."""


# Each imports what it needs: the parts of the bot take a second, and a schedule starts many processes.


async def _sample_reviews(settings: Settings, store: Store) -> Result:
    from bot.bootstrap import open_borrowed  # noqa: PLC0415
    from jobs.sample_reviews import sample_reviews  # noqa: PLC0415

    async with open_borrowed(settings, _opened(store)) as borrowed:
        return await sample_reviews(store, borrowed.parts.looking.look_at, datetime.now(UTC))


async def _send_reviews(settings: Settings, store: Store) -> Result:
    from bot.bootstrap import open_borrowed  # noqa: PLC0415
    from jobs.send_reviews import send_cards, send_reviews  # noqa: PLC0415

    async with open_borrowed(settings, _opened(store), who_we_are()) as borrowed:
        send = partial(send_cards, borrowed.parts)
        return await send_reviews(borrowed.parts.desk, send, datetime.now(UTC))


async def _refresh_pages(settings: Settings, store: Store) -> Result:
    from bot.bootstrap import open_borrowed  # noqa: PLC0415
    from jobs.refresh_pages import refresh_pages  # noqa: PLC0415
    from pages.sources import read_added_sources  # noqa: PLC0415

    async with open_borrowed(settings, _opened(store)) as borrowed:
        shelf, parts = borrowed.shelf, borrowed.parts
        added = read_added_sources(settings.index_dir)
        return await refresh_pages(shelf.library, added, parts.desk, shelf.page_hash, parts.reviewing.stale)


async def _drain_spool(settings: Settings, store: Store) -> Result:
    if not isinstance(store, CosmosStore):
        return {"carried": 0, "questions": 0, "failed": 0, "left": 0}  # nothing ever waits for a file
    from bot.bootstrap import open_borrowed  # noqa: PLC0415
    from jobs.drain_spool import drain_spool, left_spools  # noqa: PLC0415

    async with (
        open_borrowed(settings, store) as borrowed,
        aclosing(left_spools(settings, store, borrowed)) as left,
    ):
        return await drain_spool(store, left)


async def _roll_up(settings: Settings, store: Store) -> Result:
    from jobs.roll_up_metrics import roll_up  # noqa: PLC0415

    return await roll_up(store, datetime.now(UTC), keep_days=settings.keep_questions_days)


async def _apply_retention(settings: Settings, store: Store) -> Result:
    from jobs.apply_retention import apply_retention  # noqa: PLC0415

    return await apply_retention(store, retention_of(settings), datetime.now(UTC))


async def _watch_canary(settings: Settings, store: Store) -> Result:
    from jobs.watch_canary import watch_canary  # noqa: PLC0415
    from model.evaluation.canary import CanaryRules  # noqa: PLC0415
    from model.registry.sync import catch_up  # noqa: PLC0415

    rules = CanaryRules(
        margin=settings.canary_margin,
        min_votes=settings.canary_min_votes,
        max_error_rate=settings.canary_max_error_rate,
        max_latency_ratio=settings.canary_max_latency_ratio,
        days=settings.canary_days,
    )
    publish = await asyncio.to_thread(catch_up, settings.models_dir, settings.models_url)
    return await watch_canary(store, settings.models_dir, rules, datetime.now(UTC), publish)


async def _send_to_data_explorer(settings: Settings, store: Store) -> Result:
    if not settings.data_explorer_uri:
        return {"sent": 0, "off": "data_explorer_uri is empty"}
    from cli.explorer_job import send  # noqa: PLC0415

    return await send(settings, store)


async def _update_model(settings: Settings, store: Store) -> Result:
    from cli.update_job import update  # noqa: PLC0415

    return await update(settings, store)


JOBS = (
    Job(
        "sample_reviews", "Look at delivered answers that nobody looked at, for the sample.", _sample_reviews
    ),
    Job("send_reviews", "Send the cards of waiting reviews that nobody sees.", _send_reviews),
    Job(
        "refresh_pages",
        "Read the indexed pages again; send back what stands on changed ones.",
        _refresh_pages,
    ),
    Job("drain_spool", "Carry over what waited for the store in folders of gone processes.", _drain_spool),
    Job("roll_up_metrics", "Sum up each day's figures into a document.", _roll_up),
    Job("apply_retention", "Delete what is older than it may be kept.", _apply_retention),
    Job(
        "watch_canary",
        "Roll back a canary that pleases less, fails or is slow; promote a good one.",
        _watch_canary,
    ),
    Job(
        "send_to_data_explorer",
        "Send what is kept to Data Explorer, without texts and people.",
        _send_to_data_explorer,
    ),
    Job(
        "update_model", "Train on what is reviewed; let the candidate answer if it is better.", _update_model
    ),
)
"""Every job there is."""

jobs_app = typer.Typer(help="Scheduled work.", no_args_is_help=True)


@jobs_app.command("list")
@with_settings
def jobs_list(settings: Settings, as_json: Json = False) -> None:
    """List the jobs: when each is due, and how its last run went."""
    lines = asyncio.run(_lines(settings, schedule_of(settings)))
    if as_json:
        print(json.dumps(lines))  # noqa: T201
        return
    name = Column("Job", width=max(len(job.name) for job in JOBS) + 1)
    table = Table(name, "Schedule", "Last run", "Outcome", "Next", caption="Times are UTC.", show_lines=True)
    for line in lines:
        cells = (_shown(str(line[name])) for name in ("schedule", "started_at", "state", "next_at"))
        table.add_row(f"{line['job']}\n{line['does']}", *cells)
    out.print(table)


async def _lines(settings: Settings, schedule: Schedule) -> list[dict[str, object]]:
    """Return what is known of every job."""
    runs: dict[str, JobRun] = {}
    at_work: dict[str, str] = {}
    try:
        async with open_store(settings) as store:
            runs = {run.name: run for run in await job_runs(store.documents)}
            for job in JOBS:
                held = await who_holds(store.documents, lease_of(job.name))
                at_work |= {job.name: held.who} if held else {}
    except StoreError as error:
        progress_out.print(f"How the last runs went is not known: {error}", markup=False)
    now = datetime.now(UTC)
    return [
        _line(job, runs.get(job.name, JobRun(job.name)), at_work.get(job.name, ""))
        | {
            "schedule": getattr(settings, f"{PREFIX}{job.name}", ""),
            "next_at": str(schedule.next_after(job.name, now) or ""),
        }
        for job in JOBS
    ]


def _line(job: Job, run: JobRun, at_work: str) -> dict[str, object]:
    state = f"running: {at_work}" if at_work else run.outcome
    if run.outcome == "running" and not at_work:
        state = "its process is gone"
    elif run.outcome and not at_work:
        state = f"{run.outcome} in {run.seconds:g} s" + (f": {run.error}" if run.error else "")
    return {"job": job.name, "does": job.sentence, "state": state, **asdict(run)}


def _shown(text: str) -> str:
    """Return a time without its seconds, anything else as it is."""
    return text[:16].replace("T", " ") if text[:4].isdecimal() else text


@jobs_app.command("run")
@with_settings
def jobs_run(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="A job, as `askpage jobs list` names it.")],
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only where the schedule wants it since its last run.")
    ] = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run a job; print what it did as one line of JSON. Exit status 0 done, 1 failed, 3 stopped before its end."""
    job = next((job for job in JOBS if job.name == name), None)
    if job is None:
        raise typer.BadParameter(f"there is no job {name}; `askpage jobs list` shows them")
    if with_parent:
        end_with_parent()
    with telling(settings):
        result = asyncio.run(_run_until_told(job, settings, if_due=if_due))
    if result["outcome"] == ELSEWHERE:
        progress_out.print(str(result["sentence"]), markup=False)
    print(json.dumps(result))  # noqa: T201 - the command's output
    if status := EXIT[str(result["outcome"])]:
        raise typer.Exit(status)


@jobs_app.command("serve")
@with_settings
def jobs_serve(settings: Settings) -> None:
    """Run the jobs as their schedule says, until Ctrl-C or SIGTERM. What was missed is made up for once."""
    schedule_of(settings)  # what is wrong with it is said here
    become_schedule(settings)


async def _run_until_told(job: Job, settings: Settings, *, if_due: bool) -> dict[str, object]:
    """Run a job; SIGTERM and SIGINT stop it."""
    running = asyncio.create_task(run_job(job, settings, if_due=if_due))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:  # before it had begun
        return {"job": job.name, "outcome": STOPPED, "error": TOLD}


async def run_job(job: Job, settings: Settings, *, if_due: bool = False) -> dict[str, object]:
    """Run a job on the store of the settings; return its line. Nothing is raised but ScheduleInvalid."""
    schedule = schedule_of(settings)
    with telemetry.span("job"):
        try:
            async with open_store(settings) as store:
                work = partial(job.run, settings, store)
                return await run_alone(store.documents, job.name, work, schedule, if_due=if_due)
        except StoreError as error:  # before it had begun
            telemetry.event("job_finished", job=job.name, outcome=FAILED, seconds=0.0)
            return {"job": job.name, "outcome": FAILED, "seconds": 0.0, "error": str(error)}


def _opened(store: Store) -> OpenStore:
    """A job's store is one that `open_store` has opened."""
    return cast("OpenStore", store)

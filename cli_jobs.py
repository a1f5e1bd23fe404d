"""The scheduled work: `askpage jobs run NAME`, `askpage jobs list`, and the table of jobs.

A job prints one line of JSON on standard output, {"job", "outcome": "done" or "failed", "seconds", …}, and exits with
status 0 or 1, so that whatever schedules it can see how it went. A new job is a file in `jobs/` and a line here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

import telemetry
from bot.storing import open_store, retention_of
from console import Json, out, telling
from feedback.store import StoreError
from jobs.apply_retention import apply_retention
from jobs.roll_up_metrics import roll_up
from jobs.table import Job, Result, Store
from options import with_settings
from settings import Settings

log = logging.getLogger(__name__)


async def _roll_up(settings: Settings, store: Store) -> Result:
    return await roll_up(store, datetime.now(UTC), keep_days=settings.keep_questions_days)


async def _apply_retention(settings: Settings, store: Store) -> Result:
    return await apply_retention(store, retention_of(settings), datetime.now(UTC))


async def _update_model(settings: Settings, store: Store) -> Result:
    from cli_update import update  # noqa: PLC0415 - seconds of imports, for this job alone

    return await update(settings, store)


JOBS = (
    Job("roll_up_metrics", "Sum up each day's figures into a document.", _roll_up),
    Job("apply_retention", "Delete what is older than it may be kept.", _apply_retention),
    Job(
        "update_model", "Train on what is reviewed; let the candidate answer if it is better.", _update_model
    ),
)
"""Every job there is."""

jobs_app = typer.Typer(help="Scheduled work.", no_args_is_help=True)


@jobs_app.command("list")
@with_settings
def jobs_list(settings: Settings, as_json: Json = False) -> None:
    """List the jobs."""
    if as_json:
        print(json.dumps([{"job": job.name, "does": job.sentence} for job in JOBS]))  # noqa: T201
        return
    table = Table("Job", "What it does")
    for job in JOBS:
        table.add_row(job.name, job.sentence)
    out.print(table)


@jobs_app.command("run")
@with_settings
def jobs_run(
    settings: Settings, name: Annotated[str, typer.Argument(help="A job, as `askpage jobs list` names it.")]
) -> None:
    """Run a job; print what it did as one line of JSON. Exit status 1 when it failed."""
    job = next((job for job in JOBS if job.name == name), None)
    if job is None:
        raise typer.BadParameter(f"there is no job {name}; `askpage jobs list` shows them")
    with telling(settings):
        result = asyncio.run(run_job(job, settings))
    print(json.dumps(result))  # noqa: T201 - the command's output
    if result["outcome"] != "done":
        raise typer.Exit(1)


async def run_job(job: Job, settings: Settings) -> dict[str, object]:
    """Run a job on the store of the settings; return its line. Nothing is raised."""
    began = time.perf_counter()
    said: Result
    with telemetry.span("job"):
        try:
            async with open_store(settings) as store:
                said, outcome = await job.run(settings, store), "done"
        except StoreError as error:
            said, outcome = {"error": str(error)}, "failed"
        except Exception as error:
            log.exception("the job %s failed", job.name)
            telemetry.failed(error)
            said, outcome = {"error": f"{type(error).__name__}: {error}"}, "failed"
        seconds = round(time.perf_counter() - began, 3)
        telemetry.event("job_finished", job=job.name, outcome=outcome, seconds=seconds)
    return {"job": job.name, "outcome": outcome, "seconds": seconds, **said}

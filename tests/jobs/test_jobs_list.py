"""`askpage jobs list`: what is said of a run that is under way, and of one that was killed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.processes import name_process
from feedback.store.job_runs import LEASE, RUNNING, JobRun, Lease, keep_run, name_lease
from feedback.store.sqlite import SqliteStore
from tests.processes.commands import Commands

JOB = "roll_up_metrics"
GONE = "4194305"
"""Above what Linux gives a process."""


async def leave_run(folder: Path, process: str) -> None:
    """Leave a run that has begun in a process of this machine, with a lease that has not ended."""
    store = SqliteStore.open(folder / "askpage.sqlite3")
    await keep_run(store.documents, JobRun(JOB, outcome=RUNNING, started_at="2026-11-24T01:35:00+00:00"))
    await Lease(store.documents, name_lease(JOB), "host, process 1").take()
    document = await store.documents.get(LEASE, name_lease(JOB))
    assert document
    body = json.loads(document.body) | {"process": process}
    assert await store.documents.replace(replace(document, body=json.dumps(body)))
    await store.close()


@pytest.mark.parametrize(
    ("killed", "said"), [(True, "ended without a word"), (False, "running: host, process 1")]
)
async def test_a_killed_run_ended_without_a_word_and_one_that_works_says_who_is_at_it(
    tmp_path: Path,
    killed: bool,
    said: str,
) -> None:
    machine, process, started = name_process().split()
    (tmp_path / "data").mkdir()
    await leave_run(tmp_path / "data", f"{machine} {GONE if killed else process} {started}")
    done = await Commands(tmp_path).run("jobs", "list", "--json")
    lines = {line["job"]: line["state"] for line in json.loads(done.out)}
    assert lines[JOB] == said
    assert lines["fit_search"] == ""

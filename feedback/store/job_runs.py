"""How scheduled work went.

A document a job (kind `job`), for the schedule, `askpage jobs list` and dashboards. Whoever runs a job holds
its lease (feedback/store/lease.py) and writes its document when it begins and when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from feedback.store.documents import Document, Documents, Wanted
from feedback.store.serialization import from_json, to_json

KIND = "job"
RUNNING, DONE, FAILED, STOPPED, DIED = "running", "done", "failed", "stopped", "died"
"""How a run stands. A stopped or dead one came to no end, and is made up for."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """The last run of a job. Times are ISO text in UTC, "" for none.

    `known_since` is when a schedule first had this job. `covers` is when the last run began that came to an
    end, well or not: what was due before it is not due any more. `next_at` is when it is due next. `said` is
    what a good run returned, `error` a sentence, `by` who ran it.
    """

    name: str
    known_since: str = ""
    outcome: str = ""
    started_at: str = ""
    ended_at: str = ""
    seconds: float = 0.0
    by: str = ""
    error: str = ""
    said: Mapping[str, Any] = field(default_factory=dict[str, Any])
    done_at: str = ""
    covers: str = ""
    next_at: str = ""

    @property
    def since(self) -> str:
        """After which time a run can be due."""
        return max(self.covers, self.known_since)


def lease_of(name: str) -> str:
    """Name the lease of a job."""
    return f"job|{name}"


async def job_runs(documents: Documents) -> Sequence[JobRun]:
    """Return the last run of every job that ran or was to run, by name."""
    return [_read(document) for document in await documents.listed(Wanted(KIND, limit=500))]


async def job_run(documents: Documents, name: str) -> JobRun:
    """Return the last run of a job; an empty one where there is none."""
    document = await documents.get(KIND, name)
    return _read(document) if document else JobRun(name)


async def keep_run(documents: Documents, run: JobRun) -> None:
    """Keep how a job stands; for whoever holds its lease."""
    await documents.put(_document(run))


async def meet(documents: Documents, run: JobRun) -> bool:
    """Keep that a schedule has this job from now on; False when it was known."""
    return await documents.add(_document(run))


async def plan(documents: Documents, name: str, next_at: str, *, known_since: str) -> None:
    """Keep when a job is due next, and since when a schedule knows it where none did.

    Whoever changes its document in this moment writes both themselves.
    """
    document = await documents.get(KIND, name)
    if document is None:
        return
    run = _read(document)
    planned = replace(run, next_at=next_at, known_since=run.known_since or known_since)
    if planned != run:
        await documents.replace(replace(_document(planned), version=document.version))


def _document(run: JobRun) -> Document:
    return Document(KIND, run.name, to_json(run))


def _read(document: Document) -> JobRun:
    return from_json(JobRun, document.body)

"""Scheduled jobs in the store: how the last run of each went, and leases, so that one process runs it.

A job has a document (kind `job`) for the schedule, `askpage jobs list` and dashboards. The process that runs
it holds its lease, and writes the document when it begins and when it ends.

    lease = Lease(documents, name_lease("roll_up_metrics"), "host, process 123")
    if (other := await lease.take()) is None: … it is ours, while `keep` renews it; `give_back` at the end

A lease is a document with an owner and an end. Every change compares versions, so of two processes that take
a free lease at once one gets it. One that is not renewed ends by itself, and at once for those on the same
machine where its process has ended; the next process takes it over. A process that lost it so must stop what
it allowed. The document stays when the lease is given back: its
version must never begin anew, or a slow process could renew what is another's by now.

Ends are told by each machine's own clock. They may differ by HOLD_S less the time between two renewals.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.processes import is_gone, name_process
from feedback.store.base import StoreUnavailable, moment
from feedback.store.documents import TRIES, Document, Documents, Wanted
from feedback.store.serialization import from_json, to_json

log = logging.getLogger(__name__)

LEASE = "lease"
HOLD_S = 90.0
_A_HOLD = 6
"""How often a lease is renewed in the time for which it holds."""

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


def name_lease(name: str) -> str:
    """Name the lease of a job."""
    return f"job|{name}"


async def job_runs(documents: Documents) -> Sequence[JobRun]:
    """Return the last run of every job that ran or was to run, by name."""
    return [_read(document) for document in await documents.list_documents(Wanted(KIND, limit=500))]


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


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a lease.

    `who` is for people, `owner` names the holder; since when, and until (ISO text). `process` is its process,
    as core.processes names it.
    """

    owner: str
    who: str
    since: str
    until: str
    process: str = ""

    @property
    def holds(self) -> bool:
        """Whether it has not ended, nor its process as far as can be seen from here."""
        return bool(self.owner) and self.until > moment(datetime.now(UTC)) and not is_gone(self.process)


NOBODY = Held("", "", "", "")


async def who_holds(documents: Documents, name: str) -> Held | None:
    """Return who has a lease now, None when it is free."""
    document = await documents.get(LEASE, name)
    held = _read_lease(document)
    return held if held.holds else None


async def free_lease(documents: Documents, name: str, who: str) -> None:
    """Free a lease of a process that is known to have died."""
    document = await documents.get(LEASE, name)
    if document is not None and _read_lease(document).who == who:
        await documents.replace(Document(LEASE, name, to_json(NOBODY), version=document.version))


class Lease:
    """One process's hand on a lease."""

    def __init__(self, documents: Documents, name: str, who: str, *, hold_s: float = HOLD_S) -> None:
        self._documents = documents
        self._name = name
        self._who = who
        self._hold_s = hold_s
        self._owner = secrets.token_hex(8)
        self._since = ""
        self._version = 0

    async def take(self) -> Held | None:
        """Take it; None when it is ours now, otherwise who has it. Raises StoreUnavailable."""
        for _ in range(TRIES):
            document = await self._documents.get(LEASE, self._name)
            held = _read_lease(document)
            if held.holds and held.owner != self._owner:
                return held
            self._since = moment(datetime.now(UTC))
            self._version = document.version if document else 0
            if document is None:
                taken = await self._documents.add(self._document())
                self._version = 1
            else:
                taken = await self._write(self._document())
            if taken:
                return None
        raise StoreUnavailable(f"the lease {self._name} changes too fast")

    async def renew(self) -> bool:
        """Hold it for another while; False when somebody else has it."""
        if await self._write(self._document()):
            return True
        document = await self._documents.get(LEASE, self._name)
        if document is None or _read_lease(document).owner != self._owner:
            return False
        self._version = document.version  # ours, by a write whose reply was lost
        return await self._write(self._document())

    async def keep(self) -> None:
        """Renew it until cancelled.

        Returns when it is lost: to somebody else, or as it could not be renewed in time.
        """
        pause_s = self._hold_s / _A_HOLD
        ends = time.monotonic() + self._hold_s
        while True:
            await asyncio.sleep(pause_s)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, ends - asked)):
                    if not await self.renew():
                        return
                ends = asked + self._hold_s
            except (StoreUnavailable, TimeoutError) as error:
                log.warning("the lease %s is not renewed: %s", self._name, error)
                if time.monotonic() + pause_s >= ends:
                    return

    async def give_back(self) -> None:
        """Let others have it at once."""
        await self._write(Document(LEASE, self._name, to_json(NOBODY), version=self._version))

    async def _write(self, document: Document) -> bool:
        written = await self._documents.replace(document)
        self._version += written
        return written

    def _document(self) -> Document:
        until = datetime.now(UTC) + timedelta(seconds=self._hold_s)
        held = Held(self._owner, self._who, self._since, moment(until), name_process())
        return Document(LEASE, self._name, to_json(held), version=self._version)


def _read_lease(document: Document | None) -> Held:
    return from_json(Held, document.body) if document else NOBODY

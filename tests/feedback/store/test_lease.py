"""Who may run a job: one of many, on both stores; a dead one's lease ends, a slow one's is taken from it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.processes import name_process
from feedback.store.base import StoreUnavailable
from feedback.store.documents import Document, Documents
from feedback.store.job_runs import LEASE, Lease, free_lease, who_holds
from feedback.store.sqlite import SqliteStore
from tests.builders.stores import documents
from tests.conftest import ROOT

__all__ = ["documents"]


async def ended(documents: Documents, name: str) -> bool:
    """Let a lease end now, as if its holder had not renewed it; False when it was renewed just now."""
    document = await documents.get(LEASE, name)
    assert document is not None
    body = json.dumps(json.loads(document.body) | {"until": "2020"})
    return await documents.replace(replace(document, body=body))


async def renewed(documents: Documents, name: str) -> None:
    """Wait until a holder has renewed a lease."""
    before = await documents.get(LEASE, name)
    async with asyncio.timeout(20):
        while await documents.get(LEASE, name) == before:  # noqa: ASYNC110 - a store tells nobody
            await asyncio.sleep(0.05)


async def test_of_many_who_take_a_free_lease_one_gets_it_and_the_others_hear_who(
    documents: Documents,
) -> None:
    leases = [Lease(documents, "job|x", f"host {number}") for number in range(8)]
    others = await asyncio.gather(*(lease.take() for lease in leases))
    [holder] = [number for number, other in enumerate(others) if other is None]
    assert {other.who for other in others if other} == {f"host {holder}"}
    held = await who_holds(documents, "job|x")
    assert held is not None
    assert held.who == f"host {holder}"
    assert await Lease(documents, "job|y", "somebody").take() is None


async def test_a_lease_that_is_given_back_is_free_and_one_that_ended_is_taken_over(
    documents: Documents,
) -> None:
    first, second, third = (Lease(documents, "x", who) for who in ("first", "second", "third"))
    assert await first.take() is None
    assert await first.renew()
    await first.give_back()
    assert await who_holds(documents, "x") is None
    assert await second.take() is None
    assert (await third.take()) is not None
    assert await ended(documents, "x")
    assert await third.take() is None
    assert not await second.renew()
    await second.give_back()  # it has nothing to give
    held = await who_holds(documents, "x")
    assert held is not None
    assert held.who == "third"


async def test_a_slow_holder_never_renews_what_another_one_had_and_gave_back(documents: Documents) -> None:
    slow, other, third = (Lease(documents, "x", who) for who in ("slow", "other", "third"))
    await slow.take()
    assert await ended(documents, "x")
    await other.take()
    await other.give_back()
    assert not await slow.renew()
    assert await third.take() is None
    assert not await slow.renew()
    assert await third.renew()


async def test_who_keeps_a_lease_hears_that_it_is_lost(documents: Documents) -> None:
    lease = Lease(documents, "x", "slow", hold_s=3.0)
    await lease.take()
    keeping = asyncio.create_task(lease.keep())
    await renewed(documents, "x")
    assert not keeping.done()
    quick = Lease(documents, "x", "quick")
    taken = False
    while not taken:  # a renewal may come between
        taken = await ended(documents, "x") and await quick.take() is None
    await asyncio.wait_for(keeping, 10)
    held = await who_holds(documents, "x")
    assert held is not None
    assert held.who == "quick"


async def test_the_lease_of_a_process_that_is_known_to_be_dead_is_freed_and_no_other(
    documents: Documents,
) -> None:
    await Lease(documents, "x", "host, process 1").take()
    await free_lease(documents, "x", "host, process 2")
    assert await who_holds(documents, "x") is not None
    await free_lease(documents, "x", "host, process 1")
    assert await who_holds(documents, "x") is None
    await free_lease(documents, "never taken", "host, process 1")


class Away:
    """Documents that cannot be reached from some moment on."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.away = False

    async def replace(self, document: Document) -> bool:
        if self.away:
            raise StoreUnavailable("the store is away")
        return await self._documents.replace(document)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)


async def test_a_lease_that_cannot_be_renewed_counts_as_lost_before_it_ends(documents: Documents) -> None:
    away = Away(documents)
    lease = Lease(away, "x", "cut off", hold_s=1.5)  # type: ignore[arg-type]
    await lease.take()
    away.away = True
    await asyncio.wait_for(lease.keep(), 10)
    assert await who_holds(documents, "x") is not None


async def test_the_lease_of_a_killed_process_is_taken_over_once_it_ends(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.processes.lease_holder", str(tmp_path / "s")),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    store = SqliteStore.open(tmp_path / "s")
    lease = Lease(store.documents, "x", "successor")
    held = await lease.take()
    assert held is not None
    assert held.who == "holder"
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(30):
        while await lease.take() is not None:  # noqa: ASYNC110 - a store tells nobody
            await asyncio.sleep(0.1)
    assert await lease.renew()
    await store.close()


async def test_the_lease_of_a_process_that_was_killed_here_is_free_at_once(documents: Documents) -> None:
    held = Lease(documents, "x", "host, process 1")
    assert await held.take() is None
    document = await documents.get(LEASE, "x")
    assert document
    machine, _, started = name_process().split()
    body = json.loads(document.body) | {"process": f"{machine} 4194305 {started}"}  # above what Linux gives
    assert await documents.replace(replace(document, body=json.dumps(body)))
    assert await who_holds(documents, "x") is None
    next_one = Lease(documents, "x", "host, process 2")
    assert await next_one.take() is None
    assert not await held.renew()

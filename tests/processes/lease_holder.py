"""Holds a lease of two seconds until it is killed: python -m tests.processes.lease_holder FILE."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from feedback.store.job_runs import Lease
from feedback.store.sqlite import SqliteStore


async def hold(path: Path) -> None:
    store = SqliteStore.open(path)
    lease = Lease(store.documents, "x", "holder", hold_s=2.0)
    assert await lease.take() is None
    print("held", flush=True)  # noqa: T201 - what the test waits for
    await lease.keep()


if __name__ == "__main__":
    asyncio.run(hold(Path(sys.argv[1])))

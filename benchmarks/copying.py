"""Whether a copy of many records there and back, killed twice each way, loses or changes any: ok or not ok.

Run as: python -m benchmarks.copying [--records 100000]

The records (questions, answers, words with their history, reviews, documents) are made in a file, copied by
the real command into a server of Cosmos DB's protocol on this machine and back into another file, and both
files are exported. Each copy is killed with signal 9 twice on its way. The server keeps everything in memory
and looks at every record for every query: how long it takes says nothing about Azure.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import resource
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGKILL

from feedback.store.rows import PAGE, TABLES
from feedback.store.sqlite import SqliteStore
from tests.builders.many_records import fill
from tests.doubles.cosmos import Front, a_cosmos, cosmos_server
from tests.processes.commands import Commands, Done

FROM, TO = "from.sqlite3", "to.sqlite3"
STEP = 1_000
COUNTS = len(TABLES)
"""Requests that a copy begins with."""


def main() -> None:
    """Copy, compare, print; exit status 1 when something is missing or different."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="askpage-copying-") as folder, cosmos_server() as url:
        same = asyncio.run(measure(Path(folder), url, options.records))
    print("ok" if same else "not ok")
    sys.exit(not same)


async def measure(folder: Path, url: str, records: int) -> bool:
    """Do all of it; return whether both exports are the same, byte by byte."""
    counts = await make(folder / FROM, records)
    print(f"{sum(counts.values()):,} records: {counts}", flush=True)
    async with a_cosmos(url) as (front, config):
        commands = Commands(folder, config, limit_s=7200)
        writes = sum(counts.values()) * 3 // 10
        await copy(commands, front, ("--from", FROM, "--to", "cosmos:"), writes)
        reads = COUNTS + max(3, sum(counts.values()) // PAGE * 3 // 10)
        await copy(commands, front, ("--from", "cosmos:", "--to", TO), reads)
        for name in (FROM, TO):
            must(await commands.run("export", "--from", name, "--out", f"{name}.jsonl"), 0)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    first, second = (digest(folder / f"{name}.jsonl") for name in (FROM, TO))
    print(
        f"exports: {(folder / f'{FROM}.jsonl').stat().st_size:,} bytes, "
        f"SHA-256 {first[:16]}… and {second[:16]}…"
    )
    print(f"largest command: {peak:.0f} MB of memory")
    return first == second


async def make(path: Path, records: int) -> dict[str, int]:
    """Fill a store with at least so many records."""
    store = SqliteStore.open(path)
    first, counts = 0, dict.fromkeys(TABLES, 0)
    while sum(counts.values()) < records:
        await fill(store, min(STEP, records // 5 + 1), first)
        first += STEP
        counts = {table: await store.count(table) for table in TABLES}
    await store.close()
    return {str(table): count for table, count in counts.items()}


async def copy(commands: Commands, front: Front, names: tuple[str, ...], at_request: int) -> None:
    """Copy with two kills."""
    for _ in range(2):
        started = time.perf_counter()
        must(await commands.killed(front, at_request, "store", "copy", *names), -SIGKILL)
        print(f"{' '.join(names)}: killed after {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    must(await commands.run("store", "copy", *names), 0, "Went on where it had stopped")
    print(f"{' '.join(names)}: went on and compared, {time.perf_counter() - started:.0f} s", flush=True)


def must(done: Done, code: int, words: str = "") -> None:
    """Stop where a command ended otherwise than it must."""
    if done.code != code or words not in done.said:
        sys.exit(f"not ok: exit status {done.code}: {done.said[-2000:]}")


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()

"""The records, the page index and the disk, looked at without making or changing anything."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.stores import open_store
from cli.doctor.findings import Finding, fault, ok, warn
from core.settings import Settings
from feedback.store.base import StoreError

_DEADLINE_S = 8.0
_LOW_GB, _EMPTY_GB = 2.0, 0.2


async def check_store(settings: Settings) -> list[Finding]:
    """Look at the records: the file, or Cosmos DB."""
    if not settings.cosmos.endpoint:
        return await asyncio.to_thread(judge_file, "store", settings.store_path, "questions")
    try:
        async with asyncio.timeout(_DEADLINE_S), open_store(settings) as store:
            count = await store.count("question")
    except TimeoutError:
        return [
            warn("store", f"Cosmos DB did not answer within {_DEADLINE_S:g} s", "Is it reachable from here?")
        ]
    except (StoreError, OSError, ImportError) as error:
        return [fault("store", f"Cosmos DB: {error}", "docs/cosmos.md says what it needs.")]
    return [ok("store", f"Cosmos DB at {settings.cosmos.endpoint}: questions: {count}")]


async def check_index(settings: Settings) -> list[Finding]:
    """Look at the page index."""
    if settings.page_index == "cosmos":
        if not settings.cosmos.endpoint:
            return [fault("page index", "it is to be in Cosmos DB, and cosmos_endpoint is empty")]
        return [ok("page index", f"in Cosmos DB, container {settings.cosmos_pages_container}")]
    return await asyncio.to_thread(judge_file, "page index", settings.index_dir / "index.sqlite3", "pages")


def judge_file(matter: str, path: Path, table: str) -> list[Finding]:
    """Say whether a file of SQLite can be read, and how many rows its main table has."""
    if not path.is_file():
        return [warn(matter, f"there is none yet in {path}", "`askpage setup` or the first start makes it.")]
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as file:
            count = file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
    except sqlite3.Error as error:
        return [
            fault(matter, f"{path} cannot be read: {error}", "Restore it from a backup, or move it away.")
        ]
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return [fault(matter, f"{path} cannot be written", "Give its folder to the user of the bot.")]
    if not count and table == "pages":
        return [warn(matter, "it has no pages", "`askpage pages refresh` reads the sources of `pages`.")]
    return [ok(matter, f"{path}: {table}: {count}")]


async def check_disk(settings: Settings) -> list[Finding]:
    """Look at the free disk below the data folder."""
    folder = settings.data_dir.resolve()
    existing = next(one for one in (folder, *folder.parents) if one.is_dir())
    return [judge_disk(existing, shutil.disk_usage(existing).free / 1e9)]


def judge_disk(folder: Path, free_gb: float) -> Finding:
    """Say whether records and a model version still find room."""
    says = f"{free_gb:.1f} GB are free in {folder}"
    if free_gb < _EMPTY_GB:
        return fault("disk", says, "Make room: soon no question can be kept.")
    if free_gb < _LOW_GB:
        return warn("disk", says, "A model version may not fit: `askpage models prune` deletes old ones.")
    return ok("disk", says)

"""The records, the page index, the disk and the clock, looked at without making or changing anything.

Services refuse what is signed five minutes early or late, so a wrong clock stops the bot.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

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


MATTER = "clock"
_CLOCK_DEADLINE_S = 5.0
_NOTABLE_S, _REFUSED_S = 30.0, 240.0
_SLACK = "https://slack.com/api/"
_TEAMS = "https://login.botframework.com/v1/.well-known/openidconfiguration"
_TODO = "Let the system keep its time (chrony, systemd-timesyncd)."


async def check_clock(settings: Settings) -> list[Finding]:
    """Compare the clock with a service that the bot speaks to anyway; without one, with the newest file."""
    address = find_address(settings)
    if not address:
        return [judge_files(await asyncio.to_thread(find_newest, settings.data_dir), time.time())]
    try:
        timeout = aiohttp.ClientTimeout(total=_CLOCK_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as response:
            said = response.headers.get("Date", "")
        return [judge_offset(time.time() - parsedate_to_datetime(said).timestamp())]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return [warn(MATTER, f"nobody tells the time: {type(error).__name__}", "Ask again when online.")]


def find_address(settings: Settings) -> str:
    """Return whom to ask for the time: the channel that is on; "" where none is."""
    if settings.app_id:
        return settings.openid_metadata_url or _TEAMS
    return settings.slack.api_url or _SLACK if settings.slack.signing_secret.get_secret_value() else ""


def judge_offset(seconds: float) -> Finding:
    """Judge how far this clock is ahead of a service's; a second or two is its answer's way."""
    says = f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) >= _REFUSED_S:
        return fault(MATTER, f"{says}: services refuse what is signed five minutes early or late", _TODO)
    if abs(seconds) >= _NOTABLE_S:
        return warn(MATTER, says, _TODO)
    return ok(MATTER, "as its services have it")


def judge_files(newest: float, now: float) -> Finding:
    """Judge by the newest file of the data folder: it cannot be of the future."""
    if newest > now + _NOTABLE_S:
        ahead = f"the newest file was written {newest - now:.0f} s in the future"
        return warn(MATTER, f"{ahead}: the clock was set back, or is wrong", _TODO)
    return ok(MATTER, "behind no file of the data folder; no channel is on that could tell more")


def find_newest(folder: Path) -> float:
    """Return when the newest file at the top of a folder was written, seconds since 1970; 0 for none."""
    times = [file.stat().st_mtime for file in folder.glob("*") if file.is_file()]
    return max(times, default=0.0)

"""Sources of pages, changed while the bot runs: added, read again, removed, as `askpage pages` does it.

A page of the web adds addresses of the web alone, which are fetched past every guard against addresses inside
(`pages/fetch/ssrf.py`); folders and files of the machine are added on its command line. One source is read at
a time, beside the answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bot.bootstrap import PageServices
from bot.dialogs.review import Refused
from pages.index.base import PageEntry
from pages.refresh_report import RefreshReport
from pages.sources import add_source, drop_source, read_added_sources

log = logging.getLogger(__name__)

MOST_PROBLEMS = 50
ONLY_ADDRESSES = (
    "Only addresses of the web (https://… or http://…) are added here. Folders and files of the bot's machine"
    " are added there: askpage pages add FOLDER."
)
IN_THE_SETTINGS = "This source stands in the setting `pages`: take it out there, and start the bot again."
UNKNOWN = "There is no such source."
BUSY = "This source is being read already."


@dataclass(slots=True)
class Reading:
    """How the last reading of a source in this process went, or goes."""

    ended_at: datetime | None = None
    pages: int = 0
    report: RefreshReport | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ShownSource:
    """A source as an operator sees it. `origin`: "setting", "added", or "elsewhere" (another machine's)."""

    name: str
    origin: str
    pages: int
    passages: int
    read_at: datetime | None
    reading: Reading | None = None

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read, in sentences."""
        if self.reading is None:
            return ()
        report = self.reading.report
        found = [f"{one.url}: {one.sentence}" for one in report.problems] if report else []
        remarks = [*report.remarks()] if report else []
        return [*([self.reading.error] if self.reading.error else []), *found[:MOST_PROBLEMS], *remarks]


@dataclass(slots=True)
class SourceAdmin:
    """Changes the sources of one index. `configured` are those of the setting `pages`."""

    page_services: PageServices
    folder: Path
    configured: Sequence[str]
    _readings: dict[str, Reading] = field(default_factory=dict[str, Reading])
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, "asyncio.Task[None]"])

    async def list(self) -> Sequence[ShownSource]:
        """Return the sources, those of the settings first."""
        entries = await self.page_services.library.pages()
        added = await asyncio.to_thread(read_added_sources, self.folder)
        others = sorted({one.source for one in entries if one.source} - {*self.configured, *added})
        named = [("setting", self.configured), ("added", added), ("elsewhere", others)]
        by_source: defaultdict[str | None, list[PageEntry]] = defaultdict(list)
        for one in entries:
            by_source[one.source].append(one)
        shown: dict[str, ShownSource] = {}
        for origin, names in named:
            for name in names:
                shown.setdefault(name, self._show(name, origin, by_source[name]))
        return list(shown.values())

    def _show(self, name: str, origin: str, entries: Sequence[PageEntry]) -> ShownSource:
        """Describe a source; `entries` are its pages."""
        read_at = max((one.fetched_at for one in entries), default=None)
        passages = sum(one.passages for one in entries)
        return ShownSource(name, origin, len(entries), passages, read_at, self._readings.get(name))

    async def add(self, source: str) -> str:
        """Add a source and begin to read it; return what is said of that. Raises Refused."""
        name = source.strip()
        if not name.lower().startswith(("https://", "http://")) or any(letter.isspace() for letter in name):
            raise Refused(ONLY_ADDRESSES)
        if name in {one.name for one in await self.list()}:
            raise Refused("This source is there already.")
        await asyncio.to_thread(add_source, self.folder, name)
        self._begin(name)
        return "It is added, and being read."

    async def refresh(self, source: str) -> str:
        """Begin to read a source again; return what is said of that. Raises Refused."""
        if source not in {one.name for one in await self.list()}:
            raise Refused(UNKNOWN)
        self._begin(source)
        return "It is being read again."

    async def remove(self, source: str) -> str:
        """Forget an added source with its pages. Raises Refused."""
        if source in self.configured:
            raise Refused(IN_THE_SETTINGS)
        if task := self._tasks.get(source):
            task.cancel()
            await asyncio.wait([task])
        dropped = await asyncio.to_thread(drop_source, self.folder, source)
        gone = await self.page_services.library.forget_source(source)
        if not dropped and not gone:
            raise Refused(UNKNOWN)
        self._readings.pop(source, None)
        return f"{gone:,} pages are forgotten."

    async def close(self) -> None:
        """Stop reading; the next refresh goes on."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _begin(self, source: str) -> None:
        if source in self._tasks:
            raise Refused(BUSY)
        self._readings[source] = Reading()
        task = asyncio.create_task(self._read(source), name="read a source")
        self._tasks[source] = task
        task.add_done_callback(lambda _: self._tasks.pop(source, None))

    async def _read(self, source: str) -> None:
        reading = self._readings[source]

        def note(url: str, outcome: str) -> None:
            del url
            reading.pages += outcome != "removed"

        try:
            reading.report = await self.page_services.library.refresh([source], note)
        except Exception as error:
            log.exception("a source could not be read")
            reading.error = f"It could not be read: {error}"
        finally:
            reading.ended_at = datetime.now(UTC)

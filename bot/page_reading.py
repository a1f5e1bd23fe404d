"""Reads the sources beside the answers: the bot answers from what is read so far, and tells how far it is.

    reading = await PageReading.plan(page_services, sources)
    reading.yield_to(lambda: asking.under_way > 0)
    await reading.run()

A page that was read is kept at once: after a `kill -9` the next start goes on with the others. While pages
are missing, a question that finds nothing is told that the rest is still being read, and nothing goes to
reviewers because its page is not known yet. Where all pages are known, reading looks for what has changed,
and nobody is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bot.bootstrap import PageServices
from core.translation import say
from pages.index.base import IndexUnavailable
from pages.index.priority import yielding_to
from pages.refresh_report import RefreshProgress, RefreshReport

log = logging.getLogger(__name__)

LOG_EVERY_S = 30.0
TRY_AGAIN_S = 30.0
SHOWN_PROBLEMS = 20


class PageReading:
    """One reading of all sources. `plan` it, `run` it once."""

    def __init__(self, page_services: PageServices, sources: Sequence[str], known: Counter[str]) -> None:
        """`known` is how many pages of each source are found already."""
        self._page_services = page_services
        self._sources = tuple(sources)
        self._known = known
        self._expected: dict[str, int] = {}
        self._read = 0
        self._somebody_waits: Callable[[], bool] = lambda: False
        self._next_line = time.monotonic() + LOG_EVERY_S
        self.is_partial = any(not known[source] for source in sources)
        self.watchers: list[RefreshProgress] = []
        self.on_done: list[Callable[[RefreshReport], None]] = []

    @classmethod
    async def plan(cls, page_services: PageServices, sources: Sequence[str]) -> PageReading:
        """Look up what is known, without reading anything."""
        entries = await asyncio.to_thread(page_services.index.entries)
        return cls(
            page_services, sources, Counter(one.source for one in entries if one.source and one.passages)
        )

    @classmethod
    def of_nothing(cls, page_services: PageServices) -> PageReading:
        """Return a reading that has nothing to do: the pages are read elsewhere."""
        return cls(page_services, (), Counter())

    def yield_to(self, somebody_waits: Callable[[], bool]) -> None:
        """Step aside while somebody waits for an answer."""
        self._somebody_waits = somebody_waits

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many pages are read, and of how many as far as is known; None while none are missing."""
        return (self._read, max(self._read, sum(self._expected.values()))) if self.is_partial else None

    def describe(self) -> str | None:
        """Say how far it is, for whoever asks; None while no pages are missing."""
        if self.progress is None:
            return None
        read, expected = self.progress
        if not expected:
            return say("I am still reading the pages.")
        return say("I am still reading the pages: {read} of {expected} so far.", read=read, expected=expected)

    async def run(self) -> RefreshReport:
        """Read the sources; where that fails, such as while the index is away, try again and again."""
        with yielding_to(self._somebody_waits):
            while True:
                try:
                    report = await self._page_services.library.refresh(
                        self._sources, self._note, self._expect
                    )
                except IndexUnavailable as error:
                    log.warning("the pages are not read, and tried again in %.0f s: %s", TRY_AGAIN_S, error)
                except Exception:
                    log.exception("reading the pages failed; it is tried again in %.0f s", TRY_AGAIN_S)
                else:
                    break
                self._read = 0
                await asyncio.sleep(TRY_AGAIN_S)
        self.is_partial = False
        log.info(
            "the pages are read: %d added, %d changed, %d unchanged, %d removed, %d not readable",
            report.added,
            report.changed,
            report.unchanged,
            report.removed,
            len(report.problems),
        )
        for tell in self.on_done:
            tell(report)
        return report

    def _expect(self, source: str, pages: int) -> None:
        self._expected[source] = pages
        if self._known[source] < pages:
            self.is_partial = True

    def _note(self, url: str, outcome: str) -> None:
        self._read += outcome != "removed"
        for tell in self.watchers:
            tell(url, outcome)
        if self.progress is not None and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LOG_EVERY_S
            log.info("reading the pages: %d of %d", *self.progress)


def log_problems(report: RefreshReport) -> None:
    """Tell in the log what could not be read."""
    for problem in report.problems[:SHOWN_PROBLEMS]:
        log.warning("%s: %s", problem.url, problem.sentence)
    for remark in report.remarks():
        log.warning("%s", remark)

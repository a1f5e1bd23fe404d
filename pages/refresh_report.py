"""The report of a refresh: pages by what became of them, problems, and what an operator should look at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from core.records import Page
from pages.sources import NewReaders, Problem, Remark, Removed, Unchanged

MANY_GONE = (
    "More than half of its pages are gone at once, which looks like a mistake there; they are kept for now."
)


class RefreshProgress(Protocol):
    """Told of every page that a refresh has dealt with; `outcome` is a field of RefreshReport."""

    def __call__(self, url: str, outcome: str) -> None: ...


Expect = Callable[[str, int], None]
"""Told how many pages a source has: of folders before anything is read, of sites when their list is read."""


@dataclass(slots=True)
class RefreshReport:
    """The result of a refresh: counts of pages, problems, and what was left out or not read of pages."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    doubtful: dict[str, int] = field(default_factory=dict[str, int])
    unread: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    noted: list[Remark] = field(default_factory=list[Remark])

    @property
    def doubt(self) -> str:
        """A sentence about text that was left out ("": none), for an operator to look at."""
        if not self.doubtful:
            return ""
        pieces, pages = sum(self.doubtful.values()), len(self.doubtful)
        most = max(self.doubtful, key=lambda url: self.doubtful[url])
        return (
            f"{pieces} piece{'s' * (pieces > 1)} of text on {pages} page{'s' * (pages > 1)} may not be "
            f"visible to readers and {'are' if pieces > 1 else 'is'} left out; most on {most}."
        )

    def note(self, item: Page | Unchanged) -> None:
        """Note what was left out of a page, and what could not be read of it."""
        if isinstance(item, Page) and item.doubtful:
            self.doubtful[item.url] = item.doubtful
        if isinstance(item, Page) and item.unread:
            self.unread[item.url] = item.unread

    def remarks(self) -> Iterator[str]:
        """Yield what an operator may want to look at, in sentences."""
        if self.doubtful:
            yield self.doubt
        for url, sentences in self.unread.items():
            yield f"{url}: {' '.join(sentences)}"
        for remark in self.noted:
            yield f"{remark.url}: {remark.sentence}"


@dataclass(slots=True)
class SourceTally:
    """What one source has named so far: pages, pages that could not be read, pages that it says are gone."""

    report: RefreshReport
    seen: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    gone: set[str] = field(default_factory=set[str])

    def count(self, item: Page | Unchanged | NewReaders | Removed, outcome: str) -> None:
        """Count what became of a page."""
        if not isinstance(item, Removed):
            self.seen.add(item.url)
        if isinstance(item, Page | Unchanged):
            self.report.note(item)
        if outcome:
            setattr(self.report, outcome, getattr(self.report, outcome) + 1)

    def note(self, item: Problem | Remark) -> str:
        """Note what could not be read, or what an operator should know; return the outcome, "" for none."""
        if isinstance(item, Remark):
            self.report.noted.append(item)
            return ""
        self.report.problems.append(item)
        (self.gone if item.gone else self.failed).add(item.url)
        return "problems"

    def find_left(self, source: str, urls: Collection[str]) -> set[str]:
        """Return the pages that stay, of those that a source named before."""
        if 2 * sum(url in self.gone for url in urls) > len(urls):
            self.report.problems.append(Problem(source, MANY_GONE))
            return self.seen | self.failed | self.gone
        return self.seen | self.failed

"""Reads sources behind a sign-in as the library does, into a list of what they hold instead of an index."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.records import Page
from pages.fetch.client import Fetcher, FetchLimits, FixedResolver
from pages.fetched import Fetched, PageRefused
from pages.index.base import PageEntry
from pages.parse.extract import extract
from pages.parse.sandbox import Sandbox
from pages.sources import NewReaders, Problem, Remark, Removed, SourceAccess, Unchanged, read_source

HERE = "127.0.0.5"


class NearSandbox(Sandbox):
    """Reads with the same parser in this process: what one of its own costs is a second at each test."""

    async def extract(
        self, fetched: Fetched, fetched_at: datetime, *, timeout_s: float | None = None
    ) -> Page:
        return await asyncio.to_thread(
            extract,
            fetched.body,
            url=fetched.url,
            content_type=fetched.content_type,
            charset=fetched.charset,
            etag=fetched.etag,
            fetched_at=fetched_at,
        )


@dataclass
class CollectedPages:
    """What was read: pages by their address, and what was said while reading."""

    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    problems: list[Problem] = field(default_factory=list[Problem])
    remarks: list[str] = field(default_factory=list[str])
    unchanged: int = 0
    fetched: int = 0
    expected: int = 0
    failure: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """The pages' texts by the ends of their addresses."""
        return {
            url.rpartition("/")[2]: " ".join(section.text for section in page.sections)
            for url, page in self.pages.items()
        }

    def known(self, url: str) -> PageEntry | None:
        page = self.pages.get(url)
        if page is None:
            return None
        return PageEntry(url, page.title, page.page_hash, datetime.now(UTC), 1, "source", page.etag)

    def listed(self) -> list[str]:
        return list(self.pages)

    def expect(self, pages: int) -> None:
        self.expected = pages


@dataclass
class SourceReader:
    """Reads one source into `collected`, again and again, with the state that it keeps in `folder`."""

    source: str
    access: SourceAccess
    names: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    limits: FetchLimits = field(default_factory=FetchLimits)
    collected: CollectedPages = field(default_factory=CollectedPages)

    @property
    def folder(self) -> Path:
        return self.access.folder

    def fetcher(self) -> Fetcher:
        """Make what fetches from the hosts of `names`, and parses in this process."""
        fetcher = Fetcher(
            self.limits, resolver=FixedResolver(self.names), is_allowed_address=lambda ip: ip == HERE
        )
        fetcher.sandbox = NearSandbox()
        return fetcher

    async def read(self, most: int | None = None) -> CollectedPages:
        """Read it once; with `most`, it is left after so many pages, as by a kill."""
        collected = self.collected
        collected.problems, collected.remarks, collected.unchanged, collected.fetched, collected.failure = (
            [],
            [],
            0,
            0,
            "",
        )
        async with self.fetcher() as fetcher:
            items = read_source(
                self.source,
                fetcher=fetcher,
                known=collected.known,
                listed=collected.listed,
                expect=collected.expect,
                access=self.access,
            )
            try:
                async for item in items:
                    self._take(item)
                    if most is not None and collected.fetched >= most:
                        await items.aclose()
                        break
            except PageRefused as refused:
                collected.failure = str(refused)
        return collected

    def _take(self, item: object) -> None:
        collected = self.collected
        if isinstance(item, Page):
            collected.pages[item.url] = item
            collected.fetched += 1
        elif isinstance(item, Unchanged):
            collected.unchanged += 1
        elif isinstance(item, NewReaders):
            page = collected.pages[item.url]
            collected.pages[item.url] = Page(
                page.url,
                page.title,
                page.sections,
                page.page_hash,
                page.fetched_at,
                item.etag,
                readers=page.readers.intersect(item.readers) if item.narrows else item.readers,
            )
        elif isinstance(item, Removed):
            del collected.pages[item.url]
        elif isinstance(item, Problem):
            collected.problems.append(item)
        elif isinstance(item, Remark):
            collected.remarks.append(item.sentence)

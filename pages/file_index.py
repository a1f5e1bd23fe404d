"""The page index of one machine: a `PageIndex`, whose calls block, as an `Indexes`. They run in threads."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from pages.embed import Embeds
from pages.index import PageIndex
from pages.indexing import PageEntry
from records import Hit, Page


class FileIndex:
    """See pages/index.py. `open` it, `close` it."""

    shared = False

    def __init__(self, file: PageIndex) -> None:
        """Take over an open index; closing this closes it."""
        self._file = file

    @classmethod
    async def open(cls, folder: Path, embedder: Embeds, *, passage_tokens: int = 180) -> FileIndex:
        """Open the index in a folder, or begin one. Raises IndexUnavailable."""
        return cls(await asyncio.to_thread(PageIndex.open, folder, embedder, passage_tokens=passage_tokens))

    def entry(self, url: str) -> PageEntry | None:
        """Return what is known of a page; a look into the file, short enough to wait for."""
        return self._file.entry(url)

    def entries(self) -> list[PageEntry]:
        """Return all pages, by URL."""
        return self._file.pages()

    async def page(self, url: str) -> Page | None:
        return await asyncio.to_thread(self._file.page, url)

    async def add(self, page: Page, *, source: str | None) -> bool:
        return await asyncio.to_thread(self._file.add, page, source=source)

    async def touch(self, url: str, *, source: str | None, fetched_at: datetime) -> None:
        await asyncio.to_thread(self._file.touch, url, source=source, fetched_at=fetched_at)

    async def remove(self, url: str) -> bool:
        return await asyncio.to_thread(self._file.remove, url)

    async def overwrite(self) -> None:
        await asyncio.to_thread(self._file.overwrite)

    async def search(self, question: str, *, limit: int, page_url: str | None = None) -> list[Hit]:
        return await asyncio.to_thread(self._file.search, question, limit=limit, page_url=page_url)

    async def warm(self) -> None:
        await asyncio.to_thread(self._file.warm)

    async def close(self) -> None:
        self._file.close()

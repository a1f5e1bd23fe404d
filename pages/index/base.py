"""The protocol of a page index, whichever form it has, for the library and the bot.

    pages/index/sqlite.py     one SQLite file, for the processes of one machine
    pages/index/cosmos.py   a container in Azure Cosmos DB, for several machines

`entry` and `entries` are facts that are known at once; of an index that machines share they may be some
seconds old. All else may wait for a disk or a network.

    IndexUnavailable   the index cannot be used now; the message is a sentence that says why
    └── PageInvalid    the index never takes this page or question; all others it does
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.readers import EVERYONE, Readers
from core.records import Hit, Page


class IndexUnavailable(Exception):
    """The index cannot be used now."""


class PageInvalid(IndexUnavailable):
    """The index never takes this page or question, however often it is tried."""


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One line of the list of pages. `source` is what named the page; None for one that somebody pasted."""

    url: str
    title: str
    page_hash: str
    fetched_at: datetime
    passages: int
    source: str | None
    etag: str | None = None
    readers: Readers = EVERYONE
    label: str = ""


class Indexes(Protocol):
    """Keeps pages by their URL (without a fragment), and finds their passages."""

    @property
    def shared(self) -> bool:
        """Whether other machines keep pages here, too, from sources that this one may not know."""
        ...

    def entry(self, url: str) -> PageEntry | None:
        """Return what is known of a page, without its text; may be called from threads."""
        ...

    def entries(self) -> list[PageEntry]:
        """Return all pages, by URL, pasted ones included."""
        ...

    def restricted(self) -> Mapping[str, Readers]:
        """Return who may read the pages that not everyone may read, by URL, as it is now.

        Pages are among them that were so when they were removed: what was answered from them is kept.
        Where nothing has changed, nothing is read, and it is the same object.
        """
        ...

    async def page(self, url: str) -> Page | None:
        """Return a page, or None, whoever may read it."""
        ...

    async def add(self, page: Page, *, source: str | None) -> bool:
        """Keep a page in place of what was known under its URL; True when its text is new or changed.

        Whoever searches meanwhile sees the page as it was or as it is, never a part of it and never both. A
        page that a source named does not become a pasted one when somebody pastes its address, and its
        readers are those that the source says.
        """
        ...

    async def touch(
        self,
        url: str,
        *,
        source: str | None,
        fetched_at: datetime,
        readers: Readers | None = None,
        etag: str | None = None,
    ) -> None:
        """Note that a known page was found unchanged, by this source or (None) by somebody who pasted it.

        `readers` are who may read it now, `etag` what its version is called; None where that is as it was.
        """
        ...

    async def remove(self, url: str) -> bool:
        """Forget a page; False when it was not known."""
        ...

    async def overwrite(self) -> None:
        """Let nothing be left in a file of what was forgotten, nor in its log."""
        ...

    async def search(
        self, question: str, *, limit: int, page_url: str | None = None, audience: Collection[str] = ()
    ) -> list[Hit]:
        """Return the passages nearest to a question, of one page or of all that a source named.

        The same text is returned once, however many pages have it. Pages that an `audience` with these
        principals may not read are searched as if they were not there.
        """
        ...

    def writing_many(self) -> AbstractContextManager[None]:
        """Let searches of all pages see what is written in the block some seconds late.

        Otherwise every search after a written page would take all pages into account anew.
        """
        ...

    def unfinished(self) -> list[str]:
        """Return the pages that are kept and not found yet; may wait for a disk."""
        ...

    async def finish(self, url: str) -> None:
        """Make the passages of a page that is kept without them."""
        ...

    async def warm(self) -> None:
        """Get ready, so that the next search is not the one that waits for it."""
        ...

    async def close(self) -> None:
        """Let go of the file or the connections."""
        ...

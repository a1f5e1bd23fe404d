"""The library of pages: searched by a question, opened by an address, refreshed from sources.

    library.refresh(sources)       read folders, sites and sitemaps into the index; forget what vanished there
    library.search(question, 2)    the nearest passages of all pages that a source named
    library.ensure(url)            the page behind an address that somebody pasted, fetched now if need be

A pasted page answers questions about itself only: `search` finds its passages with its `page_url`, never
without; files that somebody sent are pages of this kind. It is forgotten a week after it was last read from
the web, which is when somebody last asked about it. Nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn
from urllib.parse import quote

from core import telemetry
from core.bounded_dict import BoundedDict
from core.phrases import mark
from core.readers import current_audience
from core.records import Hit, Page, Passage, Section
from core.translation import get_language_tag
from pages.fetch import ssrf
from pages.fetch.client import Fetcher
from pages.fetch.page_reader import is_read_by, name_recipe, read_page, refuse_route, speaks_several
from pages.fetch.response import refuse_as_private
from pages.fetched import (
    AddressRefused,
    Fetched,
    NotModified,
    PageGone,
    PageRefused,
    PageUnreachable,
    PageUnreadable,
)
from pages.index.base import Indexes, PageEntry
from pages.index.priority import step_aside
from pages.parse.extract import page_hash
from pages.refresh_report import Expect, RefreshProgress, RefreshReport, SourceTally
from pages.sources import (
    NewReaders,
    Problem,
    Removed,
    SourceAccess,
    Unchanged,
    count_pages,
    read_source,
)
from pages.sources.ledger import drop_ledger
from pages.sources.registry import find_author
from pages.sources.words import show_source

log = logging.getLogger(__name__)

PASTED_FOR = timedelta(days=7)
MOST_PASTED = 500
MOST_TITLE = 300
"""Characters."""
_MOST_MOVED = 1000
_FRESH = timedelta(minutes=5)
"""So long a fetched page is not asked for again."""
_LANGUAGE = "#:language="
"""Between the address of a pasted page and the language in which it was asked for."""
_REASONS = ((AddressRefused, "address"), (PageUnreachable, "unreachable"), (PageUnreadable, "unreadable"))
"""What is told of a page that was not read."""


class Library:
    """One per process."""

    def __init__(
        self,
        index: Indexes,
        fetcher: Fetcher,
        *,
        public_url: str = "",
        access: SourceAccess | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`public_url` is where people reach our own pages, `access` what sources behind a sign-in need."""
        self._index = index
        self._fetcher = fetcher
        self._public_url = public_url.rstrip("/")
        self._access = access
        self._now = now
        self._fetching: dict[tuple[str, str], asyncio.Task[Page]] = {}
        # under what a page is known, by the address that was asked for and the language
        self._moved: BoundedDict[tuple[str, str], str] = BoundedDict(_MOST_MOVED)
        self._refreshing = asyncio.Lock()

    async def search(self, question: str, limit: int, page_url: str | None = None) -> list[Hit]:
        """Return the nearest passages of one known page, or of all that a source named.

        Only what may be read by whom it is found for (`core.readers.reading_as`). Raises IndexUnavailable.
        """
        url = None if page_url is None else self._resolve_url(page_url)
        return await self._index.search(question, limit=limit, page_url=url, audience=current_audience())

    async def read_section(self, passage: Passage) -> str:
        """Return the text of a passage's whole section, "" where its page is gone or has changed."""
        page = await self._index.page(_without_fragment(passage.url))
        if page is None or page.page_hash != passage.page_hash or not page.readers.allow(current_audience()):
            return ""
        return next(
            (
                one.text
                for one in page.sections
                if one.heading == passage.heading and passage.text in one.text
            ),
            "",
        )

    async def ensure(self, url: str) -> Page:
        """Return the page behind an address, read now unless it is known and fresh. Raises PageRefused.

        Its `url` is what `search` takes: redirects may have led elsewhere. A page that is read from a folder
        is never fetched; of another page that a source named and that cannot be reached now, the last known
        text is returned. One that the asker may not read is refused as if nobody had read it in.
        """
        refuse_route(url)
        known_as = self._resolve_url(url)
        look = (known_as, get_language_tag())
        task = self._fetching.get(look)
        if task is None:  # askers of the same page share one look, and one who leaves does not end it
            task = asyncio.create_task(self._fresh(known_as), name=f"fetch {known_as}")
            self._fetching[look] = task
            task.add_done_callback(lambda done: self._finish_fetch(look, done))
        page = await asyncio.shield(task)
        if not page.readers.allow(current_audience()):
            await self._refuse_closed(known_as)
        return page

    async def _refuse_closed(self, url: str) -> NoReturn:
        """Refuse a page with what anybody hears who asks its site for it without signing in."""
        if not url.startswith("/"):
            await read_page(self._fetcher, url, lambda _: None, self._now())
            raise refuse_as_private(ssrf.parse_address(url))
        raise _refuse_unknown(url)

    @property
    def reads_pictures(self) -> bool:
        """Whether the text of pictures that somebody sends is read."""
        return bool(self._fetcher.limits.ocr_languages)

    def find_entry(self, url: str) -> PageEntry | None:
        """Return what is known of a page, of a pasted one in the language of whoever it is shown to."""
        return self._index.entry(url) or self._index.entry(_name_version(url, get_language_tag()))

    async def read_file(self, url: str, parts: Mapping[str, Fetched]) -> Page:
        """Read files that somebody sent, by their names, as one page; `url` is known to its asker alone.

        They are kept as a pasted page is. Raises PageRefused, with the file's name, and IndexUnavailable.
        """
        title = ", ".join(parts)[:MOST_TITLE]
        sections: list[Section] = []
        for number, (name, part) in enumerate(parts.items(), start=1):
            try:
                read = await self._fetcher.sandbox.extract(replace(part, url=f"/{quote(name)}"), self._now())
            except PageRefused as refused:
                raise type(refused)("{name}: {why}", name=name, why=refused.sentence) from None
            sections += [_place_part(one, number if len(parts) > 1 else 0, name) for one in read.sections]
        found = Page(url, title, tuple(sections), page_hash(title, sections), self._now())
        await self._index.add(found, source=None)
        return found

    async def is_known(self, url: str) -> bool:
        """Tell whether a page is kept under this address."""
        return await self._entry(url) is not None

    async def forget_files(self, urls: Collection[str]) -> None:
        """Forget files that were sent, to the last byte. Raises IndexUnavailable."""
        gone = [await self._index.remove(url) for url in urls]
        if any(gone):
            await self._index.overwrite()

    async def find_listed(self, url: str) -> Page | None:
        """Return a page that a source named, as it is known, by an address that somebody posted.

        Nothing is fetched, and what somebody pasted or sent is not shown. Raises IndexUnavailable.
        """
        try:
            page, source = await self._find(self._resolve_url(url))
        except PageRefused:
            return None
        may = page is not None and source is not None and page.readers.allow(current_audience())
        return page if may else None

    async def find_author(self, url: str) -> str:
        """Return the directory's id of who wrote a page, as its source says now, "" for nobody.

        Raises PageRefused, OSError and IndexUnavailable.
        """
        entry = await self._entry(url)
        if entry is None or entry.source is None or self._access is None:
            return ""
        return await find_author(entry.source, url, self._access, self._fetcher)

    async def refresh(
        self,
        sources: Sequence[str],
        progress: RefreshProgress | None = None,
        expect: Expect | None = None,
    ) -> RefreshReport:
        """Read the sources, one after the other.

        Pages that a source no longer has, or names in vain, are forgotten.

        A source that fails as a whole leaves its pages as they were; so does one most of whose pages are gone
        at once. What is read is found at once, and stays when the process ends before the rest is read. Steps
        aside as `pages.index.priority` says. Raises IndexUnavailable.
        """
        tell = progress or _nobody
        report = RefreshReport()
        async with self._refreshing:
            if expect is not None:
                for source in sources:
                    expect(source, await asyncio.to_thread(count_pages, source))
            with self._index.writing_many():
                for source in sources:
                    await self._refresh_one(source, report, tell, expect)
                await self._finish_pages()
            await self.forget_pasted()
            await self._index.warm()
        return report

    async def _finish_pages(self) -> None:
        """Make the passages of the pages that have none: the index was opened in a hurry, or they are new."""
        for url in await asyncio.to_thread(self._index.unfinished):
            await asyncio.to_thread(step_aside)
            await self._index.finish(url)

    async def forget(self, url: str) -> bool:
        """Forget a page, in all languages in which it was pasted; False when it was not known."""
        wanted = self._resolve_url(url)
        bare = _without_fragment(wanted)
        versions = [one.url for one in await self.pages() if one.url.startswith(f"{bare}{_LANGUAGE}")]
        gone = [await self._index.remove(one) for one in dict.fromkeys((wanted, bare, *versions))]
        return any(gone)

    async def forget_source(self, source: str) -> int:
        """Forget the pages that only this source named; return how many they were."""
        if self._access is not None:
            await asyncio.to_thread(drop_ledger, self._access.folder, source)
        return await self._remove([entry for entry in await self.pages() if entry.source == source], _nobody)

    async def forget_pasted(self) -> None:
        """Forget the pages that somebody pasted a week ago, and the oldest beyond 500.

        Raises IndexUnavailable.
        """
        pasted = [entry for entry in await self.pages() if entry.source is None]
        pasted.sort(key=lambda entry: entry.fetched_at, reverse=True)
        oldest = self._now() - PASTED_FOR
        old = [entry for entry in pasted[:MOST_PASTED] if entry.fetched_at < oldest] + pasted[MOST_PASTED:]
        if await self._remove(old, _nobody):
            await self._index.overwrite()

    async def pages(self) -> list[PageEntry]:
        """Return all pages, by URL, pasted ones (source None) included."""
        return await asyncio.to_thread(self._index.entries)

    async def close(self) -> None:
        """Stop fetching. The index and the fetcher are their owner's to close."""
        under_way = list(self._fetching.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _resolve_url(self, url: str) -> str:
        """Return a page's identity: no fragment, redirects followed, our own ones root-relative."""
        bare = _without_fragment(url.strip())
        if self._public_url and bare.startswith(f"{self._public_url}/site/"):
            bare = bare.removeprefix(self._public_url)
        if bare.startswith("/") and not bare.startswith("//"):
            return bare
        bare = ssrf.parse_address(bare).url
        return self._moved.get((bare, get_language_tag()), bare)

    async def _find(self, url: str) -> tuple[Page | None, str | None]:
        """Return the page and its source, whether or not its address is written with a slash at the end."""
        for spelling in (url, url.removesuffix("/") if url.endswith("/") else f"{url}/"):
            entry = await self._entry(spelling)
            page = await self._index.page(spelling) if entry is not None else None
            if entry is not None and page is not None:
                return page, entry.source
        return None, None

    async def _entry(self, url: str) -> PageEntry | None:
        return await asyncio.to_thread(self._index.entry, url)

    async def _has_source(self, url: str) -> bool:
        entry = await self._entry(url)
        return entry is not None and entry.source is not None

    async def _fresh(self, url: str) -> Page:
        known, source = await self._find(url)
        if known is not None and (
            _is_local(source) or known.readers.restricted or self._is_fresh(known, source)
        ):
            return known
        return await self._fetch(_without_fragment(url), known)

    def _is_fresh(self, known: Page, source: str | None) -> bool:
        """Tell whether a page was read a short while ago, a pasted one in the language of whoever asks."""
        if self._now() - known.fetched_at >= _FRESH:
            return False
        return source is not None or is_read_by(known.etag, name_recipe(self._fetcher, get_language_tag()))

    async def _fetch(self, url: str, known: Page | None) -> Page:
        if url.startswith("/"):
            raise _refuse_unknown(url)
        has_source = known is not None and await self._has_source(known.url)
        language = "" if has_source else get_language_tag()
        try:
            page = await self._read(url, language)
            entry = await self._entry(page.url)
            if language and entry is not None and entry.source is not None:  # it has one text for all
                page = await self._read(url, "")
        except PageUnreachable:
            if known is not None and has_source:
                log.warning("%s cannot be reached; its last known text is used", url)
                return known
            raise
        if (entry is None or entry.source is None) and speaks_several(page.etag):
            page = replace(page, url=_name_version(_without_fragment(page.url), language))
        self._moved[(url, get_language_tag())] = page.url
        if entry is not None and entry.readers.restricted:  # what anybody is shown is not what it says
            return await self._index.page(page.url) or replace(page, readers=entry.readers)
        await self._index.add(page, source=None)
        added = await self._entry(page.url)
        return page if added is None else replace(page, readers=added.readers)

    async def _read(self, url: str, language: str) -> Page:
        """Read a page from the web as anybody may who does not sign in, in the language of whoever asks."""
        found = await read_page(
            self._fetcher, url, partial(self._known_in, language), self._now(), language=language
        )
        if isinstance(found, NotModified):
            entry = await asyncio.to_thread(self._known_in, language, found.url)
            same = await self._index.page(entry.url) if entry else None
            if same is None:
                raise PageUnreachable(mark("{url} sent no page. Please try again later."), url=url)
            return replace(same, fetched_at=self._now())
        if found.doubtful:  # a pasted address may hold what is nobody's business: it is not logged
            log.info(
                "%d pieces of text that readers may not see were left out of a fetched page", found.doubtful
            )
        return found

    def _known_in(self, language: str, url: str) -> PageEntry | None:
        """Return what is known of a page as it is sent to whoever speaks a language."""
        return self._index.entry(_name_version(url, language)) or self._index.entry(url)

    def _finish_fetch(self, look: tuple[str, str], task: asyncio.Task[Page]) -> None:
        self._fetching.pop(look, None)
        if not task.cancelled() and task.exception() is not None:
            # Its askers may all have left. The address may hold what is nobody's business: it is not logged.
            error = task.exception()
            log.info("a pasted page was not read: %s", type(error).__name__)
            reasons = [reason for kind, reason in _REASONS if isinstance(error, kind)]
            telemetry.event("fetch_refused", reason=reasons[0] if reasons else "error")

    async def _refresh_one(
        self, source: str, report: RefreshReport, tell: RefreshProgress, expect: Expect | None
    ) -> None:
        taking = SourceTally(report)
        try:
            async for item in read_source(
                source,
                fetcher=self._fetcher,
                known=self._index.entry,
                listed=partial(self._urls_of, source),
                expect=partial(expect or _expect_nothing, source),
                access=self._access,
            ):
                await asyncio.to_thread(step_aside)
                if isinstance(item, Page | Unchanged | NewReaders | Removed):
                    outcome = await self._take(item, source)
                    taking.count(item, outcome)
                else:
                    outcome = taking.note(item)
                if outcome:
                    tell(item.url, outcome)
        except (PageRefused, OSError) as error:
            shown = show_source(source)
            report.problems.append(Problem(shown, str(error)))
            tell(shown, "problems")
            if isinstance(error, PageGone):
                report.removed += await self._remove(await self._alone(source), tell)
            return
        if taking.seen:
            entries = [entry for entry in await self.pages() if entry.source == source]
            left = taking.find_left(source, {entry.url for entry in entries})
            report.removed += await self._remove([entry for entry in entries if entry.url not in left], tell)

    def _urls_of(self, source: str) -> list[str]:
        return [entry.url for entry in self._index.entries() if entry.source == source]

    async def _alone(self, source: str) -> list[PageEntry]:
        """Return the page of a source that is one page."""
        entry = await self._entry(ssrf.parse_address(source).url)
        return [entry] if entry is not None and entry.source == source else []

    async def _take(self, item: Page | Unchanged | NewReaders | Removed, source: str) -> str:
        """Bring the index up to date with a page; return the outcome, "" for none."""
        if isinstance(item, Unchanged):
            await self._index.touch(item.url, source=source, fetched_at=self._now())
            return "unchanged"
        entry = await self._entry(item.url)
        if isinstance(item, Removed):
            known = entry is not None and entry.source == source
            return "removed" if known and await self._index.remove(item.url) else ""
        if isinstance(item, NewReaders):
            return await self._open_to(item, source, entry)
        if await self._index.add(item, source=source):
            return "changed" if entry is not None else "added"
        return "unchanged"

    async def _open_to(self, item: NewReaders, source: str, entry: PageEntry | None) -> str:
        """Keep who may read a page from now on; its text stays."""
        if entry is None:
            return ""
        readers = entry.readers.intersect(item.readers) if item.narrows else item.readers
        now = self._now()
        await self._index.touch(item.url, source=source, fetched_at=now, readers=readers, etag=item.etag)
        return "changed"

    async def _remove(self, entries: Sequence[PageEntry], tell: RefreshProgress) -> int:
        for entry in entries:
            await self._index.remove(entry.url)
            tell(entry.url, "removed")
        return len(entries)


def _place_part(section: Section, number: int, name: str) -> Section:
    """Return a section of one of several files: its heading says of which, its anchor is no other's."""
    if not number:
        return section
    heading = f"{name}: {section.heading}" if section.heading else name
    return replace(section, heading=heading, anchor=f"{number}-{section.anchor}")


def _is_local(source: str | None) -> bool:
    """Tell whether a source is a folder or a file, published or not."""
    return source is not None and not source.lower().startswith(("http://", "https://"))


def _refuse_unknown(url: str) -> PageUnreachable:
    return PageUnreachable(
        mark("I have no page {url}. Please send the full address of a page, with https://."), url=url
    )


def _name_version(url: str, language: str) -> str:
    """Return under what a page is known that its site sends in several languages; links do not show it."""
    return f"{url}{_LANGUAGE}{language.lower()}"


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]


def _expect_nothing(source: str, pages: int) -> None:
    """Tell nobody."""


def _nobody(url: str, outcome: str) -> None:
    """Tell nobody."""

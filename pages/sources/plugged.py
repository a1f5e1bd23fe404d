"""Reads a source behind a sign-in: what its service lists, compared with the index, document by document.

A page's validator in the index is its document's version: the recipe of `pages.parse`, the document's mark,
and its readers. What has the same is left alone, what only other people may read now is told so without
fetching it, everything else is fetched. Where fetching fails, whoever may not read it any
more is shut out at once.

The list is kept before the first document is fetched. Whoever is killed meanwhile begins with that list the
next time, and finds in the index which documents are read.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.readers import Readers
from core.records import Page
from pages.fetched import PageRefused, PageUnreachable, PageUnreadable
from pages.index.base import PageEntry
from pages.parse.extract import RECIPE
from pages.parse.sandbox import SOURCE_TIMEOUT_S
from pages.sources.items import Item, NewReaders, Problem, Remark, Removed, Unchanged, read_several
from pages.sources.ledger import Ledger, open_ledger
from pages.sources.plug import Document, Listing, Source, SourceContext
from pages.sources.registry import SourcePlug
from pages.sources.words import parse_word, show_source

MOST_DOCUMENTS = 10_000
"""Most documents of one source that are read."""
_NAME_READERS = frozenset({"text/markdown", "text/plain"})
"""Kinds that may say themselves who may read them (front matter): they are read again for new readers."""
LONGEST_LIST_S = 3600.0
"""Longest time to list a source, seconds; a service may ask for patience many times."""


async def read_plugged(source: str, plug: SourcePlug, context: SourceContext) -> AsyncGenerator[Item, None]:
    """Yield what a service has. Raises PageRefused at the end where it did not tell all of it."""
    word = parse_word(source, plug.options)
    access = context.access
    if access is None:
        raise PageUnreadable(
            f"{show_source(source)} is a source behind a sign-in; `askpage pages add` and the setting pages "
            f"take it."
        )
    ledger = await asyncio.to_thread(open_ledger, access.folder, source, context.expect)
    async with plug.load()(word, access, context.fetcher) as service:
        listing = _check_listing(await _list_documents(service, ledger), show_source(source), word.readers)
        context.expect(len(listing.documents))
        for remark in (*(Remark(show_source(source), one) for one in listing.remarks), *listing.problems):
            yield remark
        await ledger.keep()
        try:
            async with aclosing(_read_documents(listing, _DocumentReader(service, ledger, context))) as items:
                async for item in items:
                    yield item
        finally:
            await ledger.keep()
    if listing.failure is not None:
        raise listing.failure
    urls = {document.url for document in listing.documents}
    for url in await asyncio.to_thread(context.listed):
        if url not in urls:
            yield Removed(url)


async def _read_documents(listing: Listing, reader: _DocumentReader) -> AsyncGenerator[Item, None]:
    async with aclosing(read_several(listing.documents, reader.read)) as found:
        async for items in found:
            for item in items:
                yield item


async def _list_documents(service: Source, ledger: Ledger) -> Listing:
    """Return what there is, and keep what is remembered of it, also when it does not come to its end."""
    try:
        async with asyncio.timeout(LONGEST_LIST_S):
            return await service.list_documents(ledger)
    except TimeoutError:
        raise PageUnreachable(
            f"It takes longer than {LONGEST_LIST_S / 60:g} minutes to list; that goes on at the next refresh."
        ) from None
    finally:
        if ledger.notes:
            await ledger.keep()


def _check_listing(listing: Listing, source: str, readers: Readers | None) -> Listing:
    """Return a list of documents with addresses of their own, not too many, with the operator's readers."""
    checked = Listing([], list(listing.problems), list(listing.remarks), listing.failure)
    seen: dict[str, str] = {}
    for document in listing.documents:
        if document.url in seen:
            if seen[document.url] != document.id:
                sentence = f"Two documents have this address; {document.title} is left out. Please rename it."
                checked.problems.append(Problem(document.url, sentence))
            continue
        seen[document.url] = document.id
        checked.documents.append(document if readers is None else replace(document, readers=readers))
    if len(checked.documents) > MOST_DOCUMENTS:
        del checked.documents[MOST_DOCUMENTS:]
        checked.failure = PageUnreadable(
            f"{source} has more than {MOST_DOCUMENTS:,} documents; the others are left out. Please name a "
            f"part of it."
        )
    return checked


@dataclass(frozen=True, slots=True)
class _Version:
    """What is kept of a page's version: of its text, and of its readers."""

    text: str
    readers: str

    @property
    def etag(self) -> str:
        return f"{self.text} {self.readers}"


def _version(document: Document) -> _Version:
    text = hashlib.sha256(
        json.dumps([document.mark, document.media_type, document.title]).encode()
    ).hexdigest()
    readers = document.readers
    names = json.dumps(readers.to_list()) if readers.restricted else ""
    return _Version(f"{RECIPE}-{text[:32]}", hashlib.sha256(names.encode()).hexdigest()[:16])


def _version_before(entry: PageEntry | None) -> _Version:
    text, _, readers = ((entry.etag if entry else None) or "").partition(" ")
    return _Version(text, readers)


@dataclass(frozen=True, slots=True)
class _DocumentReader:
    """Reads the documents of a service that are not in the index as they are now."""

    service: Source
    ledger: Ledger
    context: SourceContext

    async def read(self, document: Document) -> tuple[Item, ...]:
        """Return what is new of a document."""
        entry = await asyncio.to_thread(self.context.known, document.url)
        before, now = _version_before(entry), _version(document)
        if entry is not None and before == now:
            return (Unchanged(document.url),)
        if entry is not None and before.text == now.text and document.media_type not in _NAME_READERS:
            return (NewReaders(document.url, document.readers, now.etag),)
        try:
            return (await self._read_page(document, now),)
        except PageRefused as refused:
            if isinstance(refused, PageUnreadable):
                self.ledger.refused[document.url] = [now.text, str(refused)]
            problem = Problem(document.url, str(refused))
        if entry is None or before.readers == now.readers:
            return (problem,)
        etag = _Version(before.text, "").etag
        return (problem, NewReaders(document.url, document.readers, etag, narrows=True))

    async def _read_page(self, document: Document, version: _Version) -> Page:
        known, sentence = self.ledger.refused.get(document.url, ["", ""])
        if known == version.text:
            raise PageUnreadable(sentence)
        limit = self.context.fetcher.limits.max_bytes
        if document.size is not None and document.size > limit:
            raise _refuse_size(document, limit)
        fetched = await self.service.read_document(document)
        if len(fetched.body) > limit:
            raise _refuse_size(document, limit)
        named = replace(fetched, url=document.url, etag=version.etag)
        sandbox = self.context.fetcher.sandbox
        page = await sandbox.extract(named, datetime.now(UTC), timeout_s=SOURCE_TIMEOUT_S)
        self.ledger.refused.pop(document.url, None)
        return replace(page, readers=document.readers.intersect(page.readers))


def _refuse_size(document: Document, limit: int) -> PageUnreadable:
    return PageUnreadable(f"{document.title} is larger than {limit / 1_000_000:g} MB; please split it.")

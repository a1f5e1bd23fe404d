"""Groups what people asked in vain into gaps of the pages, and keeps the report (feedback/gaps).

Run as: askpage jobs run report_gaps

    read       what was declined, corrected, rated down or quoted without use in the last DAYS days
    group      by meaning, named by the commonest question                feedback/gaps/build.py
    place      the nearest section, its owner, whether it has changed     pages/repair
    mask       as training texts are masked
    keep       one document, in place of the last report
    propose    a patch, and a card for the page's owner                   feedback/gaps/owner_cards.py

What people asked who opted out, or whose data is being deleted, is left out, and so is what stands on pages
that not everyone may read.

    GapsUnavailable    there is no report; the message is a sentence that says what to do
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urldefrag

from bot.bootstrap import PageServices
from bot.channels.asides.one_person import ContactCipher
from bot.services import read_rules
from bot.stores import read_keys
from core.phrases import mark
from core.records import Page
from core.settings import Settings
from feedback.examples.dataset import DatasetError
from feedback.gaps.authors import AUTHOR, PageAuthor, drop_authors_before, keep_author
from feedback.gaps.build import Mask, ReportPlan, build_report
from feedback.gaps.owner_cards import (
    Proposal,
    forget_answers,
    issue_cards,
    list_cards,
    list_elsewhere,
    remove_card,
)
from feedback.gaps.report import Gap, Report, is_current, keep_report
from feedback.gaps.unmet import AskedRules
from feedback.privacy.deletion_log import list_excluded
from feedback.reviews.repository import ReviewRepository
from jobs.registry import JobContext, JobFailed, Result, Store
from jobs.update_model import masking
from model.text.question import is_follow_up
from pages.fetched import PageRefused
from pages.repair.files import PageFile, find_page_file
from pages.repair.owners import find_owner
from pages.repair.patch import PatchRefused, make_patch

log = logging.getLogger(__name__)

DAYS = 90
NO_MASKING = (
    "Personal data cannot be masked here, so no questions are grouped: install askpage with the extra "
    '`training` (pip install -e ".[cpu,import,training]").'
)


class GapsUnavailable(JobFailed):
    """There is no report; the message is for a person."""


HasAuthor = Callable[[str], Awaitable[bool]]
"""Tells of a page's address whether its source names an author, who is noted then."""


async def _has_none(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class IndexedPages:
    """What a report asks about the pages of an index."""

    page_services: PageServices
    owners: Sequence[str] = ()
    has_author: HasAuthor = _has_none

    def find_hash(self, url: str) -> str | None:
        """Return the hash of a page that everyone may read."""
        return self.page_services.public_page_hash(url)

    async def read_page(self, url: str) -> Page | None:
        """Return a page that everyone may read."""
        return await self.page_services.page(url) if self.find_hash(url) is not None else None

    async def read_section(self, url: str) -> str:
        """Return the text of the section that an address opens."""
        address, anchor = urldefrag(url)
        page = await self.read_page(address)
        return "\n".join(one.text for one in page.sections if one.anchor == anchor) if page else ""

    async def find_file(self, url: str) -> PageFile | None:
        """Return the file of a page, where it lies on this machine."""
        entry = self.page_services.index.entry(url)
        if entry is None or not entry.source:
            return None
        return await asyncio.to_thread(find_page_file, entry.source, url)

    async def find_owner(self, url: str) -> str:
        """Return who owns a page."""
        entry, file = self.page_services.index.entry(url), await self.find_file(url)
        source = (entry.source if entry else None) or ""
        named = await asyncio.to_thread(find_owner, url, source, file, self.owners)
        return named or (AUTHOR if await self.has_author(url) else "")


async def run(context: JobContext) -> Result:
    """Keep a new report. Raises StoreError, and GapsUnavailable where nothing can be masked."""
    mask = await asyncio.to_thread(open_masking)
    async with context.pages() as page_services:
        report = await report_gaps(context.store, page_services, context.settings, mask)
        cards = await send_cards(context.store, page_services, context.settings, report)
    return {
        "gaps": len(report.gaps),
        "cards": len(cards),
        "repaired": sum(gap.repaired for gap in report.gaps),
        "questions": sum(gap.times for gap in report.gaps),
    }


def open_masking() -> Mask:
    """Return what masks texts as training texts are. Raises GapsUnavailable."""
    try:
        return masking()
    except DatasetError as error:
        raise GapsUnavailable(NO_MASKING) from error


async def report_gaps(
    store: Store, page_services: PageServices, settings: Settings, mask: Mask, days: int = DAYS
) -> Report:
    """Build a report and keep it; return it without what was deleted meanwhile. Raises StoreError."""
    rating, _ = read_rules(settings)
    rules = AskedRules(
        excluded=await list_excluded(store.documents),
        is_restricted=page_services.access.freeze().is_restricted,
        follows=is_follow_up,
        scale=rating.scale,
    )
    now = datetime.now(UTC)
    pages = IndexedPages(
        page_services, settings.page_owners, note_authors(store, page_services, settings, now)
    )
    plan = ReportPlan(rules, page_services.embedder, pages, mask, days, await list_elsewhere(store.documents))
    report = await build_report(store, ReviewRepository(store.documents), plan, now)
    await keep_report(store.documents, report)
    await drop_authors_before(store.documents, now)
    return await drop_deleted(store, report)


def note_authors(store: Store, page_services: PageServices, settings: Settings, now: datetime) -> HasAuthor:
    """Return what asks a page's source for its author, where the settings want that."""
    if not settings.sharepoint_authors:
        return _has_none
    keys = read_keys(settings)
    cipher = ContactCipher(keys.now)

    async def has_author(url: str) -> bool:
        try:
            found = await page_services.library.find_author(url)
        except (PageRefused, OSError) as error:
            log.warning("the author of %s is not known: %s", url, error)
            return False
        person = keys.pseudonym(found) if found else ""
        if not person or person in await list_excluded(store.documents):
            return False
        await keep_author(store.documents, PageAuthor(url, person, cipher.encrypt(found)), now)
        return True

    return has_author


async def drop_deleted(store: Store, report: Report) -> Report:
    """Drop from the kept report, and of owners' cards, what was deleted, or is to be left out by now.

    Return what is left of the report.
    """
    excluded = await list_excluded(store.documents)
    current = [gap for gap in report.gaps if await is_current(store, gap, excluded)]
    gone = {name for gap in report.gaps if gap not in current for name in gap.answers}
    await forget_answers(store.documents, gone)
    repository = ReviewRepository(store.documents)
    for card in await list_cards(store.documents):
        if not await is_current(store, card.gap, excluded):
            await remove_card(repository, card.id)
    return Report(report.made_at, report.days, tuple(current))


async def send_cards(
    store: Store, page_services: PageServices, settings: Settings, report: Report
) -> list[str]:
    """Keep cards for the owners of a report's pages; a bot brings them. Return their names.

    Raises StoreError.
    """
    pages = IndexedPages(page_services, settings.page_owners)

    async def propose(gap: Gap) -> Proposal:
        try:
            return Proposal(patch=await propose_patch(gap, pages))
        except PatchRefused as refused:
            return Proposal.refuse(refused.sentence) if gap.correction else Proposal()

    return await issue_cards(ReviewRepository(store.documents), report, propose, datetime.now(UTC))


async def propose_patch(gap: Gap, pages: IndexedPages) -> str:
    """Return a patch with the reviewer's words. Raises PatchRefused."""
    if not gap.correction:
        raise PatchRefused(
            mark("No reviewer has answered this yet, and askpage makes nothing up: correct an answer first.")
        )
    if gap.place is None:
        raise PatchRefused(
            mark("No page is close to it: please choose a page, and add the sentence there by hand.")
        )
    url, anchor = urldefrag(gap.place.url)
    if gap.place.says_it:
        raise PatchRefused(mark("{page} already has these words."), page=gap.place.name)
    page, file = await pages.read_page(url), await pages.find_file(url)
    if page is None or file is None:
        raise PatchRefused(
            mark("The file of {url} is not on this machine: please edit it where it is stored."), url=url
        )
    return await asyncio.to_thread(make_patch, file, page.sections, anchor, gap.correction)

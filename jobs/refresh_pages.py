"""Reads the indexed pages' sources again: indexes anew what changed, removes what is gone.

Run as: askpage jobs run refresh_pages

A server is asked with the validator that it sent (ETag, or the date of the last change), so an unchanged page
is not sent again. Only sources that are in the index, or were added by `askpage pages add`, or lie behind a
sign-in, are read: settings that differ from the bot's forget nothing, and a service that refused at first is
asked again. Pages that somebody pasted are read again when somebody asks about them.

Verified answers whose page has changed, or is gone since the last run, go back to their reviewers. What this
machine's index does not know says nothing: it may be another machine's page.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from core.records import VerifiedAnswer
from feedback.reviews.repository import ReviewRepository
from jobs.registry import JobContext, Result
from pages.library import Library
from pages.sources import read_added_sources
from pages.sources.words import kind_of

log = logging.getLogger(__name__)

SHOWN_PROBLEMS = 5


async def run(context: JobContext) -> Result:
    """Refresh the pages of this installation. Raises StoreError, IndexUnavailable."""
    async with context.services() as borrowed:
        page_services, parts = borrowed.page_services, borrowed.parts
        behind = [source for source in context.settings.pages if kind_of(source)]
        added = [*read_added_sources(context.settings.index_dir), *behind]
        return await refresh_pages(
            page_services.library, added, parts.repository, page_services.page_hash, parts.reviewing.reopen
        )


async def refresh_pages(
    library: Library,
    added: Sequence[str],
    repository: ReviewRepository,
    page_hash: Callable[[str], str | None],
    make_stale: Callable[[VerifiedAnswer], Awaitable[None]],
) -> Result:
    """Refresh them; return counts. Raises StoreError, IndexUnavailable.

    `added` are sources beside those in the index; `page_hash` is that of a page as it is now, None for an
    unknown one.
    """
    named = {entry.source for entry in await library.pages() if entry.source is not None}
    gone: set[str] = set()

    def note(url: str, outcome: str) -> None:
        if outcome == "removed":
            gone.add(url)

    def differs(url: str, then: str) -> bool:
        now = page_hash(url)
        return url in gone if now is None else now != then

    report = await library.refresh(sorted(named | set(added)), note)
    for problem in report.problems[:SHOWN_PROBLEMS]:
        log.warning("%s: %s", problem.url, problem.sentence)
    for remark in report.remarks():
        log.warning("%s", remark)
    stale = 0
    for _, verified in (await repository.list_verified_since(""))[0]:
        if verified is not None and any(differs(url, then) for url, then in verified.pages):
            await make_stale(verified)
            stale += 1
    return {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "problems": len(report.problems),
        "stale": stale,
    }

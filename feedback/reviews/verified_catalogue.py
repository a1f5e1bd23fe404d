"""The catalogue of verified answers: those that are served now, searched and filtered, the newest first.

What each one served is not in these records: `feedback/metrics/verified_use.py` counts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urldefrag

from core.records import Review, VerifiedAnswer
from core.text import normalise_text
from feedback.reviews.repository import ReviewRepository
from feedback.store.rows import every

_AT_ONCE = 16
"""Reviews that are read together: a store far away answers them in one go."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A verified answer, and the review whose ruling lets it stand."""

    verified: VerifiedAnswer
    review: Review

    @property
    def name(self) -> str:
        """The name of the reviewer who ruled."""
        return self.review.ruling.reviewer_name if self.review.ruling else ""


@dataclass(frozen=True, slots=True)
class CatalogueFilter:
    """Which ones are wanted; an empty field leaves that open.

    `words` all stand in the question, the answer, or the names of its places, without regard to case. `page`
    is a part of the address or the title of a page that it stands on. `reviewer` is a pseudonym.
    """

    words: str = ""
    page: str = ""
    reviewer: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, verified: VerifiedAnswer) -> bool:
        """Tell whether a verified answer is wanted."""
        return (
            all(word in _list_text(verified) for word in normalise_text(self.words).split())
            and self.page.casefold() in _list_pages(verified)
            and self.reviewer in ("", verified.verified_by)
            and (self.since is None or verified.verified_at >= self.since)
            and (self.until is None or verified.verified_at < self.until)
        )


async def list_verified(repository: ReviewRepository, wanted: CatalogueFilter) -> Sequence[VerifiedAnswer]:
    """Return what is served and wanted, the newest first. Raises StoreError."""
    found = [verified async for _, verified in every(repository.list_kept_verified) if wanted.fits(verified)]
    return sorted(found, key=lambda one: (one.verified_at, one.answer_id), reverse=True)


async def read_entries(
    repository: ReviewRepository, verified: Sequence[VerifiedAnswer]
) -> Sequence[CatalogueEntry]:
    """Return verified answers with their reviews; left out are those whose ruling has just ended."""
    found: list[CatalogueEntry] = []
    for first in range(0, len(verified), _AT_ONCE):
        some = verified[first : first + _AT_ONCE]
        reviews = await asyncio.gather(*(repository.review(one.answer_id) for one in some))
        found += [
            CatalogueEntry(one, review)
            for one, review in zip(some, reviews, strict=True)
            if review is not None and review.settled_at == one.verified_at
        ]
    return found


def _list_text(verified: VerifiedAnswer) -> str:
    places = [f"{one.title} {one.heading}" for one in verified.citations]
    return normalise_text(" ".join([verified.question_text, verified.text, *places]))


def _list_pages(verified: VerifiedAnswer) -> str:
    urls = [url for url, _ in verified.pages] + [urldefrag(one.url).url for one in verified.citations]
    return " ".join([*urls, *(one.title for one in verified.citations)]).casefold()

"""Comparisons of model versions, kept as documents (kind `comparison`) until the reviewers have seen and decided them.

Whoever compares puts one here; the bot posts what waits, and says so here when it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from feedback.documents import Document, Documents, Wanted
from feedback.plain import comparison_from, to_json
from feedback.store import moment
from records import Comparison

KIND = "comparison"
UNPOSTED, POSTED = "unposted", "posted"
_PAGE = 100


class Comparisons:
    """Typed access to the comparisons. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def put(self, comparison: Comparison) -> str:
        """Keep a comparison and return its id; the same one again changes nothing."""
        id_ = id_of(comparison)
        order = moment(comparison.compared_at)
        await self._documents.add(Document(KIND, id_, to_json(comparison), state=UNPOSTED, order=order))
        return id_

    async def get(self, id_: str) -> Comparison | None:
        """Return a comparison, or None."""
        document = await self._documents.get(KIND, id_)
        return comparison_from(document.body) if document else None

    async def latest(self, candidate: str = "") -> Comparison | None:
        """Return the newest comparison, of one candidate or of any; None where there is none."""
        wanted, newest = Wanted(KIND, limit=_PAGE), None
        while page := await self._documents.listed(wanted):
            for document in page:
                found = comparison_from(document.body)
                newest = found if candidate in ("", found.candidate) else newest
            wanted = replace(wanted, after=(page[-1].order, page[-1].id))
        return newest

    async def waiting(self, limit: int = _PAGE) -> Sequence[tuple[str, Comparison]]:
        """Return (id, comparison) of what was not posted yet, the oldest first."""
        found = await self._documents.listed(Wanted(KIND, state=UNPOSTED, limit=limit))
        return [(document.id, comparison_from(document.body)) for document in found]

    async def since(self, time: datetime) -> Sequence[tuple[str, Comparison]]:
        """Return (id, comparison) of those made since a time, the oldest first."""
        found = await self._documents.listed(Wanted(KIND, after=(moment(time), ""), limit=_PAGE))
        return [(document.id, comparison_from(document.body)) for document in found]

    async def mark_posted(self, id_: str) -> None:
        """The reviewers have it on their screens."""
        document = await self._documents.get(KIND, id_)
        if document is not None:
            await self._documents.put(replace(document, state=POSTED))


def id_of(comparison: Comparison) -> str:
    """Return the id of a comparison: what was compared with what, and when."""
    named = "\0".join((comparison.candidate, comparison.live, moment(comparison.compared_at)))
    return hashlib.sha256(named.encode()).hexdigest()[:32]

"""Opt-outs from learning: the people whose questions and feedback are left out of what is learned.

One document a person, which a deletion leaves in place.

    out = await list_opt_outs(store.documents)      a data set leaves out what these people asked and said
    await OptOuts(store.documents).is_out(p)    for whoever keeps what one person says now

A change of mind carries the id of the activity that brought it: an old one that is delivered again changes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime

from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, change_document, every_document

KIND = "opted_out"
OUT, IN = "out", "in"
_SOURCES = 8
"""How many changes of mind are remembered, to know them again."""


async def list_opt_outs(documents: Documents) -> Set[str]:
    """Return the pseudonyms of all who want that nothing is learned from them. Raises StoreError."""
    wanted = Wanted(KIND, state=OUT, limit=500)
    return {document.person async for document in every_document(documents, wanted)}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person wants, and since when; `since` is None for one who never chose."""

    out: bool = False
    since: datetime | None = None


class OptOuts:
    """The choices of people. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def is_out(self, person: str) -> bool:
        """Tell whether a person wants that nothing is learned from them."""
        return (await self.choice(person)).out

    async def choice(self, person: str) -> Choice:
        """Return what a person wants."""
        kept = await self._documents.get(KIND, person)
        return Choice(kept.state == OUT, datetime.fromisoformat(kept.order)) if kept else Choice()

    async def choose(self, person: str, *, out: bool, source: str) -> bool:
        """Keep a choice; False where this activity has brought it before, or it was so already."""
        state = OUT if out else IN

        def change(kept: Document | None) -> Document | None:
            sources: list[str] = json.loads(kept.body)["sources"] if kept else []
            if source in sources or state == (kept.state if kept else IN):
                return None
            body = json.dumps({"sources": [*sources[1 - _SOURCES :], source]})
            return Document(KIND, person, body, person=person, state=state, order=moment(datetime.now(UTC)))

        return await change_document(self._documents, Document(KIND, person, ""), change) is not None

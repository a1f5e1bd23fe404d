"""The protocol of stores for small records that change: seven methods, whatever stands behind them.

Reviews, verified answers, cards on screen and notices are documents: JSON with the few fields that a store
looks them up by. Every form keeps them durably before a call returns, and raises StoreError
(`feedback/store/base.py`). What the documents mean is in `feedback/reviews/repository.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from feedback.store.base import StoreUnavailable

TRIES = 100
"""How often a change is tried that others are faster with; then it counts as unavailable."""


@dataclass(frozen=True, slots=True)
class Document:
    """One record.

    (`kind`, `id`) names it; `answer_id` says which answer it goes with, and goes away with ("": none).
    `person` is the pseudonym of whom it is about, `state` and `order` what lists filter and sort by.
    `version` counts the changes: 0 before the document is kept, 1 afterwards.
    """

    kind: str
    id: str
    body: str
    answer_id: str = ""
    person: str = ""
    state: str = ""
    order: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents a list has: those of a kind, with the given fields equal, after a place in the order.

    None leaves a field open. `after` is the (`order`, `id`) of the last one that was seen.
    """

    kind: str
    answer_id: str | None = None
    person: str | None = None
    state: str | None = None
    after: tuple[str, str] = ("", "")
    limit: int = 100


class Documents(Protocol):
    """Where documents are kept."""

    async def add(self, document: Document) -> bool:
        """Keep a new document; False when there is one of this kind and id already (nothing changes)."""
        ...

    async def replace(self, document: Document) -> bool:
        """Keep a changed document; False when its `version` is not the kept one's: somebody was faster."""
        ...

    async def put(self, document: Document) -> None:
        """Keep a document, whatever was there."""
        ...

    async def get(self, kind: str, id_: str, answer_id: str = "") -> Document | None:
        """Return a document, or None.

        `answer_id` is the document's: what goes with an answer lies with it.
        """
        ...

    async def list_documents(self, wanted: Wanted) -> Sequence[Document]:
        """Return documents by (`order`, `id`), lowest first."""
        ...

    async def count(self, kind: str, id_: str) -> int:
        """Count.

        Return 1, then 2, … for each kind and id, never the same number twice, however many count at once. The
        number is the document's version; the store adds one by itself, so nobody is slower than others. A
        number whose reply was lost may be left out.
        """
        ...

    async def remove(self, kind: str, id_: str, answer_id: str = "", *, version: int | None = None) -> bool:
        """Forget a document; False when there was none, or its version is another than the given one."""
        ...


async def every_document(documents: Documents, wanted: Wanted) -> AsyncIterator[Document]:
    """Yield all documents of a list by (`order`, `id`), `wanted.limit` at a time. Raises StoreError."""
    while page := await documents.list_documents(wanted):
        for document in page:
            yield document
        if len(page) < wanted.limit:
            return
        wanted = replace(wanted, after=(page[-1].order, page[-1].id))


async def put_new(documents: Documents, document: Document) -> None:
    """Keep a document that is hardly ever there yet, whatever was there: one request where it is not.

    `Documents.put` asks Cosmos DB to change what is there first, which is right for what usually is.
    """
    if not await documents.add(document):
        await documents.put(document)


async def change_document(
    documents: Documents,
    named: Document,
    change: Callable[[Document | None], Document | None],
) -> Document | None:
    """Change a document by comparing versions: `change` is called again where somebody else was faster.

    `named` says which one, by its kind, id and answer id. `change` gets the document as it is kept (None:
    there is none) and returns what it should be, or None to leave it as it is. Returns what was written, None
    where nothing was. Raises StoreUnavailable where it changes too fast.
    """
    for _ in range(TRIES):
        kept = await documents.get(named.kind, named.id, named.answer_id)
        changed = change(kept)
        if changed is None:
            return None
        if kept is None:
            if await documents.add(changed):
                return replace(changed, version=1)
        elif await documents.replace(replace(changed, version=kept.version)):
            return replace(changed, version=kept.version + 1)
    raise StoreUnavailable(f"A document of kind {named.kind} changes too fast.")

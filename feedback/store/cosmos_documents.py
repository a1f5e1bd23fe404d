"""Documents in Cosmos DB: read, changed by version, and listed in order (`feedback/store/documents.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.cosmos_client import (
    CosmosContainer,
    Item,
)
from feedback.store.base import StoreUnavailable
from feedback.store.cosmos_schema import document_item, list_changes, locate_document
from feedback.store.documents import TRIES, Document, Wanted


class CosmosDocuments:
    """The documents of one container."""

    def __init__(self, items: CosmosContainer, aged: Callable[[Item], Item]) -> None:
        """`aged` says how long an item is kept."""
        self._items = items
        self._aged = aged

    async def add(self, document: Document) -> bool:
        """Keep a new document; False when there is one of this kind and id already."""
        return await self._items.create(self._aged(document_item(document, version=1)))

    async def replace(self, document: Document) -> bool:
        """Keep a changed document; False when its `version` is not the kept one's."""
        where = f"c.version = {int(document.version)}"
        changed = await self._items.patch(
            *locate_document(document.kind, document.id, document.answer_id),
            list_changes(document),
            where=where,
            add={"version": 1},
        )
        return changed is True

    async def put(self, document: Document) -> None:
        """Keep a document, whatever was there."""
        place = locate_document(document.kind, document.id, document.answer_id)
        for _ in range(TRIES):
            if await self._items.patch(*place, list_changes(document), add={"version": 1}) or await self.add(
                document
            ):
                return
        raise StoreUnavailable(f"a document of kind {document.kind} changes too fast")

    async def get(self, kind: str, id_: str, answer_id: str = "") -> Document | None:
        """Return a document, or None."""
        item = await self._items.read(*locate_document(kind, id_, answer_id))
        return _parse_document(item) if item else None

    async def list_documents(self, wanted: Wanted) -> Sequence[Document]:
        """Return documents by (`order`, `id`), lowest first. Those of one answer lie in one partition."""
        fields = {"person": wanted.person, "state": wanted.state, "answer_id": wanted.answer_id}
        given = {name: value for name, value in fields.items() if value is not None}
        order = ["kind", *(name for name in ("state", "person") if name in given)][:2]
        also = "".join(f" AND c.{name} = @{name}" for name in given)
        pk = wanted.answer_id or None
        in_partition = " AND c.pk = @pk" if pk else ""
        found = await self._items.query(
            f"SELECT TOP {max(wanted.limit, 0)} * FROM c WHERE c.type = 'document' AND c.kind = @kind{also}"  # noqa: S608
            f"{in_partition} AND (c.at > @at OR (c.at = @at AND c.name > @name))"
            f" ORDER BY {', '.join(f'c.{name}' for name in (*order, 'at', 'name'))}",
            pk,
            kind=wanted.kind,
            at=wanted.after[0],
            name=wanted.after[1],
            **given,
            **({"pk": pk} if pk else {}),
        )
        return [_parse_document(item) for item in found]

    async def count(self, kind: str, id_: str) -> int:
        """Count: return 1, then 2, …; the service adds one by itself."""
        place = locate_document(kind, id_, "")
        for _ in range(TRIES):
            number = await self._items.increment(*place, "version")
            if number is not None:
                return number
            if await self.add(Document(kind, id_, "")):
                return 1
        raise StoreUnavailable(f"a document of kind {kind} comes and goes too fast")

    async def remove(self, kind: str, id_: str, answer_id: str = "", *, version: int | None = None) -> bool:
        """Forget a document; False when there was none of this version."""
        place = locate_document(kind, id_, answer_id)
        if version is None:
            return await self._items.delete(*place)
        item = await self._items.read(*place)
        if item is None or item["version"] != version:
            return False
        return await self._items.delete(*place, item["_etag"])


def _parse_document(item: Item) -> Document:
    return Document(
        kind=item["kind"],
        id=item["name"],
        body=item["body"],
        answer_id=item["answer_id"],
        person=item["person"],
        state=item["state"],
        order=item["at"],
        version=item["version"],
    )

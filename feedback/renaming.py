"""Another pseudonym for the same person, after the key has changed: all that stands under the old one is kept anew.

A pseudonym has so many digits that it stands nowhere by accident, so it is replaced as text wherever it stands. What is
kept anew comes first, and what it takes the place of goes afterwards: it may be stopped in between and done again. What
the person has under the new pseudonym already stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feedback import audit
from feedback.documents import Document
from feedback.rows import PAGE, Row, Table, WholeStore, key_of
from feedback.signed import change_answers, change_reviews, put_answers

Change = Callable[[str], str]
_TABLES: tuple[Table, ...] = ("question", "feedback", "document")


async def stands_for_somebody(store: WholeStore, person: str) -> bool:
    """Tell whether a store knows a pseudonym. Raises StoreError."""
    for table in _TABLES:
        if await store.rows(table, limit=1, person=person):
            return True
    return False


async def rename(store: WholeStore, old: str, new: str) -> None:
    """Keep what is one person's under another pseudonym. Raises StoreError."""

    def change(text: str) -> str:
        return text.replace(old, new)

    for table in ("answer", "question", "feedback"):
        await _rename_rows(store, table, old, change)
    await audit.change_reviewer(store.documents, old, change)
    after = ""
    while page := await store.rows("document", after, PAGE, old):
        for row in page:
            await _rename_inside(store, row, old, change)
            await _rename_document(store, row, change)
        after = page[-1].key
    await store.overwrite()


async def _rename_rows(store: WholeStore, table: Table, old: str, change: Change) -> None:
    after = ""
    while page := await store.rows(table, after, PAGE, old):
        renamed = [_renamed(row, change) for row in page]
        if table == "answer":
            await put_answers(store, renamed)
        else:
            await store.put_rows(renamed)
        if table == "feedback":  # in one of the stores the pseudonym is part of a word's place
            left = await store.rows(table, after, len(page), old)
            await store.drop_rows([row for row in left if row in page])
        after = page[-1].key


async def _rename_inside(store: WholeStore, row: Row, old: str, change: Change) -> None:
    """Rename a reviewer where no index finds them."""
    if row.fields["kind"] == "reviewed":
        changes = {"review": change, "past_review": change, "verified": change}
        await change_reviews(store, row.fields["answer_id"], old, changes)
    if row.fields["kind"] == "reviewer":
        async for _ in change_answers(store, old, change):
            pass


async def _rename_document(store: WholeStore, row: Row, change: Change) -> None:
    renamed = _renamed(row, change)
    if renamed.key == row.key:
        await store.put_rows([renamed])
        return
    fields = {name: value for name, value in renamed.fields.items() if name not in ("place", "version")}
    await store.documents.add(Document(**fields, order=renamed.fields["place"]))
    await store.drop_rows([row])


def _renamed(row: Row, change: Change) -> Row:
    fields: dict[str, Any] = {
        name: change(value) if isinstance(value, str) else value for name, value in row.fields.items()
    }
    return Row(row.table, key_of(row.table, fields), fields)

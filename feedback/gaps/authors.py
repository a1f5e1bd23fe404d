"""Authors of pages, as the pages' sources name them, who stand for owners where nobody else is named.

A document (kind `page_author`) says whose page it is: by pseudonym, with the person's encrypted contact, and
without a name. It goes and is exported with what else there is of its person. A report says AUTHOR alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

KIND = "page_author"
AUTHOR = "Author in SharePoint"
"""What stands in place of an owner's name."""


@dataclass(frozen=True, slots=True)
class PageAuthor:
    """Who wrote a page: a pseudonym, and the encrypted id by which a channel reaches the person."""

    url: str
    person: str
    way: str


async def keep_author(documents: Documents, author: PageAuthor, now: datetime) -> None:
    """Keep a page's author in place of the one before. Raises StoreError."""
    body = to_json(author, without=("person",))
    await documents.put(Document(KIND, _name(author.url), body, person=author.person, order=moment(now)))


async def read_author(documents: Documents, url: str) -> PageAuthor | None:
    """Return a page's author, None where none is known. Raises StoreError."""
    kept = await documents.get(KIND, _name(url))
    return from_json(PageAuthor, kept.body, person=kept.person) if kept else None


async def is_author(documents: Documents, person: str) -> bool:
    """Tell whether somebody is known as the author of any page. Raises StoreError."""
    return bool(await documents.list_documents(Wanted(KIND, person=person, limit=1)))


async def drop_authors_before(documents: Documents, now: datetime) -> None:
    """Forget the authors whom a report did not need any more. Raises StoreError."""
    async for kept in every_document(documents, Wanted(KIND)):
        if kept.order < moment(now):
            await documents.remove(KIND, kept.id)


def _name(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]

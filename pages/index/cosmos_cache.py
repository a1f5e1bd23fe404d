"""What one machine knows of the shared page index at once.

A row a page, and what is left over and waits for deletion. The table follows the container's change feed.
Writes are numbered (`written`), and a row only ever gives way to a later write, in whatever order this
machine's own writes and the feed tell of them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pages.index.base import PageEntry

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A page: what is known of it, and which of its passages are current.

    `recipe` says how its passages were made, `written` in which order entries were written; a removed page
    has no `generation`.
    """

    entry: PageEntry
    generation: str
    recipe: str
    written: int

    @property
    def key(self) -> str:
        return key_of(self.entry.url)

    @property
    def removed(self) -> bool:
        return not self.generation

    def like(self, **changes: Any) -> Row:
        """Return the row with other facts of its page."""
        return replace(self, entry=replace(self.entry, **changes))


@dataclass(frozen=True, slots=True)
class Leftover:
    """Passages that are deleted at `due` (seconds since 1970), unless they are current then."""

    key: str
    generation: str
    due: float
    mark: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def id(self) -> str:
        return f"{self.key}.{self.generation}.{self.mark}"


class Table:
    """Never waits. Changed in the event loop only; `row` and `rows` may be looked at from threads."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self.leftovers: dict[str, Leftover] = {}

    def row(self, key: str) -> Row | None:
        """Return the row of the page with this key, or None when it is unknown or removed."""
        row = self._rows.get(key)
        return None if row is None or row.removed else row

    def rows(self) -> list[Row]:
        """Return the rows, by URL."""
        return sorted(
            (row for row in list(self._rows.values()) if not row.removed), key=lambda row: row.entry.url
        )

    def as_it_is(self) -> dict[str, Row]:
        """Return the rows by key, as they are now whatever comes."""
        return {key: row for key, row in self._rows.items() if not row.removed}

    def follow(self, items: Iterable[Item]) -> None:
        """Take over what the change feed tells."""
        for item in items:
            if item["kind"] == "entry":
                self.put(row_in(item))
            elif item["kind"] == "leftover":
                leftover = Leftover(item["of"], item["generation"], item["due"], item["mark"])
                self.leftovers[leftover.id] = leftover

    def put(self, row: Row) -> None:
        """Take over a row, unless a later one is known."""
        known = self._rows.get(row.key)
        if known is None or known.written <= row.written:
            self._rows[row.key] = row


def key_of(url: str) -> str:
    """Return the key of the page with this URL: 32 hexadecimal digits."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def row_in(item: Item) -> Row:
    """Return the row that an entry's item holds."""
    entry = PageEntry(
        url=item["url"],
        title=item["title"],
        page_hash=item["page_hash"],
        fetched_at=datetime.fromisoformat(item["fetched_at"]),
        passages=item["passages"],
        source=item["source"],
        etag=item["page_etag"],
    )
    return Row(entry, item["generation"], item["recipe"], item["written"])


def item_of(row: Row, *, pk: str, ttl: int) -> Item:
    """Return a row as an item that lives for `ttl` seconds; -1 is for ever."""
    entry = row.entry
    return {
        "id": row.key,
        "pk": pk,
        "kind": "entry",
        "url": entry.url,
        "title": entry.title,
        "page_hash": entry.page_hash,
        "fetched_at": entry.fetched_at.isoformat(),
        "passages": entry.passages,
        "source": entry.source,
        "page_etag": entry.etag,
        "generation": row.generation,
        "recipe": row.recipe,
        "written": row.written,
        "ttl": ttl,
    }

"""The container of the page index in Azure Cosmos DB for NoSQL: what lies in it, and its policies.

| kind | partition `pk` | `id` | what it is |
|---|---|---|---|
| entry | pages | the page's key | a page without its text, and which `generation` of passages is current |
| leftover | pages | key.generation.mark | passages that are deleted at `due`, unless they are current then |
| passage | the page's key | generation.number | what is searched, its vector, and what is shown |
| body | the page's key | generation.body.number | a part of the page's sections as JSON text |

A page's key is a hash of its URL. All entries are in one partition, so that one change feed tells every
machine what has changed; passages are spread over as many as there are pages, and one page is searched in its
own. A removed page's entry stays for `FORGOTTEN_S`, since a change feed does not tell of deletions.

Policies are those of Microsoft's documentation (hybrid search, vector search, full-text search, as of 2026).
The vector index is `quantizedFlat`: it looks at every vector, so that nothing near is missed, which Microsoft
recommends for up to about 50,000 vectors a physical partition and where a filter narrows the search, as it
does here (one page, or those that a source named). A handbook of 240 pages has 2,500 passages; `diskANN`
would be faster beyond that, and misses some. Below 1,000 vectors the service scans all of them with either.
Vector policy and vector index cannot be changed later.

`Table` is what one machine knows of it at once: a row a page, and what is left over and waits for deletion.
It follows the container's change feed. Writes are numbered (`written`), and a row only ever gives way to a
later write, in whatever order this machine's own writes and the feed tell of them.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# azure-cosmos gives a container's properties as untyped dictionaries.

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.cosmos_client import PARTITION, ContainerConfig, ContainerPolicies, ErrorClasses, create_container
from core.readers import Readers
from pages.index.base import IndexUnavailable, PageEntry, PageInvalid
from pages.index.embeddings import DIMENSIONS

ERRORS = ErrorClasses(IndexUnavailable, PageInvalid)
ENTRIES = "pages"
"""The partition of the entries and leftovers."""
LANGUAGE = "en-US"
"""The language whose stems and stop words the full-text index uses: that of the embedding model."""
FORGOTTEN_S = 30 * 86_400

_FILTERED = ("pk", "kind", "generation", "public", "embedder")


@dataclass(frozen=True, slots=True)
class PagesConfig(ContainerConfig):
    """Where the shared page index is, and how it is reached."""

    container: str = "pages"


def vector_policy() -> dict[str, Any]:
    """Return which property is a vector, and of what kind."""
    kind = {"dataType": "float32", "distanceFunction": "cosine", "dimensions": DIMENSIONS}
    return {"vectorEmbeddings": [{"path": "/vector", **kind}]}


def full_text_policy() -> dict[str, Any]:
    """Return which property is full text, and in which language."""
    return {
        "defaultLanguage": LANGUAGE,
        "fullTextPaths": [{"path": "/searched", "language": LANGUAGE}],
    }


def indexing_policy() -> dict[str, Any]:
    """Return what is indexed: what searches filter by, the words and the vectors."""
    return {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [{"path": f"/{name}/?"} for name in _FILTERED],
        "excludedPaths": [
            {"path": "/*"},
            {"path": "/vector/*"},
        ],  # what is written of a vector costs otherwise
        "fullTextIndexes": [{"path": "/searched"}],
        "vectorIndexes": [{"path": "/vector", "type": "quantizedFlat"}],
    }


async def make_page_container(config: PagesConfig) -> str:
    """Make database and container where they are missing (`askpage store init`), or check them.

    Return what was done. Raises IndexUnavailable, also where the container has vectors of another kind: they
    cannot be changed. An identity's data role allows to read all of this, and to make or change nothing; the
    account must have vector search on.
    """
    return await create_container(config, _policies(config), ERRORS)


def page_container_definition(config: PagesConfig) -> dict[str, Any]:
    """Return the container as Azure's templates describe one, for operators who make it otherwise."""
    return _policies(config).definition(config)


def _policies(config: PagesConfig) -> ContainerPolicies:
    def refuse(found: Mapping[str, Any]) -> None:
        if not _has_our_vectors(found):
            raise IndexUnavailable(
                f"The container {config.name} was made for other vectors, which Cosmos DB never changes:"
                " delete it, or name another one with cosmos_pages_container. The pages are read again then."
            )

    wanted = {
        "indexingPolicy": indexing_policy(),
        "vectorEmbeddingPolicy": vector_policy(),
        "fullTextPolicy": full_text_policy(),
    }
    return ContainerPolicies(wanted, refuse, _is_current)


def _has_our_vectors(found: Mapping[str, Any]) -> bool:
    indexes = found.get("indexingPolicy", {}).get("vectorIndexes")
    embeddings = (found.get("vectorEmbeddingPolicy") or {}).get("vectorEmbeddings")
    return (
        found.get("partitionKey", {}).get("paths") == [PARTITION]
        and _covers(embeddings, vector_policy()["vectorEmbeddings"])
        and _covers(indexes, indexing_policy()["vectorIndexes"])
    )


def _is_current(found: Mapping[str, Any]) -> bool:
    indexing, wanted = found.get("indexingPolicy", {}), indexing_policy()
    texts = (found.get("fullTextPolicy") or {}).get("fullTextPaths")
    return _covers(texts, full_text_policy()["fullTextPaths"]) and all(
        _covers(indexing.get(part), wanted[part])
        for part in ("includedPaths", "excludedPaths", "fullTextIndexes")
    )


def _covers(found: Any, wanted: list[dict[str, Any]]) -> bool:
    """Tell whether all that is wanted is there.

    The service adds defaults of its own, and its own spelling of names.
    """
    return all(any(_has(item, one) for item in found or ()) for one in wanted)


def _has(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(str(item.get(name)).casefold() == str(value).casefold() for name, value in wanted.items())


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
        return compute_page_key(self.entry.url)

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
        self.changes = 0
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

    def every_row(self) -> list[Row]:
        """Return all rows, those of removed pages among them."""
        return list(self._rows.values())

    def follow(self, items: Iterable[Item]) -> None:
        """Take over what the change feed tells."""
        for item in items:
            if item["kind"] == "entry":
                self.put(to_row(item))
            elif item["kind"] == "leftover":
                leftover = Leftover(item["of"], item["generation"], item["due"], item["mark"])
                self.leftovers[leftover.id] = leftover

    def put(self, row: Row) -> None:
        """Take over a row, unless a later one is known."""
        known = self._rows.get(row.key)
        if known is None or known.written <= row.written:
            self._rows[row.key] = row
            self.changes += 1


def compute_page_key(url: str) -> str:
    """Return the key of the page with this URL: 32 hexadecimal digits."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def to_row(item: Item) -> Row:
    """Return the row that an entry's item holds."""
    entry = PageEntry(
        url=item["url"],
        title=item["title"],
        page_hash=item["page_hash"],
        fetched_at=datetime.fromisoformat(item["fetched_at"]),
        passages=item["passages"],
        source=item["source"],
        etag=item["page_etag"],
        readers=Readers.from_list(item.get("readers")),
        label=item.get("label", ""),
    )
    return Row(entry, item["generation"], item["recipe"], item["written"])


def to_item(row: Row, *, pk: str, ttl: int) -> Item:
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
        "readers": entry.readers.to_list(),
        "label": entry.label,
        "generation": row.generation,
        "recipe": row.recipe,
        "written": row.written,
        "ttl": ttl,
    }

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-cosmos types its options as Any.
"""The container of the page index in Azure Cosmos DB for NoSQL: what lies in it, and its policies.

| kind | partition `pk` | `id` | what it is |
|---|---|---|---|
| entry | pages | the page's key | a page without its text, and which `generation` of its passages is current |
| leftover | pages | key.generation.mark | passages that are deleted at `due`, unless they are current then |
| passage | the page's key | generation.number | what is searched, its vector, and what is shown |
| body | the page's key | generation.body.number | a part of the page's sections as JSON text |

A page's key is a hash of its URL. All entries are in one partition, so that one change feed tells every machine what
has changed; passages are spread over as many as there are pages, and one page is searched in its own. A removed page's
entry stays for `FORGOTTEN_S`, since a change feed does not tell of deletions.

Policies are those of Microsoft's documentation (hybrid search, vector search, full-text search, as of 2026). The vector
index is `quantizedFlat`: it looks at every vector, so that nothing near is missed, which Microsoft recommends for up to
about 50,000 vectors a physical partition and where a filter narrows the search, as it does here (one page, or those
that a source named). A handbook of 240 pages has 2,500 passages; `diskANN` would be faster beyond that, and misses some.
Below 1,000 vectors the service scans all of them with either. Vector policy and vector index cannot be changed later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError
from azure.identity.aio import DefaultAzureCredential

from pages.index.base import IndexUnavailable
from pages.index.cosmos_items import explained
from pages.index.embeddings import DIMENSIONS

PARTITION = "/pk"
ENTRIES = "pages"
"""The partition of the entries and leftovers."""
LANGUAGE = "en-US"
"""The language whose stems and stop words the full-text index uses: that of the embedding model."""
FORGOTTEN_S = 30 * 86_400

_FILTERED = ("pk", "kind", "generation", "public", "embedder")


@dataclass(frozen=True, slots=True)
class PagesConfig:
    """Where the shared page index is, and how it is reached.

    `key` is the account's; without one, the identity of the machine or of the developer is used (Microsoft Entra).
    `options` go to the SDK's client as they are.
    """

    endpoint: str
    key: str = ""
    database: str = "askpage"
    container: str = "pages"
    timeout_s: float = 5.0
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


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


def client_of(config: PagesConfig) -> CosmosClient:
    """Return a client; an identity is closed with the process."""
    return CosmosClient(config.endpoint, config.key or DefaultAzureCredential(), **config.options)


async def make_page_container(config: PagesConfig) -> str:
    """Make database and container where they are missing (`askpage store init`), or check them; return what was done.

    Raises IndexUnavailable, also where the container has vectors of another kind: they cannot be changed. An identity's
    data role allows to read all of this, and to make or change nothing; the account must have vector search on.
    """
    async with AsyncExitStack() as closing:
        client = client_of(config)
        closing.push_async_callback(client.close)  # it is half open when it cannot be opened
        with explained(config.timeout_s):
            await closing.enter_async_context(client)
            return await _make(config, client)


async def _make(config: PagesConfig, client: CosmosClient) -> str:
    name = f"{config.database}/{config.container}"
    policies: dict[str, Any] = {
        "indexing_policy": indexing_policy(),
        "vector_embedding_policy": vector_policy(),
        "full_text_policy": full_text_policy(),
        "default_ttl": -1,
    }
    database = client.get_database_client(config.database)
    container = database.get_container_client(config.container)
    if not await _exists(database.read):
        with _allowed():
            await client.create_database_if_not_exists(config.database)
    if not await _exists(container.read):
        with _allowed():
            await database.create_container_if_not_exists(
                config.container, PartitionKey(PARTITION), **policies
            )
        return f"The container {name} is made for the pages, with its vectors and indexes."
    found = await container.read()
    if not _has_our_vectors(found):
        raise IndexUnavailable(
            f"The container {name} was made for other vectors, which Cosmos DB never changes: delete it, or name"
            " another one with cosmos_pages_container. The pages are read again then."
        )
    if _is_ours(found):
        return f"The container {name} is ready for the pages; nothing was to be done."
    with _allowed():
        await database.replace_container(container, PartitionKey(PARTITION), **policies)
    return f"The container {name} has its new indexes for the pages; the service builds them meanwhile."


def page_container_definition(config: PagesConfig) -> dict[str, Any]:
    """Return the container as Azure's templates describe one, for whoever makes it otherwise."""
    return {
        "id": config.container,
        "partitionKey": {"paths": [PARTITION], "kind": "Hash", "version": 2},
        "indexingPolicy": indexing_policy(),
        "vectorEmbeddingPolicy": vector_policy(),
        "fullTextPolicy": full_text_policy(),
        "defaultTtl": -1,
    }


async def _exists(read: Callable[[], Awaitable[object]]) -> bool:
    try:
        await read()
    except CosmosResourceNotFoundError:
        return False
    return True


@contextmanager
def _allowed() -> Generator[None]:
    """Explain what an identity may not."""
    try:
        yield
    except CosmosHttpResponseError as error:
        if error.status_code != HTTPStatus.FORBIDDEN:
            raise
        raise IndexUnavailable(
            "Cosmos DB does not let this identity make or change the container of the pages; the roles for data never"
            " do. Run `askpage store init` once with the account's key (cosmos_key), or let whoever manages the account"
            " make it as `askpage store init --definition` prints it."
        ) from error


def _has_our_vectors(found: Mapping[str, Any]) -> bool:
    indexes = found.get("indexingPolicy", {}).get("vectorIndexes")
    embeddings = (found.get("vectorEmbeddingPolicy") or {}).get("vectorEmbeddings")
    return (
        found.get("partitionKey", {}).get("paths") == [PARTITION]
        and _covers(embeddings, vector_policy()["vectorEmbeddings"])
        and _covers(indexes, indexing_policy()["vectorIndexes"])
    )


def _is_ours(found: Mapping[str, Any]) -> bool:
    indexing, wanted = found.get("indexingPolicy", {}), indexing_policy()
    texts = (found.get("fullTextPolicy") or {}).get("fullTextPaths")
    return (
        found.get("defaultTtl") == -1
        and _covers(texts, full_text_policy()["fullTextPaths"])
        and all(
            _covers(indexing.get(part), wanted[part])
            for part in ("includedPaths", "excludedPaths", "fullTextIndexes")
        )
    )


def _covers(found: Any, wanted: list[dict[str, Any]]) -> bool:
    """Tell whether all that is wanted is there; the service adds defaults of its own, and its own spelling of names."""
    return all(any(_has(item, one) for item in found or ()) for one in wanted)


def _has(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(str(item.get(name)).casefold() == str(value).casefold() for name, value in wanted.items())

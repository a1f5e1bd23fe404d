# pyright: reportUnknownMemberType=false
# azure-cosmos types its options as Any.
"""A search in the shared page index: one hybrid query of Cosmos DB, which LangChain's vector store writes and sends.

    SELECT …, VectorDistance(…) FROM c WHERE … ORDER BY RANK RRF(FullTextScore(…), VectorDistance(…)) OFFSET 0 LIMIT n

The store (`langchain-azure-cosmosdb`) is used for its query and for nothing else:

- its own opening makes databases and containers, which an identity's data role does not allow;
- it writes with new random ids or fails on known ones, in batches of 100 whatever their size, embeds everything again
  and keeps what it was given in one property; replacing a page safely needs more (pages/cosmos_index.py);
- it waits without end: the caller bounds it;
- it takes conditions as text, so only our own words and hexadecimal digits go into them.

Its `TOP @limit` is documented, but that a number in a hybrid query may be a parameter is reported otherwise for OFFSET
and LIMIT; literal ones are documented and run in the SDK's own tests against the service, so it gets those.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from langchain_azure_cosmosdb import AsyncAzureCosmosDBNoSqlVectorSearch
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from pages.cosmos_index_schema import PARTITION, full_text_policy, indexing_policy, vector_policy
from pages.embed import Vectors
from pages.ranking import keywords

_MOST_WORDS = 30
"""Words of a question that are looked for: each costs, and a question hardly has more."""
_ALWAYS_THERE = ("text", "url", "heading", "pk", "generation")
_SHOWN = (*_ALWAYS_THERE, "sentences")


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as the container has it; `key` and `generation` say of which version of which page.

    `sentences` is a block of pages/sentence_vectors.py, an empty one of a passage that was kept before there were any.
    """

    text: str
    url: str
    heading: str
    key: str
    generation: str
    sentences: bytes
    similarity: float


class HybridSearch:
    """Finds passages by words and meaning."""

    def __init__(self, client: CosmosClient, database: DatabaseProxy, container: ContainerProxy) -> None:
        """The client stays its owner's to close."""
        self._store = AsyncAzureCosmosDBNoSqlVectorSearch(
            cosmos_client=client,
            database=database,
            container=container,
            embedding=_Embeddings(),
            vector_embedding_policy=vector_policy(),
            indexing_policy=indexing_policy(),
            full_text_policy=full_text_policy(),
            cosmos_container_properties={"partition_key": PartitionKey(PARTITION)},
            cosmos_database_properties={},
            vector_search_fields={"text_field": "text", "embedding_field": "vector"},
            create_container=False,
            full_text_search_enabled=True,
        )

    async def find(self, question: str, vector: Vectors, where: str, limit: int) -> Sequence[Found]:
        """Return what is nearest of the passages that a condition on `c` chooses, nearest first.

        `vector` is the question's.

        A question without a word that could be looked for is compared by its meaning alone.
        """
        words = " ".join(keywords(question)[:_MOST_WORDS])
        _asked.set(vector)
        try:
            found = await self._nearest(question, words, where, limit, _SHOWN)
        except (
            KeyError
        ):  # the store takes no items that lack something: some were kept before there were sentences
            found = await self._nearest(question, words, where, limit, _ALWAYS_THERE)
        return [_found(document.page_content, document.metadata, score) for document, score in found]

    async def _nearest(
        self, question: str, words: str, where: str, limit: int, shown: Sequence[str]
    ) -> list[tuple[Document, float]]:
        return await self._store.asimilarity_search_with_score(
            question,
            k=limit,
            search_type="hybrid" if words else "vector",
            where=where,
            offset_limit=f"OFFSET 0 LIMIT {limit:d}",
            projection_mapping={name: name for name in shown},
            full_text_rank_filter=[{"search_field": "searched", "search_text": words}] if words else None,
        )


_asked: ContextVar[Vectors] = ContextVar("the vector of the question that this task asks")


class _Embeddings(Embeddings):
    """What the store embeds a question with: it has been embedded already."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise TypeError("passages are written with the vectors that they have, never through this store")

    def embed_query(self, text: str) -> list[float]:
        return [float(number) for number in _asked.get()]

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def _found(text: str, shown: dict[str, Any], similarity: float) -> Found:
    return Found(
        text,
        shown["url"],
        shown["heading"],
        shown["pk"],
        shown["generation"],
        base64.b64decode(shown.get("sentences", "")),
        similarity=float(similarity),
    )

# pyright: reportUnknownMemberType=false
# azure-cosmos types its options as Any.
"""The one container of the store in Azure Cosmos DB for NoSQL: how it is partitioned, indexed and aged.

Everything that goes with one answer lies in one partition: its question, the answer, the words on it, its review and
the cards on screen. The partition key `pk` is the answer's id, which follows from the question's; records that go with
no answer are spread by a hash of their name.

| property | of | what |
|---|---|---|
| `type` | all | question, answer, feedback or document (`feedback/rows.py`) |
| `key` | all | the row's key; exports go along it |
| `kind` | all | the type, or a document's kind |
| `name` | all | the record's own id |
| `at` | all | the time or place that lists are sorted by |
| `person` | all | pseudonym of whom it is of: asker, giver, or the document's person |
| `state` | question, document | open or closed; what lists filter by |
| `conversation`, `message_id` | question, answer | where it was asked, and the message with the answer |
| `body` | all | the record as JSON text; never indexed |

Cosmos DB is asked for what it holds by (`kind`, …, `at`, `name`), which the composite indexes serve in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from feedback.cosmos_items import explained

PARTITION = "/pk"
_SEARCHED = (
    *("type", "key", "kind", "name", "at", "person", "state", "conversation", "message_id", "answer_id"),
    *("holder", "held_until"),
)
_ORDERS = (
    ("kind", "at", "name"),
    ("kind", "state", "at", "name"),
    ("kind", "person", "at", "name"),
    ("type", "key"),
    ("type", "person", "key"),
)
_NEWEST_FIRST = (("kind", "conversation", "at", "name"),)


def indexing_policy() -> dict[str, Any]:
    """Return the container's indexing policy: what is searched is indexed, and nothing else."""
    orders = [(order, "ascending") for order in _ORDERS]
    orders += [(order, "descending") for order in _NEWEST_FIRST]
    return {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [{"path": f"/{name}/?"} for name in _SEARCHED],
        "excludedPaths": [{"path": "/*"}],
        "compositeIndexes": [
            [{"path": f"/{name}", "order": direction} for name in order] for order, direction in orders
        ],
    }


DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class CosmosConfig:
    """Where the store is, and how it is reached.

    `key` is the account's; without one, the identity of the machine or of the developer is used (Microsoft Entra).
    `keep_days` says how long Cosmos DB keeps records by their `kind` (and "" for all others); 0 is for ever.
    `options` go to the SDK's client as they are.
    """

    endpoint: str
    key: str = ""
    database: str = "askpage"
    container: str = "records"
    timeout_s: float = 5.0
    keep_days: Mapping[str, int] = field(default_factory=dict[str, int])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def ttl_s(self, kind: str) -> int:
        """Return how long a record of this kind is kept, seconds; -1 is for ever."""
        days = self.keep_days.get(kind, self.keep_days.get("", 0))
        return days * DAY_S if days else -1


async def create(config: CosmosConfig, client: CosmosClient) -> str:
    """Create database and container, or bring an older container's policies up; return what was done, a sentence.

    Raises StoreUnavailable. An identity's data role does not allow this: the service wants the account's key, or the
    templates in infra/.
    """
    with explained(config.timeout_s):
        database = await client.create_database_if_not_exists(config.database)
        policy = indexing_policy()
        container = await database.create_container_if_not_exists(
            config.container, PartitionKey(PARTITION), indexing_policy=policy, default_ttl=-1
        )
        found = await container.read()
        if _same(found.get("indexingPolicy", {}), policy) and found.get("defaultTtl") == -1:
            return f"The container {config.database}/{config.container} is ready."
        await database.replace_container(
            container, PartitionKey(PARTITION), indexing_policy=policy, default_ttl=-1
        )
        return f"The container {config.database}/{config.container} has its new indexes; they are built meanwhile."


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Compare what matters: the service adds defaults of its own."""
    return all(
        _in_order(found.get(name)) == _in_order(wanted[name])
        for name in ("includedPaths", "compositeIndexes")
    )


def _in_order(paths: Any) -> list[str]:
    return sorted(str(path) for path in paths or ())

"""The one container of the store in Azure Cosmos DB for NoSQL: how it is partitioned, indexed and aged.

Everything that goes with one answer lies in one partition: its question, the answer, the words on it, its
review and the cards on screen. The partition key `pk` is the answer's id, which follows from the question's;
records that go with no answer are spread by a hash of their name.

| property | of | what |
|---|---|---|
| `type` | all | question, answer, feedback or document (`feedback/store/rows.py`) |
| `key` | all | the row's key as `sort_key` writes it; exports go along it |
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

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.cosmos_client import PARTITION, ContainerConfig, ContainerPolicies, ErrorClasses, create_container
from feedback.store.base import RecordInvalid, StoreUnavailable

ERRORS = ErrorClasses(StoreUnavailable, RecordInvalid)
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


def sort_key(key: str) -> str:
    """Return a key in ASCII that sorts as the key does by code points.

    How Cosmos DB sorts characters beyond ASCII is not documented; the SDK, which joins what the partitions
    give, sorts by code points, other implementations of the protocol by UTF-16 units.
    """
    return _BEYOND_ASCII.sub(lambda found: f"~{ord(found[0]):06x}", key)


_BEYOND_ASCII = re.compile("[^\x00-\x7d]")  # the tilde introduces, so it is written like those above it

_DAY_S = 86_400
_LONGEST_TTL_S = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CosmosConfig(ContainerConfig):
    """Where the store is, and how it is reached.

    `keep_days` says how long Cosmos DB keeps records by their `kind` (and "" for all others); 0 is for ever.
    """

    keep_days: Mapping[str, int] = field(default_factory=dict[str, int])

    def ttl_s(self, kind: str) -> int:
        """Return how long a record of this kind is kept, seconds; -1 is for ever."""
        days = self.keep_days.get(kind, self.keep_days.get("", 0))
        return min(days * _DAY_S, _LONGEST_TTL_S) if days else -1


async def make_container(config: CosmosConfig) -> str:
    """Make database and container where they are missing (`askpage store init`).

    Return what was done, a sentence. Raises StoreUnavailable.
    """
    return await create_container(config, _policies(config), ERRORS)


def definition(config: CosmosConfig) -> dict[str, Any]:
    """Return the container as Azure's templates describe one, for operators who make it otherwise."""
    return _policies(config).definition(config)


def _policies(config: CosmosConfig) -> ContainerPolicies:
    policy = indexing_policy()

    def refuse(found: Mapping[str, Any]) -> None:
        keys = found.get("partitionKey", {}).get("paths")
        if keys != [PARTITION]:
            raise StoreUnavailable(
                f"The container {config.name} is partitioned by {keys}, not by {PARTITION}: it is not one of"
                " askpage. Name another one in cosmos_container."
            )

    def is_current(found: Mapping[str, Any]) -> bool:
        return _indexes(found.get("indexingPolicy", {})) == _indexes(policy)

    return ContainerPolicies({"indexingPolicy": policy}, refuse, is_current)


def _indexes(policy: Mapping[str, Any]) -> set[str | tuple[tuple[str, str], ...]]:
    """Return what matters of a policy.

    The service adds properties of its own, and has them in its own order.
    """
    single: set[str] = {index["path"] for index in policy.get("includedPaths") or ()}
    composite = {
        tuple((part["path"], part.get("order", "ascending")) for part in index)
        for index in policy.get("compositeIndexes") or ()
    }
    return {*single, *composite}

# pyright: reportUnknownMemberType=false
# azure-cosmos types its options as Any.
"""The one container of the store in Azure Cosmos DB for NoSQL: how it is partitioned, indexed and aged.

Everything that goes with one answer lies in one partition: its question, the answer, the words on it, its review and
the cards on screen. The partition key `pk` is the answer's id, which follows from the question's; records that go with
no answer are spread by a hash of their name.

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
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from feedback.store.base import StoreUnavailable

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


def sort_key(key: str) -> str:
    """Return a key in ASCII that sorts as the key does by code points.

    How Cosmos DB sorts characters beyond ASCII is not documented; the SDK, which joins what the partitions give,
    sorts by code points, other implementations of the protocol by UTF-16 units.
    """
    return _BEYOND_ASCII.sub(lambda found: f"~{ord(found[0]):06x}", key)


_BEYOND_ASCII = re.compile("[^\x00-\x7d]")  # the tilde introduces, so it is written like those above it

DAY_S = 86_400
_LONGEST_TTL_S = 2**31 - 1


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
        return min(days * DAY_S, _LONGEST_TTL_S) if days else -1


async def create(config: CosmosConfig, client: CosmosClient) -> str:
    """Create database and container, or bring an older container's policies up; return what was done, a sentence.

    Raises StoreUnavailable. An identity's data role allows to read all of this, and to make or change nothing.
    """
    name = f"{config.database}/{config.container}"
    database = client.get_database_client(config.database)
    container = database.get_container_client(config.container)
    policy = indexing_policy()
    layout: dict[str, Any] = {"indexing_policy": policy, "default_ttl": -1}
    if not await _exists(database.read):
        with _allowed():
            await client.create_database_if_not_exists(config.database)
    if not await _exists(container.read):
        with _allowed():
            await database.create_container_if_not_exists(config.container, PartitionKey(PARTITION), **layout)
        return f"The container {name} is made, with its indexes and with time to live switched on."
    found = await container.read()
    keys = found.get("partitionKey", {}).get("paths")
    if keys != [PARTITION]:
        raise StoreUnavailable(
            f"The container {name} is partitioned by {keys}, not by {PARTITION}: it is not one of askpage."
            " Name another one in cosmos_container."
        )
    if _same(found.get("indexingPolicy", {}), policy) and found.get("defaultTtl") == -1:
        return f"The container {name} is ready; nothing was to be done."
    with _allowed():
        await database.replace_container(container, PartitionKey(PARTITION), **layout)
    return f"The container {name} has its new indexes and time to live; the service builds them meanwhile."


def definition(config: CosmosConfig) -> dict[str, Any]:
    """Return the container as Azure's templates describe one, for whoever makes it otherwise."""
    return {
        "id": config.container,
        "partitionKey": {"paths": [PARTITION], "kind": "Hash", "version": 2},
        "indexingPolicy": indexing_policy(),
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
        raise StoreUnavailable(
            "Cosmos DB does not let this identity make or change databases and containers; the roles for data never"
            " do. Run `askpage store init` once with the account's key (cosmos_key), or let whoever manages the account"
            " make the container as `askpage store init --definition` prints it."
        ) from error


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Compare what matters: the service adds properties of its own, and has them in its own order."""
    return _indexes(found) == _indexes(wanted)


def _indexes(policy: Mapping[str, Any]) -> set[str | tuple[tuple[str, str], ...]]:
    single: set[str] = {index["path"] for index in policy.get("includedPaths") or ()}
    composite = {
        tuple((part["path"], part.get("order", "ascending")) for part in index)
        for index in policy.get("compositeIndexes") or ()
    }
    return {*single, *composite}

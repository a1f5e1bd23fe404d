# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-cosmos gives its items as untyped dictionaries, and types its options as Any.
"""The client of one container in Azure Cosmos DB for NoSQL, for the store and for the page index.

    container = CosmosContainer(ContainerConfig("https://….documents.azure.com"), errors)

Every operation has a bounded wait, counts its request charge, and raises the errors of the room that uses it:

    errors.unavailable   the service is away, refuses, or is overloaded: no call is made for `pause_s`
    errors.invalid       the service does not take this item or query, however often it is sent

The SDK repeats a write whose reply was lost. A conditional write therefore carries a `mark`, and one that is
refused because its own first attempt has arrived counts as done. All other writes may arrive twice.

The container is partitioned by `/pk`. `create_container` makes it, for `askpage store init`; nothing else
does.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import (
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceNotFoundError,
)
from azure.identity.aio import DefaultAzureCredential

Item = dict[str, Any]
T = TypeVar("T")
Hook = Callable[..., None]
"""What the SDK calls with the headers of each reply."""

PARTITION = "/pk"
_Failed = (CosmosHttpResponseError, CosmosBatchOperationError)
_ABOUT_THE_ITEM = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_RETRY_WITH = 449
_MOST_AT_ONCE = 16
_BATCH_ITEMS, _BATCH_BYTES = 100, 900_000
"""A transactional batch takes 100 items and 2 MB; aiohttp warns of more than 1 MB in one piece."""
_CONNECT_S = 20.0
"""Opening takes longer than a call where a token is fetched, too: `az login`'s takes seconds."""


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """Where a container is, and how it is reached.

    `key` is the account's; without one, the identity of the machine or of the developer is used (Microsoft
    Entra). No request waits longer than `timeout_s`, retries included; after a failure none is made for
    `pause_s`. `options` go to the SDK's client as they are.
    """

    endpoint: str
    key: str = ""
    database: str = "askpage"
    container: str = "records"
    timeout_s: float = 5.0
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pause_s: float = 2.0

    @property
    def name(self) -> str:
        return f"{self.database}/{self.container}"


@dataclass(frozen=True, slots=True)
class ErrorClasses:
    """What a room raises: while the service is away, and for what it never takes."""

    unavailable: type[Exception]
    invalid: type[Exception]


@dataclass
class Charge:
    """What one kind of operation has cost so far: round trips and request units."""

    trips: int = 0
    units: float = 0.0


@dataclass
class Charges:
    """Request charges by operation, as the service reports them."""

    by_operation: dict[str, Charge] = field(default_factory=dict)

    def add(self, operation: str, units: float, trips: int = 1) -> None:
        """Count replies of an operation."""
        charge = self.by_operation.setdefault(operation, Charge())
        charge.trips += trips
        charge.units += units

    def counter(self, operation: str) -> Hook:
        """Return a hook that counts one reply of an operation."""

        def count(headers: Mapping[str, Any], _: object = None) -> None:
            self.add(operation, float(headers.get("x-ms-request-charge") or 0.0))

        return count


@dataclass(frozen=True, slots=True)
class Connected:
    """The SDK's objects of one container."""

    client: CosmosClient
    database: DatabaseProxy
    container: ContainerProxy


@asynccontextmanager
async def open_client(config: ContainerConfig) -> AsyncGenerator[CosmosClient]:
    """Connect with the key, or with the identity of the machine or developer."""
    async with AsyncExitStack() as closing:
        credential = config.key or await closing.enter_async_context(DefaultAzureCredential())
        client = CosmosClient(config.endpoint, credential, **config.options)
        closing.push_async_callback(client.close)  # it is half open when it cannot be opened
        yield await client.__aenter__()


class CosmosContainer:
    """Operations on the items of one container. `pk` is the partition key's value."""

    def __init__(self, config: ContainerConfig, errors: ErrorClasses) -> None:
        """Connects with the first call, and again with a later one where that did not work."""
        self._config = config
        self._errors = errors
        self._connected: Connected | None = None
        self._connecting = asyncio.Lock()
        self._closing = AsyncExitStack()
        self._paused_until = 0.0
        self.charges = Charges()

    async def open(self) -> Connected:
        """Connect now. Raises errors.unavailable, also where the container is missing."""
        with translate_errors(self._errors, self._config.timeout_s):
            async with asyncio.timeout(max(self._config.timeout_s, _CONNECT_S)):
                connected = await self._connect()
                if not await _exists(connected.container.read):
                    raise self._errors.unavailable(self._missing)
        return connected

    async def close(self) -> None:
        """Let go of the connections."""
        self._connected = None
        await self._closing.aclose()

    def end_pause(self) -> None:
        """Make the next call, whatever has failed a moment ago."""
        self._paused_until = 0.0

    async def create(self, item: Item) -> bool:
        """Keep a new item; False when there is one with its id (nothing changes)."""
        item = item | {"mark": secrets.token_hex(8)}
        try:
            await self._call(
                "create", lambda container, hook: container.create_item(item, response_hook=hook)
            )
        except CosmosHttpResponseError as error:
            self._must_be(error, HTTPStatus.CONFLICT)
            return await self._is_ours(item["pk"], item["id"], item["mark"])
        return True

    async def replace(self, item: Item, etag: str) -> bool:
        """Keep an item in place of the one with this etag; False when another one is there, or none."""
        item = item | {"mark": secrets.token_hex(8)}
        try:
            await self._call(
                "replace",
                lambda container, hook: container.replace_item(
                    item["id"], item, response_hook=hook, **_only(etag)
                ),
            )
        except CosmosHttpResponseError as error:
            self._must_be(error, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND)
            return await self._is_ours(item["pk"], item["id"], item["mark"])
        return True

    async def upsert(self, item: Item) -> None:
        """Keep an item, whatever was there."""
        await self._call("upsert", lambda container, hook: container.upsert_item(item, response_hook=hook))

    async def create_all(self, pk: str, items: Sequence[Item]) -> None:
        """Keep new items of a partition whose ids nobody else uses, as many at once as the service takes."""
        for batch in _batches(items):
            creating = [("create", (item,)) for item in batch]
            try:
                await self._call(
                    "batch",
                    lambda container, hook, creating=creating: container.execute_item_batch(
                        creating, pk, response_hook=hook
                    ),
                )
            except _Failed as error:
                self._must_be(error, HTTPStatus.CONFLICT)  # the batch has arrived before

    async def read(self, pk: str, id_: str) -> Item | None:
        """Return an item, or None."""
        try:
            return dict(
                await self._call(
                    "read", lambda container, hook: container.read_item(id_, pk, response_hook=hook)
                )
            )
        except CosmosHttpResponseError as error:
            self._must_be(error, HTTPStatus.NOT_FOUND)
            return None

    async def patch(
        self,
        pk: str,
        id_: str,
        changes: Mapping[str, Any],
        *,
        add: Mapping[str, int] | None = None,
        where: str = "",
        etag: str = "",
    ) -> bool | None:
        """Set an item's properties and `add` to its numbers.

        None when there is no such item, False when `where` does not hold (a condition on `c`, our own words),
        or the item has another etag than the given one.
        """
        mark = secrets.token_hex(8)
        operations: list[dict[str, Any]] = [
            {"op": "set", "path": f"/{name}", "value": value} for name, value in changes.items()
        ]
        operations += [{"op": "incr", "path": f"/{name}", "value": by} for name, by in (add or {}).items()]
        operations.append({"op": "set", "path": "/mark", "value": mark})
        options = _only(etag)
        if where:
            options["filter_predicate"] = f"FROM c WHERE {where}"
        try:
            await self._call(
                "patch",
                lambda container, hook: container.patch_item(
                    id_, pk, operations, response_hook=hook, **options
                ),
            )
        except CosmosHttpResponseError as error:
            if error.status_code == HTTPStatus.NOT_FOUND:
                return None
            self._must_be(error, *([HTTPStatus.PRECONDITION_FAILED] if where or etag else []))
            return await self._is_ours(pk, id_, mark)
        return True

    async def increment(self, pk: str, id_: str, name: str) -> int | None:
        """Add one to a property and return what it is then; None when there is no such item.

        Sent twice, it adds twice: a number is left out, and none is returned twice.
        """
        operations = [{"op": "incr", "path": f"/{name}", "value": 1}]

        async def add(container: ContainerProxy, hook: Hook) -> int:
            item = await container.patch_item(id_, pk, operations, response_hook=hook)
            return int(item[name])

        try:
            return await self._call("increment", partial(_retry_conflicts, add))
        except CosmosHttpResponseError as error:
            self._must_be(error, HTTPStatus.NOT_FOUND)
            return None

    async def delete(self, pk: str, id_: str, etag: str = "") -> bool:
        """Delete an item; False when it is gone, or has another etag than the given one."""
        try:
            await self._call(
                "delete",
                lambda container, hook: container.delete_item(id_, pk, response_hook=hook, **_only(etag)),
            )
        except CosmosHttpResponseError as error:
            self._must_be(error, HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)
            return False
        return True

    async def query(self, sql: str, pk: str | None = None, /, **values: Any) -> list[Item]:
        """Return what a query finds, in partition `pk` if given; `values` are parameters, without the @."""
        options: dict[str, Any] = {} if pk is None else {"partition_key": pk}
        parameters: list[dict[str, Any]] = [
            {"name": f"@{name}", "value": value} for name, value in values.items()
        ]

        async def find(container: ContainerProxy, hook: Hook) -> list[Item]:
            found = container.query_items(sql, parameters=parameters, response_hook=hook, **options)
            return [item async for item in found]

        return await self._search("query" if pk is None else "query in a partition", find)

    async def changes(self, since: str = "", pk: str | None = None) -> tuple[list[Item], str]:
        """Return what was written since a place in the change feed ("".

        Since the beginning), and the next place.
        """
        start: dict[str, Any] = {"continuation": since} if since else {"start_time": "Beginning"}
        if pk is not None:
            start["partition_key"] = pk

        async def read(container: ContainerProxy, hook: Hook) -> tuple[list[Item], str]:
            replies: list[Mapping[str, Any]] = []

            def keep(headers: Mapping[str, Any], result: object = None) -> None:
                replies[:] = [headers]  # no copy: the SDK writes the place into them afterwards
                hook(headers, result)

            feed = container.query_items_change_feed(response_hook=keep, **start)
            found = [dict(item) async for item in feed]
            place = str(replies[0].get("etag", since)) if replies else since
            return [item for item in found if pk is None or item["pk"] == pk], place

        return await self._search("change feed", read)

    async def run_bounded(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await a query that a library sends; the library counts what it costs."""

        async def wait(*_: object) -> T:
            return await call()

        return await self._search(operation, wait)

    async def _search(self, operation: str, call: Callable[[ContainerProxy, Hook], Awaitable[T]]) -> T:
        """Make a call about no single item. Each of its replies may take the whole timeout."""
        try:
            return await self._call(operation, call)
        except CosmosHttpResponseError as error:
            raise self._errors.unavailable(self._missing) from error

    async def together(self, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Make several calls at once, not too many."""
        gate = asyncio.Semaphore(_MOST_AT_ONCE)

        async def one(call: Callable[[], Awaitable[T]]) -> T:
            async with gate:
                return await call()

        return await asyncio.gather(*map(one, calls))

    @property
    def _missing(self) -> str:
        return f"There is no container {self._config.name} in Cosmos DB: run `askpage store init`."

    async def _connect(self) -> Connected:
        async with self._connecting:
            if self._connected is None:
                async with AsyncExitStack() as closing:
                    client = await closing.enter_async_context(open_client(self._config))
                    database = client.get_database_client(self._config.database)
                    container = database.get_container_client(self._config.container)
                    self._connected = Connected(client, database, container)
                    self._closing = closing.pop_all()
            return self._connected

    async def _is_ours(self, pk: str, id_: str, mark: str) -> bool:
        kept = await self.read(pk, id_)
        return kept is not None and kept.get("mark") == mark

    def _must_be(
        self, error: CosmosHttpResponseError | CosmosBatchOperationError, *statuses: HTTPStatus
    ) -> None:
        if error.status_code not in statuses:
            raise self._errors.unavailable(f"Cosmos DB answers with status {error.status_code}.") from error

    async def _call(self, operation: str, call: Callable[[ContainerProxy, Hook], Awaitable[T]]) -> T:
        now = asyncio.get_running_loop().time
        # a person who waits for an answer shall not wait for what has just failed
        if now() < self._paused_until:
            raise self._errors.unavailable(
                "Cosmos DB could not be reached a moment ago; it is asked again soon."
            )
        timeout_s, count = self._config.timeout_s, self.charges.counter(operation)
        try:
            with translate_errors(self._errors, timeout_s):
                async with asyncio.timeout(timeout_s) as waiting:

                    def hook(headers: Mapping[str, Any], _: object = None) -> None:
                        count(headers)
                        waiting.reschedule(now() + timeout_s)  # a query has many replies

                    return await _count_refused(call((await self._connect()).container, hook), count)
        except self._errors.unavailable as error:
            if not isinstance(error, self._errors.invalid):
                self._paused_until = now() + self._config.pause_s
            raise


async def _retry_conflicts(
    change: Callable[[ContainerProxy, Hook], Awaitable[T]], container: ContainerProxy, hook: Hook
) -> T:
    """Change an item that others change too; try again when the service asks, as the SDK does not."""
    while True:
        try:
            return await change(container, hook)
        except CosmosHttpResponseError as error:
            if error.status_code != _RETRY_WITH:
                raise
        await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - no secret


async def _count_refused(reply: Awaitable[T], count: Hook) -> T:
    """Count what was refused, too: it has its price, and the SDK calls its hook for the rest alone."""
    try:
        return await reply
    except CosmosHttpResponseError as error:
        count(error.headers or {})
        raise


def _only(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        length = len(json.dumps(item))
        if batch and (len(batch) == _BATCH_ITEMS or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


@contextmanager
def translate_errors(errors: ErrorClasses, timeout_s: float) -> Generator[None]:
    """Turn what the SDK raises into a room's errors; statuses about an item go through."""
    try:
        yield
    except _Failed as error:
        if error.status_code not in _ABOUT_THE_ITEM:
            raise _to_error(errors, error.status_code or 0, timeout_s) from error
        raise
    except TimeoutError as error:
        raise errors.unavailable(f"Cosmos DB did not answer within {timeout_s:g} s.") from error
    except ClientAuthenticationError as error:
        raise errors.unavailable(_NO_IDENTITY) from error
    except (AzureError, OSError) as error:
        raise errors.unavailable(f"Cosmos DB cannot be reached: {type(error).__name__}.") from error
    except UnicodeEncodeError as error:
        raise errors.invalid(f"an id or a channel's field is not text: {error.object!r}") from error


_NO_IDENTITY = (
    "No identity for Cosmos DB was found: run where a managed identity is, sign in with `az login`, or set"
    " the key (cosmos_key)."
)
_REFUSED = (
    "Cosmos DB does not let this program in: give its identity the role “Cosmos DB Built-in Data"
    " Contributor”, or set the key."
)


def _to_error(errors: ErrorClasses, status: int, timeout_s: float) -> Exception:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return errors.unavailable(_REFUSED)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return errors.invalid("Cosmos DB takes 2 MB in one record; this one is larger.")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return errors.unavailable("Cosmos DB has more requests than its throughput allows.")
        case HTTPStatus.REQUEST_TIMEOUT:
            return errors.unavailable(f"Cosmos DB did not answer within {timeout_s:g} s.")
        case HTTPStatus.BAD_REQUEST:
            return errors.invalid("Cosmos DB does not understand a record or a query.")
        case _:
            return errors.unavailable(f"Cosmos DB answers with status {status}.")


@dataclass(frozen=True, slots=True)
class ContainerPolicies:
    """How a container is indexed and aged.

    `wanted` are its properties as Azure's templates spell them. `refuse` raises for a container that cannot
    be changed into this one; `is_current` tells whether nothing is to be changed. Both read the container's
    properties.
    """

    wanted: Mapping[str, Any]
    refuse: Callable[[Mapping[str, Any]], None]
    is_current: Callable[[Mapping[str, Any]], bool]

    def definition(self, config: ContainerConfig) -> dict[str, Any]:
        """Return the container as Azure's templates describe one, for operators who make it otherwise."""
        key = {"paths": [PARTITION], "kind": "Hash", "version": 2}
        return {"id": config.container, "partitionKey": key, **self.wanted, "defaultTtl": -1}


_OPTIONS = {
    "indexingPolicy": "indexing_policy",
    "vectorEmbeddingPolicy": "vector_embedding_policy",
    "fullTextPolicy": "full_text_policy",
}
"""A container's properties, and the SDK's names of them."""


async def create_container(config: ContainerConfig, policies: ContainerPolicies, errors: ErrorClasses) -> str:
    """Create database and container, or bring an older container's policies up.

    Return what was done, a sentence. Raises errors.unavailable. An identity's data role allows to read all of
    this, and to make or change nothing.
    """
    options: dict[str, Any] = {_OPTIONS[name]: policy for name, policy in policies.wanted.items()}
    layout: dict[str, Any] = {"partition_key": PartitionKey(PARTITION), "default_ttl": -1, **options}
    with translate_errors(errors, config.timeout_s):
        async with open_client(config) as client:
            database = client.get_database_client(config.database)
            container = database.get_container_client(config.container)
            if not await _exists(database.read):
                with _explain_forbidden(errors):
                    await client.create_database_if_not_exists(config.database)
            if not await _exists(container.read):
                with _explain_forbidden(errors):
                    await database.create_container_if_not_exists(config.container, **layout)
                return f"The container {config.name} is made, with its indexes and time to live switched on."
            found = await container.read()
            policies.refuse(found)
            if policies.is_current(found) and found.get("defaultTtl") == -1:
                return f"The container {config.name} is ready; nothing was to be done."
            with _explain_forbidden(errors):
                await database.replace_container(container, **layout)
            return f"The container {config.name} has its new indexes and time to live; they are being built."


async def _exists(read: Callable[[], Awaitable[object]]) -> bool:
    try:
        await read()
    except CosmosResourceNotFoundError:
        return False
    return True


@contextmanager
def _explain_forbidden(errors: ErrorClasses) -> Generator[None]:
    """Explain what an identity may not."""
    try:
        yield
    except CosmosHttpResponseError as error:
        if error.status_code != HTTPStatus.FORBIDDEN:
            raise
        raise errors.unavailable(
            "Cosmos DB does not let this identity make or change databases and containers; the roles for data"
            " never do. Run `askpage store init` once with the account's key (cosmos_key), or let an"
            " administrator of the account make the container as `askpage store init --definition` prints it."
        ) from error

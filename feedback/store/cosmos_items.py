# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-cosmos gives its items as untyped dictionaries.
"""One container of Azure Cosmos DB: its operations with a bounded wait, the store's errors, and what they cost.

Writes may be sent twice: the SDK repeats one whose reply was lost. Every write therefore carries a `mark`, and one
that is refused because its own first attempt has arrived counts as done.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from feedback.store.base import RecordInvalid, StoreUnavailable

Item = dict[str, Any]
T = TypeVar("T")
Hook = Callable[..., None]
Connect = Callable[[], Awaitable[ContainerProxy]]
"""Returns the container, connecting first where that has not worked yet."""

_ANSWERS = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
"""Statuses that say something about the item, not about the service."""
_RETRY_WITH = 449
_MOST_TOGETHER = 16


@dataclass
class Charge:
    """What one kind of operation has cost so far: round trips and request units."""

    trips: int = 0
    units: float = 0.0


@dataclass
class Charges:
    """Request charges by operation, as the service reports them."""

    by_operation: dict[str, Charge] = field(default_factory=dict)

    def taken(self, operation: str) -> Callable[..., None]:
        """Return what counts one reply of an operation."""

        def take(headers: Mapping[str, Any], _: object = None) -> None:
            charge = self.by_operation.setdefault(operation, Charge())
            charge.trips += 1
            charge.units += float(headers.get("x-ms-request-charge") or 0.0)

        return take


class Items:
    """Operations on the items of a container. `pk` is the partition key's value."""

    def __init__(self, connect: Connect, *, timeout_s: float, pause_s: float = 2.0) -> None:
        """No call waits longer than `timeout_s`, retries included; after one that failed, none is made for `pause_s`."""
        self._connect = connect
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._paused_until = 0.0
        self.charges = Charges()

    async def create(self, item: Item) -> bool:
        """Keep a new item; False when there is one with its id (nothing changes)."""
        item = item | {"mark": secrets.token_hex(8)}
        try:
            await self._call(
                "create", lambda container, hook: container.create_item(item, response_hook=hook)
            )
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.CONFLICT)
            return await self._is_ours(item["pk"], item["id"], item["mark"])
        return True

    async def upsert(self, item: Item) -> None:
        """Keep an item, whatever was there."""
        await self._call("upsert", lambda container, hook: container.upsert_item(item, response_hook=hook))

    async def read(self, pk: str, id_: str) -> Item | None:
        """Return an item, or None."""
        try:
            return dict(
                await self._call(
                    "read", lambda container, hook: container.read_item(id_, pk, response_hook=hook)
                )
            )
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.NOT_FOUND)
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
        try:
            await self._call(
                "patch",
                lambda container, hook: container.patch_item(
                    id_,
                    pk,
                    operations,
                    filter_predicate=f"FROM c WHERE {where}" if where else None,
                    response_hook=hook,
                    **_only(etag),
                ),
            )
        except CosmosHttpResponseError as error:
            if error.status_code == HTTPStatus.NOT_FOUND:
                return None
            _must_be(error, *([HTTPStatus.PRECONDITION_FAILED] if where or etag else []))
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
            return await self._call("increment", partial(_patiently, add))
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.NOT_FOUND)
            return None

    async def delete(self, pk: str, id_: str, etag: str = "") -> bool:
        """Delete an item; False when it is gone, or has another etag than the given one."""
        try:
            await self._call(
                "delete",
                lambda container, hook: container.delete_item(id_, pk, response_hook=hook, **_only(etag)),
            )
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)
            return False
        return True

    async def query(self, sql: str, pk: str | None = None, /, **values: Any) -> list[Item]:
        """Return what a query finds; `values` are its parameters, without the @. With `pk`: in that partition."""
        options: dict[str, Any] = {} if pk is None else {"partition_key": pk}
        parameters: list[dict[str, Any]] = [
            {"name": f"@{name}", "value": value} for name, value in values.items()
        ]

        async def find(container: ContainerProxy, hook: Hook) -> list[Item]:
            found = container.query_items(sql, parameters=parameters, response_hook=hook, **options)
            return [item async for item in found]

        return await self._call("query in a partition" if pk is not None else "query", find)

    async def changes(self, since: str = "") -> tuple[list[Item], str]:
        """Return what was written since a place in the change feed ("": since the beginning), and the next place."""
        start: dict[str, Any] = {"continuation": since} if since else {"start_time": "Beginning"}

        async def read(container: ContainerProxy, hook: Hook) -> tuple[list[Item], str]:
            replies: list[Mapping[str, Any]] = []

            def keep(headers: Mapping[str, Any], result: object = None) -> None:
                replies[:] = [headers]  # no copy: the SDK writes the place into them afterwards
                hook(headers, result)

            found = [item async for item in container.query_items_change_feed(response_hook=keep, **start)]
            return found, str(replies[0].get("etag", since)) if replies else since

        return await self._call("change feed", read)

    async def together(self, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Make several calls at once, not too many."""
        gate = asyncio.Semaphore(_MOST_TOGETHER)

        async def one(call: Callable[[], Awaitable[T]]) -> T:
            async with gate:
                return await call()

        return await asyncio.gather(*map(one, calls))

    async def _is_ours(self, pk: str, id_: str, mark: str) -> bool:
        kept = await self.read(pk, id_)
        return kept is not None and kept.get("mark") == mark

    async def _call(self, operation: str, call: Callable[[ContainerProxy, Hook], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        if (
            loop.time() < self._paused_until
        ):  # whoever speaks to the bot shall not wait for what has just failed
            raise StoreUnavailable("Cosmos DB could not be reached a moment ago; it is asked again soon.")
        count = self.charges.taken(operation)
        try:
            with explained(self._timeout_s):
                async with asyncio.timeout(self._timeout_s):
                    return await _counted(call(await self._connect(), count), count)
        except StoreUnavailable:
            self._paused_until = loop.time() + self._pause_s
            raise


async def _patiently(
    change: Callable[[ContainerProxy, Hook], Awaitable[T]], container: ContainerProxy, hook: Hook
) -> T:
    """Change an item that others change in the same moment: the service may ask to try that again, the SDK does not."""
    while True:
        try:
            return await change(container, hook)
        except CosmosHttpResponseError as error:
            if error.status_code != _RETRY_WITH:
                raise
        await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - no secret


async def _counted(reply: Awaitable[T], count: Hook) -> T:
    """Count what was refused, too: it has its price, and the SDK calls its hook for the rest alone."""
    try:
        return await reply
    except CosmosHttpResponseError as error:
        count(error.headers or {})
        raise


def _only(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}


def _must_be(error: CosmosHttpResponseError, *statuses: HTTPStatus) -> None:
    if error.status_code not in statuses:
        raise StoreUnavailable(f"Cosmos DB answers with status {error.status_code}.") from error


@contextmanager
def explained(timeout_s: float) -> Generator[None]:
    """Turn what the SDK raises into the store's errors; statuses about an item go through."""
    try:
        yield
    except CosmosHttpResponseError as error:
        if error.status_code not in _ANSWERS:
            raise _store_error(error.status_code or 0, timeout_s) from error
        raise
    except TimeoutError as error:
        raise StoreUnavailable(f"Cosmos DB did not answer within {timeout_s:g} s.") from error
    except ClientAuthenticationError as error:
        raise StoreUnavailable(_NOBODY) from error
    except (AzureError, OSError) as error:
        raise StoreUnavailable(f"Cosmos DB cannot be reached: {type(error).__name__}.") from error
    except UnicodeEncodeError as error:
        raise RecordInvalid(f"an id or a channel's field is not text: {error.object!r}") from error


_NOBODY = (
    "No identity for Cosmos DB was found: run where a managed identity is, sign in with `az login`, or set the key"
    " (cosmos_key)."
)
_REFUSED = (
    "Cosmos DB does not let this program in: give its identity the role “Cosmos DB Built-in Data Contributor”, or set"
    " the key."
)


def _store_error(status: int, timeout_s: float) -> StoreUnavailable | RecordInvalid:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return StoreUnavailable(_REFUSED)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return RecordInvalid("a record is larger than the 2 MB that Cosmos DB takes")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return StoreUnavailable("Cosmos DB has more requests than its throughput allows.")
        case HTTPStatus.REQUEST_TIMEOUT:
            return StoreUnavailable(f"Cosmos DB did not answer within {timeout_s:g} s.")
        case HTTPStatus.BAD_REQUEST:
            return RecordInvalid("Cosmos DB does not understand a record or a query")
        case _:
            return StoreUnavailable(f"Cosmos DB answers with status {status}.")

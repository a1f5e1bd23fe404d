# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-cosmos gives its items as untyped dictionaries.
"""The container of the page index: its operations with a bounded wait, and its failures as IndexUnavailable.

The SDK sends a request again when its reply was lost. Every write here is one that may arrive twice: items have names
that follow from what they are, and an entry tells which write it is of.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from pages.index.base import IndexUnavailable

Item = dict[str, Any]
T = TypeVar("T")

_BATCH_ITEMS, _BATCH_BYTES = 100, 900_000
"""A transactional batch takes 100 items and 2 MB; aiohttp warns of more than 1 MB in one piece."""
_AT_ONCE = 8
_Failed = (CosmosHttpResponseError, CosmosBatchOperationError)
_OF_THE_ITEM = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})


class Items:
    """Operations on the items of a container. `pk` is the partition key's value."""

    def __init__(self, container: ContainerProxy, *, timeout_s: float) -> None:
        """No call waits longer than `timeout_s`, retries included."""
        self.container = container
        self._timeout_s = timeout_s

    async def read(self, pk: str, id_: str) -> Item | None:
        """Return an item, or None."""
        try:
            return dict(await self.bounded(self.container.read_item(id_, pk)))
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.NOT_FOUND)
            return None

    async def put(self, item: Item) -> None:
        """Keep an item, whatever was there."""
        await self.bounded(self.container.upsert_item(item))

    async def put_if(self, item: Item, etag: str | None) -> Item | None:
        """Keep an item in place of the one with this etag, or (None) of none; None when another one is there."""
        try:
            if etag is None:
                return dict(await self.bounded(self.container.create_item(item)))
            replacing = self.container.replace_item(
                item["id"], item, etag=etag, match_condition=MatchConditions.IfNotModified
            )
            return dict(await self.bounded(replacing))
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND)
            return None

    async def create_all(self, pk: str, items: Sequence[Item]) -> None:
        """Keep new items of a partition, as many at once as the service takes."""
        for batch in _batches(items):
            try:
                await self.bounded(
                    self.container.execute_item_batch([("create", (item,)) for item in batch], pk)
                )
            except _Failed as error:
                _must_be(error, HTTPStatus.CONFLICT)  # it has arrived before: nobody else uses these names

    async def delete(self, pk: str, id_: str) -> None:
        """Delete an item; it may be gone already."""
        try:
            await self.bounded(self.container.delete_item(id_, pk))
        except CosmosHttpResponseError as error:
            _must_be(error, HTTPStatus.NOT_FOUND)

    async def delete_all(self, pk: str, ids: Sequence[str]) -> None:
        """Delete items of a partition, some at once."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(id_: str) -> None:
            async with gate:
                await self.delete(pk, id_)

        await asyncio.gather(*map(one, ids))

    async def query(self, sql: str, pk: str, /, **values: Any) -> list[Item]:
        """Return what a query finds in a partition; `values` are its parameters, without the @."""
        parameters: list[dict[str, Any]] = [
            {"name": f"@{name}", "value": value} for name, value in values.items()
        ]
        found = self.container.query_items(sql, parameters=parameters, partition_key=pk)
        return await self._all(found.by_page())

    async def changes(self, pk: str, since: str) -> tuple[list[Item], str]:
        """Return what was written in a partition since a place in its change feed ("": ever), and the next place."""
        replies: list[Mapping[str, Any]] = []

        def keep(headers: Mapping[str, Any], _: object = None) -> None:
            replies[:] = [headers]  # as they are: the SDK writes its own place over the service's, later

        start: dict[str, Any] = {"continuation": since} if since else {"start_time": "Beginning"}
        feed = self.container.query_items_change_feed(partition_key=pk, response_hook=keep, **start)
        found = await self._all(feed.by_page())
        return [item for item in found if item["pk"] == pk], str(
            replies[0].get("etag", since)
        ) if replies else since

    async def found(self, query: Awaitable[T]) -> T:
        """Await a query, as `bounded` does; there is no item that its failures could be about."""
        try:
            return await self.bounded(query)
        except CosmosHttpResponseError as error:
            raise _unavailable(error.status_code or 0) from error

    async def _all(self, pages: AsyncIterator[AsyncIterator[Mapping[str, Any]]]) -> list[Item]:
        """Return what all pages of a reply hold; each is waited for anew."""
        found: list[Item] = []
        while (page := await self.found(anext(pages, None))) is not None:
            found += [dict(item) async for item in page]
        return found

    async def bounded(self, call: Awaitable[T]) -> T:
        """Await a call of the SDK, no longer than the timeout. Raises IndexUnavailable, or what is about the item."""
        with explained(self._timeout_s):
            async with asyncio.timeout(self._timeout_s):
                return await call


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


def _must_be(error: CosmosHttpResponseError | CosmosBatchOperationError, *statuses: HTTPStatus) -> None:
    if error.status_code not in statuses:
        raise _unavailable(error.status_code or 0) from error


@contextmanager
def explained(timeout_s: float) -> Generator[None]:
    """Turn what the SDK raises into IndexUnavailable; statuses about an item go through."""
    try:
        yield
    except _Failed as error:
        if error.status_code not in _OF_THE_ITEM:
            raise _unavailable(error.status_code or 0) from error
        raise
    except TimeoutError as error:
        raise IndexUnavailable(
            f"Cosmos DB did not answer within {timeout_s:g} s; the pages are there."
        ) from error
    except ClientAuthenticationError as error:
        raise IndexUnavailable(_REFUSED) from error
    except (AzureError, OSError) as error:
        raise IndexUnavailable(f"The page index cannot reach Cosmos DB: {type(error).__name__}.") from error


_REFUSED = (
    "Cosmos DB does not let the page index in: give its identity the role “Cosmos DB Built-in Data Contributor”, or set"
    " the key."
)


def _unavailable(status: int) -> IndexUnavailable:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return IndexUnavailable(_REFUSED)
        case HTTPStatus.NOT_FOUND:
            return IndexUnavailable("The container of the page index is gone: run `askpage store init`.")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return IndexUnavailable(
                "Cosmos DB has more requests of the page index than its throughput allows."
            )
        case _:
            return IndexUnavailable(f"Cosmos DB answers the page index with status {status}.")

"""A store that may be away for a while: calls wait for it, and are made again, for a bounded time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from feedback.rows import PAGE, Row, Rows, Table
from feedback.store import StoreUnavailable

T = TypeVar("T")
Tell = Callable[[StoreUnavailable, float], None]
"""Hears why a call is made again, and in how many seconds."""

_FIRST_S, _LONGEST_S = 1.0, 30.0


class Patient:
    """The rows of a store. Every call is made until it works, or the store was away for `wait_s` seconds.

    The pauses double from one second to half a minute, and are shortened by chance, so that several programs do not
    come back together. Raises the last StoreUnavailable.
    """

    def __init__(self, store: Rows, wait_s: float, tell: Tell = lambda error, pause_s: None) -> None:
        self._store = store
        self._wait_s = wait_s
        self._tell = tell

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        return await self._until_done(lambda: self._store.rows(table, after, limit, person))

    async def put_rows(self, rows: Sequence[Row]) -> None:
        await self._until_done(lambda: self._store.put_rows(rows))

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        await self._until_done(lambda: self._store.drop_rows(rows))

    async def count(self, table: Table) -> int:
        return await self._until_done(lambda: self._store.count(table))

    async def _until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        give_up_at, pause_s = loop.time() + self._wait_s, _FIRST_S
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
                if loop.time() + wait_s > give_up_at:
                    raise
                self._tell(error, wait_s)
                await asyncio.sleep(wait_s)
                pause_s = min(pause_s * 2, _LONGEST_S)

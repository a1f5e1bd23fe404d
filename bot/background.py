"""Runs beside the answers: answers questions that nobody holds, and carries over what waits for the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from bot.channel import Reply
from bot.dialogs.ask import Asking
from bot.dialogs.privacy import Privacy
from bot.stores import Store
from core.records import Question
from feedback.store.base import ProcessLease, StoreUnavailable
from feedback.store.offline_store import OfflineStore

log = logging.getLogger(__name__)

DRAIN_EVERY_S = 2.0
FORGET_EVERY_S = 5.0
FILES_EVERY_S = 900.0
"""How often files that were sent are looked at, whether anybody still has them."""
PASTED_EVERY_S = 3600.0
"""How often pages that somebody pasted are looked at, whether to forget them."""


class PeriodicTasks:
    """Looks after the store of a process that answers."""

    def __init__(
        self,
        asking: Asking,
        reply_for: Callable[[Question], Reply | None],
        store: Store,
        hold: ProcessLease,
        privacy: Privacy,
    ) -> None:
        self._asking = asking
        self._reply_for = reply_for
        self._store = store
        self._hold = hold
        self._privacy = privacy
        self.pages: Callable[[], tuple[int, int] | None] = lambda: None
        self._others: list[tuple[str, float, Callable[[], Awaitable[object]]]] = []

    def also(self, name: str, every_s: float, do: Callable[[], Awaitable[object]]) -> None:
        """Do something else again and again, too."""
        self._others.append((name, every_s, do))

    async def resume(self) -> None:
        """Answer what a crash left open, and hold on to what is being answered. Raises StoreUnavailable."""
        resumed = await self._asking.resume(self._reply_for)
        if resumed:
            log.info("%d questions that were left open are answered now", resumed)

    async def run(self) -> None:
        """Do it again and again, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_again(self._hold.hold_s / 3, self.resume), name="resume")
            group.create_task(_again(FORGET_EVERY_S, self._privacy.catch_up), name="forget")
            for name, every_s, do in self._others:
                group.create_task(_again(every_s, do), name=name)
            if isinstance(self._store, OfflineStore):
                group.create_task(_again(DRAIN_EVERY_S, partial(self._drain, self._store)), name="drain")

    async def _drain(self, store: OfflineStore) -> None:
        """Carry over what waited, but nothing of whoever was forgotten in the meantime."""
        if store.spool.records:
            await self._privacy.catch_up()
        await store.drain()

    async def ready(self, _: web.Request) -> web.Response:
        """Answer /readyz: 200 while the bot takes questions, also without the store; 503 once it is full.

        While pages are missing that are still being read, the status is "reading", with how many of how many.
        """
        body: dict[str, Any] = {"status": "ready"}
        reading = self.pages()
        if reading is not None:
            body = {"status": "reading", "pages": {"read": reading[0], "of": reading[1]}}
        if not isinstance(self._store, OfflineStore):
            return web.json_response(body)
        waiting = self._store.waiting
        away = waiting.away_since_s is not None
        if away:
            body["status"] = "full" if waiting.full else "spooling"
        body |= {"waiting": waiting.records, "failed": waiting.failed}
        if waiting.away_since_s is not None:
            body["away_s"] = round(waiting.away_since_s)
        return web.json_response(body, status=503 if body["status"] == "full" else 200)


async def _again(every_s: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await do()
        except StoreUnavailable as error:
            log.debug("the store is away: %s", error)
        except Exception:
            log.exception("a round of upkeep failed; the next one goes on")

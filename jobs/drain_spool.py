"""Carries over what waited in the folders of processes that are gone, while the store was away.

Run as: askpage jobs run drain_spool

A running bot carries over its own (bot/background.py), and takes what others left when it starts. This job is
for a machine where none starts again: it leaves the folders of running bots alone, carries ratings, rulings
and answers over, and hands questions that were never answered to the bots of other machines. It needs that
machine's data folder.

A folder is locked by the process that uses it: those of running bots are never touched, and a bot that starts
meanwhile takes another one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bot.bootstrap import JobServices, make_services
from bot.instance import Instance, open_abandoned
from core.settings import Settings
from feedback.store.cosmos import CosmosStore
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.rows import WholeStore
from feedback.store.sqlite import SqliteStore
from jobs.registry import JobContext, Result

log = logging.getLogger(__name__)


async def run(context: JobContext) -> Result:
    """Carry over what waits on this machine. Raises StoreError."""
    settings, far = context.settings, context.store
    if not isinstance(far, CosmosStore):
        return {"carried": 0, "questions": 0, "failed": 0, "left": 0}  # nothing ever waits for a file
    async with context.services() as borrowed, aclosing(open_left_spools(settings, far, borrowed)) as left:
        return await drain_spool(far, left)


async def open_left_spools(
    settings: Settings, far: CosmosStore, borrowed: JobServices
) -> AsyncGenerator[OfflineStore]:
    """Yield each with everything wired that may wait in it, rid of what is of people forgotten by now."""
    if not await asyncio.to_thread((settings.data_dir / "instances").is_dir):
        return
    with open_abandoned(settings.data_dir) as instances:
        for instance in instances:
            async with _open_spool(settings, far, borrowed, instance) as store:
                if store.spool.records:
                    yield store


@asynccontextmanager
async def _open_spool(
    settings: Settings, far: CosmosStore, borrowed: JobServices, instance: Instance
) -> AsyncGenerator[OfflineStore]:
    near = await asyncio.to_thread(SqliteStore.open, instance.spool_path, hold=instance.hold)
    try:
        store = OfflineStore(far, OfflineQueue(near, most=settings.spool_records))
        await store.spool.load()
        if not store.spool.records:
            yield store
            return
        parts = make_services(settings, borrowed.page_services, store, borrowed.connect, instance.name)
        try:
            await parts.privacy.catch_up()
            yield store
        finally:
            await parts.privacy.close()
    finally:
        await near.close()


async def drain_spool(far: WholeStore, left: AsyncIterator[OfflineStore]) -> Result:
    """Carry it over; return how much was, how many open questions, and what could not be.

    Raises StoreError.
    """
    carried = handed = failed = foreign = 0
    async for store in left:
        if kinds := await store.spool.foreign():
            log.warning("a spool waits for a bot, since nobody here can do %s", ", ".join(sorted(kinds)))
            foreign += 1
            continue
        failed_before = store.spool.failed
        carried += await store.drain()
        handed += await store.spool.hand_over(far)
        failed += store.spool.failed - failed_before
    return {"carried": carried, "questions": handed, "failed": failed, "left": foreign}

"""Carries over what waited in the folders of processes that are gone, while the store was away.

Run as: askpage jobs run drain_spool

A running bot carries over its own (bot/upkeep.py), and takes what others left when it starts. This job is for a
machine where none starts again: it leaves the folders of running bots alone, carries ratings, rulings and answers
over, and hands questions that were never answered to the bots of other machines. It needs that machine's data folder.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from feedback.rows import WholeStore
from feedback.spool import SpooledStore
from jobs.table import Result

log = logging.getLogger(__name__)


async def drain_spool(far: WholeStore, left: AsyncIterator[SpooledStore]) -> Result:
    """Carry it over; return how much was, how many open questions, and what could not be. Raises StoreError."""
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

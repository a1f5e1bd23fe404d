"""What processes that are gone left waiting in their folders, opened one after the other so that it can be carried over.

A folder is locked by the process that uses it: those of running bots are never touched, and a bot that starts
meanwhile takes another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from bot.dialogs.ask import Asking
from bot.feedback_parts import FeedbackParts
from bot.instance import Instance, abandoned_in
from bot.keys import keys_of
from bot.reviewers import Reviewers
from bot.surroundings import Borrowed, parts_over
from bot.teams import TeamsFrontEnd, TeamsStyle
from feedback.cosmos import CosmosStore
from feedback.spool import Spool, SpooledStore
from feedback.sqlite import SqliteStore
from records import Answer, Channel, Question
from settings import Settings


async def left_spools(
    settings: Settings, far: CosmosStore, borrowed: Borrowed
) -> AsyncGenerator[SpooledStore]:
    """Yield each, with everything wired that may wait in it, and nothing left in it of whoever is forgotten by now."""
    if not await asyncio.to_thread((settings.data_dir / "instances").is_dir):
        return
    with abandoned_in(settings.data_dir) as instances:
        for instance in instances:
            async with _opened(settings, far, borrowed, instance) as store:
                if store.spool.records:
                    yield store


@asynccontextmanager
async def _opened(
    settings: Settings, far: CosmosStore, borrowed: Borrowed, instance: Instance
) -> AsyncGenerator[SpooledStore]:
    near = await asyncio.to_thread(SqliteStore.open, instance.spool_path, hold=instance.hold)
    try:
        store = SpooledStore(far, Spool(near, most=settings.spool_records))
        await store.spool.load()
        if not store.spool.records:
            yield store
            return
        parts = parts_over(settings, borrowed.shelf, store, borrowed.connect, instance.name)
        try:
            _know_every_kind(settings, store, parts)
            await parts.privacy.catch_up()
            yield store
        finally:
            await parts.privacy.close()
    finally:
        await near.close()


def _know_every_kind(settings: Settings, store: SpooledStore, parts: FeedbackParts) -> None:
    """Make the front ends, which say what is done with what waits of theirs; nobody speaks to them."""
    hands = parts.hands(Reviewers(settings.reviewers))
    asking = Asking(store, _Silent())
    for channel in Channel:
        TeamsFrontEnd(asking, store, keys_of(settings).pseudonym, hands, TeamsStyle(channel))


class _Silent:
    """An answerer that nobody asks: what nobody speaks to has nothing to answer."""

    def stream(self, question: Question, history: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        raise RuntimeError("a process without a front door was asked something")

"""Carries a spool into Cosmos DB, until it is killed: python -m tests.processes.drain PLACE_AS_JSON SPOOL."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from bot.channels.message import Connector
from bot.services import Services
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import ProcessLease
from feedback.store.cosmos import CosmosStore
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.sqlite import SqliteStore
from tests.builders.world import KEY, some_dependencies
from tests.doubles.cosmos import config_of


async def run(place: dict[str, str], path: Path) -> None:
    """Drain until nothing waits."""
    hold = ProcessLease("this process")
    far = CosmosStore(config_of(**place), hold=hold)
    store = OfflineStore(far, OfflineQueue(SqliteStore.open(path, hold=hold), most=1_000))
    await store.spool.load()
    dependencies = replace(some_dependencies(_nobody), later=store.spool)
    Services(store, ReviewRepository(store.documents), KEY, dependencies)
    while store.spool.records:
        await store.drain()
    await store.close()


def _nobody() -> Connector | None:
    return None


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1]), Path(sys.argv[2])))

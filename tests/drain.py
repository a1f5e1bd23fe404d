"""A process that carries a spool over into Cosmos DB, to be killed meanwhile: python -m tests.drain PLACE_AS_JSON SPOOL."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from bot.delivery import Connector
from bot.feedback_parts import FeedbackParts
from bot.reviewers import Reviewers
from feedback.cosmos import CosmosStore
from feedback.desk import Desk
from feedback.spool import Spool, SpooledStore
from feedback.sqlite import SqliteStore
from feedback.store import Hold
from tests.cosmos import config_of
from tests.world import KEY, some_surroundings


async def run(place: dict[str, str], path: Path) -> None:
    """Drain until nothing waits."""
    hold = Hold("this process")
    far = CosmosStore(config_of(**place), hold=hold)
    store = SpooledStore(far, Spool(SqliteStore.open(path, hold=hold), most=1_000))
    await store.spool.load()
    around = replace(some_surroundings(_nobody), later=store.spool)
    FeedbackParts(store, Desk(store.documents), KEY, around).hands(Reviewers([]))
    while store.spool.records:
        await store.drain()
    await store.close()


def _nobody() -> Connector | None:
    return None


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1]), Path(sys.argv[2])))

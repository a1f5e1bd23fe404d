"""Opens the store that the settings name, and the keys of its pseudonyms.

The store is the file in the data folder, or Cosmos DB with a spool for when it is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from bot.instance import Instance, open_abandoned
from core.settings import Settings
from feedback.privacy.keys import Keys, load_keys
from feedback.privacy.retention import Retention
from feedback.store.base import ALONE
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from feedback.store.cosmos import CosmosStore
    from feedback.store.cosmos_schema import CosmosConfig
    from pages.index.cosmos_schema import PagesConfig

Store: TypeAlias = "SqliteStore | CosmosStore | OfflineStore"


@asynccontextmanager
async def open_store(settings: Settings, instance: Instance | None = None) -> AsyncGenerator[Store]:
    """Open the store; for a process that answers, `instance` holds its questions and has its spool.

    Raises StoreUnavailable; with a spool only where the near file cannot be used.
    """
    hold = instance.hold if instance else ALONE
    async with AsyncExitStack() as closing:
        if not settings.cosmos.endpoint:
            file = await asyncio.to_thread(SqliteStore.open, settings.store_path, hold=hold)
            closing.push_async_callback(file.close)
            yield file
            return
        from feedback.store.cosmos import CosmosStore  # noqa: PLC0415 - as in `cosmos_config`

        config = cosmos_config(settings)
        if instance is None:
            far = await CosmosStore.open(config)
            closing.push_async_callback(far.close)
            yield far
            return
        far = CosmosStore(config, hold=hold)
        near = await asyncio.to_thread(SqliteStore.open, instance.spool_path, hold=hold)
        store = OfflineStore(far, OfflineQueue(near, most=settings.spool_records))
        closing.push_async_callback(store.close)
        await store.spool.load()
        await _take_over(settings, store.spool)
        yield store


async def _take_over(settings: Settings, spool: OfflineQueue) -> None:
    """Carry what processes that never came back left waiting into this one's spool."""
    with open_abandoned(settings.data_dir) as instances:
        for instance in instances:
            left = await asyncio.to_thread(SqliteStore.open, instance.spool_path, hold=instance.hold)
            try:
                await spool.take_over(left)
            finally:
                await left.close()


def cosmos_config(settings: Settings) -> CosmosConfig:
    """Return where Cosmos DB is, and how long it keeps what."""
    # 0.5 s and 20 MB of Azure's SDK, which the schedule of an instance with a file need not pay
    from feedback.store.cosmos_schema import CosmosConfig  # noqa: PLC0415

    return CosmosConfig(**settings.cosmos.values(), keep_days=read_retention(settings).keep_days)


def pages_config(settings: Settings) -> PagesConfig:
    """Return where the shared page index is."""
    from pages.index.cosmos_schema import PagesConfig  # noqa: PLC0415 - a second and 50 MB, for those who share pages

    values: dict[str, Any] = settings.cosmos.values() | {"container": settings.cosmos_pages_container}
    return PagesConfig(**values)


def read_retention(settings: Settings) -> Retention:
    """Return how long records are kept."""
    return Retention(**settings.retention.values())


def read_keys(settings: Settings) -> Keys:
    """Return the keys of the pseudonyms. Raises as `load_keys`."""
    return load_keys(
        settings.data_dir,
        settings.pseudonym_key.get_secret_value(),
        settings.pseudonym_key_before.get_secret_value(),
    )

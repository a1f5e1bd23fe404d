"""What `askpage jobs run send_to_data_explorer` does: joins the job with what sends to Data Explorer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from bot.bootstrap import name_in_telemetry, open_shelf
from bot.services import rules_of
from bot.stores import keys_of
from core.settings import Settings
from exporters import CannotExport
from exporters.data_explorer import DataExplorer, Target
from feedback.analytics.batches import Outgoing
from jobs.registry import JobFailed, Result, Store
from jobs.send_to_data_explorer import send_to_data_explorer
from pages.index.base import IndexUnavailable


async def send(settings: Settings, store: Store) -> Result:
    """Send what is new to the cluster of the settings. Raises JobFailed and StoreError."""
    target = Target(
        settings.data_explorer.uri.rstrip("/"),
        settings.data_explorer.database,
        settings.data_explorer.timeout_s,
    )
    try:
        async with open_shelf(settings) as shelf:
            name_in_telemetry(keys_of(settings), shelf)
    except IndexUnavailable as error:
        raise JobFailed(str(error)) from error
    to = hashlib.sha256(f"{target.uri.lower()} {target.database}".encode()).hexdigest()[:16]
    outgoing = Outgoing(settings.data_dir / "data_explorer" / to, settings.data_explorer.spool_mb * 1_000_000)
    try:
        explorer = DataExplorer(target)
    except CannotExport as error:
        raise JobFailed(str(error)) from error
    directions = rules_of(settings)[0].reactions
    return await send_to_data_explorer(store, explorer, outgoing, directions, to, datetime.now(UTC))

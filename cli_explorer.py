"""What `askpage jobs run send_to_data_explorer` does: joins the job with what sends to Data Explorer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from bot.feedback_parts import rules_of
from bot.keys import keys_of
from bot.parts import open_shelf
from bot.surroundings import name_in_telemetry
from exporters import CannotExport
from exporters.data_explorer import DataExplorer, Target
from feedback.outgoing import Outgoing
from jobs.send_to_data_explorer import send_to_data_explorer
from jobs.table import JobFailed, Result, Store
from pages.indexing import IndexUnavailable
from settings import Settings


async def send(settings: Settings, store: Store) -> Result:
    """Send what is new to the cluster of the settings. Raises JobFailed and StoreError."""
    target = Target(
        settings.data_explorer_uri.rstrip("/"),
        settings.data_explorer_database,
        settings.data_explorer_timeout_s,
    )
    try:
        async with open_shelf(settings) as shelf:
            name_in_telemetry(keys_of(settings), shelf)
    except IndexUnavailable as error:
        raise JobFailed(str(error)) from error
    to = hashlib.sha256(f"{target.uri.lower()} {target.database}".encode()).hexdigest()[:16]
    outgoing = Outgoing(settings.data_dir / "data_explorer" / to, settings.data_explorer_spool_mb * 1_000_000)
    try:
        explorer = DataExplorer(target)
    except CannotExport as error:
        raise JobFailed(str(error)) from error
    directions = rules_of(settings)[0].reactions
    return await send_to_data_explorer(store, explorer, outgoing, directions, to, datetime.now(UTC))

"""Sends what is kept, without a word that anybody wrote and without anybody's id, to Azure Data Explorer.

Run as: askpage jobs run send_to_data_explorer

Lines go in batches (feedback/analytics/event_log.py). A batch is written to a file first, then sent; once it
is accepted, a document in the store says so, and the file goes. After a kill in between, the next run sends
the same batch under the same name. While nothing is accepted, batches wait in files, as many as fit; the rest
stays in the store, where it is read later. What cannot be told, or is refused for what it is, is set aside in
a file and counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from bot.bootstrap import share_telemetry_names
from bot.services import read_rules
from bot.stores import read_keys
from feedback.analytics.event_log import (
    Batch,
    EventSource,
    Outgoing,
    ReadPosition,
    RejectedEvent,
    Told,
    hash_lines,
)
from feedback.store.documents import Document, Documents
from jobs.registry import JobContext, JobFailed, Result, Store
from pages.index.base import IndexUnavailable

log = logging.getLogger(__name__)

STREAMED, QUEUED, REFUSED, AWAY = "streamed", "queued", "refused", "away"
KIND = "sent_to"
BATCH = 1_000
"""Lines; each has about half a kilobyte, and 4 MB may be streamed at once."""
MOST_REFUSED = 20
"""So many of one batch may be refused for what they are.

More, and the tables there are not what they should be.
"""


class Explorer(Protocol):
    """Where lines are sent."""

    async def send(self, name: str, lines: Sequence[str]) -> tuple[str, str]:
        """Send lines.

        Return STREAMED, QUEUED (accepted so), REFUSED (for what they are) or AWAY, and a sentence why. Lines
        that come again under the same name are to count once, where the way that they went can tell.
        """
        ...


@dataclass(slots=True)
class Sending:
    """What one run has done so far. `why` is empty as long as everything is accepted."""

    explorer: Explorer
    outgoing: Outgoing
    counts: dict[str, int] = field(
        default_factory=lambda: {"sent": 0, STREAMED: 0, QUEUED: 0, "aside": 0, "waiting": 0}
    )
    why: str = ""
    full: bool = False


async def run(context: JobContext) -> Result:
    """Send what is new to the cluster of the settings. Raises JobFailed and StoreError."""
    settings, explorer = context.settings, context.settings.data_explorer
    if not explorer.uri:
        return {"sent": 0, "off": "data_explorer_uri is empty"}
    # the only job that needs what sends, and its packages
    from exporters import CannotExport  # noqa: PLC0415
    from exporters.data_explorer import DataExplorer, Target  # noqa: PLC0415

    target = Target(explorer.uri.rstrip("/"), explorer.database, explorer.timeout_s)
    try:
        async with context.pages() as page_services:
            share_telemetry_names(read_keys(settings), page_services)
        sender = DataExplorer(target)
    except (IndexUnavailable, CannotExport) as error:
        raise JobFailed(str(error)) from error
    to = hashlib.sha256(f"{target.uri.lower()} {target.database}".encode()).hexdigest()[:16]
    outgoing = Outgoing(settings.data_dir / "data_explorer" / to, explorer.spool_mb * 1_000_000)
    directions = read_rules(settings)[0].scale.reactions
    return await send_to_data_explorer(context.store, sender, outgoing, directions, to, datetime.now(UTC))


async def send_to_data_explorer(
    store: Store,
    explorer: Explorer,
    outgoing: Outgoing,
    directions: Mapping[str, str],
    to: str,
    now: datetime,
) -> Result:
    """Send what is new; return what became of it.

    Raises StoreError, and JobFailed where something has to wait. `directions` say which reactions are up and
    down, `to` names the place that is sent to.
    """
    sending = Sending(explorer, outgoing)
    number, place = await _read_position(store.documents, to)
    for batch in await asyncio.to_thread(outgoing.after, number):
        await _try(sending, store.documents, to, batch)
        number, place = batch.number, ReadPosition.load(batch.place)
    async for lines in _gather_batches(sending, EventSource(store, directions).unsent(place, now)):
        number += 1
        await _begin(sending, store.documents, to, Batch(number, place.dump(), tuple(lines)))
        if sending.full:
            break
    if sending.why:
        raise JobFailed(_sentence(sending))
    return sending.counts


async def _gather_batches(
    sending: Sending, unsent: AsyncIterator[Sequence[Told]]
) -> AsyncIterator[list[str]]:
    """Yield lines by the batch, and what is left at the end, even if that is none: all is read then."""
    lines: list[str] = []
    async for told in unsent:
        for one in told:
            if isinstance(one, RejectedEvent):
                _set_aside(sending, one)
            else:
                lines.append(one.line)
        if len(lines) >= BATCH:
            yield lines
            lines = []
    if lines or not sending.why:
        yield lines


async def _begin(sending: Sending, documents: Documents, to: str, batch: Batch) -> None:
    """Write a batch down, and send it."""
    if await asyncio.to_thread(sending.outgoing.keep, batch):
        await _try(sending, documents, to, batch)
    else:
        sending.full = True
        sending.why = sending.why or "The file of a batch is larger than data_explorer_spool_mb."


async def _try(sending: Sending, documents: Documents, to: str, batch: Batch) -> None:
    """Send a batch unless one before it waits; let it wait where it is not accepted."""
    if not sending.why:
        left = await _deliver(sending, batch.lines)
        if not sending.why:
            await _keep(documents, to, batch)
            await asyncio.to_thread(sending.outgoing.drop, batch)
            return
        batch = replace(batch, lines=tuple(left))
        await asyncio.to_thread(sending.outgoing.keep, batch)  # it is not longer than it was
    sending.counts["waiting"] += len(batch.lines)


async def _deliver(sending: Sending, lines: Sequence[str]) -> list[str]:
    """Send lines; return those that have to wait.

    A line that is refused is found by halves, and set aside.
    """
    refused: list[tuple[str, str]] = []
    parts = [list(lines)] if lines else []
    while parts:
        part = parts.pop(0)
        outcome, why = await sending.explorer.send(hash_lines(part), part)
        if outcome in {STREAMED, QUEUED}:
            sending.counts["sent"] += len(part)
            sending.counts[outcome] += len(part)
        elif outcome == REFUSED and len(part) == 1 and len(refused) < MOST_REFUSED:
            refused.append((part[0], why))
        elif outcome == REFUSED and len(part) > 1:
            half = len(part) // 2
            parts[:0] = [part[:half], part[half:]]
        else:
            sending.why = why
            return [line for line, _ in refused] + part + [line for later in parts for line in later]
    for line, why in refused:
        told = json.loads(line)
        _set_aside(sending, RejectedEvent(told["name"], told["record"], why), line)
    return []


def _set_aside(sending: Sending, poison: RejectedEvent, line: str = "") -> None:
    sending.counts["aside"] += 1
    sending.outgoing.set_aside(poison, line)


async def _read_position(documents: Documents, to: str) -> tuple[int, ReadPosition]:
    """Return the number of the last batch that was accepted, and the place behind it."""
    kept = await documents.get(KIND, to)
    if kept is None:
        return 0, ReadPosition()
    body = json.loads(kept.body)
    return body["number"], ReadPosition.load(body["place"])


async def _keep(documents: Documents, to: str, batch: Batch) -> None:
    body = json.dumps({"number": batch.number, "place": batch.place})
    await documents.put(Document(KIND, to, body, order=f"{batch.number:09}"))


def _sentence(sending: Sending) -> str:
    counts = sending.counts
    full = " No more fits there; what is not read yet stays in the store." if sending.full else ""
    return (
        f"Data Explorer does not take everything: {sending.why} {counts['sent']} records were sent; "
        f"{counts['waiting']} wait in {sending.outgoing.folder}, and the next run sends them first.{full}"
    )

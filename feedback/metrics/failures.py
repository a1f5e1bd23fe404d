"""Questions that got no answer, counted by day, channel and reason: the records have only what was answered.

The reasons are those of the event `answer_failed` (core/telemetry/vocabulary.py). A count has nobody's words
and names nobody, so it stays when questions go.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from core.records import Question
from feedback.store.base import StoreError
from feedback.store.documents import Documents, Wanted, every_document
from feedback.store.rows import RECORDS_AT_ONCE

log = logging.getLogger(__name__)

KIND = "failure"


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """Counts them in one store."""

    documents: Documents

    async def count(self, question: Question, reason: str) -> None:
        """Count one, now. Where the store is away it goes uncounted: the asker is told first."""
        day = datetime.now(UTC).date().isoformat()
        try:
            await self.documents.count(KIND, f"{day}|{question.channel}|{reason}")
        except StoreError as error:
            log.warning("a failure is not counted: %s", error)


async def read_failures(
    documents: Documents, first: date, last: date, channel: str = ""
) -> Mapping[str, int]:
    """Return how many questions of a span of days got no answer, by reason; "": of all channels.

    Raises StoreError.
    """
    counted: Counter[str] = Counter()
    wanted = Wanted(KIND, after=("", first.isoformat()), limit=RECORDS_AT_ONCE)
    async for document in every_document(documents, wanted):
        day, _, rest = document.id.partition("|")
        where, _, reason = rest.partition("|")
        if day > last.isoformat():
            break
        if channel in ("", where):
            counted[reason] += document.version
    return dict(counted.most_common())

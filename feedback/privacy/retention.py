"""How long records are kept, by their kind, and the deletion of those that are older.

Cosmos DB also ages them by itself (TTL, from their last change on); the job finds what that misses, and is
all there is for the embedded store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from feedback.store.base import moment
from feedback.store.rows import TABLES, TIMES, Row, Rows, every_page
from feedback.store.serialization import parse_question


@dataclass(frozen=True)
class Retention:
    """Days that records are kept; 0 is for ever.

    Questions go with their answers. Reviews go with the verified answers, the cards and the notices that
    follow from them; a verified answer has no asker in it, so it may stay longer than its question. How to
    reach a conversation (contacts) counts from the last change of it.
    """

    questions_days: int = 365
    feedback_days: int = 365
    reviews_days: int = 1095
    contacts_days: int = 365
    audit_days: int = 1095

    @cached_property
    def keep_days(self) -> Mapping[str, int]:
        """Return the days by the kind of record; a kind that is missing is kept for ever."""
        return {
            **dict.fromkeys(("question", "answer", "considered", "served"), self.questions_days),
            **dict.fromkeys(
                ("feedback", "declined", "untied", "worst", "gaps", "owner_card", "owner_step"),
                self.feedback_days,
            ),
            **dict.fromkeys(("paraphrase", "rated"), self.feedback_days),
            **dict.fromkeys(("review", "past_review", "verified", "shown", "notice"), self.reviews_days),
            **dict.fromkeys(("reviewed", "comparison", "model_decision", "model_notice"), self.reviews_days),
            # as long as an answer may say that it was verified by them
            "reviewer": self.reviews_days and self.questions_days and self.reviews_days + self.questions_days,
            **dict.fromkeys(("contact", "greeted", "leftover", "page_author"), self.contacts_days),
            **dict.fromkeys(("audit", "deletion"), self.audit_days),
        }


async def retain(
    store: Rows,
    retention: Retention,
    now: datetime,
    tell: Callable[[int], None] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Mapping[str, int]:
    """Delete what is older than it may be; return how many records of which kind.

    `tell` hears how many were looked at. It can be stopped at any moment and run again; answers go before
    their questions, which lead to them. A `dry_run` deletes nothing. Raises StoreError.
    """
    dropped: dict[str, int] = {}
    looked = 0
    for table in reversed(TABLES):
        async for page in every_page(store, table):
            old = [row for row in page if _is_old(row, retention, now)]
            if old and not dry_run:
                await store.drop_rows(old)
            for row in old:
                dropped[_kind(row)] = dropped.get(_kind(row), 0) + 1
            looked += len(page)
            tell(looked)
    return dropped


def _kind(row: Row) -> str:
    return row.fields["kind"] if row.table == "document" else row.table


def _is_old(row: Row, retention: Retention, now: datetime) -> bool:
    days = retention.keep_days.get(_kind(row), 0)
    written_at = row.fields[TIMES[row.table]]
    if row.table == "answer":  # it goes with its question
        written_at = moment(parse_question(row.fields["question"]).asked_at)
    open_ = row.table == "question" and row.fields["message_id"] is None
    return bool(days and written_at) and not open_ and written_at < moment(now - timedelta(days=days))

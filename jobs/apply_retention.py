"""Deletes what is older than it may be kept (feedback/privacy/retention.py).

Run as: askpage jobs run apply_retention

The settings keep_questions_days, keep_feedback_days, keep_reviews_days, keep_contacts_days and
keep_audit_days say how long that is.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bot.stores import read_retention
from feedback.privacy.retention import Retention, retain
from jobs.registry import JobContext, Result, Store


async def run(context: JobContext) -> Result:
    """Delete what the settings say. Raises StoreError."""
    return await apply_retention(context.store, read_retention(context.settings), datetime.now(UTC))


async def apply_retention(store: Store, retention: Retention, now: datetime) -> Result:
    """Delete it; return how many records of which kind. Raises StoreError.

    The store's file is written anew then, so that no piece is left of messages either that people deleted one
    by one.
    """
    dropped = await retain(store, retention, now)
    await store.overwrite(whole=True)
    return {"deleted": sum(dropped.values()), "kinds": dict(sorted(dropped.items()))}

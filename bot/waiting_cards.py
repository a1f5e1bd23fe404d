"""Sends the cards of one review that waits, from a process that listens to nobody.

The review's errand is taken meanwhile, so that no bot posts the same card; where a place cannot be reached from here (the
local page, whose server is another process) or a channel does not take it, the errand stays for a bot.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from bot.dialogs.ask import Undeliverable
from bot.dialogs.review import Refused
from bot.feedback_parts import FeedbackParts
from records import Review

log = logging.getLogger(__name__)


async def send_cards(parts: FeedbackParts, review: Review, *, ran_out: bool) -> bool:
    """Post what is missing, and all anew where a claim `ran_out`; False where something is left to do, or another does it.

    Raises StoreError.
    """
    answer_id = review.answer_id
    if ran_out:
        try:
            await parts.reviewing.release(answer_id)
        except Refused as gone:
            log.info("no card is sent: %s", gone)
            return False
    taken = await parts.desk.take_errand(answer_id)
    if taken is None:
        return False
    version, was_left = taken
    try:
        done = await _post(parts, answer_id, anew=ran_out)
    except (Undeliverable, OSError) as error:
        log.warning("a review is not shown everywhere yet: %s", error)
        done = False
    if was_left or not done or not await parts.desk.end_errand(answer_id, version):
        await parts.desk.free_errand(answer_id, datetime.now(UTC))  # there is more to it than cards
    return done


async def _post(parts: FeedbackParts, answer_id: str, *, anew: bool) -> bool:
    """Post the cards of a review as it is by now. Raises OSError."""
    review = await parts.desk.review(answer_id)
    if review is None or review.settled_at is not None:
        return False
    return await parts.courier.post(review, anew=anew)

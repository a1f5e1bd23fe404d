"""Sends the cards of waiting reviews that reviewers do not see: never posted, or with a claim run out.

Run as: askpage jobs run send_reviews

A bot posts the cards of its reviews at once. What it could not (it was killed, the channel refused) waits as
an entry in the outbox for any bot; this job finds also those whose entry is gone, and brings a card that
somebody claimed and left to the end of its conversation again. So many a run, that a long queue does not
flood a channel.

A review's entry is taken meanwhile, so that no bot posts the same card. Where a place cannot be reached from
here (the local page, whose server is another process) or a channel does not take it, the entry stays for a
bot.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from bot.channel import Undeliverable
from bot.dialogs.review import Refused
from bot.services import Services
from core.records import Review
from feedback.reviews.repository import WAITING, ReviewRepository
from feedback.store.rows import every
from jobs.registry import JobContext, Result
from jobs.scheduling.runner import who_we_are

log = logging.getLogger(__name__)

MOST = 50
"""Reviews whose cards one run sends."""


class Send(Protocol):
    """Posts the cards of a review."""

    async def __call__(self, review: Review, *, ran_out: bool) -> bool:
        """Post what is missing; False where a bot has to do the rest."""
        ...


async def run(context: JobContext) -> Result:
    """Send them from here. Raises StoreError."""
    async with context.services(who_we_are()) as borrowed:
        send = partial(send_cards, borrowed.parts)
        return await send_reviews(borrowed.parts.repository, send, datetime.now(UTC))


async def send_cards(parts: Services, review: Review, *, ran_out: bool) -> bool:
    """Post what is missing, and all anew where a claim `ran_out`.

    False where something is left to do, or another does it.

    Raises StoreError.
    """
    answer_id = review.answer_id
    if ran_out:
        try:
            await parts.reviewing.release(answer_id)
        except Refused as gone:
            log.info("no card is sent: %s", gone)
            return False
    taken = await parts.repository.claim_outbox_entry(answer_id)
    if taken is None:
        return False
    version, was_left = taken
    try:
        done = await _post(parts, answer_id, anew=ran_out)
    except (Undeliverable, OSError) as error:
        log.warning("a review is not shown everywhere yet: %s", error)
        done = False
    if was_left or not done or not await parts.repository.complete_outbox_entry(answer_id, version):
        await parts.repository.release_outbox_entry(
            answer_id, datetime.now(UTC)
        )  # there is more to it than cards
    return done


async def _post(parts: Services, answer_id: str, *, anew: bool) -> bool:
    """Post the cards of a review as it is by now. Raises OSError."""
    review = await parts.repository.review(answer_id)
    if review is None or review.settled_at is not None:
        return False
    return await parts.card_sync.post(review, anew=anew)


async def send_reviews(repository: ReviewRepository, send: Send, now: datetime) -> Result:
    """Send them; return how many reviews wait, were sent, and are left to the bots. Raises StoreError."""
    places = [place.id for place in await repository.places()]
    waiting = sent = left = 0
    async for review in every(partial(repository.reviews, WAITING)):
        waiting += 1
        ran_out = review.claimed_until is not None and review.claimed_until <= now
        if sent + left >= MOST or not places:
            continue
        if ran_out or await _is_missing(repository, review, places):
            if await send(review, ran_out=ran_out):
                sent += 1
            else:
                left += 1
    if waiting and not places:
        log.warning("%d reviews wait, and cards go nowhere: a reviewer says “reviewers here”", waiting)
    return {"waiting": waiting, "sent": sent, "left": left, "places": len(places)}


async def _is_missing(repository: ReviewRepository, review: Review, places: list[str]) -> bool:
    shown = {one.place for one in await repository.list_shown(review.answer_id)}
    return any(f"{place}#{review.round}" not in shown for place in places)

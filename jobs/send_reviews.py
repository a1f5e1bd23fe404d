"""Sends the cards of waiting reviews that reviewers do not see: never posted, or held by a claim that ran out.

Run as: askpage jobs run send_reviews

A bot posts the cards of its reviews at once. What it could not (it was killed, the channel refused) waits as an errand
for any bot; this job finds also those whose errand is gone, and brings a card that somebody claimed and left to the
end of its conversation again. So many a run, that a long queue does not flood a channel.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from typing import Protocol

from feedback.desk import WAITING, Desk
from feedback.paging import every
from jobs.table import Result
from records import Review

log = logging.getLogger(__name__)

MOST = 50
"""Reviews whose cards one run sends."""


class Send(Protocol):
    """Posts the cards of a review (`bot/waiting_cards.py`)."""

    async def __call__(self, review: Review, *, ran_out: bool) -> bool:
        """Post what is missing; False where a bot has to do the rest."""
        ...


async def send_reviews(desk: Desk, send: Send, now: datetime) -> Result:
    """Send them; return how many reviews wait, were sent, and are left to the bots. Raises StoreError."""
    places = [place.id for place in await desk.places()]
    waiting = sent = left = 0
    async for review in every(partial(desk.reviews, WAITING)):
        waiting += 1
        ran_out = review.claimed_until is not None and review.claimed_until <= now
        if sent + left >= MOST or not places:
            continue
        if ran_out or await _is_missing(desk, review, places):
            if await send(review, ran_out=ran_out):
                sent += 1
            else:
                left += 1
    if waiting and not places:
        log.warning("%d reviews wait, and cards go nowhere: a reviewer says “reviewers here”", waiting)
    return {"waiting": waiting, "sent": sent, "left": left, "places": len(places)}


async def _is_missing(desk: Desk, review: Review, places: list[str]) -> bool:
    shown = {one.place for one in await desk.shown(review.answer_id)}
    return any(f"{place}#{review.round}" not in shown for place in places)

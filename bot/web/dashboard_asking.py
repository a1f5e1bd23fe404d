"""The dashboard's section on asking, as JSON: what became of questions, who asks, and what is asked most.

What people asked is told with `questions` alone; counts of people to everybody who sees the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.web.dashboard_learning import CLOSED, describe_share, write_time
from feedback.metrics.askers import AreClosed, Asked, AskedOften, count_people, list_top, list_unanswered
from feedback.metrics.daily import Group
from feedback.reviews.repository import ReviewRepository

_TEXT = 400
Json = dict[str, Any]
IsClosed = Callable[[str], Awaitable[bool]]
"""Tells of an answer, by its id, whether it, or its review, has something that not everyone may read."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What of it not everyone may read: of an answer with its review, and of the pages behind an answer."""

    is_closed: IsClosed
    are_closed: AreClosed


@dataclass(frozen=True, slots=True)
class AskingQuery:
    """Which answers are asked for: since when, of which groups, and whether what people asked is told."""

    begin: datetime
    wanted: Callable[[Group], bool]
    questions: bool


async def describe_asking(
    asked: Asked,
    query: AskingQuery,
    failures: Mapping[str, int],
    desk: ReviewRepository,
    closing: Closing,
    now: datetime,
) -> Json:
    """Return it. Raises StoreError."""
    people = count_people(asked, query.wanted, now)
    asks = [one for one in asked.asks if one.at >= query.begin and query.wanted(one.group)]
    told: Json = {
        "since": write_time(asked.since),
        "whole": asked.whole,
        "people": {
            "today": people.today,
            "week": people.week,
            "returning": describe_share(people.returning),
            "days": [{"day": day.isoformat(), "people": count} for day, count in people.days.items()],
        },
        "failures": dict(failures),
        "top": None,
        "unanswered": None,
    }
    if query.questions:
        told["top"] = await _describe_questions(list_top(asks, closing.are_closed), desk, closing)
        unanswered = list_unanswered(asks, closing.are_closed)
        told["unanswered"] = await _describe_questions(unanswered, desk, closing)
    return told


async def _describe_questions(
    found: Sequence[AskedOften], desk: ReviewRepository, closing: Closing
) -> list[Json]:
    reviews = await asyncio.gather(*(desk.review(one.answer_id) for one in found))
    closed = await asyncio.gather(*(closing.is_closed(one.answer_id) for one in found))
    return [
        {
            "question": CLOSED if hidden or one.is_closed else one.text[:_TEXT],
            "count": one.count,
            "people": one.people,
            "answered": one.kinds.get("answered", 0),
            "quoted": one.kinds.get("quoted", 0),
            "declined": one.kinds.get("declined", 0),
            "last_at": write_time(one.last_at),
            "review": one.answer_id if review is not None else None,
        }
        for one, review, hidden in zip(found, reviews, closed, strict=True)
    ]

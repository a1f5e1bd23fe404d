"""The dashboard's section on asking, as JSON: what became of questions, who asks, and what is asked most.

What people asked is told with `questions` alone; counts of people to everybody who sees the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.web.dashboard.learning import CLOSED, describe_share, write_time
from core.records import Review
from feedback.metrics.askers import AreClosed, Ask, Asked, AskedOften, count_people, list_top, list_unanswered
from feedback.metrics.daily import Group
from feedback.reviews.repository import ReviewRepository

_TEXT = 400
Json = dict[str, Any]
IsClosed = Callable[[str, Review | None], Awaitable[bool]]
"""Tells of an answer, by its id, and its review whether there is something that not everyone may read."""


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
    repository: ReviewRepository,
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
        top, unanswered = await asyncio.to_thread(_list_both, asks, closing.are_closed)
        seen = await _look_up([one.answer_id for one in (*top, *unanswered)], repository, closing)
        told["top"] = [_describe_question(one, *seen[one.answer_id]) for one in top]
        told["unanswered"] = [_describe_question(one, *seen[one.answer_id]) for one in unanswered]
    return told


def _list_both(asks: Sequence[Ask], are_closed: AreClosed) -> tuple[list[AskedOften], list[AskedOften]]:
    return list_top(asks, are_closed), list_unanswered(asks, are_closed)


async def _look_up(
    answer_ids: Sequence[str], repository: ReviewRepository, closing: Closing
) -> Mapping[str, tuple[bool, bool]]:
    """Return of answers, each looked up once, whether there is a review, and whether they are closed."""

    async def look(answer_id: str) -> tuple[bool, bool]:
        review = await repository.review(answer_id)
        return review is not None, await closing.is_closed(answer_id, review)

    names = list(dict.fromkeys(answer_ids))
    return dict(zip(names, await asyncio.gather(*map(look, names)), strict=True))


def _describe_question(one: AskedOften, is_reviewed: bool, is_closed: bool) -> Json:
    return {
        "question": CLOSED if is_closed or one.is_closed else one.text[:_TEXT],
        "count": one.count,
        "people": one.people,
        "answered": one.kinds.get("answered", 0),
        "quoted": one.kinds.get("quoted", 0),
        "declined": one.kinds.get("declined", 0),
        "last_at": write_time(one.last_at),
        "review": one.answer_id if is_reviewed else None,
    }

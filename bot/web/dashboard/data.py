"""The dashboard's data as JSON: figures over time, learning, versions, reviews, jobs, worst rated answers.

    days' documents (feedback/metrics/daily_cache.py) ─┐
    records of some hours (feedback/metrics/timeline.py) ─┴─> Timeline ─> draw ─> JSON

A figure is {"value", "n", "low"?, "high"?} or null. Times are UTC ISO text, names that end in `_s` are
seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bot.cards.answer_text import render_words
from bot.dialogs.answerer import VERIFIED
from bot.web.dashboard.asking import AskingQuery, Closing, describe_asking
from bot.web.dashboard.gaps import GapList
from bot.web.dashboard.learning import CLOSED, describe_learning, write_time
from bot.web.dashboard.tokens import describe_tokens
from core.records import Answer, Review
from feedback.metrics import daily
from feedback.metrics.askers import AreClosed, Asked, read_asked
from feedback.metrics.daily import Group, Rated, Records, Worst
from feedback.metrics.daily_cache import FRESH_S, DailyCache
from feedback.metrics.failures import read_failures
from feedback.metrics.learning import Learning, measure
from feedback.metrics.timeline import (
    FEW,
    SHORT,
    SMOOTHED,
    Drawn,
    Marked,
    Timeline,
    TooMany,
    Value,
    Values,
    difference,
    draw,
    find_versions,
    judge_tone,
    of_days,
    of_short_store,
    of_span,
)
from feedback.metrics.tokens import TokenPrices
from feedback.reviews.repository import ReviewRepository
from model.registry.versions import RolloutState, VersionError

RANGES = ("auto", "hours", "7", "30", "90")
STALE = timedelta(hours=26)
"""Days that were summed up longer ago than a day and a bit: the job does not run."""
_LOOK_BACK_DAYS = 30
"""So far back a version is looked for that may have answered before the hours that are shown."""
_LEARNING_FRESH = 15
"""What all reviews of a span are read for is kept so many times as long as the rest: five minutes."""
_TEXT = 400
"""Longest text of a question or an answer, characters."""


IsRestricted = Callable[[Answer, Review | None], bool]
"""Tells whether there is anybody who may not see an answer."""


class JobRun(Protocol):
    """How a job went when it ran last, and when it runs next. Times are ISO text; "": not known, or none."""

    @property
    def name(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def ended_at(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def next_at(self) -> str: ...
    @property
    def error(self) -> str: ...


JobRuns = Callable[[], Awaitable[Sequence[JobRun]]]
"""Returns every job's last run. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: a range, and of which answers ("": of all)."""

    range: str = "auto"
    channel: str = ""
    version: str = ""
    site: str = ""

    def wants(self, group: Group) -> bool:
        """Tell whether a group of answers is asked for."""
        return (
            self.channel in ("", group.channel)
            and self.version in ("", group.model_version)
            and self.site in ("", group.site)
        )


@dataclass(frozen=True, slots=True)
class _Span:
    """What a range has. `rated` is from that time alone."""

    range: str
    timeline: Timeline
    rated: Sequence[Rated]
    as_of: datetime | None
    live: bool


class DashboardData:
    """Reads what the dashboard shows from one store."""

    def __init__(
        self,
        store: Records,
        repository: ReviewRepository,
        standing: Callable[[], RolloutState],
        jobs: JobRuns | None = None,
        fresh_s: float = FRESH_S,
    ) -> None:
        self._store = store
        self._repository = repository
        self._standing = standing
        self._jobs = jobs
        self._fresh_s = fresh_s
        self._book = DailyCache(store, repository, fresh_s)
        self._spans: dict[str, tuple[float, _Span | None]] = {}
        self._learned: dict[str, tuple[float, Learning]] = {}
        self._asked: tuple[float, Asked] | None = None
        self._gaps = GapList(store, repository.documents)
        self._turn = asyncio.Lock()
        self.prices = TokenPrices()
        self.is_restricted: IsRestricted = lambda _, __: False
        self.are_restricted: AreClosed = lambda _: False

    async def read(self, query: Query, now: datetime, *, questions: bool) -> dict[str, Any]:
        """Return it; what people asked only with `questions`. Raises StoreError."""
        span = await self._span(query.range, now)
        drawn = await asyncio.to_thread(draw, span.timeline, query.wants)
        return {
            "now": _iso(now),
            "as_of": _iso(span.as_of),
            "stale": span.as_of is not None and now - span.as_of > STALE,
            "live": span.live,
            "few": FEW,
            "range": {
                "name": span.range,
                "step_s": span.timeline.step.total_seconds(),
                "smoothed": span.timeline.smoothed,
                "before": bool(span.timeline.before),
            },
            "chosen": {"channel": query.channel, "version": query.version, "site": query.site},
            "choices": _choices(span.timeline),
            "at": [_iso(bucket.begin) for bucket in span.timeline.buckets],
            "figures": _figures(drawn),
            "asking": await self._asking(span, query, now, questions=questions),
            "gaps": await self._gaps.describe(self.are_restricted) if questions else None,
            "tokens": describe_tokens(span.timeline, query.wants, self.prices),
            "learning": await self._describe_learning(span, now, questions=questions),
            "versions": self._versions(drawn, await self._standing_now()),
            "backlog": await self._backlog(span, now),
            "jobs": None if self._jobs is None else [_job(run) for run in await self._jobs()],
            "worst": await self._worst(span, query) if questions else None,
        }

    # What a range has

    async def _span(self, name: str, now: datetime) -> _Span:
        hours = await self._hours(name, now) if name in ("auto", "hours") else None
        return hours or await self._days(30 if name == "auto" else 7 if name == "hours" else int(name), now)

    async def _days(self, count: int, now: datetime) -> _Span:
        last = now.astimezone(UTC).date()
        read = await self._book.read(last - timedelta(days=2 * count - 1), last, now)
        timeline = of_days(read.days, last, count)
        rated = [one for one in read.rated if datetime.fromisoformat(one.answered_at) >= timeline.begin]
        return _Span(str(count), timeline, rated, read.as_of, read.live)

    async def _hours(self, name: str, now: datetime) -> _Span | None:
        """Return the time of all records if it is short, or the last two days; None where days have to do."""
        async with self._turn:
            until, span = self._spans.get(name, (0.0, None))
            if until <= time.monotonic():
                span = await self._read_hours(name, now)
                self._spans[name] = (time.monotonic() + self._fresh_s, span)
            return span

    async def _read_hours(self, name: str, now: datetime) -> _Span | None:
        try:
            found = await of_short_store(self._store, self._repository, now)
            if found is None and name == "hours":
                found = await self._last_hours(now)
        except TooMany:
            return None
        return None if found is None else _Span("hours", found[0], found[1].rated, now, live=True)

    async def _last_hours(self, now: datetime) -> tuple[Timeline, Worst]:
        begin = now - SHORT
        timeline, bad = await of_span(self._store, self._repository, (begin, now), now)
        last = now.astimezone(UTC).date()
        read = await self._book.read(last - timedelta(days=_LOOK_BACK_DAYS), last, now)
        earlier = find_versions(day for day in read.days if day.day < begin.date())
        return replace(timeline, earlier=earlier), bad

    # What stands beside the figures

    async def _learning(self, span: _Span, now: datetime) -> Learning:
        async with self._turn:
            until, learned = self._learned.get(span.range, (0.0, None))
            if learned is None or until <= time.monotonic():
                learned = await measure(self._store, self._repository, span.timeline, now)
                self._learned[span.range] = (time.monotonic() + self._fresh_s * _LEARNING_FRESH, learned)
            return learned

    async def _is_closed(self, answer_id: str, review: Review | None) -> bool:
        """Tell whether an answer comes from a page that not everyone may read, or is gone."""
        answer = await self._store.answer(answer_id)
        return answer is None or self.is_restricted(answer, review)

    async def _describe_learning(self, span: _Span, now: datetime, *, questions: bool) -> dict[str, Any]:
        learned = await self._learning(span, now)
        told = {one.answer_id for one in (*learned.top, *learned.idle)} if questions else set[str]()
        closed = frozenset(
            [one for one in told if await self._is_closed(one, await self._repository.review(one))]
        )
        return describe_learning(learned, closed, questions=questions)

    async def _asking(self, span: _Span, query: Query, now: datetime, *, questions: bool) -> dict[str, Any]:
        async with self._turn:
            until, asked = self._asked or (0.0, None)
            if asked is None or until <= time.monotonic():
                asked = await read_asked(self._store, now)
                self._asked = (time.monotonic() + self._fresh_s * _LEARNING_FRESH, asked)
        begin = span.timeline.begin
        first, last = begin.astimezone(UTC).date(), now.astimezone(UTC).date()
        failures = await read_failures(self._repository.documents, first, last, query.channel)
        wanted = AskingQuery(begin, query.wants, questions)
        closing = Closing(self._is_closed, self.are_restricted)
        return await describe_asking(asked, wanted, failures, self._repository, closing, now)

    async def _standing_now(self) -> RolloutState:
        try:
            return await asyncio.to_thread(self._standing)
        except VersionError:
            return RolloutState()

    def _versions(self, drawn: Drawn, standing: RolloutState) -> list[dict[str, Any]]:
        """Return the versions that answered, and those that stand ready without an answer so far.

        They have the order in which they were live, whatever the range is, so that each keeps its number and
        colour.
        """
        marked = {version.name: version for version in drawn.versions}
        ready = [name for name in (standing.name, standing.canary) if name]
        order = dict.fromkeys((*standing.before, *ready, *(name for name in marked if name != VERIFIED)))
        shown = [(at, name) for at, name in enumerate(order) if name in marked or name in ready]
        found = [_version(marked.get(name) or Marked(name, None, (), {}), standing, at) for at, name in shown]
        return [*found, *(_version(marked[name], standing, None) for name in (VERIFIED,) if name in marked)]

    async def _backlog(self, span: _Span, now: datetime) -> dict[str, Any]:
        seen = [bucket.backlog for bucket in span.timeline.buckets]
        return {
            **asdict(await self._book.backlog(now)),
            "waited": [one.waiting if one else None for one in seen],
        }

    async def _worst(self, span: _Span, query: Query) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for rated in daily.select_worst(daily.select_rated(span.rated, query.wants)):
            answer = await self._store.answer(rated.answer_id)
            if answer is not None:  # not forgotten since
                review = await self._repository.review(answer.id)
                told = _describe_rated(rated, answer, review)
                closed = self.is_restricted(answer, review)
                found.append(told | {"question": CLOSED, "answer": ""} if closed else told)
        return found


# Records → JSON


def _figures(drawn: Drawn) -> dict[str, Any]:
    return {
        name: {
            "points": [_value(point) for point in points],
            "now": _value(drawn.now[name]),
            "before": _value(drawn.before[name]),
            "tone": judge_tone(name, drawn.now[name], drawn.before[name]),
            "changed": _compute_change(drawn.now[name], drawn.before[name]),
            "smoothed": name in SMOOTHED,
        }
        for name, points in drawn.points.items()
    }


def _compute_change(now: Value | None, before: Value | None) -> dict[str, float | None] | None:
    if now is None or before is None:
        return None
    low, high = difference(now, before) or (None, None)
    return {"by": now.value - before.value, "low": low, "high": high}


def _values(values: Values) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Value | None) -> dict[str, Any] | None:
    if value is None:
        return None
    bounds = {} if value.low is None else {"low": value.low, "high": value.high}
    return {"value": value.value, "n": value.count, **bounds}


def _version(version: Marked, standing: RolloutState, number: int | None) -> dict[str, Any]:
    """`number` is None for the answers that reviewers stand for: no model wrote them."""
    return {
        "name": version.name,
        "number": number,
        "status": "reviewed" if number is None else str(standing.derive_status(version.name)),
        "share": standing.find_share(version.name),
        "bucket": version.bucket,
        "answers": list(version.answers),
        "figures": _values(version.values),
    }


def _choices(timeline: Timeline) -> dict[str, list[str]]:
    groups = {group for bucket in (*timeline.before, *timeline.buckets) for group in bucket.groups}
    names: Mapping[str, Callable[[Group], str]] = {
        "channel": lambda group: group.channel,
        "version": lambda group: group.model_version,
        "site": lambda group: group.site,
    }
    return {name: sorted({of(group) for group in groups}) for name, of in names.items()}


def _job(run: JobRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "outcome": run.outcome,
        "ended_at": run.ended_at or None,
        "seconds": run.seconds if run.ended_at else None,
        "next_at": run.next_at or None,
        "error": run.error,
    }


def _describe_rated(rated: Rated, answer: Answer, review: Review | None) -> dict[str, Any]:
    ruling = review.ruling if review else None
    return {
        "question": answer.question.text[:_TEXT],
        "answer": render_words(answer)[:_TEXT],
        "at": _iso(answer.answered_at),
        "version": answer.model_version,
        "channel": str(answer.question.channel),
        "site": rated.group.site,
        "mean": rated.mean,
        "n": rated.count,
        "stars": rated.stars / rated.starred if rated.starred else None,
        "starred": rated.starred,
        "likes": rated.likes,
        "dislikes": rated.dislikes,
        "review": str(ruling.ruling) if ruling else "waiting" if review else None,
        "answer_id": answer.id if review else None,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else write_time(at)

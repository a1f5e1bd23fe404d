"""The command about what corrections do: `askpage learning`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.stores import open_store
from cli.console import Json, out, print_json, with_settings
from cli.tables import print_table
from core.records import Channel, Ruling
from core.settings import Settings
from core.text import clip_text
from feedback.metrics.learning import Lag, Learning, Points, RulingReach, measure_days
from feedback.metrics.timeline import Value
from feedback.reviews.repository import ReviewRepository

_TEXT = 90
"""Longest text of a question in a table, characters."""
_CHANNELS = {
    Channel.TEAMS: "Teams",
    Channel.SLACK: "Slack",
    Channel.LOCAL: "the chat page",
    Channel.WIDGET: "the widget",
    Channel.COMMAND_LINE: "the command line",
}
_RULINGS = {
    Ruling.APPROVED: "approved",
    Ruling.CORRECTED: "corrected",
    Ruling.NOT_ON_PAGE: "not on the page",
}
_UNITS = ((86_400, "days"), (3_600, "h"), (60, "min"))


@with_settings
def learning_command(
    settings: Settings,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How far back to look.")] = 30,
    as_json: Json = False,
) -> None:
    """Show what corrections change: how soon they reach people, how many, and what reviews do to accuracy."""
    found = asyncio.run(_measure(settings, days))
    if as_json:
        print_json(to_json(found))
        return
    for sentence in describe(found, days):
        out.print(sentence, highlight=False, soft_wrap=True)
    _print_served("The verified answers that served most; asked in the same words, in other words", found.top)
    _print_idle(found)


async def _measure(settings: Settings, days: int) -> Learning:
    async with open_store(settings) as store:
        return await measure_days(store, ReviewRepository(store.documents), days, datetime.now(UTC))


def to_json(found: Learning) -> dict[str, Any]:
    """Return the figures as JSON has them; times are ISO text."""
    return json.loads(json.dumps(asdict(found), default=datetime.isoformat))


def describe(found: Learning, days: int) -> Iterable[str]:
    """Yield the figures as sentences."""
    stand = f"{found.rulings} of them let an answer stand"
    yield f"The last {days} days: {found.reviews} reviews settled, {stand}."
    yield f"Correction lag, from a decision to the first answer that has it: {_say_lag(found.lag)}."
    for channel, lag in found.lags.items():
        yield f"  first on {_CHANNELS.get(Channel(channel), channel)}: {_say_lag(lag)}."
    if found.unserved:
        yield f"  {found.unserved} of {found.rulings} decisions served nobody yet, and have no lag."
    yield (
        f"Of that, until a decision is kept and can be served: {_say_lag(found.kept)}. When each process has"
        " it in memory is not recorded."
    )
    yield f"Served from decisions, old and new: {found.answers} answers."
    if found.answers:
        yield f"  in the words of the question that was reviewed: {_say_share(found.same)}"
        yield f"  in other words: {_say_share(found.other)}"
        yield f"  rated down: {_say_share(found.down)}"
        yield f"  found wrong by reviewers afterwards: {_say_share(found.wrong)}"
    yield f"Points per 100 reviews: {_say_points(found.points)}"


def _say_lag(lag: Lag) -> str:
    if lag.p50_s is None or lag.p95_s is None:
        return "not known yet"
    return f"median {say_duration(lag.p50_s)}, p95 {say_duration(lag.p95_s)}, from {lag.count}"


def say_duration(seconds: float) -> str:
    """Return a time as people say it, in the largest unit of which there are two, and in seconds."""
    exact = f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.0f} s"
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ({exact})"
    return exact


def _say_share(share: Value | None) -> str:
    if share is None or share.low is None or share.high is None:
        return "not known yet"
    return f"{share.value:.0%} (95 %: {share.low:.0%} to {share.high:.0%}), of {share.count}"


def _say_points(points: Points) -> str:
    if points.unknown == "few_judged":
        return f"not enough to tell: only {points.judged} answers of the random sample are judged."
    if points.unknown == "few_reviews" or None in (points.value, points.low, points.high):
        return f"not enough to tell: only {points.reviews:.0f} reviews between the halves of the sample."
    basis = f"{points.judged} judged answers and {points.reviews:.0f} reviews between their halves"
    chance = "; that may be chance" if _may_be_chance(points) else ""
    return (
        f"{points.value:+.1f} points of accuracy (95 %: {points.low:+.1f} to {points.high:+.1f}), from"
        f" {basis}{chance}."
    )


def _may_be_chance(points: Points) -> bool:
    return points.low is not None and points.high is not None and points.low <= 0 <= points.high


def _print_served(title: str, rulings: Sequence[RulingReach]) -> None:
    if not rulings:
        return
    table = Table("Question", "Decision", title=title, title_justify="left")
    for column in ("Served", "Same", "Other", "Down", "Wrong"):
        table.add_column(column, justify="right")
    for one in rulings:
        if one.served is not None:
            served = one.served
            counts = (served.answers, served.same, served.other, served.down, served.wrong)
            table.add_row(_quote(one), _RULINGS.get(one.ruling, ""), *map(str, counts))
    print_table(table)


def _print_idle(found: Learning) -> None:
    if not found.idle:
        return
    title = f"Corrections that served nobody: {found.idle_count}; the newest"
    table = Table("Question", "Decision", "Settled (UTC)", title=title, title_justify="left")
    for one in found.idle:
        table.add_row(_quote(one), _RULINGS.get(one.ruling, ""), f"{one.settled_at:%Y-%m-%d %H:%M}")
    print_table(table)


def _quote(one: RulingReach) -> str:
    whole = one.text.encode("utf-8", "replace").decode()  # people can send half a character
    return clip_text(" ".join(whole.split()), _TEXT)

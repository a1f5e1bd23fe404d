"""The command about what models read and wrote: `askpage tokens`, by day and model version, with its cost."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from bot.stores import open_store
from cli.console import Json, out, print_json, with_settings
from cli.tables import print_table
from core.settings import Settings
from feedback.metrics.daily import Day
from feedback.metrics.daily_cache import DailyCache
from feedback.metrics.tokens import TokenPrices, TokenSums
from feedback.reviews.repository import ReviewRepository

_COLUMNS = ("Answers", "Read", "Cached", "Written")


@dataclass(frozen=True, slots=True)
class Row:
    """The tokens of one day's answers by one model version; `cost` in `currency`, None: no cost is known."""

    day: str
    version: str
    answers: int
    read: int
    cached: int
    written: int
    cost: float | None
    currency: str | None


@with_settings
def tokens_command(
    settings: Settings,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How far back to look.")] = 30,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_json: Json = False,
) -> None:
    """Show how many tokens models read and wrote, by day and model version, and what they cost."""
    prices = TokenPrices(**settings.token_price.values())
    found = asyncio.run(_read(settings, days))
    rows = [*_list_rows(found, prices)]
    if as_json:
        print_json([asdict(row) for row in rows])
    elif as_csv:
        names = list(Row.__dataclass_fields__)
        writer = csv.DictWriter(sys.stdout, names)
        writer.writeheader()
        writer.writerows(map(asdict, rows))
    elif not rows:
        out.print(f"No model was asked in the last {days} days, or the answers are older than this record.")
    else:
        _print(rows, prices)


async def _read(settings: Settings, days: int) -> Sequence[Day]:
    now = datetime.now(UTC)
    async with open_store(settings) as store:
        read = await DailyCache(store, ReviewRepository(store.documents)).read(*_span(now, days), now)
    if not read.live:
        as_of = f"of {read.as_of:%Y-%m-%d %H:%M} UTC" if read.as_of else "missing"
        typer.echo(f"The days' summary is {as_of}: askpage jobs run roll_up_metrics", err=True)
    return read.days


def _span(now: datetime, days: int) -> tuple[date, date]:
    last = now.date()
    return last - timedelta(days=days - 1), last


def _list_rows(days: Iterable[Day], prices: TokenPrices) -> Iterator[Row]:
    for day in sorted(days, key=lambda one: one.day):
        versions: dict[str, TokenSums] = {}
        for group, sums in sorted(day.groups.items()):
            if sums.tokens.answers:
                versions.setdefault(group.model_version, TokenSums()).merge(sums.tokens)
        for version, sums in versions.items():
            cost = prices.compute_cost(sums)
            currency = None if cost is None else prices.currency
            counts = (sums.answers, sums.read, sums.cached, sums.written)
            yield Row(day.day.isoformat(), version, *counts, cost, currency)


def _print(rows: Sequence[Row], prices: TokenPrices) -> None:
    table = Table("Day (UTC)", "Version")
    for name in (*_COLUMNS, *((prices.currency,) if prices.known else ())):
        table.add_column(name, justify="right")
    for row in rows:
        costs = (_money(row.cost),) if prices.known else ()
        table.add_row(
            row.day, row.version, *map(_count, (row.answers, row.read, row.cached, row.written)), *costs
        )
    table.add_section()
    sums = [sum(getattr(row, name.lower()) for row in rows) for name in _COLUMNS]
    known = [row.cost for row in rows if row.cost is not None]
    costs = (_money(sum(known) if known else None),) if prices.known else ()
    table.add_row("together", "", *map(_count, sums), *costs)
    print_table(table)


def _count(value: int) -> str:
    return f"{value:,}"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4f}" if value < 1 else f"{value:,.2f}"

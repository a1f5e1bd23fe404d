"""The dashboard alone on a port of its own, over a store that a test has filled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from bot.web.dashboard.data import DashboardData
from bot.web.dashboard.routes import DashboardAccess, dashboard_routes
from feedback.metrics.tokens import TokenPrices
from feedback.reviews.repository import ReviewRepository
from model.registry.versions import RolloutState
from tests.builders.serving import served


@dataclass(frozen=True)
class Run:
    """A job's last run."""

    name: str
    outcome: str = ""
    ended_at: str = ""
    seconds: float = 0.0
    next_at: str = ""
    error: str = ""


@dataclass
class Board:
    """What a dashboard stands on; `now` is its clock. Every request reads the store, but for `fresh_s`."""

    store: Any
    now: datetime
    standing: RolloutState = field(default_factory=RolloutState)
    runs: Sequence[Run] | None = None
    access: DashboardAccess = field(default_factory=lambda: DashboardAccess(local=True))
    fresh_s: float = 0.0
    prices: TokenPrices = field(default_factory=TokenPrices)

    def data(self) -> DashboardData:
        async def jobs() -> Sequence[Run]:
            return self.runs or ()

        given = None if self.runs is None else jobs
        data = DashboardData(
            self.store,
            ReviewRepository(self.store.documents),
            lambda: self.standing,
            given,
            fresh_s=self.fresh_s,
        )
        data.prices = self.prices
        return data


@asynccontextmanager
async def a_board(board: Board) -> AsyncGenerator[str]:
    """Serve it; yields its address."""
    app = web.Application()
    app.add_routes(dashboard_routes(board.data(), board.access, lambda: board.now))
    async with served(app) as url:
        yield url

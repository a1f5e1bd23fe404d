"""The tab in Teams between Entra (a double) and a bot of `tests/builders/world.py`, on real servers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from bot.teams.auth import KeyTimes
from bot.teams.tab.page import TabPage, TabServices
from bot.teams.tab.tokens import TabConfig
from tests.builders.world import LISTED, World, served
from tests.doubles.entra import OTHER_TENANT, TENANT, EntraDouble
from tests.doubles.tokens import APP_ID

ADA = "11111111-aaaa-4aaa-8aaa-000000000001"
BOB = "22222222-bbbb-4bbb-8bbb-000000000002"
BOT_URL = "https://bot.example"
PRESS = "12345678-1234-4234-8234-123456789abc"
SAID: dict[str, dict[str, Any]] = {
    "export": {"press": PRESS},
    "learning": {"press": PRESS, "on": False},
    "delete": {"press": PRESS, "sure": True},
}
"""What the page sends, by where to."""


@dataclass
class Tab:
    """The tab of one bot. `heard` are those whom the bot was told of while its key changes."""

    world: World
    entra: EntraDouble
    url: str
    http: aiohttp.ClientSession
    heard: list[str] = field(default_factory=list[str])

    async def ask(
        self, path: str, token: str | None, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Ask for something with a token; whatever has a body is sent."""
        headers |= {"Authorization": f"Bearer {token}"} if token is not None else {}
        method = "GET" if path == "overview" else "POST"
        address = f"{self.url}/teams/tab/{path}"
        async with self.http.request(method, address, json=body, headers=headers) as response:
            return response.status, await response.json()


@asynccontextmanager
async def a_tab(world: World) -> AsyncGenerator[Tab]:
    entra = EntraDouble()
    async with served(entra.app) as entra.url, aiohttp.ClientSession() as http:
        tab = Tab(world, entra, "", http)

        async def recognise(person: str) -> None:
            tab.heard.append(person)

        parts = world.parts
        config = TabConfig(APP_ID, (TENANT, OTHER_TENANT.upper()), BOT_URL, entra.login_url)
        services = TabServices(
            parts.make_overviews(lambda: LISTED),
            parts.privacy,
            parts.links,
            recognise,
            parts.pseudonym,
            parts.terms,
            BOT_URL,
        )
        page = TabPage(config, services, KeyTimes(unknown_key_s=0, failure_s=0))
        app = web.Application()
        app.add_routes(page.routes())
        async with served(app) as tab.url:
            yield tab
        await page.close()

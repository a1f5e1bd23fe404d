"""The widget beside a chat page, with all behind it real but the model; and visitors without a window."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from bot.card_tokens import CardSigner
from bot.channel import StreamPace
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.message import Connector
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.http import AUTO_DECOMPRESS
from bot.services import Services
from bot.web.chat_page import BotKnowledge
from bot.web.chats import Chats
from bot.web.conversations import Conversations
from bot.web.erase import PAGE_FILES
from bot.web.widget.limits import RateLimits, WidgetLimits
from bot.web.widget.routes import WidgetPage, WidgetParts
from bot.web.widget.sessions import Sessions
from core.records import Channel
from tests.browser.chat import PAGES
from tests.builders.world import KEY, pseudonym

Json = dict[str, Any]
SITE = "https://intranet.example"
OTHER_SITE = "https://shop.example"
EXAMPLES = ("How long is parental leave?",)
_CONFIG = re.compile(r'<meta name="askpage" content="([^"]*)">')


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Behind(Protocol):
    """The bot behind a widget: a chat page with its parts (`tests/browser/chat.py`), or what has the same."""

    parts: Services
    asking: Asking
    connectors: dict[str, Connector]


@dataclass
class Widget:
    """A running widget. `url` ends without a slash; `origins` are the sites that may show it."""

    chat: Behind
    data_dir: Path
    origins: Sequence[str] = (SITE, OTHER_SITE)
    limits: WidgetLimits = field(default_factory=WidgetLimits)
    clock: Callable[[], float] = field(default_factory=Clock)
    examples: Sequence[str] = EXAMPLES
    known: list[tuple[str, str]] = field(
        default_factory=lambda: [(one.url, one.title) for one in PAGES.values()]
    )
    """The pages that everybody may read, as (URL, title)."""

    async def start(self) -> None:
        config = ChannelConfig(Channel.WIDGET, self.examples, StreamPace(interval_s=0.05))
        parts = self.chat.parts
        self.handler = ActivityHandler(
            parts.handlers(self.chat.asking, Reviewers([]), Channel.WIDGET), config
        )
        kept = Conversations(self.data_dir / PAGE_FILES[Channel.WIDGET], Channel.WIDGET)
        self.chats = Chats(self.handler, kept)
        self.chat.connectors[Channel.WIDGET] = self.chats
        self.sessions = Sessions(CardSigner(KEY), self.origins, 86_400.0, self.clock)
        knows = BotKnowledge(lambda: list(self.examples), lambda: self.known)
        self.rates = RateLimits(self.limits, self.clock)
        self.page = WidgetPage(WidgetParts(self.chats, self.sessions, self.rates, knows))
        parts.privacy.memories.append(
            lambda one: self.chats.forget(one, lambda sender: pseudonym(sender) == one.person)
        )
        app = web.Application()
        app.add_routes(self.page.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=1, auto_decompress=AUTO_DECOMPRESS)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self.chats.hang_up()
        await self._runner.cleanup()
        await self.handler.close()
        await self.chats.close()


@asynccontextmanager
async def a_widget(widget: Widget) -> AsyncGenerator[Widget]:
    """Run it for the length of a test, beside a chat page that runs."""
    await widget.start()
    try:
        yield widget
    finally:
        await widget.stop()


class Visitor:
    """A browser without a window that has opened the panel on a site."""

    def __init__(self, http: aiohttp.ClientSession, widget: Widget, site: str = SITE) -> None:
        self.http = http
        self.widget = widget
        self.site = site
        self.session = self.visit = self.conversation = ""

    async def load(self) -> Json:
        """Load the panel; return what its page carries."""
        async with self.http.get(f"{self.widget.url}/widget/panel", params={"origin": self.site}) as response:
            found = _CONFIG.search(await response.text())
        assert found is not None
        return json.loads(html.unescape(found[1]))

    async def enter(self) -> None:
        """Begin a session, and a conversation."""
        status, told = await self.post(
            "/widget/session", {"ticket": (await self.load())["ticket"], "visit": self.visit}
        )
        assert status == 200, told
        self.session, self.visit = told["session"], told["visit"]
        self.conversation = told["conversation"] or (await self.post("/widget/conversations", {}))[1]["id"]

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Json]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Origin": self.widget.url, "Authorization": f"Bearer {self.session}"}
        given = {name: value for name, value in (own | headers).items() if value}
        async with self.http.post(self.widget.url + path, data=data, headers=given) as response:
            return response.status, await response.json()

    async def do(self, kind: str, **fields: object) -> tuple[int, Json]:
        return await self.post(
            "/widget/activities", {"conversation": self.conversation, "type": kind, **fields}
        )

    async def messages(self) -> list[Json]:
        """Return what the conversation shows now."""
        headers = {"Authorization": f"Bearer {self.session}"}
        where = {"conversation": self.conversation}
        async with self.http.get(
            f"{self.widget.url}/widget/events", params=where, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
            async with asyncio.timeout(10):
                async for raw in response.content:
                    if raw.startswith(b'data: {"id": ') and b'"messages"' in raw:
                        return json.loads(raw.removeprefix(b"data: "))["messages"]
        raise AssertionError("the stream ended")


@asynccontextmanager
async def a_visitor(widget: Widget, site: str = SITE) -> AsyncGenerator[Visitor]:
    """Open the panel as somebody new on a site."""
    async with aiohttp.ClientSession() as http:
        visitor = Visitor(http, widget, site)
        await visitor.enter()
        yield visitor

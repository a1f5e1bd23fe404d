"""The local chat page with all behind it real but the model: front end, asking, channel, viewer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.channel import StreamPace
from bot.channels.files.sent_files import FilePages
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.incoming import Reference
from bot.channels.message import Connector, InvokeReply
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.dialogs.rate import RatingRules
from bot.dialogs.talk import Talking
from bot.http import AUTO_DECOMPRESS
from bot.services import Services
from bot.web.activities import REVIEWER, directory_id
from bot.web.channel import CAPABILITIES
from bot.web.chat_page import BotKnowledge, ChatPage
from bot.web.data_download import DataDownload
from bot.web.pages import site_routes
from bot.web.uploads import Uploads
from bot.web.widget.channel import CAPABILITIES as WIDGET
from core.records import Answer, AnswerKind, Channel, Citation, Page, Question, Section
from feedback.reviews.repository import ReviewRepository
from tests.builders.world import (
    KEY,
    LISTED,
    NO_SAMPLE,
    MemoryStore,
    NothingKnown,
    an_answer,
    pseudonym,
    some_dependencies,
)

Json = dict[str, Any]

LEAVE = Page(
    url="/site/handbook/leave",
    title="Time off",
    sections=(
        Section(
            "", "", "How much time off there is, and how to take it.\n" + "Ask early, plan together. " * 60
        ),
        Section(
            "Annual leave",
            "annual-leave",
            "Everyone has thirty days of paid leave a year.\n\n"
            "- Half days count as half.\n- Ten days move on.\n\n"
            + "Leave is asked for in the calendar, at least two weeks ahead. "
            * 30,
        ),
        Section(
            "Parents",
            "parents",
            "Parents get sixteen weeks\n of paid leave, <b>whichever</b> parent they are.\n\n"
            + "It may be taken in up to three parts. " * 40,
        ),
    ),
    page_hash="h1",
    fetched_at=datetime(2026, 11, 23, tzinfo=UTC),
)
PAGES = {LEAVE.url: LEAVE}
PARENTS = Citation(
    "/site/handbook/leave#parents", "Time off", "Parents", "Parents get sixteen weeks of paid leave"
)
ANNUAL = Citation(
    "/site/handbook/leave#annual-leave",
    "Time off",
    "Annual leave",
    "Everyone has thirty days of paid leave a year.",
)


@dataclass
class Lines:
    """What the scripted model says to one question. With `steps` it waits for a release before each draft.

    `first` is what it quotes before that.
    """

    text: str
    citations: Sequence[Citation] = ()
    drafts: Sequence[str] = ()
    kind: AnswerKind = AnswerKind.ANSWERED
    marked: str = ""
    first: Lines | None = None
    steps: asyncio.Semaphore | None = None


class Actor:
    """An answerer that knows its lines by the words in a question; without a line it abstains."""

    def __init__(self, lines: dict[str, Lines] | None = None) -> None:
        self.lines = lines or {}
        self.asked: list[Question] = []

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        self.asked.append(question)
        known = (lines for words, lines in self.lines.items() if words in question.text)
        lines = next(known, Lines("", (ANNUAL,), kind=AnswerKind.DECLINED))
        if lines.first:
            yield _said(lines.first, question)
        for draft in lines.drafts:
            if lines.steps:
                await lines.steps.acquire()
            yield draft
        if lines.steps:
            await lines.steps.acquire()
        yield _said(lines, question)


def _said(lines: Lines, question: Question) -> Answer:
    answer = an_answer(question, lines.text, kind=lines.kind, marked=lines.marked)
    return replace(answer, citations=tuple(lines.citations))


class Eavesdropper:
    """Stands before a front end and keeps every activity that goes in."""

    def __init__(self) -> None:
        self.activities: list[Json] = []
        self.front: ActivityHandler
        self.raises: Exception | None = None
        self.reply: InvokeReply | None = None
        self._came = asyncio.Condition()

    async def receive(self, activity: Json, connector: Connector) -> InvokeReply | None:
        async with self._came:
            self.activities.append(json.loads(json.dumps(activity)))
            self._came.notify_all()
        if self.raises:
            raise self.raises
        return self.reply or await self.front.receive(activity, connector)

    async def came(self, kind: str, count: int = 1) -> Json:
        """Wait for the `count`th activity of this type (an invoke: of this name); return it."""

        def of_kind() -> list[Json]:
            return [a for a in self.activities if kind in (a["type"], a.get("name"))]

        async with self._came:
            await asyncio.wait_for(self._came.wait_for(lambda: len(of_kind()) >= count), 20)
        return of_kind()[count - 1]


async def _page(url: str) -> Page | None:
    return PAGES.get(url)


@dataclass
class Chat:
    """A running page. `url` ends without a slash; `restart` stops it and starts it again on the same data."""

    data_dir: Path
    port: int = 0
    actor: Actor = field(default_factory=Actor)
    store: MemoryStore = field(default_factory=MemoryStore)
    heard: Eavesdropper = field(default_factory=Eavesdropper)
    loading: Callable[[], str | None] = lambda: None
    suggestions: Sequence[str] = ()
    examples: Sequence[str] = ()
    interval_s: float = 0.05
    root: Path | None = None
    known: NothingKnown = field(default_factory=NothingKnown)
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    file_pages: FilePages | None = None
    connectors: dict[str, Connector] = field(default_factory=dict[str, Connector])
    """Those of other channels, by their id."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def here(self) -> Reference:
        """Return the conversation of the first message that was sent."""
        return Reference((await self.heard.came("message"))["conversation"], {}, {}, "")

    async def show(self, shown: Json) -> None:
        """Show a message as it stands, also one that no message of ours could be."""
        kept = self.channel.conversations
        conversation = kept.get((await self.here()).conversation["id"])
        assert conversation is not None
        await kept.put(conversation, {"id": kept.new_id(), "at": kept.now(), **shown})

    def _pages(self) -> Sequence[tuple[str, str]]:
        return [(page.url, page.title) for page in PAGES.values()]

    async def start(self) -> None:
        where = {"root": self.root} if self.root else {}
        self.page = ChatPage(
            self.heard,
            self.data_dir,
            knows=BotKnowledge(lambda: self.suggestions, self._pages, self._loading),
            **where,
        )
        self.channel = self.page.chats
        app = web.Application()
        app.add_routes(self.page.routes())
        app.add_routes(site_routes(_page, lambda: [(page.url, page.title) for page in PAGES.values()]))
        app.router.add_get("/local/export/{token}", self._export)
        self._runner = web.AppRunner(app, shutdown_timeout=1, auto_decompress=AUTO_DECOMPRESS)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self.parts = self._feedback()
        self.parts.privacy.memories.append(
            lambda one: self.page.forget(one, lambda directory: pseudonym(directory) == one.person)
        )
        talking = Talking(lambda: [(LEAVE.url, LEAVE.title), *LISTED], self.examples)
        talking.read_file = self.parts.files.ensure
        if self.file_pages is not None:
            pictures = self.parts.files.reads_pictures
            uploads = Uploads(self.data_dir, most_bytes=1_000_000, pictures=pictures)
            self.parts.files.downloaders[Channel.LOCAL] = uploads
            self.page.take_files(uploads)
        self.asking = Asking(self.store, self.actor, self.parts.looking, talking=talking)
        style = ChannelConfig(
            Channel.LOCAL, self.examples, StreamPace(interval_s=self.interval_s), shows_reviewers_cards=True
        )
        hands = self.parts.handlers(self.asking, Reviewers([directory_id(REVIEWER)]))
        self.heard.front = ActivityHandler(hands, style)

    def _feedback(self) -> Services:
        dependencies = replace(
            some_dependencies(lambda: self.channel, self.url),
            connector=lambda place: self.connectors.get(str(place.get("channelId")), self.channel),
            known=self.known,
            capabilities={Channel.LOCAL: CAPABILITIES, Channel.WIDGET: WIDGET},
            file_pages=self.file_pages,
            fresh=lambda verified: all(self.hashes.get(url, then) == then for url, then in verified.pages),
        )
        rules = (RatingRules(), NO_SAMPLE)
        return Services(self.store, ReviewRepository(self.store.documents), KEY, dependencies, rules)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        download = DataDownload(self.parts.links, self.parts.privacy)
        [route] = download.local_routes(self.channel.owner, pseudonym)
        return await route.handler(request)

    def _loading(self) -> str | None:
        return self.loading()

    async def stop(self) -> None:
        await self.asking.drain(2)
        await self.heard.front.close()
        await self.parts.privacy.close()
        self.channel.hang_up()
        await self._runner.cleanup()
        await self.channel.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def a_chat(chat: Chat) -> AsyncGenerator[Chat]:
    """Run a page for the length of a test."""
    await chat.start()
    try:
        yield chat
    finally:
        await chat.stop()


class Browser:
    """A browser without a window: it has the page's token, and posts and follows as the page does."""

    def __init__(self, http: aiohttp.ClientSession, chat: Chat) -> None:
        self.http = http
        self.chat = chat
        self.token = ""
        self.conversation = ""

    async def load(self) -> str:
        async with self.http.get(f"{self.chat.url}/") as response:
            page = await response.text()
        self.token = page.partition("&quot;token&quot;: &quot;")[2].partition("&quot;")[0]
        return page

    async def begin(self, person: str = "alex") -> str:
        status, body = await self.post(
            "/local/conversations", {"person": {"id": person, "name": person.title()}}
        )
        assert status == 200, body
        self.conversation = body["id"]
        return self.conversation

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Json]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-Askpage-Token": self.token} | headers
        async with self.http.post(f"{self.chat.url}{path}", data=data, headers=headers) as response:
            return response.status, await response.json()

    async def do(self, kind: str, **fields: object) -> tuple[int, Json]:
        return await self.post(
            "/local/activities", {"conversation": self.conversation, "type": kind, **fields}
        )

    async def events(self, after: str = "") -> AsyncIterator[tuple[str, str, Json]]:
        """Yield (id, event, data) as they come, from the change after the given id on."""
        url = f"{self.chat.url}/local/events?conversation={self.conversation}"
        async with self.http.get(url, headers={"Last-Event-ID": after} if after else {}) as response:
            event: dict[str, str] = {}
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line and name:
                    event[name] = value
                elif "data" in event:
                    yield event.get("id", ""), event["event"], json.loads(event["data"])
                    event = {}

    async def until(self, wanted: Callable[[str, Json], bool], after: str = "") -> tuple[str, Json]:
        """Wait for the first event that is wanted; return its id and data."""

        async def look() -> tuple[str, Json]:
            async for event_id, name, data in self.events(after):
                if wanted(name, data):
                    return event_id, data
            raise AssertionError("the stream ended")

        return await asyncio.wait_for(look(), 10)

    async def messages(self) -> list[Json]:
        """Return what the conversation shows now."""
        _, whole = await self.until(lambda name, _: name == "conversation")
        return whole["messages"]

    async def shows(self, wanted: Callable[[Json], bool]) -> Json:
        """Wait until a message is shown that is wanted; return it."""
        found: list[Json] = []

        def look(name: str, data: Json) -> bool:
            shown = data["messages"] if name == "conversation" else [data] if name == "message" else []
            found.extend(message for message in shown if wanted(message))
            return bool(found)

        await self.until(look)
        return found[-1]

    async def answered(self) -> Json:
        """Wait until a final answer with thumbs is shown; return it."""
        return await self.shows(lambda shown: shown.get("loop", False) and shown["state"] == "final")


@asynccontextmanager
async def a_browser(chat: Chat) -> AsyncGenerator[Browser]:
    """Open the page as somebody on this machine."""
    async with aiohttp.ClientSession() as http:
        browser = Browser(http, chat)
        await browser.load()
        yield browser

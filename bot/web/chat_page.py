"""The local chat page: a small Teams for one machine.

What a person does in the browser becomes the activity that Teams would send, on channel "local", and goes to
the same activity handler; what the activity handler sends comes back through its connector.

`bot/web/access.py` says who may use it, `bot/web/chats.py` stands between it and the activity handler,
`bot/web/conversations.py` keeps what is shown, `bot/web/activities.py` writes the activities.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from bot.page_language import describe_language, list_tags, translate_page
from bot.web.access import HEADERS, Handler, RefusedError, only_from_here, read_object
from bot.web.activities import REVIEWER, name_sender, parse_person
from bot.web.chats import Chats, Front
from bot.web.conversations import Conversation, Conversations, Shown
from bot.web.erase import PAGE_FILES, IsTheirs
from bot.web.uploads import Uploads
from core.records import Channel
from core.text import Json
from core.translation import say, set_language
from feedback.privacy.deletion_log import Deletion

STATIC = Path(__file__).resolve().parent.parent / "static"
ADAPTIVE_CARDS = Path("node_modules/adaptivecards/dist/adaptivecards.min.js")
PEOPLE = (
    {"id": "alex", "name": "Alex"},
    {"id": "sam", "name": "Sam"},
    {"id": REVIEWER, "name": "Robin (reviewer)"},
)
SWEEP_EVERY_S = 60.0
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

MOST_TITLE = 120


@dataclass(frozen=True, slots=True)
class BotKnowledge:
    """What the page tells of the bot, as it is at that moment.

    `suggestions` returns first questions, `pages` (URL, title) of what is known; `loading` a sentence while
    pages are missing, or the model is, else None.
    """

    suggestions: Callable[[], Sequence[str]] = tuple
    pages: Callable[[], Sequence[tuple[str, str]]] = tuple
    loading: Callable[[], str | None] = lambda: None


def count_pages(pages: Sequence[tuple[str, str]]) -> list[Shown]:
    """Return how many pages there are of each site or folder, the largest first."""
    counts: Counter[str] = Counter()
    for url, _ in pages:
        parts = urlsplit(url)
        ours = parts.path.startswith("/site/")
        folder = parts.path.removeprefix("/site/").partition("/")[0] if ours else ""
        counts[parts.hostname or folder or "pages"] += 1
    return [{"name": name, "count": count} for name, count in counts.most_common()]


def has_words(chat: Conversation, words: Sequence[str]) -> bool:
    """Tell whether all words, in small letters, stand in a conversation's title or messages."""
    if not words:
        return True
    texts = [chat.title, *(str(one.get("text", "")) for one in chat.messages.values())]
    said = "\n".join(texts).casefold()
    return all(word in said for word in words)


def _describe(chat: Conversation) -> Shown:
    return {"id": chat.id, "title": chat.title[:MOST_TITLE], "begun": chat.begun, "named": bool(chat.name)}


class ChatPage:
    """The page and its `chats`. One per process.

    `people` are those who can be spoken as. `root` is the folder that holds node_modules.
    """

    def __init__(
        self,
        front: Front,
        data_dir: Path,
        *,
        people: Sequence[Mapping[str, str]] = PEOPLE,
        knows: BotKnowledge | None = None,
        root: Path = STATIC.parent.parent,
    ) -> None:
        self._people = tuple(people)
        self._knows = knows or BotKnowledge()
        self.chats = Chats(front, Conversations(data_dir / PAGE_FILES[Channel.LOCAL]), self._knows.loading)
        self._cards = root / ADAPTIVE_CARDS
        self._uploads: Uploads | None = None
        self._token = secrets.token_urlsafe(24)

    def take_files(self, uploads: Uploads) -> None:
        """Let people send files, too."""
        self._uploads = uploads

    def routes(self) -> list[web.RouteDef]:
        """Return the page, its files, its events and what it posts."""
        return [
            web.get("/", self._guard(self._page), allow_head=False),
            web.get("/static/{name}", self._guard(self._file), allow_head=False),
            web.get("/local/conversations", self._guard(self._list), allow_head=False),
            web.get("/local/conversations/{id}", self._guard(self._find), allow_head=False),
            web.post("/local/conversations", self._guard(self._begin)),
            web.post("/local/rename", self._guard(self._rename)),
            web.post("/local/end", self._guard(self._end)),
            web.post("/local/stop", self._guard(self._stop)),
            web.get("/local/events", self._guard(self._events), allow_head=False),
            web.post("/local/activities", self._guard(self._take)),
            web.post("/local/files", self._guard(self._upload)),
        ]

    async def keep_clean(self) -> None:
        """Erase files that nobody sent, and what was taken from the page, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.chats.keep_clean())
            if self._uploads is not None:
                tasks.create_task(_sweep(self._uploads))

    async def forget(self, deletion: Deletion, is_theirs: IsTheirs) -> None:
        """Erase what is shown of a person from before a deletion, and the files that wait to be read."""
        if self._uploads is not None:
            theirs = [one.id for one in self.chats.conversations.all() if is_theirs(name_sender(one))]
            await asyncio.to_thread(self._uploads.forget, theirs)
        await self.chats.forget(deletion, is_theirs)

    # The browser

    def _guard(self, handler: Handler) -> Handler:
        async def handle_in_language(request: web.Request) -> web.StreamResponse:
            set_language(*list_tags(request))
            return await handler(request)

        return only_from_here(handle_in_language, token=self._token)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        config = {
            "token": self._token,
            "people": self._people,
            "suggestions": list(self._knows.suggestions()),
            "knows": count_pages(self._knows.pages()),
            "loading": self.chats.loading(),
            "cards": self._cards.is_file(),
            "file_bytes": self._uploads.most_bytes if self._uploads else 0,
            **describe_language(request),
        }
        theme = request.cookies.get("askpage-theme", "")
        page = translate_page(STATIC / "index.html")
        page = page.replace("{{config}}", escape(json.dumps(config)))
        page = page.replace("{{theme}}", theme if theme in ("light", "dark") else "system")
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = self._cards if name == self._cards.name else STATIC / name
        content_type = _TYPES.get(path.suffix)
        if content_type is None or "/" in name or not path.is_file():
            raise RefusedError(404, say("There is no such file."), "not_found")
        return web.FileResponse(path, headers={"Content-Type": content_type, "Cache-Control": "no-cache"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        words = request.query.get("words", "").casefold().split()
        chats = self.chats.conversations.of_person(request.query.get("person", ""))
        return web.json_response([_describe(chat) for chat in chats if has_words(chat, words)])

    async def _find(self, request: web.Request) -> web.StreamResponse:
        """Tell whose conversation a link leads to."""
        chat = self.chats.find(request.match_info["id"])
        return web.json_response(_describe(chat) | {"person": chat.person})

    async def _rename(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        chat = self.chats.find(str(body.get("conversation", "")))
        await self.chats.conversations.rename(chat, " ".join(str(body.get("title", "")).split())[:MOST_TITLE])
        return web.json_response(_describe(chat))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        """Delete a conversation: its questions are forgotten with their answers, as one by one."""
        chat = self.chats.find(str((await read_object(request)).get("conversation", "")))
        await self.chats.end(chat)
        return web.json_response({})

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        """Stop the answer that is being written; what stands there stays."""
        chat = self.chats.find(str((await read_object(request)).get("conversation", "")))
        await self.chats.stop(chat)
        return web.json_response({})

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        chat = await self.chats.begin(parse_person((await read_object(request)).get("person")))
        return web.json_response({"id": chat.id})

    async def _take(self, request: web.Request) -> web.StreamResponse:
        """Turn one thing that the person did into its activity, show it, and hand it to the handler."""
        body = await read_object(request)
        chat = self.chats.find(str(body.get("conversation", "")))
        files = self._uploads.attach(chat.id, body.get("files")) if self._uploads else []
        return web.json_response(await self.chats.take(chat, self.chats.build(body, chat, files)))

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """Keep a file that the person sends with their next question."""
        if self._uploads is None:
            raise RefusedError(404, say("Files are not read here."), "not_found")
        chat = self.chats.find(request.query.get("conversation", ""))
        return web.json_response(await self._uploads.take(request, chat.id))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send a conversation's changes as Server-Sent Events until the browser goes away."""
        chat = self.chats.conversations.get(request.query.get("conversation", ""))
        last = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", **HEADERS}
        )
        await response.prepare(request)
        if chat is None:
            await response.write(b"event: gone\ndata: {}\n\n")
            return response
        with contextlib.suppress(ConnectionResetError):
            await self.chats.follow(response, chat, last, self._tell)
        return response

    def _tell(self) -> Json:
        return {"token": self._token, "loading": self.chats.loading()}


async def _sweep(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        await asyncio.to_thread(uploads.sweep)

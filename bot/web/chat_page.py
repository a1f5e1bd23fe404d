"""The local chat page: a small Teams for one machine.

What a person does in the browser becomes the activity that Teams would send, on channel "local", and goes to
the same front end; what the front end sends comes back through its connector, which is this channel too.

    browser ── POST /local/activities ──> ChatPage ── receive(activity, connector) ──> front end
    browser <── GET /local/events (SSE) ── ChatPage <── send, update, delete ────────── front end

`bot/web/access.py` says who may use it, `bot/web/conversations.py` keeps what is shown,
`bot/web/activities.py` writes the activities.

A message of the bot is shown as a JSON object:

    id, sender ("user" or "bot"), text, at (ISO time), state ("informative", "streaming", "final")
    ai        True when it carries the AI label
    citations [{position, name, text, url}], position as the [n] in the text; url is "" when it must not be
    opened
    cards     Adaptive Cards, which the page draws with Microsoft's renderer
    choices   [{title, text}]: what can be asked next, `text` is said for the person
    loop      True when thumbs stand below it
    own_form  True when the bot has a form of its own behind them (message/fetchTask)

and what the person did with it: edited, thumb {reaction, text, reasons}, reactions [name], failed (a
sentence), files [name].
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from aiohttp import web

from bot.cards.adaptive import CARD_TYPE, render_card
from bot.channel import STOPPED, ChannelError, Undeliverable
from bot.channels.incoming import Reference, to_object
from bot.channels.message import CitedSource, Message, Outgoing, StreamPart, Typing
from bot.web.access import HEADERS, Handler, RefusedError, only_from_here, read_object
from bot.web.activities import (
    REVIEWER,
    build_activity,
    derive_shown,
    directory_id,
    first_contact,
    parse_person,
)
from bot.web.conversations import Change, Conversation, Conversations, Shown
from bot.web.erase import PAGE_FILE, IsTheirs, forget_shown
from bot.web.uploads import Uploads
from core import telemetry
from feedback.privacy.deletion_log import Deletion
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

STATIC = Path(__file__).resolve().parent.parent / "static"
ADAPTIVE_CARDS = Path("node_modules/adaptivecards/dist/adaptivecards.min.js")
PEOPLE = (
    {"id": "alex", "name": "Alex"},
    {"id": "sam", "name": "Sam"},
    {"id": REVIEWER, "name": "Robin (reviewer)"},
)
HEARTBEAT_S = 15.0
LOADING_BEAT_S = 0.5
OVERWRITE_EVERY_S = 60.0
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

MOST_TITLE = 120
STOP_SAID = "Canceled by user"
"""How Teams refuses the next part of an answer whose asker pressed stop (`bot/channels/reply.py`)."""

QUOTE_LIMIT = 400
"""Longest quote that goes into a link to one of our pages, characters."""


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


def render_shown(message: Message | StreamPart) -> Shown:
    """Return what to show of a message of the bot, without `id` and `at`."""
    state = "final"
    if isinstance(message, StreamPart):
        state, message = "informative" if message.informative else "streaming", Message(message.text)
    return {
        "sender": "bot",
        "text": message.text,
        "state": state,
        "ai": bool(message.label),
        "citations": [_render_source(one) for one in message.citations],
        "cards": [render_card(message.card)] if message.card else [],
        "choices": [{"title": title or words, "text": words} for title, words in message.suggestions],
        "loop": message.thumbs is not None,
        "own_form": message.thumbs is not None and message.thumbs.asks_why,
    }


def _render_source(cited: CitedSource) -> Shown:
    url = openable(cited.url)
    return {
        "position": cited.position,
        "name": " · ".join(filter(None, (cited.name, cited.label))),
        "text": cited.quote,
        "url": with_quote(url, cited.quote) if url else "",
    }


def openable(url: str) -> str:
    """Return a link that a browser may be sent to (http, https, or a path on this site), or ""."""
    text = url.strip()
    if text.startswith("/") and not text.startswith(("//", "/\\")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def with_quote(url: str, words: str) -> str:
    """Let a link to one of our own pages (/site/... on this machine) mark the quoted words there."""
    parts = urlsplit(url)
    here = parts.hostname in (None, "localhost", "127.0.0.1", "::1")
    if not here or not parts.path.startswith("/site/") or parts.query or not words:
        return url
    return urlunsplit(parts._replace(query="quote=" + quote(words[:QUOTE_LIMIT], safe="")))


class InvokeResult(Protocol):
    """What a front end answers to an invoke."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...


class Front(Protocol):
    """What takes activities in (`bot/channels/handler.py`)."""

    async def receive(self, activity: dict[str, Any], connector: Any) -> InvokeResult | None:
        """Take one activity; answer an invoke. Messages are acknowledged by returning, and answered later."""
        ...


class ChatPage:
    """The page, its conversations, and the connector that the front end answers through. One per process.

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
        self._front = front
        self.conversations = Conversations(data_dir / PAGE_FILE)
        self._people = tuple(people)
        self._knows = knows or BotKnowledge()
        self._stopped: set[str] = set()
        self._loading = self._knows.loading
        self._cards = root / ADAPTIVE_CARDS
        self._uploads: Uploads | None = None
        self._token = secrets.token_urlsafe(24)
        self._closing = False

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
        """Write the file anew every now and then where something was taken from the page, until cancelled."""
        while True:
            await asyncio.sleep(OVERWRITE_EVERY_S)
            try:
                if self._uploads is not None:
                    await asyncio.to_thread(self._uploads.sweep)
                await self.conversations.overwrite()
            except OSError as error:
                log.warning("%s", error)

    def hang_up(self) -> None:
        """End the browsers' event streams, which try again by themselves. For the application's shutdown."""
        self._closing = True
        self.conversations.wake()

    async def close(self) -> None:
        """Write what is under way and let go of the file. What is sent afterwards raises OSError."""
        self.hang_up()
        await self.conversations.close()

    async def forget(self, deletion: Deletion, is_theirs: IsTheirs) -> None:
        """Erase what is shown of a person from before a deletion, and the files that wait to be read."""
        if self._uploads is not None:
            theirs = [one.id for one in self.conversations.all() if is_theirs(directory_id(one.person["id"]))]
            await asyncio.to_thread(self._uploads.forget, theirs)
        await forget_shown(self.conversations, deletion, is_theirs)

    def owner(self, conversation_id: str) -> str:
        """Return the directory id of whose conversation this is, "" for one that is gone."""
        chat = self.conversations.get(conversation_id)
        return directory_id(chat.person["id"]) if chat else ""

    # The connector of the front end

    async def send(self, reference: Reference, message: Outgoing) -> str:
        """Show a message; return its id.

        Raises Undeliverable if the conversation is gone, ChannelError for the rest of a stopped answer.
        """
        chat = self._chat(reference.conversation)
        if isinstance(message, Typing):
            self.conversations.typing(chat)
            return self.conversations.new_id()
        if chat.id in self._stopped and (isinstance(message, StreamPart) or message.stream_id):
            raise ChannelError(STOP_SAID, 403)
        message_id = message.stream_id or self.conversations.new_id()
        await self._show(chat, message_id, message)
        return message_id

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        """Show another one in a message's place; what people did with it stays."""
        await self._show(self._chat(reference.conversation), message_id, message)

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        """Show a message no more."""
        await self.conversations.remove(self._chat(conversation), message_id)

    async def _show(self, chat: Conversation, message_id: str, message: Message | StreamPart) -> None:
        before = chat.messages.get(message_id, {})
        kept = {key: before[key] for key in ("at", "thumb", "reactions") if key in before}
        shown = {"id": message_id, "at": self.conversations.now(), **render_shown(message), **kept}
        await self.conversations.put(chat, shown)

    def _chat(self, conversation: Mapping[str, Any]) -> Conversation:
        chat = self.conversations.get(str(conversation.get("id", "")))
        if chat is None:
            raise Undeliverable("the local page has no such conversation any more")
        return chat

    # The browser

    def _guard(self, handler: Handler) -> Handler:
        return only_from_here(handler, token=self._token)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        config = {
            "token": self._token,
            "people": self._people,
            "suggestions": list(self._knows.suggestions()),
            "knows": count_pages(self._knows.pages()),
            "loading": self._loading(),
            "cards": self._cards.is_file(),
            "file_bytes": self._uploads.most_bytes if self._uploads else 0,
        }
        theme = request.cookies.get("askpage-theme", "")
        page = (STATIC / "index.html").read_text("utf-8")
        page = page.replace("{{config}}", escape(json.dumps(config)))
        page = page.replace("{{theme}}", theme if theme in ("light", "dark") else "system")
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = self._cards if name == self._cards.name else STATIC / name
        content_type = _TYPES.get(path.suffix)
        if content_type is None or "/" in name or not path.is_file():
            raise RefusedError(404, "There is no such file.", "not_found")
        return web.FileResponse(path, headers={"Content-Type": content_type, "Cache-Control": "no-cache"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        words = request.query.get("words", "").casefold().split()
        chats = self.conversations.of_person(request.query.get("person", ""))
        return web.json_response([_describe(chat) for chat in chats if has_words(chat, words)])

    async def _find(self, request: web.Request) -> web.StreamResponse:
        """Tell whose conversation a link leads to."""
        chat = self._find_conversation(request.match_info["id"])
        return web.json_response(_describe(chat) | {"person": chat.person})

    async def _rename(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        chat = self._find_conversation(str(body.get("conversation", "")))
        await self.conversations.rename(chat, " ".join(str(body.get("title", "")).split())[:MOST_TITLE])
        return web.json_response(_describe(chat))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        """Delete a conversation: its questions are forgotten with their answers, as one by one."""
        chat = self._find_conversation(str((await read_object(request)).get("conversation", "")))
        for message in [one for one in chat.messages.values() if one["sender"] == "user"]:
            activity = build_activity({"type": "messageDelete", "id": message["id"]}, chat, "")
            await self._hand_over(activity)
            await self.conversations.remove(chat, message["id"])
        await self.conversations.end(chat)
        return web.json_response({})

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        """Stop the answer that is being written; what stands there stays."""
        chat = self._find_conversation(str((await read_object(request)).get("conversation", "")))
        self._stopped.add(chat.id)
        for message in [one for one in chat.messages.values() if one.get("state", "final") != "final"]:
            text = message["text"] if message["state"] == "streaming" else STOPPED
            await self.conversations.put(chat, {**message, "state": "final", "text": text, "stopped": True})
        return web.json_response({})

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        chat = await self.conversations.begin(parse_person((await read_object(request)).get("person")))
        await self._hand_over(first_contact(chat, self.conversations.new_id()))
        return web.json_response({"id": chat.id})

    async def _take(self, request: web.Request) -> web.StreamResponse:
        """Turn one thing that the person did into its activity, show it, and hand it to the front end."""
        body = await read_object(request)
        chat = self._find_conversation(str(body.get("conversation", "")))
        files = self._uploads.attach(chat.id, body.get("files")) if self._uploads else []
        activity = build_activity(body, chat, self.conversations.new_id(), files)
        self._stopped.discard(chat.id)
        await self._apply(chat, activity)
        try:
            result = await self._hand_over(activity)
        except RefusedError as refused:
            await self._mark_failed(chat, activity, str(refused))
            raise
        answer = {"id": activity["id"], "status": 200, "body": None}
        if result is not None:
            body = result.body
            answer.update(status=result.status, body=body)
            await self._refresh(chat, activity, to_object(body))
        return web.json_response(answer)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """Keep a file that the person sends with their next question."""
        if self._uploads is None:
            raise RefusedError(404, "Files are not read here.", "not_found")
        chat = self._find_conversation(request.query.get("conversation", ""))
        return web.json_response(await self._uploads.take(request, chat.id))

    async def _hand_over(self, activity: dict[str, Any]) -> InvokeResult | None:
        try:
            with telemetry.span("arrival"):
                return await self._front.receive(activity, self)
        except StoreUnavailable:
            raise RefusedError(
                503, "This could not be kept just now. Please try again.", "unavailable"
            ) from None
        except Exception:
            log.exception("the front end failed on a %s", activity["type"])
            raise RefusedError(500, "Something went wrong here. Please try again.", "failed") from None

    async def _apply(self, chat: Conversation, activity: dict[str, Any]) -> None:
        if activity["type"] == "messageDelete":
            await self.conversations.remove(chat, activity["id"])
            return
        shown = derive_shown(activity, chat, self.conversations.now())
        if shown is not None:
            await self.conversations.put(chat, shown)

    async def _refresh(self, chat: Conversation, activity: dict[str, Any], body: dict[str, Any]) -> None:
        """Put the card that answered an Action.Execute in the place of the message's card."""
        message = chat.messages.get(str(activity.get("replyToId")))
        if message is not None and body.get("type") == CARD_TYPE and to_object(body.get("value")):
            await self.conversations.put(chat, {**message, "cards": [body["value"]]})

    async def _mark_failed(self, chat: Conversation, activity: dict[str, Any], sentence: str) -> None:
        mine = chat.messages.get(activity["id"])
        if mine is not None:
            await self.conversations.put(chat, {**mine, "failed": sentence})

    def _find_conversation(self, conversation_id: str) -> Conversation:
        chat = self.conversations.get(conversation_id)
        if chat is None:
            raise RefusedError(404, "This conversation is gone. Begin a new one.", "gone")
        return chat

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send a conversation's changes as Server-Sent Events until the browser goes away."""
        chat = self.conversations.get(request.query.get("conversation", ""))
        last = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", **HEADERS}
        )
        await response.prepare(request)
        if chat is None:
            await response.write(b"event: gone\ndata: {}\n\n")
            return response
        with contextlib.suppress(ConnectionResetError):
            await self._stream(response, chat, self.conversations.parse_event_id(last))
        return response

    async def _stream(self, response: web.StreamResponse, chat: Conversation, after: int | None) -> None:
        status = None
        async for changes in self.conversations.follow(chat, after, self._beat_s):
            if self._closing:
                return
            told = {"token": self._token, "loading": self._loading()}
            text = "" if told == status else f"retry: 1000\nevent: status\ndata: {json.dumps(told)}\n\n"
            status = told
            text += "".join(self._event(change) for change in changes)
            await response.write((text or ": still here\n\n").encode())

    def _event(self, change: Change) -> str:
        identity = f"{self.conversations.epoch}-{change.number}"
        return f"id: {identity}\nevent: {change.event}\ndata: {json.dumps(change.data)}\n\n"

    def _beat_s(self) -> float:
        return HEARTBEAT_S if self._loading() is None else LOADING_BEAT_S

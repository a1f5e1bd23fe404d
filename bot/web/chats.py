"""Chats in browsers: what people do there goes to the activity handler, and what it says is shown.

    browser ── what somebody did ──> Chats ── receive(activity, connector) ──> handler
    browser <── changes (SSE) ────── Chats <── send, update, delete ────────── handler

The chat page and the widget have one each. A message of the bot is shown as a JSON object:

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
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from aiohttp import web

from bot.cards.adaptive import CARD_TYPE, render_card
from bot.channel import STOPPED, ChannelError, Undeliverable
from bot.channels.incoming import Reference, to_object
from bot.channels.message import CitedSource, Message, Outgoing, StreamPart, Typing
from bot.web.access import RefusedError
from bot.web.activities import build_activity, derive_shown, first_contact, name_sender
from bot.web.conversations import Change, Conversation, Conversations, Shown
from bot.web.erase import IsTheirs, forget_shown
from core import telemetry
from core.text import Json
from core.translation import say
from feedback.privacy.deletion_log import Deletion
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
LOADING_BEAT_S = 0.5
OVERWRITE_EVERY_S = 60.0
STOP_SAID = "Canceled by user"
"""How Teams refuses the next part of an answer whose asker pressed stop (`bot/channels/reply.py`)."""

QUOTE_LIMIT = 400
"""Longest quote that goes into a link to one of our pages, characters."""


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
    """What an activity handler answers to an invoke."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...


class Front(Protocol):
    """What takes activities in (`bot/channels/handler.py`)."""

    async def receive(self, activity: dict[str, Any], connector: Any) -> InvokeResult | None:
        """Take one activity; answer an invoke. Messages are acknowledged by returning, and answered later."""
        ...


class Chats:
    """The conversations of one page, and the connector that the handler answers through. One per page.

    `loading` is a sentence while pages are missing, or the model is, else None.
    """

    def __init__(
        self, front: Front, conversations: Conversations, loading: Callable[[], str | None] = lambda: None
    ) -> None:
        self._front = front
        self.conversations = conversations
        self.loading = loading
        self._stopped: set[str] = set()
        self._closing = False

    async def keep_clean(self) -> None:
        """Write the file anew every now and then where something was taken from the page, until cancelled."""
        while True:
            await asyncio.sleep(OVERWRITE_EVERY_S)
            try:
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
        """Erase what is shown of a person from before a deletion."""
        await forget_shown(self.conversations, deletion, is_theirs)

    def owner(self, conversation_id: str) -> str:
        """Return what the pseudonym of whose conversation this is is made of, "" for one that is gone."""
        chat = self.conversations.get(conversation_id)
        return name_sender(chat) if chat else ""

    # The connector of the activity handler

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

    # What people do

    def find(self, conversation_id: str) -> Conversation:
        """Return a conversation. Raises RefusedError where there is none."""
        chat = self.conversations.get(conversation_id)
        if chat is None:
            raise RefusedError(404, say("This conversation no longer exists. Start a new one."), "gone")
        return chat

    async def begin(self, person: dict[str, str], *, welcome: bool = True) -> Conversation:
        """Begin a conversation; with `welcome` the handler begins it. What is kept it says in any case."""
        chat = await self.conversations.begin(person)
        if welcome:
            await self._hand_over(first_contact(chat, self.conversations.new_id()))
        return chat

    async def end(self, chat: Conversation) -> None:
        """Delete a conversation: its questions are forgotten with their answers, as one by one."""
        for message in [one for one in chat.messages.values() if one["sender"] == "user"]:
            activity = build_activity({"type": "messageDelete", "id": message["id"]}, chat, "")
            await self._hand_over(activity)
            await self.conversations.remove(chat, message["id"])
        await self.conversations.end(chat)

    async def stop(self, chat: Conversation) -> None:
        """Stop the answer that is being written; what stands there stays."""
        self._stopped.add(chat.id)
        for message in [one for one in chat.messages.values() if one.get("state", "final") != "final"]:
            text = message["text"] if message["state"] == "streaming" else say(STOPPED)
            await self.conversations.put(chat, {**message, "state": "final", "text": text, "stopped": True})

    def build(self, body: Json, chat: Conversation, files: Sequence[Json] = ()) -> Json:
        """Return the activity for what a browser posted. Raises RefusedError."""
        return build_activity(body, chat, self.conversations.new_id(), files)

    async def take(self, chat: Conversation, activity: Json) -> Json:
        """Show one thing that the person did, and hand it to the activity handler; return what came of it.

        Raises RefusedError.
        """
        self._stopped.discard(chat.id)
        await self._apply(chat, activity)
        try:
            result = await self._hand_over(activity)
        except RefusedError as refused:
            await self._mark_failed(chat, activity, str(refused))
            raise
        if result is None:
            return {"id": activity["id"], "status": 200, "body": None}
        await self._refresh(chat, activity, to_object(result.body))
        return {"id": activity["id"], "status": result.status, "body": result.body}

    async def _hand_over(self, activity: dict[str, Any]) -> InvokeResult | None:
        try:
            with telemetry.span("arrival"):
                return await self._front.receive(activity, self)
        except StoreUnavailable:
            raise RefusedError(
                503, say("This could not be saved. Please try again."), "unavailable"
            ) from None
        except Exception:
            log.exception("the activity handler failed on a %s", activity["type"])
            raise RefusedError(500, say("Something went wrong here. Please try again."), "failed") from None

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

    async def follow(
        self, response: web.StreamResponse, chat: Conversation, last: str, tell: Callable[[], Json | None]
    ) -> None:
        """Send a conversation's changes as Server-Sent Events after the event `last`.

        They end when the browser goes away, or `tell`, which returns what the page is told beside, returns
        None. Raises ConnectionResetError.
        """
        status = None
        after = self.conversations.parse_event_id(last)
        async for changes in self.conversations.follow(chat, after, self._beat_s):
            told = None if self._closing else tell()
            if told is None:
                return
            text = "" if told == status else f"retry: 1000\nevent: status\ndata: {json.dumps(told)}\n\n"
            status = told
            text += "".join(self._event(change) for change in changes)
            await response.write((text or ": still here\n\n").encode())

    def _event(self, change: Change) -> str:
        identity = f"{self.conversations.epoch}-{change.number}"
        return f"id: {identity}\nevent: {change.event}\ndata: {json.dumps(change.data)}\n\n"

    def _beat_s(self) -> float:
        return HEARTBEAT_S if self.loading() is None else LOADING_BEAT_S

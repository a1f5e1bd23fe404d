"""How an answer reaches the person in Teams: streamed in a personal chat, typing and one message elsewhere.

A stream is one message that grows. Teams takes about one update a second, each with all the text so far, each after
the success of the one before, for two minutes at most; label, citations, thumbs and cards come with the last one.
So `draft` only remembers the newest text and a task of its own sends it at that pace. Where the channel refuses to
stream, the answer is an ordinary message.

    OSError
    └── ChannelError     the channel refused the request (`status`), or did not answer
    Undeliverable        it never will take it (bot/dialogs/ask.py)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bot.activities import (
    Json,
    Reference,
    card_message,
    outgoing,
    plain_message,
    stream_end,
    stream_part,
)
from bot.answer_view import AnswerView
from bot.dialogs.ask import Stopped, Undeliverable
from bot.wording import calm, clipped
from records import Answer

log = logging.getLogger(__name__)

READING = "Reading the pages…"
STOPPED = "Stopped."
STOPPED_BY_ASKER = "the asker stopped the answer"


class ChannelError(OSError):
    """The channel did not take an activity; `status` is its HTTP status, 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Connector(Protocol):
    """The way out to a channel. `conversation` is an `Incoming.conversation`: its `id`, `serviceUrl`, `channelId`.

    Methods raise `Undeliverable` when trying again is pointless, and OSError (ChannelError) when it may help.
    """

    async def send(self, conversation: Mapping[str, Any], activity: dict[str, Any]) -> str:
        """Say something; return the id of the new message ("" where the channel gives none)."""
        ...

    async def update(
        self, conversation: Mapping[str, Any], message_id: str, activity: dict[str, Any]
    ) -> None:
        """Write over a message that was sent before."""
        ...

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        """Take a message back."""
        ...


@dataclass(frozen=True, slots=True)
class StreamPace:
    """The least time between two updates of a stream, and the longest time that one may last, in seconds."""

    interval_s: float = 1.0
    limit_s: float = 110.0


class Stream:
    """One message that grows. `send` delivers an activity and returns the id that the channel gave it."""

    def __init__(
        self, reference: Reference, send: Callable[[Json], Awaitable[str]], pace: StreamPace
    ) -> None:
        self._reference = reference
        self._send = send
        self._pace = pace
        self._newest: tuple[str, bool] | None = None
        self._sequence = 0
        self._sent_at = -pace.interval_s
        self._began_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.id = ""
        self.refused = False
        self.stopped_by_asker = False

    def show(self, text: str, *, informative: bool = False) -> None:
        """Show this text as soon as the pace allows, unless a newer one comes first."""
        if self.refused or self._closing.is_set() or not text.strip():
            return
        self._newest = (text, informative)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="stream")

    async def close(self) -> bool:
        """Send nothing more; return whether there is a message on screen that must be finished, and can be."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        return bool(self.id) and not self.refused and time.monotonic() - self._began_at < self._pace.limit_s

    async def _run(self) -> None:
        while self._newest is not None and not self.refused:
            await self._wait()
            if self._closing.is_set():
                return
            (text, informative), self._newest = self._newest, None
            await self._send_part(text, informative=informative)

    async def _wait(self) -> None:
        wait_s = self._sent_at + self._pace.interval_s - time.monotonic()
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait_s)

    async def _send_part(self, text: str, *, informative: bool) -> None:
        self._sent_at = time.monotonic()
        self._began_at = self._began_at or self._sent_at
        if self._sent_at - self._began_at > self._pace.limit_s:
            self.refused = True
            return
        self._sequence += 1
        part = stream_part(
            self._reference, text, sequence=self._sequence, stream_id=self.id, informative=informative
        )
        try:
            message_id = await self._send(part)
        except (Undeliverable, OSError) as error:
            self.refused = True
            self.stopped_by_asker = "canceled by user" in str(error).lower()
            log.info("no (more) streaming: %s", error)
            return
        self.id = self.id or message_id
        self.refused = not self.id


class Greets(Protocol):
    """Says once to a person what is kept of them (`bot/dialogs/privacy.py`)."""

    async def is_due(self) -> bool:
        """Tell whether the person has not been told yet."""
        ...

    async def done(self) -> None:
        """The person has been told."""
        ...


class TeamsReply:
    """The way of one answer to the person who asked: a `bot.dialogs.ask.Reply`, made from `Question.reply_to` alone."""

    def __init__(
        self,
        reference: Reference,
        connector: Connector,
        view: AnswerView,
        pace: StreamPace,
        greeting: Greets | None = None,
    ) -> None:
        self._reference = reference
        self._connector = connector
        self._greeting = greeting
        self._view = view
        self._typing: asyncio.Task[None] | None = None
        streams = reference.personal and not reference.replaces
        self._stream = Stream(reference, self._send, pace) if streams else None

    async def typing(self) -> None:
        """Show that the bot is at work, without waiting for the channel."""
        if self._stream is not None:
            self._stream.show(READING, informative=True)
        elif not self._reference.replaces:
            self._typing = asyncio.create_task(self._show_typing(), name="typing")

    async def draft(self, text: str) -> None:
        """Show what is written so far; raises Undeliverable once the asker pressed stop."""
        if self._stream is None:
            return
        if self._stream.stopped_by_asker:
            raise Stopped(STOPPED_BY_ASKER)
        self._stream.show(clipped(calm(text, keep_urls=(), markers=99), 10_000))

    async def answer(self, answer: Answer) -> str:
        greeting = self._greeting if self._greeting and await self._greeting.is_due() else None
        message = self._view.message(self._reference, answer, greeted=greeting is not None)
        message_id = await self._finish(message)
        if greeting is not None:
            await greeting.done()
        return message_id

    async def say(self, text: str) -> str:
        return await self._finish(plain_message(self._reference, text))

    async def abandon(self) -> str:
        """Leave no half message of a question that is gone; return the id of the one on screen, "" for none."""
        if self._stream is None or not await self._stream.close():
            return ""
        end = stream_end(plain_message(self._reference, STOPPED), self._stream.id)
        try:
            await self._send(end)
        except (Undeliverable, OSError) as error:
            log.info("a half answer stays: %s", error)
        return self._stream.id

    async def _finish(self, message: Json) -> str:
        if self._typing is not None:
            await asyncio.wait([self._typing])
        if self._reference.replaces:
            return await self._write_over(message)
        if self._stream is not None and await self._stream.close():
            try:
                message_id = await self._send(stream_end(message, self._stream.id))
            except (Undeliverable, ChannelError) as error:
                log.info("the stream could not be finished, sending a message: %s", error)
            else:
                return message_id or self._stream.id
        if self._stream is not None and self._stream.stopped_by_asker:
            raise Stopped(STOPPED_BY_ASKER)
        return await self._send(message)

    async def _write_over(self, message: Json) -> str:
        try:
            await self._connector.update(self._reference.conversation, self._reference.replaces, message)
        except Undeliverable:
            log.info("the message to write over is gone, sending a new one")
            return await self._send(message)
        return self._reference.replaces

    async def _show_typing(self) -> None:
        with contextlib.suppress(Undeliverable, OSError):
            await self._send(outgoing(self._reference, "typing"))

    async def _send(self, activity: Json) -> str:
        return await self._connector.send(self._reference.conversation, activity)


async def show_card(reference: Reference, connector: Connector, card: Json) -> bool:
    """Send a card that answers no question; a failure is logged, and False."""
    unasked = replace(reference, activity_id="")
    try:
        await connector.send(reference.conversation, card_message(unasked, card))
    except (Undeliverable, OSError) as error:
        log.warning("a card was not delivered: %s", error)
        return False
    return True

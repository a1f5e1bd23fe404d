"""The reply in Teams and on the chat page: streamed in a personal chat, typing and one message elsewhere.

A stream is one message that grows. Teams takes about one update a second, each with all the text so far, each
after the success of the one before, for two minutes at most; label, citations, thumbs and cards come with the
last one. So `draft` only remembers the newest text and a task of its own sends it at that pace. Where the
channel refuses to stream, it shows typing and then an ordinary message: so do several processes that answer
in one chat, of which none knows whether another one streams there, but Teams does. Who presses Teams' stop
button is heard of as a refusal of the next update.

An answer that is too long for one message comes in several (`core/text.py`); what is asked stands below the
last.

    OSError
    └── ChannelError     the channel refused the request (`status`), or did not answer
    Undeliverable        it never will take it (bot/channel.py)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from bot.cards.privacy import brief
from bot.channel import (
    STOPPED,
    ChannelError,
    Greets,
    Offers,
    Stopped,
    StreamPace,
    TalkReply,
    Undeliverable,
    nothing_more,
    with_greeting,
)
from bot.channels.answer_message import AnswerView
from bot.channels.incoming import Reference
from bot.channels.message import (
    Connector,
    Message,
    Outgoing,
    StreamPart,
    Typing,
    plain_message,
    talk_message,
)
from core.records import Answer
from core.text import calm, clip_text
from core.translation import mark, say

log = logging.getLogger(__name__)

READING = mark("Reading the pages…")

STILL_WRITING = "… "
OFFERS_S = 1.0
STOPPED_BY_ASKER = "the asker stopped the answer"
_STOP_SAID = "canceled by user"
"""How Teams says that the stop button was pressed, in a 403 ContentStreamNotAllowed."""


PASSING = frozenset({0, 412, 429, 502, 504})
"""What a channel answers that is away or busy: the same may be taken a little later. 0 is no answer."""
END_ATTEMPTS = 2
LASTS_S = 125.0
"""Teams ends a stream by itself after two minutes; then there may be another one in its chat."""
BELOW = mark("The answer is below.")


class Stream:
    """One message that grows.

    `send` delivers an update and returns the id that the channel gave it; `otherwise` shows that the bot is
    at work where the channel does not let a stream begin.
    """

    def __init__(
        self,
        send: Callable[[Outgoing], Awaitable[str]],
        pace: StreamPace,
        otherwise: Callable[[], Awaitable[None]],
    ) -> None:
        self._send = send
        self._otherwise = otherwise
        self._pace = pace
        self._newest: tuple[str, bool] | None = None
        self._streamed = ""
        self._sequence = 0
        self._sent_at = -pace.interval_s
        self._began_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._words = asyncio.Event()
        self._made_at = time.monotonic()
        self.id = ""
        self.ended = False
        self.refused = False
        self.interrupted = False
        self.stopped_by_asker = False

    @property
    def is_open(self) -> bool:
        """Whether the channel holds it for under way, as far as is known."""
        return bool(self.id) and not (self.ended or self.refused)

    @property
    def is_over(self) -> bool:
        """Whether its time is over, however it ended."""
        return time.monotonic() - (self._began_at or self._made_at) > LASTS_S

    def show(self, text: str, *, informative: bool = False) -> None:
        """Show this text as soon as the pace allows, unless a newer one comes first."""
        if self.refused or self.interrupted or self._closing.is_set() or not text.strip():
            return
        self._newest = (text, informative)
        if not informative:
            self._words.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="stream")

    async def close(self) -> bool:
        """Send nothing more; return whether a message on screen must be finished, and can be."""
        self._closing.set()
        self._words.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        return self.is_open and time.monotonic() - self._began_at < self._pace.limit_s

    async def _run(self) -> None:
        while self._newest is not None and not self.refused and not self.interrupted:
            await self._wait()
            if self._closing.is_set():
                return
            (text, informative), self._newest = self._newest, None
            await self._send_part(text, informative=informative)

    async def _wait(self) -> None:
        wait_s = self._sent_at + self._pace.interval_s - time.monotonic()
        event = self._closing
        if self._sequence == 0:
            event, wait_s = self._words, self._pace.grace_s
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await event.wait()

    async def _send_part(self, text: str, *, informative: bool) -> None:
        now = time.monotonic()
        self._began_at = self._began_at or now
        if now - self._began_at > self._pace.limit_s:
            self.refused = True
            return
        if not informative:
            if text == self._streamed or not text.startswith(self._streamed):
                return  # Teams refuses a part that is not the one before and more
            self._streamed = text
        self._sequence += 1
        try:
            message_id = await self._send(StreamPart(text, self._sequence, self.id, informative))
        except (Undeliverable, OSError) as error:
            self.refuse(error)
            if self.refused and self._sequence == 1 and not self._closing.is_set():
                await self._otherwise()
            return
        finally:
            self._sent_at = time.monotonic()  # when it was taken: the next one cannot arrive too soon then
        self.id = self.id or message_id
        self.refused = not self.id

    def refuse(self, error: Exception) -> None:
        """Take note that the channel takes no more of it, and whether its reader wants no more.

        Where it was away, no more parts are sent, but the end is: a stream left open is in the way of the
        next one.
        """
        self.interrupted = isinstance(error, ChannelError) and error.status in PASSING
        self.refused = not self.interrupted
        self.stopped_by_asker = _STOP_SAID in str(error).lower()
        log.info("no (more) streaming: %s", error)


async def in_one_message(*_: object) -> None:
    """Keep nothing of the parts of an answer."""


@dataclass(frozen=True, slots=True)
class ReplyExtras:
    """What goes with an answer.

    `offers` are what can be asked next, (title, words), in a personal chat. `keep_part` hears of the messages
    that an answer begins with where it needs several: the answer, the number from 1, the message's id.
    `streaming` has the stream of each conversation where one is under way, or could not be ended: Teams takes
    one at a time.
    """

    greeting: Greets | None = None
    offers: Offers = nothing_more
    keep_part: Callable[[Answer, int, str], Awaitable[None]] = in_one_message
    streaming: MutableMapping[str, Stream] = field(default_factory=dict[str, Stream])


class StreamedReply:
    """The way of one answer to its asker: a `bot.dialogs.ask.Reply`, made from `Question.reply_to` alone."""

    def __init__(
        self,
        reference: Reference,
        connector: Connector,
        view: AnswerView,
        pace: StreamPace,
        extras: ReplyExtras | None = None,
    ) -> None:
        self._reference = reference
        self._connector = connector
        self._extras = extras or ReplyExtras()
        self._view = view
        self._begun = False
        self._previewed = ""
        self._typing: asyncio.Task[None] | None = None
        self._pace = pace
        self._stream: Stream | None = None

    async def typing(self) -> None:
        """Show that the bot is at work, without waiting for the channel."""
        if self._reference.replaces:
            return
        here = str(self._reference.conversation["id"])
        other = self._extras.streaming.get(here)
        if self._reference.personal and (other is None or other.is_over):
            stream = Stream(self._send, self._pace, self._show_typing)
            self._stream = self._extras.streaming[here] = stream
            stream.show(say(READING), informative=True)
        else:
            self._typing = asyncio.create_task(self._show_typing(), name="typing")

    async def draft(self, text: str) -> None:
        """Show what is written so far; raises Stopped once the asker pressed stop."""
        if self._stream is None:
            return
        self._check_wanted()
        if self._previewed:
            self._previewed += STILL_WRITING  # a stream can but grow, and an update is how a stop is heard of
        self._stream.show(self._previewed or clip_text(calm(text, keep_urls=(), markers=99), 10_000))

    async def preview(self, answer: Answer) -> None:
        """Show a quotation in the stream; the message that ends it may say anything else. Raises Stopped."""
        if self._stream is None:
            return
        self._check_wanted()
        self._previewed = (
            clip_text(self._view.make_full_text(self._reference.conversation, answer), 10_000) + "\n\n"
        )
        self._stream.show(self._previewed)

    async def answer(self, answer: Answer) -> str:
        async with with_greeting(self._extras.greeting) as due:
            *parts, last = self._view.make_messages(self._reference.conversation, answer, greeted=due)
            if self._reference.personal and not self._reference.replaces:
                last = replace(last, suggestions=tuple(await self._offers(answer)))
            for number, part in enumerate(parts, start=1):
                await self._extras.keep_part(answer, number, await self._finish(part))
            return await self._finish(last)

    async def _offers(self, answer: Answer) -> Sequence[tuple[str, str]]:
        """Return what can be asked next; an answer neither waits long for it nor fails with it."""
        try:
            async with asyncio.timeout(OFFERS_S):
                return await self._extras.offers(answer)
        except Exception:
            log.exception("nothing is offered below an answer")
            return ()

    async def say(self, text: str) -> str:
        return await self._finish(plain_message(text))

    async def talk(self, said: TalkReply) -> str:
        async with with_greeting(self._extras.greeting) as due:
            words = brief() if due else ()
            return await self._finish(talk_message(said, self._view.site_url, words))

    async def abandon(self) -> str:
        """Finish the half message of a question that is gone; return its id, "" where none is on screen."""
        if self._stream is None:
            return ""
        is_shown = await self._stream.close()
        if is_shown:
            await self._end_as(self._stream, say(STOPPED))
        self._no_longer_streams()
        return self._stream.id if is_shown else ""

    async def _finish(self, message: Message) -> str:
        """Replace the sign that the bot is at work by a message; a further message comes below it."""
        if self._begun:
            return await self._send(message)
        if self._typing is not None:
            await asyncio.wait([self._typing])
        if self._reference.replaces:
            message_id = await self._write_over(message)
        elif self._stream is not None:
            message_id = await self._end_stream(self._stream, message)
        else:
            message_id = await self._send(message)
        self._begun = True
        return message_id

    async def _end_stream(self, stream: Stream, message: Message) -> str:
        can_end = await stream.close()
        try:
            for _ in range(END_ATTEMPTS if can_end else 0):
                if message_id := await self._end(stream, message):
                    return message_id
                if stream.refused:
                    break
            self._check_wanted()
            message_id = await self._send(message)
            if can_end and stream.is_open:  # it hung up twice, and is there again
                await self._end_as(stream, say(BELOW))
            return message_id
        finally:
            self._no_longer_streams()

    async def _end_as(self, stream: Stream, text: str) -> None:
        if not await self._end(stream, plain_message(text)):
            log.info("a half answer stays until Teams ends it")

    async def _end(self, stream: Stream, message: Message) -> str:
        """Let a message be the end of a stream; return its id, "" where the channel did not take it."""
        try:
            message_id = await self._send(replace(message, stream_id=stream.id)) or stream.id
        except (Undeliverable, OSError) as error:
            stream.refuse(error)
            return ""
        stream.ended = True
        return message_id

    def _check_wanted(self) -> None:
        if self._stream is not None and self._stream.stopped_by_asker:
            self._no_longer_streams()
            raise Stopped(STOPPED_BY_ASKER, self._stream.id)

    def _no_longer_streams(self) -> None:
        """Let the next question stream; if this stream could not be ended, only once Teams has ended it."""
        here, stream = str(self._reference.conversation["id"]), self._stream
        if stream and not stream.is_open and self._extras.streaming.get(here) is stream:
            del self._extras.streaming[here]

    async def _write_over(self, message: Message) -> str:
        try:
            await self._connector.update(self._reference, self._reference.replaces, message)
        except Undeliverable:
            log.info("the message to write over is gone, sending a new one")
            return await self._send(message)
        return self._reference.replaces

    async def _show_typing(self) -> None:
        with contextlib.suppress(Undeliverable, OSError):
            await self._send(Typing())

    async def _send(self, message: Outgoing) -> str:
        return await self._connector.send(self._reference, message)

"""The reply in Slack: streamed in a thread, else a message that is written over as the answer grows.

    status ─> chat.startStream ─> chat.appendStream … ─> chat.stopStream with sources, label and thumbs
    a workspace or a place without streams:  chat.postMessage ─> chat.update … ─> chat.update with all of it

A stream only ever grows, so a word is sent once the next one has begun: then the marks of the citations,
which come with the answer, still fit. An answer that reads otherwise than its drafts is written over the
stream. A quotation that comes first is a message, not a stream, and drafts do not touch it: what is streamed
could not be taken back, and the answer, if the model finds one, is written over the message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from bot.cards.privacy import brief
from bot.channel import STOPPED, ChannelError, Greets, TalkReply, Undeliverable, with_greeting
from bot.channels.answer_message import AnswerView, compose_messages
from bot.channels.incoming import Reference
from bot.channels.message import Message, plain_message, talk_message
from bot.slack.blocks import fit_blocks, render_below, render_draft, render_message
from bot.slack.client import SlackRefused
from bot.slack.connector import SlackConnector
from bot.slack.events import parse_person_id, parse_place
from core.records import Answer
from core.text import Json
from core.translation import mark, say

log = logging.getLogger(__name__)

READING = mark("is reading the pages…")
WRITING = "…"
APPEND_EVERY, UPDATE_EVERY = 1.0, 1.5
"""Of Slack's seconds, between two changes of one message."""
NO_STREAMS = frozenset(
    {"feature_not_enabled", "method_deprecated", "missing_scope", "team_access_not_granted", "unknown_method"}
)
"""What a workspace answers that has no streams; anything else may be about this one message."""
NOT_HERE = frozenset({"channel_type_not_supported", "method_not_supported_for_channel_type"})
"""What it answers that has none in channels, or none in chats."""


@dataclass(slots=True)
class Streams:
    """Which workspaces have no streams, as far as is known, or none in channels or chats. One per process."""

    without: set[tuple[str, bool | None]]

    def has(self, team: str, *, personal: bool) -> bool:
        """Whether a stream is worth a try."""
        return not {(team, None), (team, personal)} & self.without


class SlackReply:
    """A `bot.channel.Reply`, made from `Question.reply_to` alone."""

    def __init__(
        self,
        reference: Reference,
        connector: SlackConnector,
        view: AnswerView,
        streams: Streams,
        greeting: Greets | None = None,
    ) -> None:
        self._reference = reference
        self._connector = connector
        self._view = view
        self._streams = streams
        self._greeting = greeting
        self._place = parse_place(reference.conversation)
        self._draft = ""
        self._preview: Message | None = None
        self._shown = ""
        self._ts = ""
        possible = streams.has(self._place.where.team, personal=reference.personal)
        self._streaming = bool(self._place.thread) and possible
        self._stuck = False
        self._unsure = False
        self._task: asyncio.Task[None] | None = None
        self._status: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def typing(self) -> None:
        """Show that the bot is at work, without waiting for the channel."""
        if self._place.thread and not self._reference.replaces:
            self._status = asyncio.create_task(self._show_status(), name="status")

    async def draft(self, text: str) -> None:
        """Show what is written so far, at Slack's pace; never waits for it."""
        self._draft = render_draft(text)
        self._begin()

    async def preview(self, answer: Answer) -> None:
        """Show a quotation as a message that can be written over, unless a stream has begun."""
        if self._task is None:
            self._preview, self._streaming = compose_messages(answer, self._view.site_url)[-1], False
        self._begin()

    def _begin(self) -> None:
        if self._reference.replaces or self._stuck or self._closing.is_set():
            return
        if self._task is None:
            self._task = asyncio.create_task(self._write(), name="slack stream")

    async def answer(self, answer: Answer) -> str:
        async with with_greeting(self._greeting) as due:
            messages = self._view.make_messages(self._reference.conversation, answer, greeted=due)
            return await self._finish(messages[-1])

    async def say(self, text: str) -> str:
        return await self._finish(plain_message(text))

    async def talk(self, said: TalkReply) -> str:
        async with with_greeting(self._greeting) as due:
            words = brief() if due else ()
            return await self._finish(talk_message(said, self._view.site_url, words))

    async def abandon(self) -> str:
        """Leave no half message of a question that is gone; return the message on screen, "" for none."""
        await self._pause()
        if not self._ts:
            return ""
        try:
            await self._end_stream({})
            await self._connector.update(self._reference, self._ts, plain_message(say(STOPPED)))
        except (Undeliverable, OSError) as error:
            log.info("a half answer stays: %s", error)
        return self._ts

    # The end

    async def _finish(self, message: Message) -> str:
        await self._pause()
        if self._reference.replaces:
            return await self._write_over(self._reference.replaces, message)
        if not self._ts:
            return await self._connector.send(self._reference, message)
        if not self._streaming:
            return await self._write_over(self._ts, message)
        rest = self._compute_rest(message)
        try:
            await self._end_stream({} if rest is None else rest)
        except (Undeliverable, ChannelError) as error:
            log.info("a stream could not be finished, writing over it: %s", error)
            rest = None
        if rest is None:
            return await self._write_over(self._ts, message)
        return self._ts

    def _compute_rest(self, message: Message) -> Json | None:
        """Return what a stream lacks to be this message, None where it says something else."""
        whole = render_draft(message.text)
        same = whole == message.text.replace("<", "‹")  # nothing had to go
        if self._unsure or not same or not whole.startswith(self._shown):
            return None
        rest = whole[len(self._shown) :]
        return {"blocks": fit_blocks(render_below(message))} | ({"markdown_text": rest} if rest else {})

    async def _end_stream(self, rest: Json) -> None:
        if self._streaming:
            await self._call("chat.stopStream", {"ts": self._ts} | rest)
            self._streaming = False

    async def _write_over(self, message_id: str, message: Message) -> str:
        try:
            await self._connector.update(self._reference, message_id, message)
        except Undeliverable:
            log.info("the message to write over is gone, sending a new one")
            return await self._connector.send(self._reference, message)
        return message_id

    async def _pause(self) -> None:
        """Send nothing more of the drafts."""
        self._closing.set()
        under_way = [task for task in (self._task, self._status) if task is not None]
        if under_way:
            await asyncio.wait(under_way)

    # The drafts

    async def _write(self) -> None:
        if self._preview is not None:
            await self._post(self._preview)
            return
        while not self._closing.is_set() and not self._stuck:
            whole_words = self._draft[: self._draft.rfind(" ") + 1]
            if len(whole_words) > len(self._shown):
                await self._show(whole_words)
            every = APPEND_EVERY if self._streaming else UPDATE_EVERY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every * self._connector.api.pace.second_s):
                    await self._closing.wait()

    async def _post(self, message: Message) -> None:
        if self._closing.is_set():  # the answer is here already
            return
        try:
            self._ts = await self._connector.send(self._reference, message)
        except (Undeliverable, OSError) as error:
            log.info("no quotation before the answer: %s", error)

    async def _show(self, text: str) -> None:
        if self._streaming and self._ts and not text.startswith(self._shown):
            self._stuck = True  # the end is written over it
            return
        try:
            if self._streaming:
                await self._stream(text)
            else:
                await self._edit(text)
        except SlackRefused as refused:
            self._handle_refusal(refused)
        except (Undeliverable, OSError) as error:
            log.info("no (more) drafts: %s", error)
            self._stuck = True
        else:
            self._shown = text

    def _handle_refusal(self, refused: SlackRefused) -> None:
        self._unsure = self._unsure or (refused.status == 0 and bool(self._ts))
        if self._streaming and not self._ts:
            log.info("no stream, the message is edited instead: %s", refused)
            self._streaming = False
            if refused.error in NO_STREAMS | NOT_HERE:
                where = self._reference.personal if refused.error in NOT_HERE else None
                self._streams.without.add((self._place.where.team, where))
        elif self._unsure or refused.error not in {"ratelimited", "too fast for us"}:
            log.info("no (more) drafts: %s", refused)
            self._stuck = True

    async def _stream(self, text: str) -> None:
        if self._ts:
            more = text[len(self._shown) :]
            await self._call("chat.appendStream", {"ts": self._ts, "markdown_text": more}, hurried=True)
            return
        begin: Json = {"thread_ts": self._place.thread, "markdown_text": text}
        if not self._reference.personal:
            team, user = parse_person_id(str(self._reference.user.get("id", "")))
            begin |= {"recipient_team_id": team, "recipient_user_id": user}
        self._ts = str((await self._call("chat.startStream", begin, hurried=True)).get("ts") or "")

    async def _edit(self, text: str) -> None:
        message = render_message(Message(text + WRITING))
        if self._ts:
            await self._call("chat.update", {"ts": self._ts} | message, hurried=True)
            return
        if self._place.thread:
            message["thread_ts"] = self._place.thread
        self._ts = str((await self._call("chat.postMessage", message)).get("ts") or "")

    async def _show_status(self) -> None:
        params: Json = {
            "channel_id": self._place.channel,
            "thread_ts": self._place.thread,
            "status": say(READING),
        }
        with contextlib.suppress(Undeliverable, OSError):
            await self._connector.api.call(
                "assistant.threads.setStatus", self._place.where, params, hurried=True
            )

    async def _call(self, method: str, params: Json, *, hurried: bool = False) -> Json:
        there = {"channel": self._place.channel} | params
        return await self._connector.api.call(method, self._place.where, there, hurried=hurried)

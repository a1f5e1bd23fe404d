"""The bot's own reactions to a question: it is at work, it has answered, a reviewer has corrected the answer.

They go out beside everything else: an answer neither waits for one nor fails with one, and one that a channel
does not take is left out. In a chat of one person the answer itself shows how far it is, so reactions come
to shared conversations only, unless the setting says otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal

from bot.channel import Reply, TalkReply, Undeliverable
from bot.channels.incoming import Reference
from bot.channels.message import Connector, OwnReaction, Reacts
from core.records import Answer, Question

log = logging.getLogger(__name__)

Rule = Literal["off", "shared", "all"]
"""Nowhere; in channels and group chats; in chats of one person, too."""
PATIENCE_S = 5.0
"""How long a stop waits for reactions that are on their way."""


class OwnReactions:
    """One per process, for all channels. `connect` finds the way to a conversation, None for none."""

    def __init__(self, connect: Callable[[Mapping[str, Any]], Connector | None], rule: Rule) -> None:
        self._connect = connect
        self._rule = rule
        self._tasks: set[asyncio.Task[None]] = set()

    def wrap(self, reply: Reply, reference: Reference) -> Reply:
        """Return a reply that reacts to the question, too, where that is possible and wanted."""
        way = self._find_way(reference.conversation)
        return _ReactingReply(reply, reference, way, self.begin) if way and reference.activity_id else reply

    def mark_corrected(self, question: Question, conversation: Mapping[str, Any]) -> None:
        """React to a question whose answer a reviewer has corrected."""
        way = self._find_way(conversation)
        message_id = question.id.removeprefix(f"{question.channel}:{question.conversation}:")
        if way is not None:
            message_id = message_id.partition("#")[0]
            self.begin(react(way, conversation, message_id, OwnReaction.CORRECTED))

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside everything else."""
        task = asyncio.create_task(work, name="reaction")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait a moment for what is on its way, and leave the rest."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=PATIENCE_S)
            for task in late:
                task.cancel()

    def _find_way(self, conversation: Mapping[str, Any]) -> Reacts | None:
        if self._rule == "off" or (
            self._rule == "shared" and conversation.get("conversationType") == "personal"
        ):
            return None
        connector = self._connect(conversation)
        return connector if isinstance(connector, Reacts) else None


async def react(
    way: Reacts,
    conversation: Mapping[str, Any],
    message_id: str,
    reaction: OwnReaction,
    *,
    remove: bool = False,
) -> None:
    """Add a reaction to a message, or take it back; what the channel does not take is left out."""
    try:
        await way.react(conversation, message_id, reaction, remove=remove)
    except (Undeliverable, OSError) as error:
        log.info("no reaction: %s", error)


class _ReactingReply:
    """A reply that shows by reactions how far it is."""

    def __init__(
        self,
        reply: Reply,
        reference: Reference,
        way: Reacts,
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._reply = reply
        self._reference = reference
        self._way = way
        self._begin = begin
        self._working: asyncio.Task[None] | None = None

    async def typing(self) -> None:
        self._working = self._begin(self._react(OwnReaction.WORKING))
        await self._reply.typing()

    async def draft(self, text: str) -> None:
        await self._reply.draft(text)

    async def preview(self, answer: Answer) -> None:
        await self._reply.preview(answer)

    async def answer(self, answer: Answer) -> str:
        try:
            message_id = await self._reply.answer(answer)
        finally:
            self._end()
        if not answer.abstained:
            self._begin(self._react(OwnReaction.ANSWERED))
        return message_id

    async def say(self, text: str) -> str:
        try:
            return await self._reply.say(text)
        finally:
            self._end()

    async def talk(self, said: TalkReply) -> str:
        try:
            return await self._reply.talk(said)
        finally:
            self._end()

    async def abandon(self) -> str:
        self._end()
        return await self._reply.abandon()

    def _end(self) -> None:
        self._begin(self._stop_working())

    async def _stop_working(self) -> None:
        """Take back that the bot is at work, also what a process has left that was killed."""
        if self._working is not None:
            await asyncio.wait([self._working])
        await self._react(OwnReaction.WORKING, remove=True)

    async def _react(self, reaction: OwnReaction, *, remove: bool = False) -> None:
        here = self._reference
        await react(self._way, here.conversation, here.activity_id, reaction, remove=remove)

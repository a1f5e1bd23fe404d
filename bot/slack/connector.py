"""The way out to Slack: messages as calls of its Web API. A `bot.channels.message.Connector`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from bot.cards.elements import Card
from bot.channel import Undeliverable
from bot.channels.incoming import Reference, to_object, to_text
from bot.channels.message import Message, Outgoing, OwnReaction
from bot.slack.blocks import fit_blocks, plain_text, render_card, render_message, render_notification
from bot.slack.client import SlackApi, Workspace
from bot.slack.events import Place, parse_person_id, parse_place, to_conversation
from core.text import Json

log = logging.getLogger(__name__)

EPHEMERAL_CHARACTERS = 3_000
OWN_REACTIONS = {
    OwnReaction.WORKING: "eyes",
    OwnReaction.ANSWERED: "white_check_mark",
    OwnReaction.CORRECTED: "pencil2",
}
"""By their names in Slack. https://docs.slack.dev/reference/methods/reactions.add"""
PATIENCE_S = 10.0
"""How long a stop waits for messages that Slack does not take yet."""


class SlackConnector:
    """Speaks in conversations (`bot/slack/events.py`). One per process."""

    def __init__(self, api: SlackApi) -> None:
        self.api = api

    async def send(self, reference: Reference, message: Outgoing) -> str:
        if not isinstance(message, Message):
            return ""
        place = parse_place(reference.conversation)
        params: Json = {"channel": place.channel, "unfurl_links": False, "unfurl_media": False}
        params |= render_message(message)
        if place.thread:
            params["thread_ts"] = place.thread
        return str((await self.api.call("chat.postMessage", place.where, params)).get("ts") or "")

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        place = parse_place(reference.conversation)
        params = {"channel": place.channel, "ts": message_id} | render_message(message)
        await self.api.call("chat.update", place.where, params)

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        place = parse_place(conversation)
        await self.api.call("chat.delete", place.where, {"channel": place.channel, "ts": message_id})

    async def react(
        self, conversation: Mapping[str, Any], message_id: str, reaction: OwnReaction, *, remove: bool = False
    ) -> None:
        """Add a reaction of the bot's own, or take it back (scope reactions:write)."""
        place = parse_place(conversation)
        method = "reactions.remove" if remove else "reactions.add"
        params = {"channel": place.channel, "timestamp": message_id, "name": OWN_REACTIONS[reaction]}
        await self.api.call(method, place.where, params, hurried=not remove)

    async def tell_one(self, reference: Reference, message: Message) -> None:
        """Say something that only one person of a conversation sees, and only while they have it open.

        Source: https://docs.slack.dev/reference/methods/chat.postEphemeral
        """
        place = parse_place(reference.conversation)
        _, user = parse_person_id(str(reference.user.get("id", "")))
        params: Json = {"channel": place.channel, "user": user} | render_message(message)
        if place.thread:
            params["thread_ts"] = place.thread
        await self.api.call("chat.postEphemeral", place.where, params)

    async def whisper(self, conversation: Mapping[str, Any], user: str, sentence: str) -> None:
        """Say something that only one person in the conversation sees; where it cannot be said, it is logged.

        In a chat with the bot anything is for one person: where Slack has no such message there, it is an
        ordinary one.
        """
        place = parse_place(conversation)
        said = plain_text(sentence, EPHEMERAL_CHARACTERS)
        params: Json = {"channel": place.channel, "user": user, "text": render_notification(sentence)}
        params["blocks"] = [{"type": "section", "text": said}]
        if place.thread:
            params["thread_ts"] = place.thread
        try:
            try:
                await self.api.call("chat.postEphemeral", place.where, params)
            except Undeliverable:
                if conversation.get("conversationType") != "personal":
                    raise
                del params["user"]
                await self.api.call("chat.postMessage", place.where, params)
        except (Undeliverable, OSError) as error:
            log.warning("somebody could not be told: %s", error)

    async def unfurl(self, where: Workspace, event: Mapping[str, Any], cards: Mapping[str, Card]) -> None:
        """Show below a message what its links lead to; `event` is Slack's `link_shared`.

        Source: https://docs.slack.dev/reference/methods/chat.unfurl
        """
        unfurls = {url: {"blocks": fit_blocks(render_card(card))} for url, card in cards.items()}
        place = {"unfurl_id": to_text(event.get("unfurl_id")), "source": to_text(event.get("source"))}
        if not all(place.values()):
            place = {"channel": to_text(event.get("channel")), "ts": to_text(event.get("message_ts"))}
        await self.api.call("chat.unfurl", where, {**place, "unfurls": unfurls})

    async def open_chat(self, near: Reference) -> Reference:
        """Open the chat with one person (scope im:write)."""
        where = parse_place(near.conversation).where
        _, user = parse_person_id(str(near.user.get("id", "")))
        opened = await self.api.call("conversations.open", where, {"users": user})
        channel = to_text(to_object(opened.get("channel")).get("id"))
        if not channel:
            raise Undeliverable("Slack opened no chat")
        chat = to_conversation(Place(where, channel), personal=True)
        return Reference(chat, near.bot, {"id": near.user["id"]}, "")

    async def begin_chat(self, directory_id: str) -> Reference:
        """Open the chat with somebody who is known by their id in the directory alone."""
        team, _ = parse_person_id(directory_id)
        where = to_conversation(Place(Workspace(team), ""), personal=True)
        return await self.open_chat(Reference(where, {}, {"id": directory_id}, ""))

    async def open_form(self, where: Workspace, trigger: str, view: Json) -> None:
        """Show a form to who has just pressed a button. Raises Undeliverable and OSError."""
        await self.api.call("views.open", where, {"trigger_id": trigger, "view": view})


class BackgroundConnector:
    """A `Connector` that sends in the background, so that a request is answered before Slack takes it."""

    def __init__(self, connector: SlackConnector) -> None:
        self._connector = connector
        self.tasks: set[asyncio.Task[None]] = set()

    async def send(self, reference: Reference, message: Outgoing) -> str:
        """Say it soon; nobody here waits for the id."""
        self._later(self._connector.send(reference, message))
        return ""

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        self._later(self._connector.update(reference, message_id, message))

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        self._later(self._connector.delete(conversation, message_id))

    def _later(self, sending: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            try:
                await sending
            except (Undeliverable, OSError) as error:
                log.warning("a message was not delivered: %s", error)

        task = asyncio.create_task(run(), name="slack message")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def drain_tasks(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until a set of tasks has emptied itself; cancel what takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while tasks and loop.time() < until:
        await asyncio.wait(tasks, timeout=until - loop.time())
    late = list(tasks)
    for task in late:
        log.warning("Slack did not take something in time; it is left unsaid")
        task.cancel()
    if late:
        await asyncio.wait(late)

"""The bot between Slack's requests, signed as Slack does, and its Web API (tests/doubles/slack_api.py)."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bot.channels.asides.listening import UnaskedRules
from bot.channels.asides.own_reactions import Rule
from bot.channels.asides.page_previews import ListedPages
from bot.channels.files.sent_files import FilePages
from bot.channels.owners.people import Owners
from bot.channels.privacy_handler import PrivacyTerms
from bot.dialogs.ask import Asking
from bot.dialogs.askers import AskerLimits
from bot.dialogs.rate import RatingRules
from bot.dialogs.review import ReviewRules
from bot.dialogs.talk import Talking
from bot.services import Services
from bot.slack.channel import CAPABILITIES, SlackChannel, SlackContext
from bot.slack.config import PaceRules, SlackConfig
from bot.slack.endpoint import compute_signature
from core.records import Answer, Channel, Question
from feedback.reviews.ratings import DOWN, UP, Scale
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import RunImmediately
from feedback.store.offline_store import OfflineStore
from feedback.store.sqlite import SqliteStore
from tests.builders.sent_files import a_fetcher
from tests.builders.serving import served
from tests.builders.world import (
    KEY,
    LISTED,
    NO_SAMPLE,
    NOT_HEARD,
    MemoryStore,
    NothingKnown,
    ScriptedAnswerer,
    some_dependencies,
)
from tests.doubles.slack_api import Json, Message, SlackService, elements_in

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105 - the example of Slack's documentation
ADA, BOB, ROBIN = "U1", "U2", "U9"
REACTIONS = RatingRules(Scale({"+1": UP, "heart": UP, "-1": DOWN, "x": DOWN}))
CONFIG = SlackConfig(
    signing_secret=SECRET,
    teams=("T1",),
    bot_token="xoxb-one",  # noqa: S106 - of the double
    review_channel="C9",
    reviewers=(ROBIN,),
    public_url="https://bot.example",
)


class SlackWorld:
    """What a test talks to: `post` is Slack, `slack` is where the bot's words end."""

    def __init__(self) -> None:
        self.store: Any = MemoryStore()
        self.answerer = ScriptedAnswerer()
        self.slack = SlackService()
        self.known = NothingKnown()
        self.hashes: dict[str, str] = {}
        self.url = self.slack_url = ""
        self._ids = itertools.count(1)
        self.parts: Services
        self.asking: Asking
        self.bot: SlackChannel
        self.http: aiohttp.ClientSession

    async def post(
        self,
        body: bytes,
        content_type: str = "application/json",
        *,
        headers: Json | None = None,
        path: str = "",
    ) -> tuple[int, str]:
        """Post signed bytes; `headers` take the place of the right ones (None leaves one out)."""
        timestamp = str(int(time.time()))
        right = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": compute_signature(SECRET.encode(), timestamp, body),
        }
        sent = {name: value for name, value in (right | (headers or {})).items() if value is not None}
        async with self.http.post(
            self.url + (path or "/slack/events"),
            data=io.BytesIO(body),
            headers=sent,
            skip_auto_headers=["Content-Type"],
        ) as response:
            return response.status, await response.text()

    def envelope(self, event: Json, /, **fields: Any) -> Json:
        """Return what Slack's Events API sends around an event."""
        number = next(self._ids)
        envelope: Json = {
            "token": "a verification token, which nobody reads",
            "team_id": "T1",
            "api_app_id": "A1",
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{number:08d}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": "T1",
                    "user_id": "UBOT",
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return envelope | fields

    def ts(self) -> str:
        return f"1700000000.{next(self._ids):06d}"

    async def event(self, event: Json, **fields: Any) -> int:
        status, _ = await self.post(json.dumps(self.envelope(event, **fields)).encode())
        return status

    def dm(self, text: str, **fields: Any) -> Json:
        ts = self.ts()
        message: Json = {
            "type": "message",
            "channel": "D1",
            "channel_type": "im",
            "user": ADA,
            "text": text,
            "ts": ts,
            "event_ts": ts,
            "team": "T1",
        }
        return message | fields

    def deletion(self, asked: Json) -> Json:
        """Return what Slack says when somebody deletes a message that `dm` made."""
        return {
            "type": "message",
            "subtype": "message_deleted",
            "channel": asked["channel"],
            "channel_type": asked["channel_type"],
            "deleted_ts": asked["ts"],
            "previous_message": {key: asked[key] for key in ("type", "user", "ts", "text")},
            "ts": "1700000001.000000",
        }

    def mention(self, text: str, **fields: Any) -> Json:
        ts = self.ts()
        message: Json = {
            "type": "app_mention",
            "channel": "C1",
            "user": ADA,
            "text": f"<@UBOT> {text}",
            "ts": ts,
            "event_ts": ts,
            "team": "T1",
        }
        return message | fields

    async def ask(self, text: str, **fields: Any) -> Message:
        """Ask in a personal chat and return the answer on screen."""
        assert await self.event(self.dm(text, **fields)) == 200
        await self.settled()
        return self.slack.messages(fields.get("channel", "D1"))[-1]

    def press(self, message: Message, element: Json, user: str = ADA, **fields: Any) -> Json:
        """Return what Slack sends when somebody presses a message's element ("stars" etc. in `fields`)."""
        action: Json = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": "b1",
            "action_ts": self.ts(),
        }
        if element["type"] == "static_select":
            chosen = element["options"][fields.pop("option", 0)]
            action["selected_option"] = chosen
        elif element["type"] == "feedback_buttons":
            action["value"] = element[fields.pop("side", "positive_button")]["value"]
        else:
            action["value"] = element.get("value", "")
        payload: Json = {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "name": f"name of {user}", "team_id": "T1"},
            "api_app_id": "A1",
            "token": "a verification token",
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": False,
            },
            "trigger_id": "1.2.3",
            "team": {"id": "T1", "domain": "one"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": message.channel, "name": "a-channel"},
            "message": {"ts": message.ts, "type": "message", "blocks": message.blocks},
            "response_url": "https://hooks.slack.example/actions/T1/1/2",
            "actions": [action],
        }
        if message.thread:
            payload["message"]["thread_ts"] = message.thread
        return payload | fields

    async def interact(self, payload: Json) -> tuple[int, str]:
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return await self.post(body, "application/x-www-form-urlencoded")

    def submission(self, view: Json, values: Json, user: str = ADA, **fields: Any) -> Json:
        """Return what Slack sends with somebody's form; `values` by field: a text, a choice, or a list."""
        state = {name: {name: _state(view, name, value)} for name, value in values.items()}
        payload: Json = {
            "type": "view_submission",
            "team": {"id": "T1", "domain": "one"},
            "user": {"id": user, "username": user.lower(), "name": f"name of {user}", "team_id": "T1"},
            "api_app_id": "A1",
            "trigger_id": "1.2.4",
            "view": view | {"state": {"values": state}, "team_id": "T1"},
            "is_enterprise_install": False,
            "enterprise": None,
        }
        return payload | fields

    async def settled(self) -> None:
        """Wait until everything under way is done."""
        await self.bot.inbox.close()
        await self.asking.drain(10)
        await self.bot.handler.close()
        await self.bot.inbox.close()

    async def card_sync(self) -> None:
        """Let the card sync do what is to be done."""
        await self.parts.card_sync.process_outbox()
        await self.settled()


def _state(view: Json, name: str, value: Any) -> Json:
    element = next(block["element"] for block in view["blocks"] if block.get("block_id") == name)
    if element["type"] == "plain_text_input":
        return {"type": "plain_text_input", "value": value}
    if element["type"] == "checkboxes":
        return {"type": "checkboxes", "selected_options": [{"value": one} for one in value]}
    return {"type": element["type"], "selected_option": {"value": value}}


def pressable(message: Message, prefix: str) -> Json:
    """Return the element of a message whose action begins like this."""
    return next(one for one in elements_in(message.blocks) if one["action_id"].startswith(prefix))


@asynccontextmanager
async def a_slack_world(
    config: SlackConfig = CONFIG,
    *,
    store: SqliteStore | OfflineStore | None = None,
    rules: tuple[RatingRules, ReviewRules] = (REACTIONS, NO_SAMPLE),
    clean: bool = True,
    limits: AskerLimits | None = None,
    file_pages: FilePages | None = None,
    listed_pages: ListedPages | None = None,
    own_reactions: Rule = "off",
    unasked: UnaskedRules = NOT_HEARD,
    owners: Sequence[str] = (),
) -> AsyncGenerator[SlackWorld]:
    """Start both servers; afterwards no rule of Slack's may be broken, unless not `clean`."""
    world = SlackWorld()
    if store is not None:
        world.store = store
    async with served(world.slack.app) as slack_url:
        dependencies = replace(
            some_dependencies(lambda: world.bot.connector),
            capabilities={Channel.SLACK: CAPABILITIES},
            known=world.known,
            fresh=lambda verified: all(world.hashes.get(url, then) == then for url, then in verified.pages),
            terms=PrivacyTerms(public_url="https://bot.example"),
            later=store.spool if isinstance(store, OfflineStore) else RunImmediately(),
            file_pages=file_pages,
            own_reactions=own_reactions,
            listed_pages=listed_pages,
            unasked=unasked,
            owners=Owners(owners),
        )
        world.parts = Services(world.store, ReviewRepository(world.store.documents), KEY, dependencies, rules)
        talking = Talking(lambda: LISTED, ("Who am I?",))
        talking.read_file = world.parts.files.ensure
        world.asking = Asking(world.store, _Late(world), world.parts.looking, talking=talking, limits=limits)
        pace = PaceRules(second_s=world.slack.second_s)
        config = replace(config, api_url=f"{slack_url}/api", pace=pace)
        files = a_fetcher(slack_url) if file_pages else None
        world.slack_url = slack_url
        known = SlackContext(("Who am I?",), lambda: LISTED, files)
        world.bot = SlackChannel(config, world.asking, world.store, world.parts, known)
        await world.bot.learn_who_we_are()
        if config.review_channel:
            await world.bot.keep_review_place()
        app = web.Application()
        app.add_routes(world.bot.routes())
        try:
            async with served(app) as bot_url, aiohttp.ClientSession() as world.http:
                world.url = bot_url
                yield world
                await world.settled()
                await world.parts.privacy.close()
        finally:
            await world.bot.close()
    if clean:
        assert world.slack.broken == []


class _Late:
    """Whatever answerer the world has when it is asked."""

    def __init__(self, world: SlackWorld) -> None:
        self._world = world

    def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        return self._world.answerer.stream(question, history)


async def step(world: SlackWorld) -> None:
    """Let the answerer write one more draft, and wait until the bot had a moment for it."""
    assert world.answerer.step is not None
    world.answerer.step.release()
    await asyncio.sleep(0)

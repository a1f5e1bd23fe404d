"""The endpoint for Slack: requests are verified, kept, acknowledged, and handed to the activity handler.

    POST /slack/events ─ too large? 413 ─ signed by Slack, now? 401 ─ readable? 400 ─ a workspace of ours? 403
        ─ the same again? 200 ─ bolt ─ bot/channels/handler.py ─ 200 within a second; 503: please
        send it again

What needs Slack's network (answers, cards) goes out afterwards. A question that is not on disk after that
second is not acknowledged: Slack sends it again, and whichever came first is answered. slack-bolt reads
payloads and finds the listener; who sent the bytes is checked here, before anything parses them.

The signature of a request is over its bytes as they came, so it is checked before anything reads them.

Source: Slack's documentation, "Verifying requests from Slack" (version v0).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.cards.elements import Card
from bot.channel import Undeliverable
from bot.channels.asides.page_previews import PagePreviews
from bot.channels.handler import ActivityHandler
from bot.channels.incoming import MalformedError, to_object, to_objects, to_text
from bot.channels.review_handler import ReviewHandler
from bot.http import read_body
from bot.slack.client import Workspace, sdk_log
from bot.slack.connector import BackgroundConnector, SlackConnector, drain_tasks
from bot.slack.events import (
    Arrived,
    an_id,
    parse_envelope,
    parse_payload,
    parse_person_id,
    parse_place,
    to_activity,
    to_person_id,
)
from bot.slack.home import SlackHome
from bot.slack.installations import Grants, Installations
from bot.slack.interactions import SlackActions
from bot.slack.page_form import CALLBACK, PageForm
from bot.slack.people import SlackLocales
from core.bounded_dict import BoundedDict
from core.text import Json
from core.translation import mark, say, set_language
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

PATH = "/slack/events"
MAX_BODY_BYTES = 1_000_000
ACK_S, FORM_S = 0.9, 2.5
"""Slack wants an answer in 3 seconds; a form stays open until it has one."""
REMEMBERED = 10_000
MORE_PROMPT = mark("What can you do?")
MOST_PROMPTS = 4
MOST_LINKS = 5
"""Of one message, that are looked at."""
NAMELESS = frozenset({"reaction_added", "reaction_removed"})
"""Events that do not say which workspace somebody is of."""
REMOVALS = frozenset({"app_uninstalled", "tokens_revoked"})
_ANYTHING = re.compile(r"[\s\S]*")

WINDOW_S = 300
VERSION = "v0"
_MOST_DIGITS = 12


class Unsigned(Exception):
    """A request that Slack did not send, or not now. The message is for the log, without the request."""


class Headers(Protocol):
    """The headers of a request, as often as they came."""

    def getall(self, key: str, default: Sequence[str]) -> Sequence[str]: ...


def claim(headers: Headers, now: float) -> tuple[str, str]:
    """Return the timestamp and the signature of a request, not yet checked. Raises Unsigned.

    What has none, or one of another time, need not be read at all. `now` is in seconds.
    """
    timestamp = _one(headers, "X-Slack-Request-Timestamp")
    signature = _one(headers, "X-Slack-Signature")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _MOST_DIGITS):
        raise Unsigned("its timestamp is no number")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise Unsigned("its timestamp is not from now")
    return timestamp, signature


def check_signature(secret: bytes, headers: Headers, body: bytes, now: float) -> str:
    """Return the signature of a request of Slack's; `now` in seconds. Raises Unsigned."""
    timestamp, signature = claim(headers, now)
    expected = compute_signature(secret, timestamp, body)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
        raise Unsigned("its signature is another one")
    return signature


def compute_signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature that Slack gives a body."""
    text = b":".join([VERSION.encode(), timestamp.encode(), body])
    return f"{VERSION}={hmac.new(secret, text, hashlib.sha256).hexdigest()}"


def _one(headers: Headers, name: str) -> str:
    found = headers.getall(name, [])
    if len(found) != 1:
        raise Unsigned(f"it has {len(found)} headers {name}")
    return found[0]


@dataclass(frozen=True, slots=True)
class InboxParts:
    """What an inbox hands things on to."""

    installations: Installations
    connector: SlackConnector
    reviews: ReviewHandler
    home: SlackHome
    previews: PagePreviews
    locales: SlackLocales


class SlackInbox:
    """What arrives from Slack. One per process."""

    def __init__(
        self,
        secret: str,
        front: ActivityHandler,
        parts: InboxParts,
        pseudonym: Callable[[str], str],
        examples: Sequence[str] = (),
    ) -> None:
        self._secret = secret.encode()
        self._front = front
        self._parts = parts
        self._pseudonym = pseudonym
        self._examples = examples
        self._unhurried = BackgroundConnector(parts.connector)
        self._actions = SlackActions(front, self._unhurried, parts.reviews, parts.connector)
        self._page_form = PageForm(front, parts.connector, parts.previews)
        self._seen: BoundedDict[str, float] = BoundedDict(REMEMBERED)
        self._events: BoundedDict[str, asyncio.Task[None]] = BoundedDict(REMEMBERED)
        self._work: set[asyncio.Task[Any]] = set()
        self._bolt = self._make_app(secret)

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.take)]

    async def close(self) -> None:
        """Wait for what is under way, but not for ever."""
        await drain_tasks(self._work)
        await drain_tasks(self._unhurried.tasks)

    async def take(self, request: web.Request) -> web.Response:
        """Answer one request of Slack's."""
        try:
            claim(request.headers, time.time())
            body = await read_body(request, MAX_BODY_BYTES)
            if body is None:
                return web.Response(status=413)
            signature = check_signature(self._secret, request.headers, body, time.time())
            text = body.decode("utf-8")
        except Unsigned as unsigned:
            log.warning("a request to %s is not from Slack: %s", PATH, unsigned)
            return web.Response(status=401)
        except UnicodeDecodeError:
            return web.Response(status=400)
        payload = parse_payload(text, request.content_type)
        status = self._status(payload)
        if status:
            return web.Response(status=status, headers={"X-Slack-No-Retry": "1"})
        return await self._once(signature, text, request)

    async def _once(self, signature: str, text: str, request: web.Request) -> web.Response:
        """Handle a request; one that was handled before is acknowledged and nothing else."""
        if self._seen.get(signature, 0.0) > time.monotonic():
            return web.Response(status=200)
        headers: dict[str, str | Sequence[str]] = {"content-type": request.headers.get("Content-Type", "")}
        response = await self._bolt.async_dispatch(AsyncBoltRequest(body=text, headers=headers))
        if response.status < 300:  # noqa: PLR2004 - any success
            self._seen[signature] = time.monotonic() + 2 * WINDOW_S
        kind = "application/json" if response.body.startswith("{") else "text/plain"
        return web.Response(status=response.status, text=response.body, content_type=kind)

    def _status(self, payload: Json | None) -> int:
        """Return what a request is answered that bolt need not see, 0 for one that it has to."""
        if payload is None:
            return 400
        if not self._is_ours(payload):
            log.warning("a request came from a workspace that may not use the bot")
            return 403
        if payload.get("type") == "app_rate_limited":
            log.warning("Slack keeps events back: too many came within a minute")
            return 200
        if self._from_strangers(payload):
            log.info("somebody of another organisation is not answered")
            return 200  # Slack stops sending anything to whoever refuses too much
        return 0

    def _is_ours(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a workspace may use the bot."""
        if payload.get("type") in {"url_verification", "ssl_check"}:
            return True
        if not isinstance(payload.get("team"), Mapping | None):
            return False
        grants, team = to_objects(payload.get("authorizations")), to_object(payload.get("team"))
        named = [payload.get("team_id"), team.get("id")]
        named += [one.get("team_id") for one in [*grants, to_object(payload.get("user"))]]
        return self._all_allowed(named) and any(named)

    def _all_allowed(self, named: Sequence[object]) -> bool:
        teams = [team for team in named if team is not None]
        return all(isinstance(team, str) and self._parts.installations.allows(team) for team in teams)

    def _from_strangers(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether somebody of another organisation speaks, in a channel that is shared with it."""
        event = to_object(payload.get("event"))
        messages = [event, to_object(event.get("message")), to_object(event.get("previous_message"))]
        named = [one.get(name) for one in messages for name in ("user_team", "source_team")]
        unknown = payload.get("is_ext_shared_channel") is True and event.get("type") in NAMELESS
        return unknown or not self._all_allowed(named)

    # Bolt

    def _make_app(self, secret: str) -> AsyncApp:
        app = AsyncApp(
            name="askpage",
            logger=sdk_log,
            signing_secret=secret,
            authorize=Grants(self._parts.installations),
            process_before_response=True,
            request_verification_enabled=False,  # done, over the raw bytes
            ignoring_self_events_enabled=False,  # bot/slack/events.py leaves them out
            attaching_conversation_kwargs_enabled=False,
        )
        app.event(_ANYTHING)(self._on_event)
        app.action(_ANYTHING)(self._on_action)
        app.view(_ANYTHING)(self._on_view)
        app.shortcut(_ANYTHING)(self._on_shortcut)
        return app

    async def _on_event(self, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        by = parse_envelope(body, context.bot_user_id or "")
        event = to_object(body.get("event"))
        if by is None or not event:
            return BoltResponse(status=400)
        if _is_absent(context) and event.get("type") not in REMOVALS:
            log.info("an event of a workspace where the app is not installed")
            return BoltResponse(status=200)
        known = self._events.get(by.event_id) if by.event_id else None
        task = known or self._begin(self._event(event, by))
        if by.event_id and known is None:
            self._events[by.event_id] = task
        done, _ = await asyncio.wait([task], timeout=ACK_S)
        if not done:
            return BoltResponse(status=503)
        if task.exception() is None:
            return BoltResponse(status=200)
        self._events.pop(by.event_id, None)  # what comes again is tried again
        log.error("an event of Slack could not be taken", exc_info=task.exception())
        return BoltResponse(status=503)

    async def _on_action(self, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        by = self._interacting(body, context)
        if by is not None:
            await asyncio.wait(
                [self._begin(self._speak(body, by, self._actions.handle_press))], timeout=ACK_S
            )
        return BoltResponse(status=200)

    async def _on_view(self, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        by = self._interacting(body, context)
        if by is None or body.get("type") != "view_submission":
            return BoltResponse(status=200)
        is_page_form = to_object(body.get("view")).get("callback_id") == CALLBACK
        submit = self._page_form.submit if is_page_form else self._actions.handle_submit
        task = self._begin(self._speak(body, by, submit))
        done, _ = await asyncio.wait([task], timeout=FORM_S)
        reply: Json = (task.result() or {}) if done and task.exception() is None else {}
        return BoltResponse(status=200, body=json.dumps(reply) if reply else "")

    async def _on_shortcut(self, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        by = self._interacting(body, context)
        if by is not None:
            await asyncio.wait([self._begin(self._speak(body, by, self._page_form.open))], timeout=ACK_S)
        return BoltResponse(status=200)

    def _interacting(self, body: Mapping[str, Any], context: AsyncBoltContext) -> Arrived | None:
        team = an_id(to_object(body.get("team")).get("id")) or an_id(
            to_object(body.get("user")).get("team_id")
        )
        whole = (
            an_id(to_object(body.get("enterprise")).get("id"))
            if body.get("is_enterprise_install") is True
            else ""
        )
        if not team or _is_absent(context):
            return None
        return Arrived(Workspace(team, whole), "", context.bot_user_id or "")

    async def _speak(
        self, body: Json, by: Arrived, act: Callable[[Json, Arrived], Coroutine[Any, Any, Json | None]]
    ) -> Json | None:
        """Do what a press or a form says, in the language of who pressed."""
        user = an_id(to_object(body.get("user")).get("id"))
        spoken = replace(by, locale=await self._parts.locales.find(by.where, user))
        set_language(spoken.locale)
        return await act(body, spoken)

    # What it says

    async def _event(self, event: Json, by: Arrived) -> None:
        match event.get("type"):
            case "app_uninstalled":
                await self._parts.installations.remove(by.where.enterprise or by.where.team)
            case "tokens_revoked":
                if to_object(event.get("tokens")).get("bot"):
                    await self._parts.installations.remove(by.where.enterprise or by.where.team)
            case "assistant_thread_started":
                self._begin(self._prompt(to_object(event.get("assistant_thread")), by))
            case "app_home_opened":
                self._open_home(event, by)
            case "link_shared":
                self._begin(self._unfurl(event, by))
            case _:
                made = to_activity(event, by)
                if made is not None:
                    await self._receive(made)

    async def _receive(self, activity: Json) -> None:
        _, user = parse_person_id(activity["from"]["id"])
        locale = await self._parts.locales.find(parse_place(activity["conversation"]).where, user)
        try:
            await self._front.receive(activity | {"locale": locale}, self._unhurried)
        except MalformedError:
            log.info("an activity that nobody could answer")

    def _open_home(self, event: Mapping[str, Any], by: Arrived) -> None:
        user = an_id(event.get("user"))
        if user and event.get("tab", "home") == "home":
            person = self._pseudonym(to_person_id(by.where.team, user))
            self._begin(self._show_home(by.where, event, person))

    async def _show_home(self, where: Workspace, event: Mapping[str, Any], person: str) -> None:
        set_language(await self._parts.locales.find(where, an_id(event.get("user"))))
        await self._parts.home.show(where, event, person)

    async def _unfurl(self, event: Mapping[str, Any], by: Arrived) -> None:
        """Show what the links of a message lead to, as far as the pages are known."""
        if an_id(event.get("user")) == by.bot_user:
            return  # the bot's own answers have links, too
        cards: dict[str, Card] = {}
        for link in to_objects(event.get("links"))[:MOST_LINKS]:
            url = to_text(link.get("url"))
            found = await self._parts.previews.find(url) if url else None
            if found is not None:
                cards[url] = found.card
        if not cards:
            return
        try:
            await self._parts.connector.unfurl(by.where, event, cards)
        except (Undeliverable, OSError) as error:
            log.info("a link is not unfurled: %s", error)

    async def _prompt(self, thread: Mapping[str, Any], by: Arrived) -> None:
        channel, ts = an_id(thread.get("channel_id")), an_id(thread.get("thread_ts"))
        set_language(await self._parts.locales.find(by.where, an_id(thread.get("user_id"))))
        prompts = [{"title": example[:75], "message": example} for example in self._examples]
        params = {
            "channel_id": channel,
            "thread_ts": ts,
            "prompts": [*prompts[: MOST_PROMPTS - 1], {"title": say(MORE_PROMPT), "message": "help"}],
        }
        if not (channel and ts):
            return
        try:
            await self._parts.connector.api.call("assistant.threads.setSuggestedPrompts", by.where, params)
        except (Undeliverable, OSError) as error:
            log.warning("no questions were suggested: %s", error)

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(work, name="slack")
        self._work.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, StoreUnavailable):
                log.warning("what came from Slack could not be kept: %s", error)
            else:
                log.error("what came from Slack failed", exc_info=error)


def _is_absent(context: AsyncBoltContext) -> bool:
    """Tell whether the app is not installed where a request comes from."""
    known = context.authorize_result
    return known is None or not known.bot_token

"""Slack's Web API: calls within its limits, with the token of their workspace, and its errors as ours.

What Slack answers: `ratelimited` is waited for as long as it says; what may pass (it is down, it does not
answer) is tried again; that somebody or something is gone is `Undeliverable`; everything else is a
`ChannelError`. Tokens stand in no message of an error, and of the SDK's own log only errors are kept, since
it writes whole requests otherwise.

Calls keep to Slack's rate limits, and wait when it says "too fast".

Slack counts per method and workspace (its tiers: so many calls a minute), and lets an app say one thing a
second in one channel. On 429 it says for how long that method is closed for that workspace: until then nobody
here calls it, and afterwards not all at once.

Source: Slack's documentation on rate limits of the Web API.
"""

# pyright: reportUnknownMemberType=false
# The SDK's dictionaries have no types inside.

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.channel import ChannelError, Undeliverable
from bot.channels.incoming import to_object, to_text
from bot.http import retry_wait_s
from bot.slack.config import PaceRules

log = logging.getLogger(__name__)
sdk_log = logging.getLogger("slack_sdk.quiet")
sdk_log.setLevel(logging.ERROR)

ATTEMPTS = 4
MOST_WAIT_S = 60.0
HURRIED_WAIT_S = 0.0
TIMEOUT_S = 15
TRY_AGAIN = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
GONE = frozenset(
    {
        "account_inactive",
        "cannot_dm_bot",
        "cant_delete_message",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "invalid_auth",
        "is_archived",
        "message_not_found",
        "not_authed",
        "not_in_channel",
        "org_login_required",
        "restricted_action",
        "thread_not_found",
        "token_expired",
        "token_revoked",
        "user_not_found",
    }
)

Json = dict[str, Any]

SPOKEN = frozenset({"chat.postMessage", "chat.startStream"})
"""What puts a new message into a channel."""
LONGEST_S = 3_600.0
REMEMBERED = 10_000


class TooFast(Exception):
    """A call would have to wait longer than it is worth."""


@dataclass(slots=True)
class _Call:
    """When a call may go out, and when it was answered, 0.0 before."""

    at: float
    answered: float = 0.0


class SlackPace:
    """The turns of every method and channel. One per process."""

    def __init__(self, rules: PaceRules | None = None) -> None:
        self._rules = rules or PaceRules()
        self._calls: dict[tuple[str, str], deque[_Call]] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._channels: OrderedDict[str, tuple[asyncio.Lock, list[float]]] = OrderedDict()

    @property
    def second_s(self) -> float:
        """How long a second of Slack's lasts."""
        return self._rules.second_s

    @asynccontextmanager
    async def turn(self, method: str, team: str, channel: str, most_s: float) -> AsyncGenerator[None]:
        """Wait until a method may be called, at most `most_s`. Raises TooFast."""
        async with self._channel(f"{team}:{channel}" if channel and method in SPOKEN else ""):
            call, before = self._reserve(method, team, most_s)
            try:
                while (wait_s := max(call.at, self._clear(before)) - time.monotonic()) > 0:  # noqa: ASYNC110 - a time, no event
                    await asyncio.sleep(wait_s)
                yield
            finally:
                call.answered = time.monotonic()

    def close(self, method: str, team: str, retry_after: str | None) -> None:
        """Slack said that a method is called too often: nobody calls it for as long as it said."""
        try:
            asked_s = min(max(0.0, float(retry_after or "")), LONGEST_S)
        except ValueError:
            asked_s = 1.0
        jitter = 1 + random.random() / 4  # noqa: S311 - spreads retries, protects nothing
        until = time.monotonic() + asked_s * self._rules.second_s * jitter
        self._closed[method, team] = max(until, self._closed.get((method, team), 0.0))

    def _reserve(self, method: str, team: str, most_s: float) -> tuple[_Call, _Call | None]:
        """Take the next free moment; return it, and the call that has to be over for a minute by then."""
        now = time.monotonic()
        limit = self._rules.per_minute.get(method, self._rules.other)
        calls = self._calls.setdefault((method, team), deque(maxlen=limit))
        before = calls[0] if len(calls) == limit else None
        at = max(now, self._closed.get((method, team), 0.0), self._clear(before))
        if at - now > most_s:
            raise TooFast(f"{method} may be called in {at - now:.0f} s again")
        call = _Call(at)
        calls.append(call)
        return call, before

    def _clear(self, before: _Call | None) -> float:
        """Return when a call no longer counts: it arrived when it was answered, at the latest."""
        if before is None:
            return 0.0
        over = before.answered or max(before.at, time.monotonic())
        return over + 61 * self._rules.second_s

    @contextlib.asynccontextmanager
    async def _channel(self, name: str) -> AsyncGenerator[None]:
        """Hold a channel: the next one speaks a second after this one has been heard."""
        if not name:
            yield
            return
        lock, heard = self._channels.setdefault(name, (asyncio.Lock(), [-1e9]))
        self._channels.move_to_end(name)
        self._forget_oldest()
        async with lock:
            wait_s = heard[0] + self._rules.second_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            try:
                yield
            finally:
                heard[0] = time.monotonic()

    def _forget_oldest(self) -> None:
        if len(self._channels) > REMEMBERED:
            oldest = next(iter(self._channels))
            if not self._channels[oldest][0].locked():
                del self._channels[oldest]


class SlackRefused(ChannelError):
    """Slack did not do it; `error` is its word for why."""

    def __init__(self, method: str, error: str, status: int) -> None:
        super().__init__(f"{method}: {error}", status)
        self.error = error


@dataclass(frozen=True, slots=True)
class Workspace:
    """Whom a call is for: a workspace, and its organisation ("") if the app is installed for all of it."""

    team: str
    enterprise: str = ""


TokenOf = Callable[[Workspace], Awaitable[str]]
"""Returns the bot's token in a workspace, "" where it is not installed. Raises OSError and StoreError."""


class SlackApi:
    """Calls methods. One per process; its connections are opened with the first call."""

    def __init__(self, token_of: TokenOf, pace: SlackPace | None = None, base_url: str = "") -> None:
        """`base_url` is where the Web API is, "" for Slack's own."""
        self.pace = pace or SlackPace()
        self._token_of = token_of
        self._base_url = f"{base_url.rstrip('/')}/" if base_url else AsyncWebClient.BASE_URL
        self._session: aiohttp.ClientSession | None = None

    def client(self, token: str | None = None) -> AsyncWebClient:
        """Return a client of the SDK over our connections."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self._session,
            logger=sdk_log,
            retry_handlers=[],
            timeout=TIMEOUT_S,
        )

    async def call(
        self, method: str, where: Workspace, params: Mapping[str, Any], *, hurried: bool = False
    ) -> Json:
        """Call a method; return what Slack answered. `hurried`: rather not at all than later.

        Raises Undeliverable, and ChannelError where it may work another time.
        """
        token = await self.token(where)
        channel = to_text(params.get("channel"))
        for attempt in range(ATTEMPTS):
            try:
                return await self._try(method, where, (token, channel, params), hurried=hurried)
            except SlackRefused as refused:
                if hurried or attempt == ATTEMPTS - 1 or not _may_pass(method, refused):
                    raise
                if refused.error != "ratelimited":
                    await asyncio.sleep(retry_wait_s(attempt, None) * self.pace.second_s)
                log.info("Slack refused for now, trying again: %s", refused)
        raise AssertionError("the last attempt returns or raises")

    async def token(self, where: Workspace) -> str:
        """Return the bot's token in a workspace. Raises Undeliverable where there is none (any more)."""
        token = await self._token_of(where)
        if not token:
            raise Undeliverable("the app is not installed in this workspace (any more)")
        return token

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def _try(
        self, method: str, where: Workspace, what: tuple[str, str, Mapping[str, Any]], *, hurried: bool
    ) -> Json:
        token, channel, params = what
        try:
            most_s = HURRIED_WAIT_S if hurried else MOST_WAIT_S
            async with self.pace.turn(method, where.team, channel, most_s):
                return await self._request(method, token, params)
        except TooFast as fast:
            raise SlackRefused(method, "too fast for us", HTTPStatus.TOO_MANY_REQUESTS) from fast
        except SlackApiError as error:
            raise self._read(method, where, error) from None  # its text has the whole answer

    async def _request(self, method: str, token: str, params: Mapping[str, Any]) -> Json:
        try:
            response = await self.client(token).api_call(method, json=dict(params))
            data: object = cast("object", response.data)
        except SlackApiError:
            raise
        except (aiohttp.ClientError, SlackClientError, TimeoutError, ValueError) as error:
            raise SlackRefused(method, f"no answer ({type(error).__name__})", 0) from None
        return to_object(data)

    def _read(self, method: str, where: Workspace, error: SlackApiError) -> Exception:
        response: Any = cast("Any", error.response)
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
        body: object = getattr(response, "data", None)
        word = to_text(to_object(body).get("error"))[:80]
        if status == HTTPStatus.TOO_MANY_REQUESTS or word in {"ratelimited", "rate_limited"}:
            headers = cast("Mapping[str, str]", getattr(response, "headers", {}))
            self.pace.close(method, where.team, headers.get("Retry-After"))
            return SlackRefused(method, "ratelimited", HTTPStatus.TOO_MANY_REQUESTS)
        if word in GONE:
            return Undeliverable(f"{method}: {word}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not word:
            return SlackRefused(method, f"no answer ({status})", status)
        return SlackRefused(method, word, HTTPStatus.BAD_REQUEST)


def _may_pass(method: str, refused: SlackRefused) -> bool:
    if refused.status == 0:  # it may have been said all the same: nobody wants to read it twice
        return method not in SPOKEN
    passing = refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return passing or refused.error == "ratelimited" or refused.error in TRY_AGAIN

"""Slack's Web API: one call at a time within its limits, with the token of its workspace, and its errors as ours.

What Slack answers: `ratelimited` is waited for as long as it says; what may pass (it is down, it does not answer) is
tried again; that somebody or something is gone is `Undeliverable`; everything else is a `ChannelError`. Tokens stand in
no message of an error, and of the SDK's own log only errors are kept, since it writes whole requests otherwise.
"""

# pyright: reportUnknownMemberType=false
# The SDK's dictionaries have no types inside.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.activities import as_dict, as_text
from bot.delivery import ChannelError
from bot.dialogs.ask import Undeliverable
from bot.pace import retry_wait_s
from bot.slack_pace import SPOKEN, SlackPace, TooFast

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


class SlackRefused(ChannelError):
    """Slack did not do it; `error` is its word for why."""

    def __init__(self, method: str, error: str, status: int) -> None:
        super().__init__(f"{method}: {error}", status)
        self.error = error


@dataclass(frozen=True, slots=True)
class Workspace:
    """Whom a call is for: a workspace, and its organisation where the app is installed for all of that ("")."""

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
        token = await self._token_of(where)
        if not token:
            raise Undeliverable("the app is not installed in this workspace (any more)")
        channel = as_text(params.get("channel"))
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
        return as_dict(data)

    def _read(self, method: str, where: Workspace, error: SlackApiError) -> Exception:
        response: Any = cast("Any", error.response)
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
        body: object = getattr(response, "data", None)
        word = as_text(as_dict(body).get("error"))[:80]
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

"""The way out to a channel: the Bot Connector's REST calls over one aiohttp session.

The SDK's client sends from threads of the default executor, six of them on two cores, and drops the fields
that Teams' label and streams need; the calls are three, so they stand here.

What the channel answers: 403 and 404 are `Undeliverable`; 412, 429, 502 and 504 are tried again with jitter
and the wait that the channel asked for; everything else is a `ChannelError`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.channel import ChannelError, Undeliverable
from bot.channels.incoming import Reference, to_object, to_text
from bot.channels.message import Message, Outgoing, OwnReaction
from bot.http import retry_wait_s
from bot.teams.rate_limit import Pace
from bot.teams.render import render_activity
from core.text import Json

log = logging.getLogger(__name__)

OWN_REACTIONS = {
    OwnReaction.WORKING: "1f440_eyes",
    OwnReaction.ANSWERED: "2705_whiteheavycheckmark",
    OwnReaction.CORRECTED: "1f4cc_pushpin",
}
"""By their names in Teams: of those that its SDK lists for bots."""
TRY_AGAIN = frozenset({412, 429, 502, 504})
GONE = frozenset({403, 404})
ATTEMPTS = 4
TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=10.0, sock_read=15.0)
"""Seconds. Waiting for a free connection counts in the total only: a burst must not look like a dead peer."""


class BotConnector:
    """A `bot.channels.message.Connector`. `token` returns the bot's own bearer token, "" to send none."""

    def __init__(
        self, session: aiohttp.ClientSession, token: Callable[[], Awaitable[str]], pace: Pace | None = None
    ) -> None:
        self._session = session
        self._token = token
        self._pace = pace or Pace()

    async def send(self, reference: Reference, message: Outgoing) -> str:
        return await self.post_activity(reference.conversation, render_activity(reference, message))

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        await self.put_activity(reference.conversation, message_id, render_activity(reference, message))

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        await self._call("DELETE", conversation, message_id, None)

    async def react(
        self, conversation: Mapping[str, Any], message_id: str, reaction: OwnReaction, *, remove: bool = False
    ) -> None:
        """Add a reaction of the bot's own, or take it back: once, and outside the turns of what is said.

        Source: https://learn.microsoft.com/microsoftteams/platform/teams-sdk/in-depth-guides/message-reactions
        and the REST call behind it, PUT or DELETE …/activities/{activity}/reactions/{type}.
        """
        url = _address(conversation, message_id, f"/reactions/{OWN_REACTIONS[reaction]}")
        status, reply, _ = await self._request("DELETE" if remove else "PUT", url, None)
        _read(status, reply)

    async def tell_one(self, reference: Reference, message: Message) -> None:
        """Say something in a group chat or channel that only `reference.user` sees; it goes after 24 hours.

        Source: https://learn.microsoft.com/microsoftteams/platform/agents-in-teams/targeted-messages
        """
        activity = render_activity(reference, message)
        await self._call("POST", reference.conversation, "", activity, "?isTargetedActivity=true")

    async def open_chat(self, near: Reference) -> Reference:
        """Begin a chat with one person, or return the one that there is, in the tenant of `near`.

        The person is named by their id of Teams or of the directory, and has to have the app.
        Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages
        """
        where = {
            name: to_text(near.conversation.get(name)) for name in ("serviceUrl", "channelId", "tenantId")
        }
        asked: Json = {
            "bot": near.bot,
            "isGroup": False,
            "members": [{"id": near.user["id"]}],
            "tenantId": where["tenantId"],
            "channelData": {"tenant": {"id": where["tenantId"]}},
        }
        url = _parse_url(f"{where['serviceUrl'].rstrip('/')}/v3/conversations")
        status, reply, _ = await self._request("POST", url, json.dumps(asked).encode())
        opened = to_text(_read(status, reply).get("id"))
        if not opened:
            raise Undeliverable("Teams opened no chat")
        chat = {"id": opened, "conversationType": "personal", **where}
        return Reference(chat, near.bot, {"id": near.user["id"]}, "")

    async def download(self, conversation: Mapping[str, Any], address: str, most_bytes: int) -> bytes:
        """Return a picture of a message, one byte more than `most_bytes` at most.

        Raises Undeliverable where it does not lie at the service of the conversation: the token is for that.
        """
        url = _parse_url(address)
        if url.origin() != _parse_url(to_text(conversation.get("serviceUrl"))).origin():
            raise Undeliverable("the picture lies elsewhere")
        token = await self._token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.get(
                url, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as reply:
                if reply.status != 200:  # noqa: PLR2004 - OK
                    _read(reply.status if reply.status >= 400 else 404, b"")  # noqa: PLR2004 - errors
                return await _read_some(reply.content, most_bytes + 1)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChannelError(f"the channel does not answer: {type(error).__name__}: {error}") from error

    async def post_activity(self, conversation: Mapping[str, Any], activity: Json) -> str:
        """Send an activity as it is; return its id."""
        return to_text((await self._call("POST", conversation, "", activity)).get("id"))

    async def put_activity(self, conversation: Mapping[str, Any], message_id: str, activity: Json) -> None:
        """Write an activity as it is over a message."""
        await self._call("PUT", conversation, message_id, activity | {"id": message_id})

    async def _call(
        self,
        method: str,
        conversation: Mapping[str, Any],
        message_id: str,
        activity: Json | None,
        query: str = "",
    ) -> Json:
        url = _address(conversation, message_id, query)
        body = json.dumps(activity).encode() if activity is not None else None
        tenant = to_text(conversation.get("tenantId"))
        async with self._pace.turn(str(conversation["id"]), tenant) as turn:
            for attempt in range(ATTEMPTS):
                async with turn.request():
                    status, reply, retry_after = await self._request(method, url, body)
                if status not in TRY_AGAIN or attempt == ATTEMPTS - 1:
                    return _read(status, reply)
                wait_s = retry_wait_s(attempt, retry_after)
                log.info("the channel answered %d, trying again in %.1f s", status, wait_s)
                await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns")

    async def _request(self, method: str, url: URL, body: bytes | None) -> tuple[int, bytes, str | None]:
        headers = {"Content-Type": "application/json"}
        if token := await self._token():
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, await response.read(), response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChannelError(f"the channel does not answer: {type(error).__name__}: {error}") from error


async def _read_some(stream: aiohttp.StreamReader, most: int) -> bytes:
    body = bytearray()
    async for chunk in stream.iter_chunked(65_536):
        body += chunk
        if len(body) >= most:
            break
    return bytes(body[:most])


def _address(conversation: Mapping[str, Any], message_id: str, rest: str = "") -> URL:
    base = to_text(conversation.get("serviceUrl")).rstrip("/")
    path = f"{base}/v3/conversations/{quote(str(conversation['id']), safe='')}/activities"
    return _parse_url(f"{path}/{quote(message_id, safe='')}{rest}" if message_id else path + rest)


def _parse_url(address: str) -> URL:
    try:
        url = URL(address, encoded=True)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise Undeliverable("the conversation has no address to answer to")
    return url


def _read(status: int, reply: bytes) -> Json:
    if status // 100 == 2:  # noqa: PLR2004 - any success
        try:
            return to_object(json.loads(reply)) if reply.strip() else {}
        except ValueError:
            return {}
    said = f"{status} {reply[:300].decode('utf-8', 'replace')}"
    if status in GONE:
        raise Undeliverable(said)
    raise ChannelError(said, status)

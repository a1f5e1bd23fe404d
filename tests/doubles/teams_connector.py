"""A Bot Connector service in memory: what the bot says to Teams ends here, under Teams' own rules.

It refuses what Teams refuses, and notes it in `broken` (`tests/doubles/teams_limits.py` has the rules): a
test that made the bot break one fails at its end, unless it looks at what was broken by itself (`forgive`).
Of several `bots` that speak to it none can know whether another one streams in a chat: then a second stream
there is refused, but breaks nothing. `fail` makes the next calls fail the way a test needs; that breaks
nothing. `calls` has everything that arrived, refused or not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.doubles.teams_limits import ONE_STREAM, Rates, Streams, broken_by, stream_info

Json = dict[str, Any]

PASSING = frozenset({0, 412, 429, 502, 504})
"""Failures that are over when the same call comes again: they end no stream. 0 is a dropped connection."""
REACTION: Json = {"type": "reaction"}
"""What `fail` sees of a reaction, which is no activity."""
SERVICES: list[ConnectorService] = []
"""Those of the test that runs; conftest.py looks at them at its end."""


@dataclass(frozen=True)
class Call:
    """One request of the bot. `activity` is empty for a deletion; `status` is what it was answered."""

    method: str
    conversation: str
    message_id: str
    activity: Json
    authorization: str
    at: float
    status: int
    targeted: bool = False

    @property
    def is_message(self) -> bool:
        return 200 <= self.status < 300 and self.activity.get("type") == "message"

    @property
    def stream(self) -> Json:
        return stream_info(self.activity)


@dataclass
class _Failure:
    status: int
    headers: dict[str, str]
    body: str
    times: int
    when: Callable[[Json], bool]


class ConnectorService:
    """Serve `app`; give the bot its address as serviceUrl."""

    def __init__(self) -> None:
        SERVICES.append(self)
        self.calls: list[Call] = []
        self.broken: list[str] = []
        self.shown: dict[str, Json] = {}
        self.bots = 1
        self.hold = asyncio.Event()
        self.hold.set()
        self.lag_s: Callable[[], float] = lambda: 0.0
        self._failures: list[_Failure] = []
        self._rates = Rates()
        self._streams = Streams()
        self._places: dict[str, str] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self.app = web.Application(client_max_size=10_000_000)
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.reactions: dict[tuple[str, str], list[str]] = {}
        self.chats: dict[str, str] = {}
        self.app.router.add_post("/v3/conversations", self._open_chat)
        self.app.router.add_get("/sharepoint/{name}", self._send_file)
        self.app.router.add_get("/v3/attachments/{name}/views/original", self._send_picture)
        self.app.router.add_route(
            "*", "/v3/conversations/{conversation}/activities/{message}/reactions/{name}", self._react
        )
        self.app.router.add_route("*", "/v3/conversations/{conversation}/activities", self._take)
        self.app.router.add_route("*", "/v3/conversations/{conversation}/activities/{message}", self._take)

    def fail(
        self,
        status: int,
        *,
        times: int = 1,
        headers: dict[str, str] | None = None,
        body: str = "{}",
        when: Callable[[Json], bool] = lambda _: True,
    ) -> None:
        """Answer the next `times` calls whose activity `when` accepts with this status; 0 hangs up."""
        self._failures = [failure for failure in self._failures if failure.times > 0]
        self._failures.append(_Failure(status, headers or {}, body, times, when))

    def recover(self) -> None:
        """Fail no more."""
        self._failures.clear()

    def forgive(self, words: str = "") -> list[str]:
        """Return what was broken in these words, which the test looks at itself."""
        forgiven = [one for one in self.broken if words in one]
        self.broken = [one for one in self.broken if words not in one]
        return forgiven

    async def until(self, condition: Callable[[ConnectorService], Any], timeout_s: float = 10.0) -> Any:
        """Wait until the condition is true of this service, and return what it returned."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))
        return condition(self)

    async def messages(self, count: int = 1) -> list[Call]:
        """Wait for this many messages (typing and streamed parts are none), and return them."""
        return await self.until(
            lambda s: found if len(found := [c for c in s.calls if c.is_message]) >= count else None
        )

    async def _open_chat(self, request: web.Request) -> web.Response:
        """Open a chat with one of `chats`, who have the app; others get what Teams says of them.

        Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages
        """
        asked = await request.json()
        members = [one.get("id") for one in asked.get("members", [])]
        if len(members) != 1 or asked.get("isGroup") is not False or not asked.get("bot", {}).get("id"):
            self.broken.append(f"a chat that is none of one person with the bot: {asked}")
        if (
            not asked.get("tenantId")
            or asked.get("channelData", {}).get("tenant", {}).get("id") != asked["tenantId"]
        ):
            self.broken.append("a chat without its tenant")
        if members[0] not in self.chats:
            body = '{"error": {"code": "ForbiddenOperationException", "message": "The bot is not installed"}}'
            return web.Response(status=403, text=body)
        return web.json_response({"id": self.chats[members[0]]}, status=201)

    async def _react(self, request: web.Request) -> web.Response:
        """Keep a reaction of the bot's, or take it back; the names are those that Microsoft's SDK lists.

        Source: https://learn.microsoft.com/microsoftteams/platform/teams-sdk/in-depth-guides/message-reactions
        """
        match = request.match_info
        failure = next((one for one in self._failures if one.times > 0 and one.when(REACTION)), None)
        if failure is not None:
            failure.times -= 1
            return web.Response(status=failure.status, text=failure.body)
        if match["name"] not in {"1f440_eyes", "2705_whiteheavycheckmark", "1f4cc_pushpin"}:
            self.broken.append(f"a reaction that Teams does not have: {match['name']}")
        if not request.headers.get("Authorization"):
            self.broken.append("a reaction without a token")
        here = self.reactions.setdefault((match["conversation"], match["message"]), [])
        if request.method == "PUT" and match["name"] not in here:
            here.append(match["name"])
        elif request.method == "DELETE":
            if match["name"] not in here:
                return web.Response(status=404, text="{}")
            here.remove(match["name"])
        async with self._changed:
            self._changed.notify_all()
        return web.Response(status=200)

    async def _send_file(self, request: web.Request) -> web.Response:
        """Send a file from SharePoint: its address is all that it takes, and the bot's token is none of its.

        Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4
        """
        if "Authorization" in request.headers:
            self.broken.append("the bot's token went to SharePoint")
        self.fetched.append(request.match_info["name"])
        body = self.files.get(request.match_info["name"])
        return web.Response(
            body=body, status=200 if body is not None else 404, content_type="application/octet-stream"
        )

    async def _send_picture(self, request: web.Request) -> web.Response:
        """Send a picture of a message to the bot alone.

        Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
        """
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return web.Response(status=401)
        self.fetched.append(request.match_info["name"])
        body = self.files.get(request.match_info["name"])
        return web.Response(body=body, status=200 if body is not None else 404, content_type="image/png")

    async def _take(self, request: web.Request) -> web.Response:
        at = asyncio.get_running_loop().time()
        await self.hold.wait()
        activity = await request.json() if request.can_read_body else {}
        conversation = request.match_info["conversation"]
        message_id = request.match_info.get("message", "")
        tenant = activity.get("conversation", {}).get("tenantId", "")
        self.broken += self._rates.broken(conversation, tenant, at)
        targeted = request.query.get("isTargetedActivity") == "true"
        if targeted:
            self.broken += _wrong_target(request.method, activity)
        status, body, headers = self._answer(request.method, conversation, message_id, activity, at)
        call = Call(
            method=request.method,
            conversation=conversation,
            message_id=message_id,
            activity=activity,
            authorization=request.headers.get("Authorization", ""),
            at=at,
            status=status,
            targeted=targeted,
        )
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if lag_s := self.lag_s():
            await asyncio.sleep(lag_s)
        if status == 0 and request.transport:
            request.transport.abort()
        return web.Response(status=status or 500, text=body, headers=headers, content_type="application/json")

    def _answer(
        self, method: str, conversation: str, message_id: str, activity: Json, at: float
    ) -> tuple[int, str, dict[str, str]]:
        for failure in self._failures:
            if failure.times > 0 and failure.when(activity):
                failure.times -= 1
                if failure.status not in PASSING:
                    self._streams.end(stream_info(activity).get("streamId", ""))
                return failure.status, failure.body, failure.headers
        if method != "POST" and not self._is_known(conversation, message_id):
            self.broken.append(f"{method} of {message_id}, which was never in {conversation}")
        if method == "DELETE":
            return (200 if self.shown.pop(message_id, None) is not None else 404), "{}", {}
        refused = self._refused(conversation, activity, at)
        if refused:
            self.broken += [] if refused[1] == ONE_STREAM and self.bots > 1 else [refused[1]]
            return refused[0], json.dumps({"error": {"message": refused[1]}}), {}
        if method == "PUT" and message_id not in self.shown:
            return 404, "{}", {}
        return 201, json.dumps({"id": self._keep(conversation, message_id, activity, at)}), {}

    def _refused(self, conversation: str, activity: Json, at: float) -> tuple[int, str] | None:
        broken = next(broken_by(activity), None)
        if broken:
            return (413 if "bytes" in broken else 400), broken
        return self._streams.refused(conversation, activity, at) if stream_info(activity) else None

    def _keep(self, conversation: str, message_id: str, activity: Json, at: float) -> str:
        stream = stream_info(activity)
        message_id = message_id or stream.get("streamId") or f"m{next(self._ids)}"
        if stream and "streamId" not in stream:
            self._streams.begun(message_id, conversation, activity, at)
        if activity["type"] == "message" or stream:
            self.shown[message_id] = activity
            self._places[message_id] = _home(conversation)
        return message_id

    def _is_known(self, conversation: str, message_id: str) -> bool:
        return self._places.get(message_id) == _home(conversation)


def _wrong_target(method: str, activity: Json) -> list[str]:
    """Return what is wrong with a message for one person.

    It names its recipient where it is new, and in chats of one person there is none.
    Source: https://learn.microsoft.com/microsoftteams/platform/agents-in-teams/targeted-messages
    """
    wrong: list[str] = []
    if method == "POST" and not activity.get("recipient", {}).get("id"):
        wrong.append("a targeted message without a recipient")
    if activity.get("conversation", {}).get("conversationType") == "personal":
        wrong.append("a targeted message in a chat of one person")
    return wrong


def _home(conversation: str) -> str:
    """Return the conversation that a thread is in."""
    return conversation.partition(";")[0]

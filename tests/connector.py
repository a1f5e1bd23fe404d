"""A Bot Connector service in memory: what the bot says to Teams ends here, under Teams' own rules.

It refuses what Teams refuses: a stream outside a personal chat, with a gap in its sequence, or after its end; more
than one update of a stream at a time; feedback switches that exclude each other; a message too large. `fail` makes
the next calls fail the way a test needs. `calls` has everything that arrived, refused or not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Json = dict[str, Any]

MAX_UTF16_BYTES = 100_000


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

    @property
    def is_message(self) -> bool:
        return self.status < 300 and self.activity.get("type") == "message"

    @property
    def stream(self) -> Json:
        return stream_info(self.activity)


def stream_info(activity: Json) -> Json:
    return next((entity for entity in activity.get("entities", []) if entity["type"] == "streaminfo"), {})


@dataclass
class _Failure:
    status: int
    headers: dict[str, str]
    body: str
    times: int
    when: Callable[[Json], bool]


@dataclass
class _Open:
    """A stream under way."""

    conversation: str
    sequence: int
    finished: bool = False


class ConnectorService:
    """Serve `app`; give the bot its address as serviceUrl."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.shown: dict[str, Json] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self._failures: list[_Failure] = []
        self._streams: dict[str, _Open] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self.app = web.Application(client_max_size=10_000_000)
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
        """Let the next `times` calls whose activity `when` accepts be answered with this status."""
        self._failures.append(_Failure(status, headers or {}, body, times, when))

    def recover(self) -> None:
        """Fail no more."""
        self._failures.clear()

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

    async def _take(self, request: web.Request) -> web.Response:
        await self.hold.wait()
        activity = await request.json() if request.can_read_body else {}
        conversation = request.match_info["conversation"]
        message_id = request.match_info.get("message", "")
        status, body, headers = self._answer(request.method, conversation, message_id, activity)
        call = Call(
            method=request.method,
            conversation=conversation,
            message_id=message_id,
            activity=activity,
            authorization=request.headers.get("Authorization", ""),
            at=asyncio.get_running_loop().time(),
            status=status,
        )
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        return web.Response(status=status, text=body, headers=headers, content_type="application/json")

    def _answer(
        self, method: str, conversation: str, message_id: str, activity: Json
    ) -> tuple[int, str, dict[str, str]]:
        for failure in self._failures:
            if failure.times > 0 and failure.when(activity):
                failure.times -= 1
                return failure.status, failure.body, failure.headers
        if method == "DELETE":
            return (200 if self.shown.pop(message_id, None) is not None else 404), "{}", {}
        refused = self._refused(conversation, activity)
        if refused:
            return refused[0], json.dumps({"error": {"message": refused[1]}}), {}
        if method == "PUT" and message_id not in self.shown:
            return 404, "{}", {}
        stream = stream_info(activity)
        message_id = message_id or stream.get("streamId") or f"m{next(self._ids)}"
        if stream and "streamId" not in stream:
            self._streams[message_id] = _Open(conversation, 1)
        if activity["type"] == "message" or stream:
            self.shown[message_id] = activity
        return 201, json.dumps({"id": message_id}), {}

    def _refused(self, conversation: str, activity: Json) -> tuple[int, str] | None:
        if (
            len(json.dumps(activity, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))
            > MAX_UTF16_BYTES
        ):
            return 413, "Message size too large"
        channel_data = activity.get("channelData", {})
        if "feedbackLoop" in channel_data and "feedbackLoopEnabled" in channel_data:
            return 400, "feedbackLoop and feedbackLoopEnabled exclude each other"
        stream = stream_info(activity)
        if not stream:
            return None
        if activity["conversation"].get("conversationType") != "personal":
            return 403, "ContentStreamNotAllowed: personal chats only"
        if not activity.get("text") or (activity["type"] == "message") != (stream["streamType"] == "final"):
            return 400, "a part is typing with text, the end is a message with text"
        return self._refused_part(conversation, stream)

    def _refused_part(self, conversation: str, stream: Json) -> tuple[int, str] | None:
        final = stream["streamType"] == "final"
        if "streamId" not in stream:
            return None if stream.get("streamSequence") == 1 else (400, "a stream begins with 1")
        known = self._streams.get(stream["streamId"])
        if known is None or known.conversation != conversation or known.finished:
            return 403, "ContentStreamNotAllowed: no such stream is open"
        if stream.get("streamSequence") != (None if final else known.sequence + 1):
            return 400, "ContentStreamSequenceOrderPreConditionFailed"
        known.sequence += 1
        known.finished = final
        return None

"""A client of model servers that speak OpenAI's chat API: lists their models, and streams an answer.

    EngineBusy      it is busy (429, 503), with when to try again
    PromptTooLong   the chat does not fit the model
    EngineFailed    it cannot be reached, refuses the key, knows no such model, or broke off (ServerLost)

Closing a stream closes its connection, and a server that looks stops writing. The address is the operator's:
it is not checked as pages' addresses are, and redirects are not followed, since the key goes with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp

from model.onnx_infer import EngineBusy, EngineError, EngineFailed, PromptTooLong

Event = dict[str, Any]
_CONNECT_S = 5.0
_BUSY_S = 5.0
_NOT_NOW = (429, 503)
_LOST = (500, 502, 504)
"""What proxies answer for a server that they cannot reach, or that died; a server of ours gives its code."""
_QUOTED_CHARACTERS = 300
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)
_PREFIX = b"data:"
_LEFT_OUT = ("temperature", "top_p", "seed", "stream_options")


class ServerTooShort(PromptTooLong):
    """The server says that the chat does not fit its model; it alone knows the sizes."""

    def __init__(self, said: str) -> None:
        EngineError.__init__(self, said)
        self.prompt = self.new = self.context = 0


class ServerAway(EngineFailed):
    """The server cannot be reached, or does not answer in time."""


class ServerLost(EngineFailed):
    """The connection broke, or what stands before the server has lost it: asked again, it may answer."""


class ServerClient:
    """One server. `url` ends with /v1 as a rule; `timeout_s` is the longest silence.

    `away` says why it could not be reached lately ("": it could): then nobody waits for it. What a server
    does not take of a request (some models know no temperature) is left out from then on.
    """

    def __init__(self, url: str, key: str = "", timeout_s: float = 20.0) -> None:
        self.url = url.rstrip("/")
        self.away = ""
        self._key, self._timeout_s = key, timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._refused: set[str] = set()

    def copy(self) -> ServerClient:
        """Return a client of the same server, for another event loop."""
        return ServerClient(self.url, self._key, self._timeout_s)

    async def list_models(self) -> list[Event]:
        """Return what it serves. Raises ServerAway, EngineError."""
        async with self._ask("GET", "models", None) as response:
            listed = await _read_json(response)
        return [
            one for one in cast("list[Event]", listed.get("data") or []) if isinstance(one.get("id"), str)
        ]

    async def stream_chat(self, body: Mapping[str, Any]) -> AsyncGenerator[Event]:
        """Yield the events of an answer; the last has its usage where the server tells.

        Raises EngineError.
        """
        if self.away:
            raise ServerAway(self.away)
        asked = dict(body)
        for _ in range(len(_LEFT_OUT) + 2):
            try:
                async for event in self._stream(self._fit(asked)):
                    yield event
            except _Unsupported as refused:
                self._refused.add(refused.name)
            else:
                return
        raise EngineFailed(f"the model server {self.url} takes no request of ours")

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    def _fit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a request without what this server does not take."""
        fitting = {name: value for name, value in body.items() if name not in self._refused}
        if "max_tokens" in self._refused:
            fitting["max_completion_tokens"] = body["max_tokens"]
        return fitting

    async def _stream(self, body: dict[str, Any]) -> AsyncGenerator[Event]:
        async with self._ask("POST", "chat/completions", body) as response:
            try:
                async for line in response.content:
                    if not line.startswith(_PREFIX):
                        continue
                    data = line[len(_PREFIX) :].strip()
                    if data == b"[DONE]":
                        return
                    yield _read_event(data)
            except TimeoutError as error:
                raise EngineFailed(f"the model server broke off: {_describe(error)}") from error
            except _UNREACHABLE as error:
                raise ServerLost(f"the model server broke off: {_describe(error)}") from error

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request, and yield a response that is no error; it is closed afterwards, read or not."""
        try:
            response = await self._send(method, path, body)
        except _UNREACHABLE as error:
            raise ServerAway(f"the model server {self.url} cannot be reached: {_describe(error)}") from error
        try:
            if response.status != 200:  # noqa: PLR2004
                raise await _read_error(response, body or {})
            yield response
        finally:
            response.close()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> aiohttp.ClientResponse:
        session, url = self._open(), f"{self.url}/{path}"
        try:
            return await session.request(method, url, json=body, allow_redirects=False)
        except aiohttp.ServerDisconnectedError:  # a connection that it had closed while we thought it open
            return await session.request(method, url, json=body, allow_redirects=False)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=self._timeout_s, connect=_CONNECT_S * 2
            )
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            connector = aiohttp.TCPConnector(limit=0)  # how many may ask at once the bot decides
            self._session = aiohttp.ClientSession(timeout=timeout, headers=headers, connector=connector)
        return self._session


class _Unsupported(Exception):
    """The server does not take a field that can be left out, or written otherwise."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _describe(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or ("it does not answer" if isinstance(error, TimeoutError) else type(error).__name__)


def _read_event(data: bytes) -> Event:
    try:
        event = json.loads(data)
    except ValueError:
        raise EngineFailed("the model server sent what is no event") from None
    if not isinstance(event, dict):
        raise EngineFailed("the model server sent what is no event")
    event = cast("Event", event)
    if event.get("error"):
        raise EngineFailed(f"the model server failed: {_message(event)}")
    return event


async def _read_json(response: aiohttp.ClientResponse) -> Event:
    try:
        read = await response.json(content_type=None)
    except (*_UNREACHABLE, ValueError) as error:
        raise EngineFailed(f"the model server sent what is not JSON: {_describe(error)}") from error
    return cast("Event", read) if isinstance(read, dict) else {}


async def _read_error(response: aiohttp.ClientResponse, asked: Mapping[str, Any]) -> Exception:
    """Return what an error response says, as an exception."""
    status = response.status
    try:
        body = await _read_json(response)
    except EngineFailed:
        body = {}
    raw = body.get("error")
    told = cast("Event", raw) if isinstance(raw, dict) else {}
    code, name = str(told.get("code")), str(told.get("param"))
    if status in _NOT_NOW and code != "insufficient_quota":
        return EngineBusy(_read_wait(response))
    if status == 400:  # noqa: PLR2004
        if code == "context_length_exceeded" or "maximum context length" in _message(body):
            return ServerTooShort(_message(body))
        if code.startswith("unsupported_") and name in asked and name in (*_LEFT_OUT, "max_tokens"):
            return _Unsupported(name)
    lost = status in _LOST and "code" not in told
    kind = ServerLost if lost else EngineFailed
    return kind(f"the model server answered {status}: {_message(body) or response.reason}")


def _read_wait(response: aiohttp.ClientResponse) -> float:
    try:
        return max(1.0, float(response.headers.get("Retry-After", _BUSY_S)))
    except ValueError:  # a date
        return _BUSY_S


def _message(body: Event) -> str:
    """Return the sentence of an error, whichever of the usual shapes it has."""
    raw = body.get("error", body)
    told = cast("Event", raw).get("message") if isinstance(raw, dict) else raw
    return str(told or "")[:_QUOTED_CHARACTERS]

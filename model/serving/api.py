"""The model server's handlers: OpenAI's `/v1/chat/completions` and `/v1/models`, health, and figures.

    request ─ key ─ bounded body ─ checked ─ version lent ─ engine ─ pieces ─ figures
              401   413            400       404            503, 400

They know no HTTP server (`model/serving/exchange.py`): aiohttp runs them on one machine, ASGI on many. A
client that hangs up stops its answer within a step: whoever runs this cancels `answer` then, and the engine's
generator is closed. A stream begins once its first piece is there or some seconds are over, so an error
before that is an ordinary one with its status.

Without a key the server speaks to this machine alone, and not to web sites that are open in a browser on it:
a request must name the machine by a loopback name, bring JSON by its type (a browser asks before it sends
that elsewhere), and must not come over a proxy.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any

from model.inference.process import Usage
from model.onnx_infer import EngineError
from model.serving.chat_request import (
    DONE,
    UNKNOWN_MODEL,
    ApiError,
    ChatRequest,
    Completion,
    from_engine,
    make_busy,
    make_event,
    parse_chat_request,
    reason_of,
    refuse,
)
from model.serving.engines import ServedModels, ServedVersion, UnknownModel
from model.serving.exchange import ClientDisconnected, HttpExchange, send_json, send_whole
from model.serving.metrics import CONTENT_TYPE, ServerMetrics

log = logging.getLogger(__name__)

_OPEN = ("/healthz", "/readyz")
_MODELS = "/v1/models"
_ONE_MODEL = "/v1/models/{name}"
_GOING_DOWN_S = 2.0
_STILL_HERE = b": still here\n\n"
_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class ServerRules:
    """Who is served, and how much: `key` ("": this machine alone), bytes of a body, messages, tokens.

    `answer_tokens` is how long an answer may be whose request does not say, `silence_s` how long a stream may
    say nothing before its first piece. `loopback_names` and `proxied`
    are what a Host header may say without a key, and which headers tell of a proxy.
    """

    key: str = ""
    most_bytes: int = 1_000_000
    most_messages: int = 100
    answer_tokens: int = 96
    silence_s: float = 5.0
    loopback_names: frozenset[str] = frozenset({"localhost", "127.0.0.1", "[::1]"})
    proxied: tuple[str, ...] = ()


class ModelApi:
    """The handlers. `going_down` is set at a stop: what is under way is finished, nothing new is begun."""

    def __init__(self, models: ServedModels, rules: ServerRules) -> None:
        self._models = models
        self._rules = rules
        self._metrics = ServerMetrics()
        self.going_down = False

    async def answer(self, exchange: HttpExchange) -> None:
        """Answer one request. Whoever runs this cancels it where the client hangs up."""
        try:
            self._let_in(exchange)
            await self._find_handler(exchange)(exchange)
        except ClientDisconnected:
            return
        except ApiError as error:
            failed = error
        except Exception:
            log.exception("a request failed")
            if exchange.begun:
                raise
            failed = ApiError(500, "Something went wrong; the server's log says what.")
        else:
            return
        self._metrics.count(failed.model, str(failed.status))
        await send_json(exchange, failed.body, failed.status, failed.headers)

    # Who is let in, and where to

    def _find_handler(self, exchange: HttpExchange) -> Callable[[HttpExchange], Awaitable[None]]:
        path = _ONE_MODEL if exchange.path.startswith(f"{_MODELS}/") else exchange.path
        handlers = {
            ("POST", "/v1/chat/completions"): self._complete,
            ("GET", _MODELS): self._list,
            ("GET", _ONE_MODEL): self._show,
            ("GET", "/healthz"): self._healthy,
            ("GET", "/readyz"): self._ready,
            ("GET", "/metrics"): self._figures,
        }
        method = "GET" if exchange.method == "HEAD" else exchange.method
        if handler := handlers.get((method, path)):
            return handler
        allowed = [known for known, of in handlers if of == path]
        if not allowed:
            raise ApiError(404, "There is nothing at this address.")
        refused = ApiError(405, f"This address takes {allowed[0]}.")
        refused.headers["Allow"] = allowed[0]
        raise refused

    def _let_in(self, exchange: HttpExchange) -> None:
        """Look who asks, before anything of the body is read."""
        if exchange.path not in _OPEN:
            if self._rules.key:
                self._check_key(exchange.headers)
            else:
                self._check_neighbour(exchange)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        kind, _, shown = headers.get("Authorization", "").partition(" ")
        shown = shown.strip() if kind.lower() == "bearer" else headers.get("api-key", "")
        if not hmac.compare_digest(shown.encode(errors="replace"), self._rules.key.encode()):
            raise ApiError(401, "Send this server's key: Authorization: Bearer KEY.", code="invalid_api_key")

    def _check_neighbour(self, exchange: HttpExchange) -> None:
        named = exchange.headers.get("Host", "")
        host = named.rpartition(":")[0] if ":" in named.rpartition("]")[2] else named
        proxied = any(name in exchange.headers for name in self._rules.proxied)
        if proxied or host.lower() not in self._rules.loopback_names:
            raise ApiError(401, "Without a key this server speaks to this machine alone.", code="no_key")
        kind = exchange.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if exchange.method == "POST" and kind != "application/json":
            raise ApiError(415, "Send JSON, as Content-Type: application/json.")

    # Chat

    async def _complete(self, exchange: HttpExchange) -> None:
        if self.going_down:
            raise make_busy("This server is going down.", _GOING_DOWN_S)
        body = await exchange.read_body(self._rules.most_bytes)
        if body is None:
            raise ApiError(413, f"A request has at most {self._rules.most_bytes} bytes here.")
        asked = parse_chat_request(body, self._rules.most_messages)
        try:
            with self._models.lend(asked.model, asked.user) as version:
                await self._write(exchange, asked, version)
        except UnknownModel:
            names = ", ".join(one.name for one in self._models.list_versions())
            raise ApiError(
                404, f"There is no such model here; there are: {names}.", code=UNKNOWN_MODEL, param="model"
            ) from None

    async def _write(self, exchange: HttpExchange, asked: ChatRequest, version: ServedVersion) -> None:
        writing = Writing(version, asked, self._rules.answer_tokens)
        outcome = "cancelled"
        try:
            async with aclosing(writing.pieces()) as pieces:
                if asked.stream:
                    await _stream(exchange, asked, writing, pieces, self._rules.silence_s)
                else:
                    await _send_whole(exchange, writing, pieces)
            outcome = "ok" if writing.done else "500"
        except ConnectionError:  # it hung up while a piece was being sent
            return
        except (ApiError, EngineError) as error:
            outcome = ""
            failed = error if isinstance(error, ApiError) else from_engine(error)
            failed.model = version.name
            if failed.status == 500:  # noqa: PLR2004
                log.exception("the model %s failed", version.name)
            raise failed from error
        finally:
            if outcome:
                self._metrics.count(version.name, outcome)
        for usage in writing.done:
            self._metrics.add(version.name, usage)

    # What there is

    async def _list(self, exchange: HttpExchange) -> None:
        shown = [describe_version(one) for one in self._models.list_versions()]
        await send_json(exchange, {"object": "list", "data": shown})

    async def _show(self, exchange: HttpExchange) -> None:
        try:
            with self._models.lend(exchange.path.removeprefix(f"{_MODELS}/"), "") as version:
                await send_json(exchange, describe_version(version))
        except UnknownModel:
            raise ApiError(404, "There is no such model here.", code=UNKNOWN_MODEL) from None

    async def _healthy(self, exchange: HttpExchange) -> None:
        await send_json(exchange, {"status": "ok"})

    async def _ready(self, exchange: HttpExchange) -> None:
        if self.going_down:
            await send_json(exchange, {"status": "going down"}, 503)
            return
        names = [one.name for one in self._models.list_versions()]
        await send_json(exchange, {"status": "ok", "models": names})

    async def _figures(self, exchange: HttpExchange) -> None:
        text = self._metrics.render(self._models.list_versions())
        await send_whole(exchange, text.encode(), CONTENT_TYPE, 200, {})


class Writing:
    """One answer: what the engine is asked, and its figures once it is done."""

    def __init__(self, version: ServedVersion, asked: ChatRequest, answer_tokens: int) -> None:
        self.completion = Completion(version.name)
        self.done: list[Usage] = []
        self._version, self._asked, self._answer_tokens = version, asked, answer_tokens

    def pieces(self) -> AsyncGenerator[str]:
        """Ask the engine. Raises EngineError, and ApiError where the chat does not fit its template."""
        asked, engine = self._asked, self._version.engine
        try:
            prompt = engine.render(asked.chat)
        except RuntimeError as error:  # what a template says of roles that it does not take
            raise refuse(
                f"This model's chat template does not take these messages: {error}", "messages"
            ) from error
        return engine.generate(
            prompt,
            max_new_tokens=asked.longest or self._answer_tokens,
            stop=asked.stop,
            sampling=asked.sampling,
            within=asked.bound,
            on_done=self.done.append,
        )

    def end(self, *, with_usage: bool) -> bytes:
        """Return the last events of a stream: why it ended, its tokens where they are wanted, the end."""
        usage = self.done[0]
        last = self.completion.last(usage) if with_usage else b""
        return self.completion.piece({}, reason_of(usage)) + last + DONE


async def _send_whole(exchange: HttpExchange, writing: Writing, pieces: AsyncGenerator[str]) -> None:
    text = "".join([piece async for piece in pieces])
    await send_json(exchange, writing.completion.whole(text, writing.done[0]))


async def _stream(
    exchange: HttpExchange,
    asked: ChatRequest,
    writing: Writing,
    pieces: AsyncGenerator[str],
    silence_s: float,
) -> None:
    """Send an answer piece by piece; an error in its midst is an event, and the stream has no end mark.

    It begins with its first piece, or before, when that takes longer than `silence_s`: then comments tell the
    client, and whatever is in between, that it is still worked on.
    """
    completion, delta = writing.completion, {"role": "assistant"}
    try:
        async with aclosing(_wait_for_first(pieces, silence_s)) as waited:
            async for first in waited:
                if not exchange.begun:
                    await exchange.begin(200, _STREAM_HEADERS)
                if first is None:
                    await exchange.write(_STILL_HERE)
                else:
                    await exchange.write(completion.piece(delta | {"content": first}))
        async for piece in pieces:
            await exchange.write(completion.piece({"content": piece}))
    except EngineError as error:
        if not exchange.begun:
            raise
        log.exception("a model failed while it was writing")
        await exchange.write(make_event(from_engine(error).body))
    else:
        await exchange.write(writing.end(with_usage=asked.wants_usage))
    await exchange.end()


async def _wait_for_first(pieces: AsyncGenerator[str], silence_s: float) -> AsyncGenerator[str | None]:
    """Yield None each time that it takes longer, and then the first piece ("" of an empty answer)."""
    first = asyncio.ensure_future(anext(pieces, ""))
    try:
        while not (await asyncio.wait([first], timeout=silence_s))[0]:
            yield None
        yield first.result()
    finally:
        if not first.done():
            first.cancel()
            await asyncio.wait([first])


def describe_version(version: ServedVersion) -> Mapping[str, Any]:
    """Return a version as the API lists models; `askpage` is what our own bots read of it."""
    return {
        "id": version.name,
        "object": "model",
        "created": version.created,
        "owned_by": "askpage",
        "max_model_len": version.engine.context_tokens,
        "askpage": {
            "status": version.status,
            "share": version.share,
            "reading": asdict(version.reading) if version.reading else None,
            "profile": asdict(version.profile) if version.profile else None,
            "confidence": asdict(version.confidence) if version.confidence else None,
            "within": True,
        },
    }

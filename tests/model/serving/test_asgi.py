"""The model server under ASGI: the same answers, hang-ups, bodies in time, models for as long as it lives.

What clients may ask is in `test_api.py`; here is what the other way in adds. The driver below is what an ASGI
server does: a scope, messages in, messages out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from model.onnx_infer import EngineFailed
from model.serving.api import ServerRules
from model.serving.engines import CannedEngine, OneModel, ServedModels, ServedVersion
from model.serving.http_servers import Message, ModelAsgi

LINE = "You get ten days of paid leave."
ASKED = {"messages": [{"role": "user", "content": "How many days?"}]}
CHAT = "/v1/chat/completions"


class Client:
    """Sends one request, and keeps what came back."""

    def __init__(self, app: ModelAsgi, path: str, body: bytes | None, **headers: str) -> None:
        sent = {"host": "localhost:1", "content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        listed = [(name.encode(), value.encode()) for name, value in sent.items()]
        method = "GET" if body is None else "POST"
        self.scope: Message = {"type": "http", "method": method, "path": path, "headers": listed}
        self.app = app
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.said: list[Message] = []
        half = len(body or b"") // 2
        self.say(type="http.request", body=(body or b"")[:half], more_body=True)
        self.say(type="http.request", body=(body or b"")[half:], more_body=False)

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait(message)

    async def ask(self) -> tuple[int, str]:
        async def send(message: Message) -> None:
            self.said.append(message)

        await self.app(self.scope, self.incoming.get, send)
        body = b"".join(message.get("body", b"") for message in self.said)
        return (self.said[0]["status"] if self.said else 0), body.decode()

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.said[0]["headers"])


class Life:
    """An application between its start and its end, and the engine in it."""

    def __init__(self, engine: CannedEngine, key: str = "") -> None:
        self.open = False
        self.fails: Exception | None = None

        @asynccontextmanager
        async def open_models() -> AsyncGenerator[ServedModels]:
            if self.fails:
                raise self.fails
            self.open = True
            yield OneModel(ServedVersion("small", engine))
            self.open = False

        self.app = ModelAsgi(open_models, ServerRules(key, 2_000, 5, 20))
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.create_task(
            self.app({"type": "lifespan"}, self.incoming.get, self.said.put)  # pyright: ignore[reportArgumentType]
        )

    async def begin(self) -> str:
        self.incoming.put_nowait({"type": "lifespan.startup"})
        return (await self.said.get())["type"]

    async def end(self) -> str:
        self.incoming.put_nowait({"type": "lifespan.shutdown"})
        said = await self.said.get()
        await self.task
        return said["type"]


@pytest.fixture
def engine() -> CannedEngine:
    return CannedEngine([LINE], delay_s=0.002)


@pytest.fixture
async def life(engine: CannedEngine) -> AsyncGenerator[Life]:
    living = Life(engine)
    assert await living.begin() == "lifespan.startup.complete"
    yield living
    if not living.task.done():
        assert await living.end() == "lifespan.shutdown.complete"


async def test_answers_are_those_of_the_other_way_in(life: Life) -> None:
    status, whole = await Client(life.app, CHAT, json.dumps(ASKED).encode()).ask()
    assert (status, json.loads(whole)["choices"][0]["message"]["content"]) == (200, LINE)
    streamed = Client(life.app, CHAT, json.dumps(ASKED | {"stream": True}).encode())
    status, events = await streamed.ask()
    assert (status, streamed.headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
    assert events.endswith("data: [DONE]\n\n")
    pieces = [json.loads(event[6:])["choices"][0]["delta"] for event in events.split("\n\n")[:-2]]
    assert "".join(piece.get("content", "") for piece in pieces) == LINE
    for path in ("/v1/models", "/v1/models/small", "/healthz", "/readyz", "/metrics"):
        status, body = await Client(life.app, path, None).ask()
        assert (status, bool(body)) == (200, True)


async def test_what_is_refused_is_refused_here_too(life: Life, engine: CannedEngine) -> None:
    body = json.dumps(ASKED).encode()
    cases = [
        (Client(life.app, CHAT, b"x" * 2_001), 413),
        (Client(life.app, CHAT, body, content_encoding="gzip"), 415),
        (Client(life.app, CHAT, body, content_type="text/plain"), 415),
        (Client(life.app, CHAT, body, host="evil.example"), 401),
        (Client(life.app, CHAT, None), 405),
        (Client(life.app, "/v1/other", None), 404),
        (Client(life.app, "/v1/models/other", None), 404),
    ]
    for client, wanted in cases:
        status, said = await client.ask()
        assert (status, "message" in json.loads(said)["error"]) == (wanted, True)
    assert engine.asked == []
    keyed = Life(engine, key="k" * 24)
    await keyed.begin()
    for key, wanted in (("no", 401), ("k" * 24, 200)):
        status, _ = await Client(keyed.app, "/v1/models", None, authorization=f"Bearer {key}").ask()
        assert status == wanted
    await keyed.end()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", ["disconnect", "cancel"])
async def test_a_client_that_hangs_up_stops_its_answer(how: str, stream: bool) -> None:
    engine = CannedEngine(["word " * 500], delay_s=0.002, context_tokens=2000)
    life = Life(engine)
    await life.begin()
    client = Client(life.app, CHAT, json.dumps(ASKED | {"stream": stream, "max_tokens": 500}).encode())
    asking = asyncio.create_task(client.ask())
    while not engine.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    if how == "cancel":  # as an engine does that has seen it itself
        asking.cancel()
    else:
        client.say(type="http.disconnect")
    async with asyncio.timeout(2):
        await asyncio.wait([asking])
    assert (engine.cancelled, engine.stats().active) == (1, 0)
    assert await life.end() == "lifespan.shutdown.complete"


async def test_a_client_that_leaves_before_its_request_is_whole_hears_nothing(life: Life) -> None:
    client = Client(life.app, CHAT, None)
    client.scope["method"] = "POST"
    client.incoming = asyncio.Queue()
    client.say(type="http.request", body=b"{", more_body=True)
    client.say(type="http.disconnect")
    assert await client.ask() == (0, "")


async def test_the_models_are_open_for_as_long_as_it_lives_and_a_failed_start_is_said() -> None:
    life = Life(CannedEngine([LINE]))
    assert (await life.begin(), life.open) == ("lifespan.startup.complete", True)
    assert (await life.end(), life.open) == ("lifespan.shutdown.complete", False)
    status, _ = await Client(life.app, CHAT, json.dumps(ASKED).encode()).ask()
    assert status == 503  # an end takes nothing new
    broken = Life(CannedEngine([LINE]))
    broken.fails = EngineFailed("no weights")
    assert await broken.begin() == "lifespan.startup.failed"
    await broken.task

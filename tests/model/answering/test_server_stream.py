"""A model server that dies while it answers: asked again, each word comes once, or the error that it is."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.http import ConnectionLimits, make_runner
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from model.onnx_infer import EngineBusy, EngineFailed, Sampling

WORDS = ("Ten ", "days ", "of leave.")
DIES = None
"""In place of a word: the connection breaks there."""
Turn = int | Sequence[str | None]
"""What a replica does with a request: an error's status, or the pieces that it says."""


class Replicas:
    """A server whose replicas take turns; what the last one does it does for ever."""

    def __init__(self, turns: Sequence[Turn], models: Sequence[str] = ("small",)) -> None:
        self._turns, self._models = turns, models
        self.asked: list[dict[str, Any]] = []

    async def chat(self, request: web.Request) -> web.StreamResponse:
        at = len(self.asked)
        self.asked.append(await request.json())
        turn = self._turns[min(at, len(self._turns) - 1)]
        model = self._models[min(at, len(self._models) - 1)]
        if isinstance(turn, int):
            return web.Response(status=turn, text="Internal Server Error")
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in turn:
            if piece is DIES:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(_event({"delta": {"content": piece}, "finish_reason": None}, model))
        await response.write(_event({"delta": {}, "finish_reason": "stop"}, model) + b"data: [DONE]\n\n")
        return response


def _event(choice: dict[str, Any], model: str) -> bytes:
    return b"data: " + json.dumps({"model": model, "choices": [choice]}).encode() + b"\n\n"


@asynccontextmanager
async def asked(replicas: Replicas) -> AsyncGenerator[ServerClient]:
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", replicas.chat)])
    runner = make_runner(app, ConnectionLimits(), 0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    client = ServerClient(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "key", 5.0)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.answering.server_stream._WAITS_S", (0.001, 0.001))


@pytest.mark.parametrize(
    "turns",
    [
        [(DIES,), WORDS],
        [500, WORDS],
        [502, 504, WORDS],
        [("Ten ", DIES), WORDS],
        [("Ten ", "da", DIES), ("T", "en days of ", DIES), ("Ten days of leave.",)],
        [("Ten ", "", DIES), WORDS],
    ],
)
async def test_each_word_comes_once_however_a_replica_dies(turns: Sequence[Turn]) -> None:
    replicas = Replicas(turns)
    async with asked(replicas) as client:
        pieces = [chunk.text async for chunk in ServerChatModel(client, model="live").astream("?")]
    assert ("".join(pieces), len(replicas.asked)) == ("".join(WORDS), len(turns))
    assert all(one == replicas.asked[0] for one in replicas.asked)


@pytest.mark.parametrize(
    ("turns", "sampling", "models", "error", "says", "times"),
    [
        ([(DIES,)], Sampling(), ["small"], EngineFailed, "broke off", 3),
        ([502], Sampling(), ["small"], EngineFailed, "502", 3),
        ([("Ten ", DIES), ("Nine days.",)], Sampling(), ["small"], EngineFailed, "other words", 2),
        ([("Ten ", DIES), ("Te",)], Sampling(), ["small"], EngineFailed, "says less", 2),
        ([("Ten ", DIES), WORDS], Sampling(), ["small", "next"], EngineFailed, "next answers instead", 2),
        ([("Ten ", DIES), WORDS], Sampling(0.7), ["small"], EngineFailed, "broke off", 1),
        ([400], Sampling(), ["small"], EngineFailed, "400", 1),
        ([503], Sampling(), ["small"], EngineBusy, "s", 1),
    ],
)
async def test_what_cannot_go_on_is_an_error(
    turns: Sequence[Turn],
    sampling: Sampling,
    models: Sequence[str],
    error: type[Exception],
    says: str,
    times: int,
) -> None:
    replicas = Replicas(turns, models)
    async with asked(replicas) as client:
        model = ServerChatModel(client, model="live", sampling=sampling)
        with pytest.raises(error, match=says):
            await model.ainvoke("?")
    assert len(replicas.asked) == times


async def test_an_answer_that_was_drawn_goes_on_with_its_seed_and_before_its_first_word() -> None:
    for turns, sampling in (([("Ten ", DIES), WORDS], Sampling(0.7, 3)), ([(DIES,), WORDS], Sampling(0.7))):
        async with asked(Replicas(turns)) as client:
            said = await ServerChatModel(client, model="live", sampling=sampling).ainvoke("?")
        assert said.text == "".join(WORDS)

"""A model server that is not ours: OpenAI's chat API as others speak it, with what they refuse.

It tells nothing of what its models can read, does not know our extensions and refuses them, and like newer
models at OpenAI it takes no `max_tokens` and no `temperature`. What else it does is set on it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.http import ConnectionLimits, make_runner

NAME = "big/model-7B"


class OtherServer:
    """Says its `words`. `fault` is (status, code, headers) of every chat, `hangs` sends nothing after one."""

    def __init__(self) -> None:
        self.words = ["Ten ", "days."]
        self.asked: list[dict[str, Any]] = []
        self.fault: tuple[int, str, dict[str, str]] | None = None
        self.hangs = self.breaks = False
        self.left = 0
        self.lists = True
        self.url = ""

    async def models(self, _: web.Request) -> web.Response:
        if not self.lists:
            return web.json_response({"error": "no such thing"}, status=404)
        return web.json_response({"object": "list", "data": [{"id": NAME, "object": "model"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        for name, code in (
            ("max_tokens", "unsupported_parameter"),
            ("temperature", "unsupported_value"),
            ("within", "unknown_parameter"),
        ):
            if name in body:
                said = {"message": f"{name}: no", "param": name, "code": code}
                return web.json_response({"error": said}, status=400)
        self.asked.append(body)
        if self.fault is not None:
            status, code, headers = self.fault
            return web.json_response(
                {"error": {"message": "No.", "code": code}}, status=status, headers=headers
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": a comment\r\n\r\n")
        for word in self.words:
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            await response.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\r\n\r\n")
            if self.hangs:
                try:
                    await asyncio.sleep(60)
                finally:
                    self.left += 1
        if not self.breaks:
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            await response.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
        return response


@asynccontextmanager
async def other_server() -> AsyncGenerator[OtherServer]:
    server = OtherServer()
    app = web.Application()
    app.add_routes([web.get("/v1/models", server.models), web.post("/v1/chat/completions", server.chat)])
    runner = make_runner(app, ConnectionLimits(), 0.1, cancels=True)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()

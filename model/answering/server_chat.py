"""LangChain's chat model over a model server elsewhere: one of ours, or any that speaks OpenAI's chat API.

    ServerChatModel(ServerClient("http://127.0.0.1:3980/v1", key), model="live")

What it asks of a server is streamed, so an asker who leaves stops it. A server of ours (`ours`) can hold an
answer to words of a page (`within`), as a model in this process can; of others nobody can ask that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from model.answering.chat_model import (
    Call,
    StreamingChatModel,
    make_chunk,
    make_last_chunk,
    read_longest,
    read_sampling,
    to_turn,
)
from model.answering.server_client import ServerClient
from model.answering.server_stream import read_piece, stream_to_the_end
from model.onnx_infer import GREEDY, Sampling

_BYTES_A_TOKEN = 3.5
"""Of English text about four, of other languages less: what is read is rather too little than too much."""


class ServerChatModel(StreamingChatModel):
    """A model of a server. `model` is its name there."""

    client: ServerClient
    model: str
    max_tokens: int = 96
    sampling: Sampling = GREEDY
    ours: bool = False

    def __init__(self, client: ServerClient, **fields: Any) -> None:
        super().__init__(client=client, **fields)  # pyright: ignore[reportCallIssue] - pydantic's fields

    @property
    def _llm_type(self) -> str:
        return "model server"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "max_tokens": self.max_tokens}

    def get_num_tokens(self, text: str) -> int:
        """Estimate them: the tokenizer is the server's."""
        return math.ceil(len(text.encode(errors="replace")) / _BYTES_A_TOKEN)

    def _write(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> Iterator[ChatGenerationChunk]:
        """Write in an event loop of its own, for callers that have none."""
        client = self.client.copy()
        asked = self.model_copy(update={"client": client})
        with asyncio.Runner() as runner:
            stream = asked._awrite(messages, stop, call)
            try:
                while (chunk := runner.run(_next(stream))) is not None:
                    yield chunk
            finally:
                runner.run(stream.aclose())
                runner.run(client.close())

    async def _awrite(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> AsyncGenerator[ChatGenerationChunk]:
        began = time.perf_counter()
        first_s, reason, usage, model = 0.0, "", dict[str, Any](), self.model
        request = self._request(messages, stop, call)
        async with aclosing(stream_to_the_end(self.client, request)) as events:
            async for event in events:
                usage, model = event.get("usage") or usage, event.get("model") or model
                text, ended = read_piece(event)
                reason = ended or reason
                if text:
                    first_s = first_s or time.perf_counter() - began
                    yield make_chunk(text)
        yield make_last_chunk(
            _count(usage),
            finish_reason="length" if reason == "length" else "eos",
            model_name=model,
            time_to_first_token_s=first_s,
        )

    def _request(self, messages: Sequence[BaseMessage], stop: Sequence[str], call: Call) -> dict[str, Any]:
        sampling = read_sampling(call, self.sampling)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [to_turn(message) for message in messages],
            "max_tokens": read_longest(call, self.max_tokens),
            "temperature": sampling.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        given = {"seed": sampling.seed, "top_p": sampling.top_p if sampling.top_p < 1 else None}
        body |= {name: value for name, value in given.items() if value is not None}
        if stop:
            body["stop"] = list(stop)
        if sampling.schema:
            body["response_format"] = call["response_format"]
        if self.ours and call.get("within") is not None:
            body["within"] = asdict(call["within"])
        return body


async def _next(stream: AsyncGenerator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
    return await anext(stream, None)


def _count(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the tokens that were read, written, and read before; 0 where the server does not tell."""
    cached: Mapping[str, Any] = usage.get("prompt_tokens_details") or {}
    told = (usage.get("prompt_tokens"), usage.get("completion_tokens"), cached.get("cached_tokens"))
    read, written, before = (count if isinstance(count, int) else 0 for count in told)
    return read, written, before

"""The server over the real engine: the same words, the cache, JSON of a schema, words of a page, two at once.

Slow: it loads the default model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from model.inference.constrained import OutputConstraint
from model.onnx_infer import Engine, EngineOptions
from model.serving.engines import OneModel, ServedVersion
from tests.builders.model_server import KEY, RunningServer, running_server

pytest_plugins = ["tests.builders.model_folders"]
pytestmark = pytest.mark.model

PAGE = "New parents get 12 weeks of paid leave. Hotels cost up to 180 dollars."
ASKED: list[Any] = [{"role": "user", "content": f"{PAGE}\n\nHow many weeks of leave do new parents get?"}]
SHAPE = {
    "type": "object",
    "properties": {"weeks": {"type": "integer"}},
    "required": ["weeks"],
    "additionalProperties": False,
}


@pytest.fixture
async def engine(default_model: Path) -> AsyncGenerator[Engine]:
    loaded = await asyncio.to_thread(Engine.load, default_model, EngineOptions(context_tokens=512))
    yield loaded
    await loaded.close()


@pytest.fixture
async def server(engine: Engine) -> AsyncGenerator[RunningServer]:
    async with running_server(OneModel(ServedVersion("real", engine))) as running:
        yield running


async def test_a_client_gets_what_the_engine_says(server: RunningServer, engine: Engine) -> None:
    create = server.client.chat.completions.create
    usages: list[Any] = []
    said = "".join(
        [
            piece
            async for piece in engine.generate(engine.render(ASKED), max_new_tokens=16, on_done=usages.append)
        ]
    )
    whole = await create(model="live", messages=ASKED, max_tokens=16)
    assert whole.choices[0].message.content == said
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (
        usages[0].tokens_in,
        usages[0].tokens_out,
    )
    assert whole.usage.prompt_tokens_details is not None
    assert whole.usage.prompt_tokens_details.cached_tokens == whole.usage.prompt_tokens - 1, "known by heart"

    async def stream() -> str:
        events = await create(model="real", messages=ASKED, max_tokens=16, stream=True)
        return "".join([event.choices[0].delta.content or "" async for event in events])

    assert await asyncio.gather(stream(), stream()) == [said, said]

    formatted: Any = {"type": "json_schema", "json_schema": {"name": "leave", "schema": SHAPE}}
    drawn: Any = {"temperature": 0.9, "seed": 5, "top_p": 0.9}
    shaped = [
        (await create(model="live", messages=ASKED, max_tokens=60, response_format=formatted, **more))
        .choices[0]
        .message.content
        for more in ({}, drawn, drawn)
    ]
    for text in shaped:
        assert isinstance(json.loads(text or "")["weeks"], int)
    assert shaped[1] == shaped[2], "the same seed, the same draw"

    client = ServerClient(server.url, KEY)
    bound = ServerChatModel(client, model="live", ours=True).bind(
        within=OutputConstraint((PAGE,), "Not here.")
    )
    words = (await bound.ainvoke(ASKED)).text
    assert words.rstrip(".") in PAGE or words == "Not here."
    structured = await ServerChatModel(client, model="live").with_structured_output(SHAPE).ainvoke(ASKED)
    assert set(structured) == {"weeks"}
    await client.close()
    assert (await create(model="live", messages=ASKED, max_tokens=16)).choices[0].message.content == said

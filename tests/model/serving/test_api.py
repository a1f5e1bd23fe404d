"""The model server as its clients meet it: OpenAI's own client, and bytes that no client sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import openai
import pytest

from cli.models.server import check_model_server
from core.settings import Settings
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from model.inference.constrained import OutputConstraint
from model.onnx_infer import EngineFailed, RequestRefused, Sampling
from model.registry.rollout import promote, start_canary
from model.serving.chat_request import ApiError, parse_chat_request
from model.serving.engines import CannedEngine, LiveModels, OneModel, ServedVersion
from tests.builders.model_server import ASKED, KEY, RunningServer, running_server
from tests.builders.swapping import Memory, models_dir, swapping, until

__all__ = ["models_dir"]

LINE = "You get ten days of paid leave."
NAME = "small-int8"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is refused


def one(engine: CannedEngine) -> OneModel:
    return OneModel(ServedVersion(NAME, engine))


@pytest.fixture
def engine() -> CannedEngine:
    return CannedEngine([LINE], context_tokens=200)


@pytest.fixture
async def server(engine: CannedEngine) -> AsyncGenerator[RunningServer]:
    async with running_server(one(engine)) as running:
        yield running


async def create(server: RunningServer, **more: Any) -> Any:
    return await server.client.chat.completions.create(**({"model": NAME, "messages": ASKED} | more))


# What a client gets


async def test_an_answer_comes_whole_with_its_tokens_and_its_version(
    server: RunningServer, engine: CannedEngine
) -> None:
    first = await create(server, model="live")
    again = await create(server, temperature=0.7, seed=-1, top_p=0.9)
    choice = first.choices[0]
    assert (choice.message.content, choice.finish_reason, first.model) == (LINE, "stop", NAME)
    read = engine.count_tokens(engine.render(ASKED))
    assert (first.usage.prompt_tokens, first.usage.completion_tokens) == (read, 7)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    assert again.usage.prompt_tokens_details.cached_tokens == read - 1
    assert engine.asked[0]["sampling"] == Sampling()
    assert engine.asked[1]["sampling"] == Sampling(0.7, (1 << 63) - 1, 0.9)


async def test_a_stream_brings_piece_by_piece_and_its_figures_last(server: RunningServer) -> None:
    pieces = [
        (chunk.choices[0].delta.content, chunk.choices[0].finish_reason) if chunk.choices else chunk.usage
        async for chunk in await create(server, stream=True, stream_options={"include_usage": True})
    ]
    words = [*(f"{word} " for word in LINE.split()[:-1]), "leave."]
    assert pieces[:-2] == [(word, None) for word in words]
    assert pieces[-2] == (None, "stop")
    assert pieces[-1].completion_tokens == len(words)


@pytest.mark.parametrize(
    ("more", "said", "reason"),
    [
        ({"max_tokens": 2}, "You get ", "length"),
        ({"max_completion_tokens": 2, "max_tokens": 9}, "You get ", "length"),
        ({"stop": " ten"}, "You get", "stop"),
        ({"stop": ["paid", "days"]}, "You get ten ", "stop"),
        ({"messages": [{"role": "developer", "content": [{"type": "text", "text": "Hi"}]}]}, LINE, "stop"),
        ({"extra_body": {"within": {"pages": [f"Leave. {LINE}"], "sentence": "No."}}}, LINE, "stop"),
        ({"extra_body": {"within": {"pages": ["Hotels."], "sentence": "No."}}}, "No.", "stop"),
        ({"n": 1, "tools": [], "presence_penalty": 0, "metadata": {"a": "b"}}, LINE, "stop"),
    ],
)
async def test_an_answer_ends_where_the_client_wants(
    server: RunningServer, more: dict[str, Any], said: str, reason: str
) -> None:
    choice = (await create(server, **more)).choices[0]
    assert (choice.message.content, choice.finish_reason) == (said, reason)


async def test_a_schema_and_pages_reach_the_engine(server: RunningServer, engine: CannedEngine) -> None:
    shape = {"type": "object", "properties": {"days": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "leave", "schema": shape}}
    await create(server, response_format=wanted)
    await create(server, response_format={"type": "json_object"})
    await create(server, extra_body={"within": {"pages": [LINE], "sentence": "No."}})
    schemas = [json.loads(said["sampling"].schema or "0") for said in engine.asked]  # pyright: ignore
    assert schemas == [shape, {"type": "object"}, 0]
    assert engine.asked[2]["within"] == OutputConstraint((LINE,), "No.")


# What a client may not


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"model": "nobody"}, 404, "there are: small-int8"),
        ({"n": 2}, 400, "does not do n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "does not do tools"),
        ({"temperature": 7}, 400, "temperature: "),
        ({"messages": []}, 400, "messages: "),
        ({"messages": ASKED * 6}, 400, "at most 5 messages"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, 400, "messages.0.role"),
        ({"max_tokens": 500}, 400, "together 200 fit the model"),
        ({"messages": [{"role": "user", "content": "x" * 30_000}]}, 413, "at most 20000 bytes"),
        ({"stop": ["x"] * 17}, 400, "stop: "),
    ],
)
async def test_what_cannot_be_done_is_said(
    server: RunningServer, more: dict[str, Any], status: int, says: str
) -> None:
    with pytest.raises(openai.APIStatusError, match=says) as refused:
        await create(server, **more)
    assert refused.value.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b'{"messages":[{"role":"user","content":"half \\ud800"}]}',
        b'{"messages":[{"role":"user","content":null}]}',
        b'{"messages":[{"role":"user","content":"x"}],"seed":1e999}',
        b'{"messages":[{"role":"user","content":"x"}],"within":{"pages":[],"sentence":"No."}}',
        b'{"messages":[{"role":"user","content":"x"}],"within":{"pages":["a"],"sentence":"No."},'
        b'"response_format":{"type":"json_object"}}',
        b'{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":'
        b'{"schema":{"enum":["' + b"x" * 20_000 + b'"]}}}}',
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse_chat_request(body, 5)
    assert refused.value.status == 400
    assert refused.value.body["error"]["type"] == "invalid_request_error"


async def test_without_the_key_nothing_is_read_and_nothing_told(server: RunningServer) -> None:
    for key in ("", "wrong", KEY + "x", "ключ"):
        headers = {"Authorization": f"Bearer {key}".encode().decode("latin-1")}
        async with aiohttp.ClientSession(headers=headers) as stranger:
            for method, path in (
                ("POST", "chat/completions"),
                ("GET", "models"),
                ("GET", "../metrics"),
                ("GET", "no"),
            ):
                async with stranger.request(method, f"{server.url}/{path}", data=b"{") as answered:
                    assert answered.status == 401
                    assert (await answered.json())["error"]["code"] == "invalid_api_key"
            async with stranger.get(f"{server.url}/../healthz") as answered:
                assert answered.status == 200
    async with aiohttp.ClientSession(headers={"api-key": KEY}) as friend:  # as Azure's clients show it
        async with friend.get(f"{server.url}/models") as answered:
            assert answered.status == 200
        async with friend.get(f"{server.url}/no") as answered:
            assert answered.status == 404
            assert "error" in await answered.json()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "evil.example"}, 401),
        ({"Host": "127.0.0.1.evil.example:80"}, 401),
        ({"X-Forwarded-For": "192.0.2.1"}, 401),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_without_a_key_only_this_machine_is_served(
    engine: CannedEngine, headers: dict[str, str], status: int
) -> None:
    body = json.dumps({"messages": ASKED})
    async with running_server(one(engine), key="") as server, aiohttp.ClientSession() as session:
        sent = {"Content-Type": "application/json"} | headers
        async with session.post(f"{server.url}/chat/completions", data=body, headers=sent) as answered:
            assert answered.status == status


def test_other_machines_need_a_key() -> None:
    with pytest.raises(Exception, match="ASKPAGE_MODEL_SERVER_KEY"):
        check_model_server(Settings(model_server_host=EVERYWHERE))  # pyright: ignore[reportCallIssue]
    check_model_server(Settings(model_server_host=EVERYWHERE, model_server_key=KEY))  # pyright: ignore
    check_model_server(Settings())  # pyright: ignore[reportCallIssue]


# What goes wrong


async def test_a_full_queue_says_when_to_come_again() -> None:
    engine = CannedEngine([LINE], delay_s=0.05, most=1)
    async with running_server(one(engine)) as server:
        first = asyncio.create_task(create(server))
        while not engine.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as busy:
                await create(server, stream=stream)
            assert (busy.value.status_code, busy.value.response.headers["Retry-After"]) == (503, "1")
        assert (await first).choices[0].message.content == LINE


async def test_what_the_model_does_not_survive_is_told_without_its_words() -> None:
    engine = CannedEngine([EngineFailed("/secret/path died"), RequestRefused("no such type"), LINE])
    async with running_server(one(engine)) as server:
        with pytest.raises(openai.InternalServerError) as failed:
            await create(server)
        assert "secret" not in str(failed.value)
        with pytest.raises(openai.BadRequestError, match="no such type"):
            await create(server)
        assert (await create(server)).choices[0].message.content == LINE
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
            session.get(f"{server.url}/../metrics") as shown,
        ):
            figures = await shown.text()
    for outcome in ("500", "400", "ok"):
        assert f'askpage_model_requests_total{{model="{NAME}",outcome="{outcome}"}} 1\n' in figures
    assert f'askpage_model_tokens_total{{model="{NAME}",kind="completion"}} 7\n' in figures
    assert f'askpage_model_answer_time_seconds_count{{model="{NAME}"}} 1\n' in figures
    assert f'askpage_model_active{{model="{NAME}"}} 0\n' in figures


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_stops_its_answer(stream: bool) -> None:
    engine = CannedEngine(["word " * 500], delay_s=0.01, context_tokens=2000)
    async with running_server(one(engine)) as server:
        asking = asyncio.create_task(create(server, stream=stream, max_tokens=500))
        while not engine.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if stream:
            await (await asking).close()
        asking.cancel()
        async with asyncio.timeout(2):
            while not engine.cancelled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert engine.stats().active == 0


async def test_a_stream_that_waits_says_that_it_is_there_and_then_brings_its_answer_or_its_error() -> None:
    slow = CannedEngine([LINE], delay_s=0.05)
    async with running_server(one(slow), silence_s=0.01) as server, aiohttp.ClientSession() as session:
        headers, body = {"Authorization": f"Bearer {KEY}"}, {"messages": ASKED, "stream": True}
        async with session.post(f"{server.url}/chat/completions", json=body, headers=headers) as answered:
            text = await answered.text()
        assert text.startswith(": still here\n\n")
        assert text.endswith("data: [DONE]\n\n")
        said = [piece.choices[0].delta.content async for piece in await create(server, stream=True)]
        assert "".join(word or "" for word in said) == LINE
        client = ServerClient(server.url, KEY)
        assert (await ServerChatModel(client, model="live").ainvoke("?")).text == LINE
        slow.fails_late = EngineFailed("died")
        with pytest.raises(openai.APIError, match="The model failed"):
            async for _ in await create(server, stream=True):
                pass
        with pytest.raises(EngineFailed, match="The model failed"):
            await ServerChatModel(client, model="live").ainvoke("?")
        await client.close()


async def test_a_stop_finishes_what_is_under_way_and_takes_nothing_new() -> None:
    engine = CannedEngine([LINE], delay_s=0.05)
    async with running_server(one(engine)) as server:
        asked: dict[str, Any] = {"model": NAME, "messages": ASKED}
        await server.client.models.list()  # a connection that stays open
        under_way = asyncio.create_task(server.client.chat.completions.create(**asked))
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as kept:
            async with kept.get(f"{server.url}/../readyz") as ready:
                assert (ready.status, (await ready.json())["models"]) == (200, [NAME])
            while not engine.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            server.api.going_down = True
            async with kept.get(f"{server.url}/../readyz") as ready:
                assert ready.status == 503
            async with kept.post(f"{server.url}/chat/completions", json=asked) as refused:
                assert (refused.status, "Retry-After" in refused.headers) == (503, True)
            await server.site.stop()
        assert (await under_way).choices[0].message.content == LINE


# Versions


async def test_a_promoted_version_takes_over_without_a_dropped_request_and_the_old_name_lingers(
    models_dir: Any,
) -> None:
    memory = Memory()
    async with (
        swapping(models_dir, memory, linger_s=0.3) as running,
        running_server(LiveModels(running)) as server,
    ):
        said: list[Any] = []
        enough = asyncio.Event()

        async def ask_on() -> None:
            while not enough.is_set():
                said.append(await create(server, model="live"))

        askers = [asyncio.create_task(ask_on()) for _ in range(4)]
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        promote(models_dir, "second")
        await until(running, "second")
        by_its_old_name = await create(server, model="first")
        enough.set()
        await asyncio.gather(*askers)
        assert by_its_old_name.model == "first"
        assert {one.model for one in said} == {"first", "second"}
        assert all(one.model in one.choices[0].message.content for one in said)
        async with asyncio.timeout(5):
            while memory.loaded["first"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        with pytest.raises(openai.NotFoundError):
            await create(server, model="first")


async def test_the_canary_has_its_name_and_its_share_of_the_users(models_dir: Any) -> None:
    start_canary(models_dir, "second", 0.5)
    async with swapping(models_dir, Memory()) as running, running_server(LiveModels(running)) as server:
        listed = (await server.client.models.list()).data
        assert [(one.id, one.model_extra["askpage"]["share"]) for one in listed if one.model_extra] == [
            ("first", 0.0),
            ("second", 0.5),
        ]
        assert (await create(server, model="second")).model == "second"
        assert (await create(server, model="live")).model == "first"
        by_user = {(await create(server, model="live", user=f"u{number}")).model for number in range(8)}
        assert by_user == {"first", "second"}

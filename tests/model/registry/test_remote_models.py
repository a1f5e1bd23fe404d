"""A bot whose model is a server's: ours with all that it tells, another one without, and one that is away."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from core.records import Answer, AnswerKind, Channel, Hit, Passage, Question
from model.answering.chain import Answering, LoadedModel, StopWriting
from model.answering.grounding import Reading
from model.answering.profile import Profile
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from model.answering.version_confidence import VersionConfidence
from model.inference.constrained import OutputConstraint
from model.onnx_infer import EngineBusy, EngineFailed, PromptTooLong, Sampling
from model.registry.loading import open_model
from model.registry.remote_models import ServerChoice, open_remote
from model.registry.rollout import promote, start_canary
from model.serving.engines import CannedEngine, LiveModels, OneModel, ServedVersion
from model.text.prompt import NOT_ON_PAGE
from tests.builders.model_server import KEY, RunningServer, running_server
from tests.builders.swapping import Memory, choice_of, models_dir, swapping
from tests.doubles.other_server import NAME, OtherServer, other_server

__all__ = ["models_dir"]

PAGE = "New parents get ten days of paid leave. Hotels cost 180 dollars."
LINE = "New parents get ten days of paid leave."
NOW = datetime(2026, 11, 24, tzinfo=UTC)
PROFILE = Profile(500.0, 50.0, "cpu", 2, 135_000_000)
POLL_S = 0.02


@pytest.fixture
async def other() -> AsyncGenerator[OtherServer]:
    async with other_server() as server:
        yield server


def ask(number: int = 1, conversation: str = "c") -> Question:
    text = "How many days of paid leave do new parents get?"
    return Question(f"q{number}", text, "someone", conversation, Channel.LOCAL, datetime.now(UTC))


async def search(_question: str, _limit: int, _page_url: str | None) -> list[Hit]:
    return [Hit(Passage("/site/leave", "Leave", "Parents", PAGE, "h", NOW), 1.0, 0.9)]


def served(engine: CannedEngine, **more: Any) -> OneModel:
    return OneModel(ServedVersion("small-int8", engine, **more))


async def chat_of(server: OtherServer, timeout_s: float = 5.0) -> AsyncGenerator[ServerChatModel]:
    client = ServerClient(server.url, "key", timeout_s)
    yield ServerChatModel(client, model=NAME)
    await client.close()


# A server of ours


async def test_a_bot_answers_by_the_same_chain_and_checks_with_a_server_of_ours(tmp_path: Path) -> None:
    engine = CannedEngine([LINE, "New parents get forty days of paid leave."])
    choice = replace(choice_of(tmp_path), server=None)
    async with running_server(served(engine, reading=Reading(1), profile=PROFILE)) as server:
        asked = replace(choice, server=ServerChoice(server.url, KEY))
        async with open_model(asked) as acquire:
            with acquire("c") as loaded:
                assert (loaded.version, loaded.reading, loaded.profile) == ("small-int8", Reading(1), PROFILE)
            bot = Answering(acquire, search)
            right, wrong = await bot.answer(ask(1)), await bot.answer(ask(2))
    assert (right.model_version, right.kind) == ("small-int8", AnswerKind.ANSWERED)
    assert LINE in right.text
    assert "forty" not in wrong.text, "what the page does not say was held back"
    *free, bound = [one["within"] for one in engine.asked]
    assert free == [None, None]
    assert bound == OutputConstraint((LINE,), NOT_ON_PAGE), "its words were no page's: held to it"


async def test_a_server_of_ours_tells_how_sure_a_version_is_of_its_answers(tmp_path: Path) -> None:
    own = VersionConfidence({"page": 0.5, "bias": 0.5}, {"bias": 6.0})
    choice = replace(choice_of(tmp_path), server=None)
    versions = served(CannedEngine([LINE]), reading=Reading(0), profile=PROFILE, confidence=own)
    async with (
        running_server(versions) as server,
        open_model(replace(choice, server=ServerChoice(server.url, KEY))) as acquire,
    ):
        with acquire("c") as loaded:
            assert loaded.confidence == own
        answer = await Answering(acquire, search).answer(ask())
    assert (answer.text, answer.confidence) == (f"{PAGE} [1]", pytest.approx(0.9975, abs=1e-4))


async def test_a_promotion_and_a_canary_there_are_followed_here(models_dir: Path) -> None:
    async with (
        swapping(models_dir, Memory(), linger_s=1.0) as running,
        running_server(LiveModels(running)) as server,
        open_remote(ServerChoice(server.url, KEY), 24, POLL_S) as acquire,
    ):

        async def say(conversation: str) -> tuple[str, str]:
            with acquire(conversation) as loaded:
                return loaded.version, (await loaded.chat.ainvoke("?")).text

        async def until(version: str) -> None:
            async with asyncio.timeout(10):
                while (await say("c"))[0] != version:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)

        name, said = await say("c")
        assert name == "first"
        assert name in said
        promote(models_dir, "second")
        await until("second")
        start_canary(models_dir, "third", 0.5)
        async with asyncio.timeout(10):
            while {(await say(f"c{number}"))[0] for number in range(8)} != {"second", "third"}:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        for number in range(8):
            name, said = await say(f"c{number}")
            assert name in said


async def test_an_asker_who_stops_stops_the_server() -> None:
    engine = CannedEngine([LINE + " And so on." * 200], delay_s=0.01, context_tokens=5000)
    async with (
        running_server(served(engine)) as server,
        open_remote(ServerChoice(server.url, KEY), 500, 60) as acquire,
    ):
        stream = Answering(acquire, search).stream(ask())
        async with aclosing(stream):
            async for item in stream:
                if isinstance(item, str):
                    break
            stopped = await stream.athrow(StopWriting())
        assert isinstance(stopped, Answer)
        assert stopped.stopped
        async with asyncio.timeout(5):
            while not engine.cancelled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


# Another server


async def test_another_server_answers_without_what_it_lacks_and_that_is_said_once(
    other: OtherServer, caplog: pytest.LogCaptureFixture
) -> None:
    other.words = ["New parents get ten days ", "of paid leave."]
    caplog.set_level(logging.INFO)
    async with open_remote(ServerChoice(other.url, "k", tokens_s=900), 50, POLL_S) as acquire:
        with acquire("c") as loaded:
            assert (loaded.version, loaded.reading) == ("big_model-7B", None)
            assert loaded.reads_whole
            assert loaded.profile
            assert loaded.profile.passages_tokens(1.0) == 900
        bot = Answering(acquire, search)
        answers = [await bot.answer(ask(number)) for number in range(2)]
    assert all(LINE in one.text and one.kind is AnswerKind.ANSWERED for one in answers)
    assert [set(one) & {"max_tokens", "max_completion_tokens", "temperature"} for one in other.asked] == [
        {"max_completion_tokens"}
    ] * 2
    said = [one.message for one in caplog.records if "not askpage's" in one.message]
    assert len(said) == 1
    assert re.search("cannot hold an answer to the words of a page", said[0])


async def test_a_server_that_lists_nothing_is_asked_for_the_model_that_is_named(
    other: OtherServer, caplog: pytest.LogCaptureFixture
) -> None:
    other.lists = False
    async with open_remote(ServerChoice(other.url, name="deployment"), 50, 60) as acquire:
        with acquire("c") as loaded:
            assert (await loaded.chat.ainvoke("?")).text == "Ten days."
    assert other.asked[0]["model"] == "deployment"
    async with open_remote(ServerChoice(other.url), 50, 60):
        assert "model_url_name" in caplog.text


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ((429, "rate", {"Retry-After": "7"}), EngineBusy, "7 s"),
        ((503, "x", {}), EngineBusy, "5 s"),
        ((429, "insufficient_quota", {}), EngineFailed, "429"),
        ((400, "context_length_exceeded", {}), PromptTooLong, "No."),
        ((401, "x", {}), EngineFailed, "401: No."),
        ((302, "x", {"Location": "http://127.0.0.1:1/"}), EngineFailed, "302"),
    ],
)
async def test_what_a_server_refuses_is_an_error_that_the_bot_knows(
    other: OtherServer, fault: Any, error: type[Exception], says: str
) -> None:
    other.fault = fault
    async for chat in chat_of(other):
        with pytest.raises(error, match=says):
            await chat.ainvoke("?")


async def test_an_answer_without_its_end_is_none(other: OtherServer) -> None:
    async for chat in chat_of(other, timeout_s=0.2):
        other.breaks = True
        with pytest.raises(EngineFailed, match="broke off"):
            await chat.ainvoke("?")
        other.hangs = True
        with pytest.raises(EngineFailed, match="broke off"):
            await chat.ainvoke("?")
        async with asyncio.timeout(5):
            while not other.left:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


# No server


async def test_while_the_server_is_away_the_page_answers_and_it_is_found_again(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.registry.remote_models._AWAY_S", POLL_S)
    engine = CannedEngine([LINE])
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with open_remote(ServerChoice(url, KEY), 50, POLL_S) as acquire:
        assert "in the pages' own words" in caplog.text
        stream = Answering(acquire, search).stream(ask())
        quoted = await anext(stream)
        with pytest.raises(EngineFailed, match="cannot be reached"):
            await anext(stream)
        assert isinstance(quoted, Answer)
        assert (quoted.kind, LINE in quoted.text) == (AnswerKind.QUOTED, True)
        async with running_server(served(engine), port=unused_tcp_port):
            async with asyncio.timeout(10):
                while True:
                    with acquire("c") as loaded:
                        if loaded.version == "small-int8":
                            break
                    await asyncio.sleep(POLL_S)
            assert (await Answering(acquire, search).answer(ask(2))).model_version == "small-int8"


# LangChain


class Leave(BaseModel):
    days: int


@pytest.fixture
async def ours() -> AsyncGenerator[tuple[RunningServer, CannedEngine]]:
    engine = CannedEngine(['{"days": 10}', "not JSON"])
    async with running_server(served(engine)) as server:
        yield server, engine


async def test_what_langchain_binds_reaches_the_model(ours: tuple[RunningServer, CannedEngine]) -> None:
    server, engine = ours
    client = ServerClient(server.url, KEY)
    chat = ServerChatModel(client, model="live", ours=True)
    await chat.bind(temperature=0.7, seed=3, top_p=0.5, max_tokens=1).ainvoke("?")
    assert engine.asked[0]["sampling"] == Sampling(0.7, 3, 0.5)
    structured = chat.with_structured_output(Leave, include_raw=True, method="json_schema", temperature=0.2)
    failed, right = await structured.ainvoke("?"), await structured.ainvoke("?")
    assert (failed["parsed"], failed["raw"].text) == (None, "not JSON")
    assert "not JSON" in str(failed["parsing_error"])
    assert (right["parsed"], right["parsing_error"]) == (Leave(days=10), None)
    assert engine.asked[-1]["sampling"].temperature == 0.2  # pyright: ignore
    shape = json.loads(engine.asked[-1]["sampling"].schema)  # pyright: ignore
    assert shape == Leave.model_json_schema()
    await chat.ainvoke("?")
    assert await chat.with_structured_output(shape).ainvoke("?") == {"days": 10}
    await client.close()


async def test_a_program_without_an_event_loop_asks_the_server_too(
    ours: tuple[RunningServer, CannedEngine],
) -> None:
    server, _ = ours
    chat = ServerChatModel(ServerClient(server.url, KEY), model="live")
    assert (await asyncio.to_thread(lambda: chat.invoke("?").text)) == '{"days": 10}'
    assert isinstance(LoadedModel(chat, "x").chat.get_num_tokens("three little words"), int)

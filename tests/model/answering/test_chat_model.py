"""The double of the chat model behaves as the real one does: streamed, stopped, counted, busy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from langchain_core.messages import BaseMessage

from model.answering.chat_model import CannedChatModel
from model.onnx_infer import EngineBusy


def test_lines_are_said_one_after_the_other_and_then_again() -> None:
    model = CannedChatModel(["Ten days.", "Nobody knows."])
    assert [model.invoke("?").text for _ in range(3)] == ["Ten days.", "Nobody knows.", "Ten days."]
    assert model.get_num_tokens("three little words") == 3


def test_a_function_makes_the_line_from_the_chat() -> None:
    def shout(messages: Sequence[BaseMessage]) -> str:
        return messages[-1].text.upper()

    model = CannedChatModel(shout)
    assert model.invoke([("system", "Be loud."), ("user", "how long?")]).text == "HOW LONG?"
    assert [message.type for message in model.chats[0]] == ["system", "human"]


def test_it_streams_word_by_word_and_the_words_make_the_line() -> None:
    words = [chunk.text for chunk in CannedChatModel(["  Ten days,\n not more. "]).stream("?")]
    assert words == ["  ", "Ten ", "days,\n ", "not ", "more. ", ""]


async def test_async_streaming_gives_the_same_and_counts_words() -> None:
    chunks = [chunk async for chunk in CannedChatModel(["Ten days."]).astream("how many")]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.text == "Ten days."
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (2, 2)
    assert whole.response_metadata["finish_reason"] == "eos"


async def test_stop_strings_end_the_line() -> None:
    model = CannedChatModel(["Ten days. Or so."])
    assert (await model.ainvoke("?", stop=["Or", "so"])).text == "Ten days. "


async def test_a_line_that_is_an_error_is_raised() -> None:
    model = CannedChatModel([EngineBusy(7.0), "Ten days."])
    with pytest.raises(EngineBusy) as caught:
        await model.ainvoke("?")
    assert caught.value.retry_after_s == 7.0
    with pytest.raises(EngineBusy, match="try again in 7 s"):
        CannedChatModel([EngineBusy(7.0)]).invoke("?")
    assert (await model.ainvoke("?")).text == "Ten days."


async def test_a_slow_line_can_be_cancelled_between_words() -> None:
    model = CannedChatModel(["one two three"], delay_s=0.001)
    seen: list[str] = []
    first = asyncio.Event()

    async def ask() -> None:
        async for chunk in model.astream("?"):
            seen.append(chunk.text)
            first.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["one "]


async def test_many_ask_at_once_and_each_gets_one_line() -> None:
    model = CannedChatModel([str(number) for number in range(50)])
    answers = await asyncio.gather(*(model.ainvoke("?") for _ in range(50)))
    assert sorted(int(answer.text) for answer in answers) == list(range(50))

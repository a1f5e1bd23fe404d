"""A second question after any end of the first: it begins in the cache, and the process lives on."""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime_genai as og
import pytest

from model.inference.constrained import OutputConstraint
from model.inference.process import EngineProcess, Message, Usage
from model.inference.slots import Ask, Slot
from model.inference.tokenizer import ChatText
from model.inference.worker import make_config
from model.onnx_infer import GREEDY, Engine, EngineOptions, Sampling, resolve
from tests.doubles.echo import LOWER, echoed

pytest_plugins = ["tests.builders.model_folders"]
pytestmark = pytest.mark.model

END = 2


# Token by token, on a tiny model that can be right only if its cache is


class Process:
    """A worker with one slot, asked in token ids."""

    def __init__(self, folder: Path, *, drafted: bool = False) -> None:
        self._drafted = drafted
        self.letters = ChatText(folder).encode(LOWER)
        self._heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        options = asdict(resolve(EngineOptions(device="cpu", threads=1, concurrent=1, piece=16)))
        self._process = EngineProcess(
            folder, options, on_message=self._heard.put, on_end=lambda why: self._heard.put({"ended": why})
        )

    def say(
        self, ids: list[int], new: int = 8, *, leave_after: int | None = None, **how: Any
    ) -> tuple[int, list[int], str]:
        """Ask; return the number of tokens reused, the text, and why it ended. Leave midway if told to."""
        number, reused, tokens = next(self._numbers), -1, list[int]()
        self._process.send({"id": number, "ids": ids, "max_new": new, "drafted": self._drafted, **how})
        while True:
            if leave_after == len(tokens):
                self._process.send({"cancel": number})
                leave_after = None
            message = self._heard.get(timeout=60)
            assert "ended" not in message, message
            if "begun" in message:
                reused = message["begun"]
            elif "token" in message:
                tokens.append(message["token"])
            else:
                return reused, tokens, message.get("done") or message["error"]

    def close(self) -> None:
        self._process.close()

    def goes_on(self, ids: list[int], new: int = 8) -> int:
        """Ask, hold what is said to what must be; return how many tokens were reused."""
        reused, tokens, why = self.say(ids, new)
        assert (tokens, why) == (echoed(ids, new, self.letters), "length")
        return reused


@pytest.fixture(params=[False, True], ids=["token by token", "with drafts"])
def tiny(an_echo: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    process = Process(an_echo, drafted=request.param)
    yield process
    process.close()


PROMPT = list(range(10, 200))
DICE = {"temperature": 0.8, "seed": 5}
MORE = [70, 71, 72]


@pytest.mark.parametrize("how", [{}, DICE], ids=["the likeliest", "at random"])
def test_after_an_answer_that_ended_by_itself(
    tiny: Process, an_echo: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    said = tiny.say(PROMPT, 24, **how)[1]
    at = next(at for at in range(1, 24) if said[at] not in said[:at])
    ending = Process(with_end(an_echo, tmp_path / "ending", said[at]))
    assert ending.say(PROMPT, 24, **how) == (0, said[:at], "eos")
    for end in said[at], 71:  # the chat goes on with the end token, or with another
        assert ending.goes_on([*PROMPT, *said[:at], end, *MORE], at) == len(PROMPT) + at
    ending.close()


def with_end(folder: Path, copy: Path, token: int) -> Path:
    """Copy a model, with another end token."""
    shutil.copytree(folder, copy)
    file = copy / "genai_config.json"
    config = json.loads(file.read_text("utf-8"))
    config["model"]["eos_token_id"] = token
    file.write_text(json.dumps(config), "utf-8")
    return copy


@pytest.mark.parametrize("how", [{}, DICE], ids=["the likeliest", "at random"])
@pytest.mark.parametrize("new", [1, 2, 24])
def test_after_an_answer_that_reached_its_length(tiny: Process, new: int, how: dict[str, Any]) -> None:
    _, said, why = tiny.say(PROMPT, new, **how)
    assert (len(said), why) == (new, "length")
    # The last token was never computed, as nothing came after it.
    assert tiny.goes_on([*PROMPT, *said, *MORE], 30) == len(PROMPT) + new - 1


def test_after_an_answer_that_could_only_be_some_words(tiny: Process) -> None:
    within = {"stretches": [{"ids": [40, 41, 42], "ends": [3]}], "finish": [50]}
    _, said, why = tiny.say(PROMPT, 24, within=within)
    assert (said[:3], why) == ([40, 41, 42], "eos")
    assert tiny.goes_on([*PROMPT, *said, END, *MORE], 30) == len(PROMPT) + len(said)


@pytest.mark.parametrize("after", [0, 1, 7])
def test_after_an_answer_that_was_stopped(tiny: Process, after: int) -> None:
    _, said, why = tiny.say(PROMPT, 800, leave_after=after)
    assert why == "cancelled"
    reused = tiny.goes_on([*PROMPT, *said, *MORE], 30)
    if after:
        assert reused == len(PROMPT) + len(said) - 1
    else:
        assert reused <= len(PROMPT), "it was stopped while the prompt was read, or soon after"


def test_after_an_answer_that_was_stopped_in_the_middle_of_its_prompt(an_echo: Path) -> None:
    options = asdict(resolve(EngineOptions(device="cpu", threads=1)))
    slot = Slot(og.Model(make_config(str(an_echo), options)), 512)
    first, second = Ask(1, PROMPT, 8), Ask(2, PROMPT, 8)
    assert slot.begin(first) == 0
    slot.read(first, 16)
    slot.read(first, 16)
    slot.ask = None  # as a cancelled request leaves it
    assert slot.begin(second) == 32
    while second.at < len(PROMPT):
        slot.read(second, 16)
    said = [token for _ in range(8) for token in slot.next_tokens(second)]
    assert said == echoed(PROMPT, 8, ChatText(an_echo).encode(LOWER))


def test_what_goes_wrong_with_a_request_is_its_own_and_its_slot_serves_on(tiny: Process) -> None:
    for _ in range(2):
        assert "out of data bounds" in tiny.say([*PROMPT, 999_999, 10])[2]
        assert tiny.say(PROMPT, temperature=1.0, seed=-1)[1:] == ([], "expected non-negative integer")
        assert tiny.say([], 1)[2] not in {"eos", "length"}
        assert tiny.goes_on(PROMPT) == 0


# On the default model


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Engine]:
    engine = await asyncio.to_thread(Engine.load, folder, EngineOptions(concurrent=2))
    yield engine
    await engine.close()


async def said(
    engine: Engine,
    prompt: str,
    tokens: int,
    sampling: Sampling = GREEDY,
    within: OutputConstraint | None = None,
) -> tuple[str, Usage]:
    usages: list[Usage] = []
    pieces = engine.generate(
        prompt, max_new_tokens=tokens, sampling=sampling, within=within, on_done=usages.append
    )
    return "".join([piece async for piece in pieces]), usages[0]


async def leave(engine: Engine, prompt: str, pieces: int) -> str:
    """Ask, and go away after so many pieces: with none, while the prompt is read."""
    heard = ""
    async with aclosing(engine.generate(prompt, max_new_tokens=200)) as answer:
        if not pieces:
            first = asyncio.create_task(anext(answer))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
        for _ in range(pieces):
            heard += await anext(answer)
    return heard


SYSTEM = (
    "You answer questions about the page.\n\nAnnual leave. Employees get 25 days of annual leave a year. "
    "Up to five days carry over into the next year until the end of March. "
    "Ask your manager at least two weeks before a leave of more than three days."
)
FIRST = {
    "role": "user",
    "content": "How many days of annual leave do employees get? Answer in one short sentence.",
}
SECOND = {"role": "user", "content": "Until when do unused days carry over?"}
WITHIN = OutputConstraint((SYSTEM,), "The page does not say.")
STORY = " ".join(f"Wave {number} came and went." for number in range(48))


async def test_a_second_question_is_answered_however_the_first_answer_ended(default_model: Path) -> None:
    async with running(default_model) as engine:
        pid = engine.pid
        chat = [{"role": "system", "content": SYSTEM}, FIRST]
        asked = engine.render(chat)

        def follow_up(answer: str) -> str:
            return engine.render([*chat, {"role": "assistant", "content": answer}, SECOND])

        async def second_answer(answer: str) -> int:
            """Ask the second question after an answer; return how many tokens of its prompt were known."""
            text, usage = await said(engine, follow_up(answer), 6)
            assert text.strip()
            assert engine.pid == pid
            return usage.tokens_reused

        known = engine.count_tokens(asked)
        other = asyncio.create_task(said(engine, "Tell of the sea.", 800, within=OutputConstraint((), STORY)))

        answer, usage = await said(engine, asked, 120)
        assert usage.reason == "eos"
        assert await second_answer(answer) > known
        answer, usage = await said(engine, asked, 120, Sampling(temperature=0.3, seed=1))
        assert usage.reason == "eos"
        assert await second_answer(answer) > known
        assert await second_answer(await leave(engine, asked, 4)) >= known
        assert await second_answer(await leave(engine, asked, 0)) > 0
        answer, usage = await said(engine, asked, 60, within=WITHIN)
        assert usage.reason == "eos"
        assert await second_answer(answer) > known
        answer, usage = await said(engine, asked, 5)
        assert usage.reason == "length"
        assert await second_answer(answer) > known

        assert not other.done(), "it was to be under way all the time"
        assert (await other)[0] == STORY

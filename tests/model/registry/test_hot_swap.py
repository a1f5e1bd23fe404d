"""A model version takes over while people ask: nothing dropped, nothing mixed, nothing left in memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Answer, Channel, Hit, Passage, Question
from model.answering.chain import Answering, AnswerRules
from model.inference.tokenizer import ChatText
from model.onnx_infer import EngineFailed
from model.registry.loading import NO_MODEL, open_model, open_version
from model.registry.rollout import promote, roll_back, start_canary
from model.registry.versions import (
    ModelMissing,
    find_live_version,
    list_versions,
    read_version,
    write_version,
)
from tests.builders.swapping import (
    PAGE,
    POLL_S,
    VERSIONS,
    Memory,
    choice_of,
    models_dir,
    says,
    swapping,
    until,
)
from tests.builders.versions import make_version
from tests.doubles.echo import LOWER, UPPER, echo

__all__ = ["models_dir"]


pytest_plugins = ["tests.builders.model_folders"]

NOW = datetime(2026, 11, 24, tzinfo=UTC)

WHOLE = AnswerRules(span_sentences=0, quotes=False)


async def search(_question: str, _limit: int, _page_url: str | None) -> list[Hit]:
    return [Hit(Passage("/site/page", "Page", "Top", PAGE, "h", NOW), 1.0, 0.9)]


def question(number: int, conversation: str = "conversation") -> Question:
    return Question(
        f"q{number}", "Who speaks to everybody?", "someone", conversation, Channel.LOCAL, datetime.now(UTC)
    )


async def test_twenty_askers_during_ten_promotions_and_rollbacks_get_whole_answers_of_one_version(
    models_dir: Path,
) -> None:
    memory, answers, enough = Memory(), list[Answer](), asyncio.Event()
    async with swapping(models_dir, memory) as running:
        bot = Answering(running.acquire, search, WHOLE)

        async def ask_on(asker: int) -> None:
            number = 0
            while not enough.is_set():
                number += 1
                answers.append(await bot.answer(question(1000 * asker + number, f"conversation {asker}")))

        askers = [asyncio.create_task(ask_on(asker)) for asker in range(20)]
        for name in ("second", "third", "second", "third", "second"):
            await asyncio.to_thread(promote, models_dir, name)
            await until(running, name)
            await asyncio.to_thread(roll_back, models_dir)
            await until(running, "first")
        enough.set()
        await asyncio.gather(*askers)
    assert len(answers) > 100
    assert set(VERSIONS) <= {answer.model_version for answer in answers}
    for answer in answers:
        assert answer.model_version in answer.text, "written by another version than it says"
        assert answer.text.endswith("speaks slowly to everybody. [1]")
    assert memory.most == 2


async def test_an_answer_under_way_is_finished_by_the_version_that_began_it_and_only_then_unloaded(
    models_dir: Path,
) -> None:
    memory = Memory()
    async with swapping(models_dir, memory) as running:
        bot = Answering(running.acquire, search, AnswerRules(decline_below=0.0))
        items: AsyncIterator[str | Answer] = bot.stream(question(1))
        begun = await anext(items)  # the quotation; the model has not written yet
        promote(models_dir, "second")
        await until(running, "second")
        assert memory.loaded == {"first": 1, "second": 1}
        *_, answer = [item async for item in items]
        assert isinstance(answer, Answer)
        assert isinstance(begun, Answer)
        assert begun.model_version == answer.model_version == "first"
        assert answer.text == begun.text == PAGE
        async with asyncio.timeout(30):
            while not memory.closed:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert memory.loaded == {"first": 0, "second": 1}


async def test_an_answer_that_never_ends_does_not_hold_two_versions_for_ever(models_dir: Path) -> None:
    memory = Memory()
    async with swapping(models_dir, memory, drain_s=0.05) as running:
        with running.acquire("stuck") as loaded:
            promote(models_dir, "second")
            await until(running, "second")
            async with asyncio.timeout(30):
                while memory.closed != ["first"]:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
            assert loaded.version == "first"


@pytest.mark.parametrize("how", ["will not load", "damaged", "deleted"])
async def test_a_version_that_cannot_be_loaded_changes_nothing_and_the_log_says_so(
    models_dir: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    memory.broken = {"second"} if how == "will not load" else set()
    async with swapping(models_dir, memory) as running:
        promote(models_dir, "second")
        if how == "damaged":
            (models_dir / "second" / "model.onnx").write_bytes(b"half")
        elif how == "deleted":
            shutil.rmtree(models_dir / "second")
        async with asyncio.timeout(30):
            while not caplog.records:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        await asyncio.sleep(5 * POLL_S)
        assert says(running) == "first"
        assert memory.loaded.total() == 1
        errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1, "it is not tried again at once"
        assert "first goes on answering" in errors[0]
        assert "second" in errors[0]
        promote(models_dir, "third")
        await until(running, "third")


async def test_a_pointer_that_cannot_be_read_changes_nothing(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with swapping(models_dir, Memory()) as running:
        (models_dir / "live.json").write_text("{")
        async with asyncio.timeout(30):
            while not caplog.records:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert says(running) == "first"


async def test_a_start_falls_back_to_the_version_before_and_says_so(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    promote(models_dir, "second")
    memory.broken = {"second"}
    async with swapping(models_dir, memory) as running:
        assert says(running) == "first"
        assert "second could not be loaded" in caplog.text
    memory.broken = set(VERSIONS)
    with pytest.raises(EngineFailed, match="could not be loaded"):
        async with swapping(models_dir, memory):
            pass


async def test_a_start_without_any_version_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="make setup"):
        async with swapping(tmp_path, Memory()):
            pass


async def test_who_may_wait_says_nothing_until_the_first_version_is_live(tmp_path: Path) -> None:
    memory = Memory()
    async with swapping(tmp_path, memory, may_wait=True) as running:
        with running.acquire("conversation") as loaded:
            assert (loaded.version, loaded.chat.invoke("Who?").content) == (NO_MODEL.name, "")
            make_version(tmp_path, "first", 0)
            promote(tmp_path, "first")
            await until(running, "first")
            assert loaded.chat.invoke("Who?").content == ""
    assert memory.closed == ["first"]


async def test_a_canary_answers_its_conversations_and_no_others(models_dir: Path) -> None:
    memory = Memory()
    conversations = [f"conversation {number}" for number in range(300)]
    async with swapping(models_dir, memory) as running:
        standing = start_canary(models_dir, "second", 0.3)
        async with asyncio.timeout(30):
            while "second" not in {says(running, name) for name in conversations}:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert {name: says(running, name) for name in conversations} == {
            name: standing.choose_version(name) for name in conversations
        }
        assert memory.loaded == {"first": 1, "second": 1}
        promote(models_dir, "second")
        async with asyncio.timeout(30):
            while memory.closed != ["first"]:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert {says(running, name) for name in conversations} == {"second"}
        assert memory.loaded["second"] == 1, "a canary that is promoted is in memory already"
        assert memory.most == 2


async def test_a_canary_that_ends_is_unloaded_before_the_next_one_is_loaded(models_dir: Path) -> None:
    memory = Memory()
    async with swapping(models_dir, memory) as running:
        for name in ("second", "third"):
            start_canary(models_dir, name, 1.0)
            await until(running, name)
        roll_back(models_dir)
        await until(running, "first")
        assert memory.most == 2
        assert memory.closed[0] == "second"


async def test_a_canary_that_cannot_be_loaded_keeps_nobody_from_an_answer(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    memory.broken = {"second"}
    start_canary(models_dir, "second", 1.0)
    async with swapping(models_dir, memory) as running:
        assert says(running) == "first"
        assert "second could not be loaded" in caplog.text


async def test_the_old_live_version_may_become_the_canary_of_the_new_one(models_dir: Path) -> None:
    memory = Memory()
    async with swapping(models_dir, memory) as running:
        promote(models_dir, "second")
        start_canary(models_dir, "first", 0.5)
        conversations = [f"conversation {number}" for number in range(50)]
        async with asyncio.timeout(30):
            while {says(running, name) for name in conversations} != {"first", "second"}:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert memory.closed == []


@pytest.fixture
def two_echoes(echoes: Path, tmp_path: Path) -> Path:
    """Two models that speak in other letters, to turn over."""
    return shutil.copytree(echoes, tmp_path / "models")


@pytest.mark.model
async def test_engines_swap_while_twenty_people_ask(two_echoes: Path) -> None:
    choice = choice_of(two_echoes)
    prompts = [f"How do you go on, {number}?" for number in range(20)]
    expected: dict[str, list[str]] = {}
    for name, letters in {"lower-int8": LOWER, "upper-int8": UPPER}.items():
        text = ChatText(two_echoes / name)
        rendered = [text.render([{"role": "user", "content": prompt}]) for prompt in prompts]
        expected[name] = [echo(text, prompt, choice.answer_tokens, letters) for prompt in rendered]
        assert len(set(expected[name])) == len(prompts)
    seen: Counter[str] = Counter()
    enough = asyncio.Event()
    async with open_model(choice) as acquire:

        async def ask_on(asker: int) -> None:
            while not enough.is_set():
                with acquire(f"conversation {asker}") as loaded:
                    text = (await loaded.chat.ainvoke(prompts[asker])).text
                    assert text == expected[loaded.version][asker]
                seen[loaded.version] += 1

        askers = [asyncio.create_task(ask_on(asker)) for asker in range(20)]
        for number in range(10):
            name = sorted(expected)[number % 2]
            await asyncio.to_thread(promote, two_echoes, name)
            async with asyncio.timeout(60):
                while True:
                    with acquire("watch") as loaded:
                        if loaded.version == name:
                            break
                    await asyncio.sleep(0.05)
        enough.set()
        await asyncio.gather(*askers)
    assert min(seen.values()) > 20
    assert set(seen) == set(expected)


@pytest.mark.model
async def test_a_version_whose_graph_is_broken_is_never_switched_to(
    two_echoes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = find_live_version(two_echoes)
    broken = two_echoes / "broken"
    shutil.copytree(live.folder, broken)
    (broken / "model.onnx").write_bytes(b"no graph")
    written = read_version(broken)
    assert written is not None
    files = {name: hashed for name, hashed in written.files.items() if name != "model.onnx"}
    write_version(replace(written, name="broken", files=files))
    async with open_model(choice_of(two_echoes)) as acquire:
        promote(two_echoes, "broken")
        async with asyncio.timeout(60):
            while not caplog.records:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert f"{live.name} goes on answering: the model in" in caplog.text
        with acquire("anybody") as loaded:
            assert loaded.version == live.name
            assert (await loaded.chat.ainvoke("Still there?")).text


@pytest.mark.model
async def test_a_load_that_is_interrupted_leaves_no_process_behind(two_echoes: Path) -> None:
    loading = asyncio.create_task(open_version(list_versions(two_echoes)[0], choice_of(two_echoes)))
    await asyncio.sleep(0.1)
    loading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loading
    assert loading.cancelled()
    assert not [command for command in children() if str(two_echoes) in command]


def children() -> list[str]:
    """Return the command lines of this process's children."""
    pids = [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]
    lines = [Path("/proc") / pid / "cmdline" for pid in pids]
    return [line.read_text() for line in lines if line.exists()]

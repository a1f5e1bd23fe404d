"""Which model answers, opened and closed: the versions on the engine as they become live, or the canned double."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langchain_core.messages import BaseMessage

from model.answering import grounding
from model.answering.chain import Lend, always
from model.answering.chat_model import CannedChatModel, OnnxChatModel
from model.answering.profile import Profile, glance, processor_of
from model.onnx_infer import Engine, EngineOptions
from model.registry.catalogue import find
from model.registry.hot_swap import Swapping, following
from model.registry.remote_storage import Remote
from model.registry.sync import Published, keeping_up
from model.registry.versions import ModelVersion, find_version, read_standing
from model.text import prompt

CANNED = "canned"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model runs, and how; see the settings of the same names.

    `version` names the one that answers, whatever is live; empty follows what is, looking every `poll_s` seconds and
    leaving the old one `drain_s` seconds for its answers. `url` is where other machines' versions are (empty: nowhere).
    """

    models_dir: Path
    base: str
    answer_tokens: int
    options: EngineOptions
    poll_s: float = 1.0
    drain_s: float = 60.0
    version: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class OnEngine:
    """A version in memory: see `model.registry.hot_swap.Opened`."""

    engine: Engine
    chat: OnnxChatModel
    profile: Profile

    async def close(self) -> None:
        """Free the memory."""
        await self.engine.close()


@asynccontextmanager
async def open_model(choice: ModelChoice) -> AsyncGenerator[Lend]:
    """Load what answers. Raises ModelMissing with what to run when there is nothing, EngineFailed."""
    if choice.base == CANNED:
        yield always(CannedChatModel(first_sentence), CANNED)
    elif choice.version:
        version = find_version(choice.models_dir, choice.version)
        opened = await open_version(version, choice)
        try:
            yield always(opened.chat, version.name, version.reading, opened.profile)
        finally:
            await opened.close()
    else:
        swapping = Swapping(choice.models_dir, lambda version: open_version(version, choice), choice.drain_s)
        async with _together(choice), following(swapping, choice.poll_s):
            yield swapping.lend


@asynccontextmanager
async def _together(choice: ModelChoice) -> AsyncGenerator[None]:
    """Keep the folder and `url` together; only a folder in which nothing is live is waited for."""
    if not choice.url:
        yield
        return
    stopping = threading.Event()
    published = Published(choice.models_dir, Remote(choice.url, stopping=stopping.is_set))
    empty = not read_standing(choice.models_dir).name
    async with keeping_up(published.look, stopping, choice.poll_s, wait=empty):
        yield


async def open_version(version: ModelVersion, choice: ModelChoice) -> OnEngine:
    """Load one version, and let it say a word, so that whoever meets it first does not wait. Raises EngineError.

    Where its manifest tells nothing of this machine's speed, that is measured now, and kept in memory only.
    """
    loading = asyncio.create_task(asyncio.to_thread(Engine.load, version.folder, choice.options))
    try:
        engine = await asyncio.shield(loading)
    except asyncio.CancelledError:  # its process is there all the same
        with contextlib.suppress(Exception):
            await (await loading).close()
        raise
    try:
        async for _ in engine.generate(engine.render(prompt.messages("Who?", ())), max_new_tokens=1):
            pass
        profile = await _profile_of(version, engine)
    except BaseException:
        await engine.close()
        raise
    return OnEngine(engine, OnnxChatModel(engine, max_tokens=choice.answer_tokens), profile)


async def _profile_of(version: ModelVersion, engine: Engine) -> Profile:
    """Return how fast a version is here, as its manifest says or as it is measured. Raises EngineError."""
    known, options = version.profile, engine.options
    if known and known.holds_on(options.device, options.threads, processor_of(options)):
        return known
    parameters = known.parameters if known else parameters_of(version)
    return await asyncio.to_thread(glance, engine, parameters)


def parameters_of(version: ModelVersion) -> int:
    """Return how many weights a version without a profile has: as the catalogue says, or about, by its size."""
    known = find(version.base)
    if known:
        return known.parameters
    weight_bytes = {"fp32": 4, "fp16": 2}.get(version.precision, 1)
    graph = [version.folder / name for name in version.files if name.startswith("model.onnx")]
    return sum(file.stat().st_size for file in graph if file.is_file()) // weight_bytes


def first_sentence(messages: Sequence[BaseMessage]) -> str:
    """Say the first sentence of the excerpts that were shown last: what the canned model answers."""
    for message in reversed(messages):
        excerpts, asked, _ = message.text.rpartition("\n\nQuestion: ")
        if asked:
            return next(grounding.sentences(excerpts), "")
    return ""

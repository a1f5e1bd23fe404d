"""Versions that answer from memory, for tests of the swap from one to another."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.answering.chat_model import CannedChatModel
from model.answering.profile import Profile
from model.onnx_infer import EngineFailed, EngineOptions
from model.registry.loading import ModelChoice, ModelSwapper, follow_live
from model.registry.rollout import promote
from model.registry.versions import ModelVersion
from model.serving.engines import CannedEngine
from tests.builders.versions import make_version

VERSIONS = ("first", "second", "third")
PAGE = (
    "Alpha first speaks slowly to everybody. Beta second speaks slowly to everybody. "
    "Gamma third speaks slowly to everybody."
)
POLL_S = 0.01


@dataclass
class Canned:
    """A version in memory that says its name, slowly."""

    chat: CannedChatModel
    memory: Memory
    name: str
    engine: CannedEngine
    profile: Profile | None = None

    async def close(self) -> None:
        self.memory.loaded[self.name] -= 1
        self.memory.closed.append(self.name)


class Memory:
    """Loads canned versions, and keeps count of what is in memory. `broken` cannot be loaded."""

    def __init__(self) -> None:
        self.loaded: Counter[str] = Counter()
        self.most = 0
        self.closed: list[str] = []
        self.broken: set[str] = set()

    async def load(self, version: ModelVersion) -> Canned:
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - any moment will do
        if version.name in self.broken:
            raise EngineFailed(f"{version.name} could not be loaded")
        self.loaded[version.name] += 1
        self.most = max(self.most, self.loaded.total())
        said = next(line for line in PAGE.split(". ") if version.name in line).removesuffix(".")
        chat = CannedChatModel([f"{said}."], delay_s=0.01)
        return Canned(chat, self, version.name, CannedEngine([f"{said}."], delay_s=0.01))


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    for age_days, name in enumerate(VERSIONS):
        make_version(tmp_path, name, age_days, parent="base")
    promote(tmp_path, "first")
    return tmp_path


@asynccontextmanager
async def swapping(
    models_dir: Path,
    memory: Memory,
    drain_s: float = 30.0,
    linger_s: float = 0.0,
    *,
    may_wait: bool = False,
) -> AsyncGenerator[ModelSwapper]:
    swapper = ModelSwapper(models_dir, memory.load, drain_s, linger_s, may_wait=may_wait)
    async with follow_live(swapper, POLL_S) as running:
        yield running
    assert not memory.loaded.total(), "something was left in memory"


def says(running: ModelSwapper, conversation: str = "conversation") -> str:
    with running.acquire(conversation) as loaded:
        return loaded.version


async def until(running: ModelSwapper, version: str) -> None:
    async with asyncio.timeout(30):
        while says(running) != version:  # noqa: ASYNC110 - a file is what it waits for
            await asyncio.sleep(POLL_S)


# On the engine


def choice_of(models_dir: Path, base: str = "lower") -> ModelChoice:
    options = EngineOptions(threads=1, context_tokens=512, queue_limit=64)
    return ModelChoice(models_dir, base, 24, options, poll_s=0.05, drain_s=60.0)

"""Which model answers, opened and closed: the live version on the engine, or the canned double."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from model.canned import CannedChatModel
from model.onnx_infer import Engine, EngineOptions
from model.versions import live_version

CANNED = "canned"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model runs, and how; see the settings of the same names."""

    models_dir: Path
    base: str
    device: str
    threads: int
    concurrent: int
    queue_limit: int
    answer_tokens: int
    cuda: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """An open chat model; `version` names it; `engine` is None for the canned one."""

    chat: BaseChatModel
    version: Callable[[], str]
    engine: Engine | None


@asynccontextmanager
async def open_model(choice: ModelChoice) -> AsyncGenerator[Model]:
    """Load the live version. Raises ModelMissing with what to run when there is none."""
    if choice.base == CANNED:
        yield Model(CannedChatModel(first_sentence), lambda: CANNED, None)
        return
    version = live_version(choice.models_dir)
    options = EngineOptions(
        device=choice.device,
        threads=choice.threads,
        concurrent=choice.concurrent,
        queue_limit=choice.queue_limit,
        cuda=choice.cuda,
    )
    engine = await asyncio.to_thread(Engine.load, version.folder, options)
    try:
        yield Model(OnnxChatModel(engine, max_tokens=choice.answer_tokens), lambda: version.name, engine)
    finally:
        await engine.close()

"""Which model answers, opened and closed: the live version on the engine, or the canned double."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from model import grounding
from model.canned import CannedChatModel
from model.chat import OnnxChatModel
from model.onnx_infer import Engine, EngineOptions
from model.versions import live_version

CANNED = "canned"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model runs, and how; see the settings of the same names."""

    models_dir: Path
    base: str
    answer_tokens: int
    options: EngineOptions


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
    engine = await asyncio.to_thread(Engine.load, version.folder, choice.options)
    try:
        yield Model(OnnxChatModel(engine, max_tokens=choice.answer_tokens), lambda: version.name, engine)
    finally:
        await engine.close()


def first_sentence(messages: Sequence[BaseMessage]) -> str:
    """Say the first sentence of the excerpts that were shown last: what the canned model answers."""
    for message in reversed(messages):
        excerpts, asked, _ = message.text.rpartition("\n\nQuestion: ")
        if asked:
            return next(grounding.sentences(excerpts), "")
    return ""

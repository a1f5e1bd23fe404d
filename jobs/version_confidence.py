"""Fits how sure a trained version is of its answers, before it is compared with the live one.

The version answers reviewed questions that it did not learn from (its validation share), over today's pages
and as it would answer people; each answer is judged by what the reviewers let stand, and two small
regressions are fitted (model/evaluation/version_fit.py). They lie in the version's manifest and go where it
goes. Where that is not possible the shipped weights count, and a sentence says why. An imported version
learned from nobody's reviews: it has the shipped ones.

    fit_confidence     one version, unless it is done; `fit_now` opens the store for it
    fit_forgotten      those that answer people and whose reviews were deleted in part
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.bootstrap import open_answering, open_pages
from bot.stores import open_store
from core.records import Answer, Channel, Question, TrainingExample
from core.settings import Settings
from core.subprocess_step import OnProgress
from feedback.store.base import StoreError
from model.answering.chain import Answering
from model.evaluation.version_fit import (
    LEAST,
    JudgedAttempt,
    VersionFit,
    fit_version,
    judge_attempt,
    read_validation,
)
from model.onnx_infer import EngineError, PromptTooLong
from model.registry.versions import (
    ModelVersion,
    VersionError,
    find_version,
    forget_confidence,
    read_rollout,
    record_confidence,
)
from model.training.dataset import ExamplesInvalid, read_dataset
from pages.index.base import IndexUnavailable

log = logging.getLogger(__name__)

FindAnswer = Callable[[str], Awaitable[Answer | None]]
"""An answer's id → what was answered, with the question as it was asked; None where it is not kept."""
_WHY = "The confidence stays as shipped, since it could not be fitted: {}"
_MISFORTUNES = (EngineError, ExamplesInvalid, IndexUnavailable, StoreError, VersionError, OSError)


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a fit needs: where the versions lie, what people asked, and how a version answers them.

    `opens` opens the bot's answering with the version of that name.
    """

    models_dir: Path
    find_answer: FindAnswer
    opens: Callable[[str], AbstractAsyncContextManager[Answering]]


def make_fitting(settings: Settings, find_answer: FindAnswer) -> Fitting:
    """Return how the settings have versions answer."""

    @asynccontextmanager
    async def opens(name: str) -> AsyncGenerator[Answering]:
        async with (
            open_pages(settings, finished=False) as page_services,
            open_answering(settings, page_services, name) as answering,
        ):
            yield answering

    return Fitting(settings.models_dir, find_answer, opens)


async def fit_confidence(fitting: Fitting, name: str, dataset: Path, tell: OnProgress) -> Sequence[str]:
    """Fit a version's confidence, unless that is done, and keep it; return what came of it, in sentences.

    What goes wrong is among these: then nothing is kept, and the shipped weights count.
    """
    try:
        version = find_version(fitting.models_dir, name)
        if not version.confidence or "forgotten" in version.confidence:
            version = await _fit(fitting, version, dataset, tell)
        return version.confidence["reasons"]
    except _MISFORTUNES as error:
        return [_WHY.format(error)]


def fit_now(settings: Settings, name: str, dataset: Path, tell: OnProgress) -> Sequence[str]:
    """Do the same where no store is open."""

    async def fit() -> Sequence[str]:
        async with open_store(settings) as store:
            return await fit_confidence(make_fitting(settings, store.answer), name, dataset, tell)

    try:
        return asyncio.run(fit())
    except StoreError as error:
        return [_WHY.format(error)]


async def fit_forgotten(fitting: Fitting, datasets_dir: Path, tell: OnProgress) -> None:
    """Fit the versions anew that answer people and lost what they were fitted to. Raises VersionError."""
    now = read_rollout(fitting.models_dir)
    for name in filter(None, (now.name, now.canary)):
        version = find_version(fitting.models_dir, name)
        if "forgotten" in version.confidence:
            for sentence in await fit_confidence(fitting, name, datasets_dir / version.dataset, tell):
                log.info("%s: %s", name, sentence)


async def _fit(fitting: Fitting, version: ModelVersion, dataset: Path, tell: OnProgress) -> ModelVersion:
    examples = await asyncio.to_thread(read_validation, fitting.models_dir, version, dataset)
    judged: list[JudgedAttempt] = []
    if len(examples) >= LEAST:
        async with fitting.opens(version.name) as answering:
            judged = await judge_all(answering, fitting.find_answer, examples, tell)
    fit = await asyncio.to_thread(fit_version, judged)
    return await asyncio.to_thread(_keep, fitting.models_dir, version, dataset, fit)


async def judge_all(
    answering: Answering, find_answer: FindAnswer, examples: Sequence[TrainingExample], tell: OnProgress
) -> list[JudgedAttempt]:
    """Ask every question as it was asked, on the page that was named; whose answer is gone is left out."""
    judged: list[JudgedAttempt] = []
    for at, example in enumerate(examples):
        tell(f"asking for its confidence, {at + 1} of {len(examples)}", at / len(examples))
        kept = await find_answer(example.answer_id)
        if kept is None:
            continue
        question = Question(
            id=f"confidence/{at}",
            text=example.question_text,
            asker="confidence",
            conversation=f"confidence/{at}",
            channel=Channel.COMMAND_LINE,
            asked_at=datetime.now(UTC),
            page_url=kept.question.page_url,
        )
        try:
            judged.append(judge_attempt(example, await answering.attempt(question)))
        except PromptTooLong:
            continue
    return judged


def _keep(models_dir: Path, version: ModelVersion, dataset: Path, fit: VersionFit) -> ModelVersion:
    """Keep a fit in the manifest, and forget it again if some of its reviews were deleted meanwhile."""
    kept = record_confidence(models_dir, version.name, fit.dump(datetime.now(UTC)))
    there = {one.answer_id for one in read_dataset(dataset).examples}
    if gone := set(fit.answers) - there:
        forget_confidence(models_dir, gone)
        kept = find_version(models_dir, version.name)
    return kept

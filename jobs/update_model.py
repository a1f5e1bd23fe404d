"""Trains a candidate version on reviewed answers; people meet it only if it is better than the live one.

Run as: askpage jobs run update_model

    build      the dataset of everything that is reviewed                     feedback/examples/build.py
    enough?    else there is nothing to do                                    the setting update_least_reviews
    train      a candidate, exported and checked against the trained model    model/qlora_update.py
    fit        how sure it is of its answers, on reviews that it did not learn  jobs/version_confidence.py
    compare    candidate and live version on the same questions, a report     model/evaluation/gate.py
    decide     record the scores, keep the comparison, then: canary, live, waiting for a person, or retired

Everything can be cut off at any moment, by `kill -9`, too: what is finished lies on the disk, and the next
run goes on there, unless the reviews have changed since; then it takes away what was begun and begins anew.
The live version is only read, until a candidate is better.

    UpdateFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bot.bootstrap import model_choice, open_pages, training_config
from bot.services import read_rules
from core.files import compute_sha256, only_one, write_durably
from core.records import Comparison, Decision, Passage
from core.settings import Settings
from core.subprocess_step import OnProgress
from feedback.examples.build import Work, build
from feedback.examples.collect import Tell
from feedback.examples.convert import ExampleRules, Make, Mask
from feedback.examples.dataset import (
    EXAMPLES,
    DatasetError,
    DatasetMissing,
    NoExamples,
    difference,
    find_dataset,
    read_lineage,
)
from feedback.examples.dataset_card import Card
from feedback.privacy.deletion_log import list_excluded
from feedback.reviews import model_decisions
from feedback.reviews.repository import ReviewRepository
from feedback.store.documents import Documents
from jobs.registry import JobContext, JobFailed, Result, Store
from jobs.version_confidence import fit_confidence, fit_forgotten, make_fitting
from model.evaluation.launch import Comparing, NotCompared, compare
from model.evaluation.result import REPORT, GateCriteria, GateResult, index_by_name
from model.registry.loading import open_model
from model.registry.rollout import Publish, promote, prune_versions, publish_nowhere, retire, start_canary
from model.registry.sync import catch_up, publish_to
from model.registry.versions import (
    ModelVersion,
    VersionError,
    VersionStatus,
    find_live_version,
    list_versions,
    read_rollout,
    read_version,
    record_scores,
)
from model.text import prompt
from model.text.question import is_follow_up
from model.training.launch import Training, TrainingConfig, TrainingFailed, candidate_name, train, work_folder
from model.training.made_examples import Rewrite, make_examples
from model.training.rephrasing import FIRST, ModelRephrasing, write_with
from pages.index.base import IndexUnavailable
from pages.index.embeddings import Embedder

log = logging.getLogger(__name__)

NOTE, LOCK = ".updating.json", ".updating.lock"
_RECORDED = ("accuracy", "strict_accuracy", "precision", "f1", "regression_accuracy", "attack_success")

_SAID = 3
"""Texts of an example that people wrote; those of its page follow."""
_NO_MASKING = (
    "Personal data cannot be masked here, so no example is made of anything: install askpage with the extra "
    "`training`"
    ' (pip install -e ".[cpu,import,training]").'
)


FitConfidence = Callable[[str, Path, OnProgress], Awaitable[Sequence[str]]]
"""(candidate, its dataset's folder, progress) → what came of it, in sentences."""


async def fit_nothing(_candidate: str, _dataset: Path, _tell: OnProgress) -> Sequence[str]:
    """Leave a candidate its shipped confidence."""
    return ()


class UpdateFailed(JobFailed):
    """Nothing came of it; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How an update is made: where things are, how it learns, what is asked of it, what a good one becomes.

    `comparing` says how candidates are compared; its dataset, candidate and live version are filled in.
    `build` makes the dataset, `train` and `compare` are those of `model/`, `fit` tells how sure a candidate
    is. `promotion` of "manual" lets a good candidate wait for a person; else it answers `canary_share` of the
    conversations, at 1 all of them.
    `keep` retired versions stay on the disk. `publish` takes the steps, and sends a candidate that waits.
    """

    build: Callable[[], Awaitable[Card]]
    datasets_dir: Path
    models_dir: Path
    comparing: Comparing
    recipe: TrainingConfig = field(default_factory=TrainingConfig)
    least_reviews: int = 50
    promotion: Literal["auto", "manual"] = "auto"
    canary_share: float = 0.1
    keep: int = 3
    tracking: str = "off"
    train: Callable[..., ModelVersion] = train
    compare: Callable[..., GateResult] = compare
    fit: FitConfidence = fit_nothing
    publish: Publish = publish_nowhere


@dataclass(frozen=True, slots=True)
class Begun:
    """What an update is making: it is noted before anything is made, and forgotten when all is decided."""

    candidate: str
    dataset: str
    live: str


async def update_model(documents: Documents, plan: Plan, tell: OnProgress) -> Result:
    """Make an update, or say why there is nothing to do.

    Raises UpdateFailed, DatasetError, VersionError, StoreError.
    """
    plan.models_dir.mkdir(parents=True, exist_ok=True)
    try:
        with only_one(plan.models_dir / LOCK, wait=False):
            return await _update(documents, plan, tell)
    except BlockingIOError:
        return _nothing("an update is under way in another process")


async def _update(documents: Documents, plan: Plan, tell: OnProgress) -> Result:
    live = find_live_version(plan.models_dir)
    tried = read_rollout(plan.models_dir).canary
    if tried:
        return _nothing(f"{tried} is being tried by some of the people: promote it, or roll it back")
    tell("building the dataset", 0.0)
    try:
        card = await plan.build()
    except NoExamples as error:
        return _nothing(str(error))
    begun = _plan_candidate(plan, card.name, live)
    if read_note(plan.models_dir) != begun:  # what was begun goes on, however few reviews it is about
        before = await _find_last_dataset(documents, live)
        new = await asyncio.to_thread(_new_reviews, plan.datasets_dir, card.name, before)
        clean(plan.models_dir)
        if new < plan.least_reviews:
            since = f" since the dataset {before}" if before else ""
            return _nothing(f"{new} reviewed answers are new{since}; {plan.least_reviews} are needed")
    write_durably(plan.models_dir / NOTE, json.dumps(asdict(begun)))
    finding = await _train_and_compare(plan, begun, tell)
    return await _apply_decision(documents, plan, begun, finding, tell)


def _nothing(why: str) -> Result:
    return {"did": "nothing", "why": why}


def _plan_candidate(plan: Plan, dataset: str, live: ModelVersion) -> Begun:
    learned = compute_sha256(plan.datasets_dir / dataset / EXAMPLES)
    return Begun(candidate_name(live, plan.recipe, learned), dataset, live.name)


async def _find_last_dataset(documents: Documents, live: ModelVersion) -> str:
    """Return the dataset learned from last: the live version's, or that of a candidate held since."""
    last = await model_decisions.latest(documents)
    return last.dataset if last and last.live == live.name else live.dataset


def _new_reviews(datasets_dir: Path, name: str, before: str) -> int:
    """How many examples there are that the dataset before has not, or has in other words."""
    after = find_dataset(datasets_dir, name)
    try:
        found = difference(find_dataset(datasets_dir, before), after)
    except DatasetMissing:  # none was learned from, or it was deleted since
        return sum(not one.made_from for one in read_lineage(after))
    return len(found.added) + len(found.changed)


async def _train_and_compare(plan: Plan, begun: Begun, tell: OnProgress) -> GateResult:
    """Train and compare, each in a process of its own."""
    dataset = plan.datasets_dir / begun.dataset
    training = Training(dataset, plan.models_dir, plan.recipe, begun.live, plan.tracking)
    comparing = replace(plan.comparing, dataset=dataset, candidate=begun.candidate, live=begun.live)
    try:
        if read_version(plan.models_dir / begun.candidate) is None:
            await asyncio.to_thread(plan.train, training, on_progress=_share(tell, 0.05, 0.65))
        for sentence in await plan.fit(begun.candidate, dataset, _share(tell, 0.65, 0.7)):
            log.info("%s: %s", begun.candidate, sentence)
        return await asyncio.to_thread(plan.compare, comparing, on_progress=_share(tell, 0.7, 0.98))
    except (TrainingFailed, NotCompared) as error:
        raise UpdateFailed(str(error)) from error


# Decide


async def _apply_decision(
    documents: Documents, plan: Plan, begun: Begun, finding: GateResult, tell: OnProgress
) -> Result:
    """Do what the gate says. Every step may be done twice; the note goes last."""
    if read_rollout(plan.models_dir).name != begun.live:
        raise UpdateFailed(f"{begun.live} is live no more: the next run compares with what is live then")
    compared = finding.comparison
    tell("recording the scores", 0.98)
    record_scores(plan.models_dir, begun.candidate, extract_scores(compared))
    await model_decisions.put(documents, compared, [one.id for one in finding.worst])
    tell("deciding", 0.99)
    became = await asyncio.to_thread(_stand, plan, begun.candidate, compared.decision)
    (plan.models_dir / NOTE).unlink(missing_ok=True)
    gone = await asyncio.to_thread(prune_versions, plan.models_dir, plan.keep, plan.publish)
    tell("decided", 1.0)
    return {
        "did": str(compared.decision),
        "candidate": begun.candidate,
        "became": became,
        "live": read_rollout(plan.models_dir).name,
        "dataset": begun.dataset,
        "reasons": list(compared.reasons),
        "report": str(plan.models_dir / begun.candidate / REPORT),
        "deleted": gone,
    }


def extract_scores(compared: Comparison) -> dict[str, object]:
    """Return what a manifest keeps of a comparison."""
    named = index_by_name(compared.figures)
    figures = {name: round(value, 4) for name in _RECORDED if (value := named[name].after) is not None}
    return {**figures, "compared_with": compared.live, "gate": str(compared.decision)}


def _stand(plan: Plan, candidate: str, decision: Decision) -> str:
    """Let a candidate stand where it belongs; return where that is.

    Others that wait for a person wait in vain.
    """
    if decision is Decision.HOLD:
        _retire_waiting(plan, candidate)
        return "retired"
    for version in list_versions(plan.models_dir):
        if version.name != candidate and "gate" in version.scores:
            _retire_waiting(plan, version.name)
    if plan.promotion == "manual":
        plan.publish(lambda _: (candidate,), lambda: read_rollout(plan.models_dir))  # sent, and where it was
        return "waiting"
    if plan.canary_share < 1:
        start_canary(plan.models_dir, candidate, plan.canary_share, plan.publish)
        return "canary"
    promote(plan.models_dir, candidate, publish=plan.publish)
    return "live"


def _retire_waiting(plan: Plan, name: str) -> None:
    if read_rollout(plan.models_dir).derive_status(name) is VersionStatus.CANDIDATE:
        retire(plan.models_dir, name, plan.publish)


# Clean


def read_note(models_dir: Path) -> Begun | None:
    """Return what an update began and did not end."""
    try:
        return Begun(**json.loads((models_dir / NOTE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def clean(models_dir: Path) -> list[str]:
    """Take away what an update began and did not end; return the folders. Raises OSError.

    Only what its note names: what a person trains is theirs. What has a place among those who answer stays.
    """
    left = read_note(models_dir)
    gone: list[Path] = []
    if left is not None:
        waits = read_rollout(models_dir).derive_status(left.candidate) is VersionStatus.CANDIDATE
        folders = [work_folder(models_dir, left.candidate), *[models_dir / left.candidate] * waits]
        gone = [folder for folder in folders if folder.is_dir()]
        for folder in gone:
            shutil.rmtree(folder)
    (models_dir / NOTE).unlink(missing_ok=True)
    return [folder.name for folder in gone]


def _share(tell: OnProgress, begin: float, end: float) -> OnProgress:
    """Tell a step's share of the whole."""
    return lambda step, done: tell(step, begin + done * (end - begin))


# From the settings


async def run(context: JobContext) -> Result:
    """Update the model of this installation. Raises UpdateFailed, StoreError."""
    settings, store = context.settings, context.store
    try:  # what is live, and learned from, may have changed on another machine
        await asyncio.to_thread(catch_up, settings.models_dir, settings.models_url)
        await fit_forgotten(make_fitting(settings, store.answer), settings.datasets_dir, context.tell)
        plan = make_plan(settings, store, lambda step, _: context.tell(step, 0.0))
        return await update_model(store.documents, plan, context.tell)
    except (DatasetError, VersionError) as error:
        raise UpdateFailed(str(error)) from error


def make_plan(settings: Settings, store: Store, tell: Tell) -> Plan:
    """Return how the settings make an update of what is in a store."""
    return Plan(
        **settings.update.values(),
        build=partial(build_dataset, settings, store, tell),
        datasets_dir=settings.datasets_dir,
        models_dir=settings.models_dir,
        comparing=make_comparing(settings),
        recipe=training_config(settings),
        tracking=settings.tracking_uri,
        fit=partial(fit_confidence, make_fitting(settings, store.answer)),
        publish=publish_to(settings.models_dir, settings.models_url),
    )


def make_comparing(settings: Settings) -> Comparing:
    """Return how the settings compare a candidate; which one is not known yet."""
    probes = settings.probes
    return Comparing(
        dataset=settings.datasets_dir,
        models_dir=settings.models_dir,
        candidate="",
        live="",
        bar=GateCriteria(**settings.gate.values()),
        regression=Path(probes.regression) if probes.regression else None,
        injections=tuple(map(Path, probes.injections)),
        engine=model_choice(settings).options,
        span_sentences=settings.answering.span_sentences,
        answer_tokens=settings.answer_tokens,
        tracking=settings.tracking_uri,
    )


async def build_dataset(settings: Settings, store: Store, tell: Tell) -> Card:
    """Make the dataset of everything that is reviewed, masked.

    Raises DatasetError, StoreError and OSError.
    """
    embedder = await asyncio.to_thread(Embedder)
    masks = await asyncio.to_thread(masking)
    work = Work(datetime.now(UTC), embedder.embed, tell, opted_out=partial(list_excluded, store.documents))
    rules = replace(example_rules(settings), mask=masks)
    async with open_access(settings, rules) as rules, open_rewriting(settings, rules) as rules:
        return await build(store, ReviewRepository(store.documents), settings.datasets_dir, rules, work)


@asynccontextmanager
async def open_access(settings: Settings, rules: ExampleRules) -> AsyncGenerator[ExampleRules]:
    """Leave out what stands on pages that not everyone may read, unless the settings want it.

    Raises DatasetError where the page index does not tell.
    """
    if settings.dangerously_train_on_restricted_pages:
        yield rules
        return
    async with AsyncExitStack() as closing:
        try:
            page_services = await closing.enter_async_context(open_pages(settings, finished=False))
        except IndexUnavailable as error:
            raise DatasetError(f"Who may read the pages behind the answers is not known: {error}") from error
        yield replace(rules, is_restricted=page_services.access.is_kept_apart)


@asynccontextmanager
async def open_rewriting(settings: Settings, rules: ExampleRules) -> AsyncGenerator[ExampleRules]:
    """Open the live model for what is made from examples, where the settings let it word that.

    Raises VersionError, and ModelMissing where there is none.
    """
    if not (rules.made_by_model and rules.made_per_review):
        yield rules
        return
    loop = asyncio.get_running_loop()
    async with open_pages(settings) as page_services, open_model(model_choice(settings)) as lend:

        def find(question: str) -> list[Passage]:
            hits = asyncio.run_coroutine_threadsafe(
                page_services.library.search(question, FIRST), loop
            ).result()
            return [hit.passage for hit in hits]

        with lend("made examples") as model:
            rewrite = ModelRephrasing(write_with(model.chat), find)
            yield replace(rules, make=make_by(rules.made_per_review, rewrite))


def make_by(most: int, rewrite: Rewrite | None = None) -> Make:
    """Return what makes examples from others, by rules, and by a model where there is one."""
    return partial(make_examples, most=most, label=prompt.NOT_ON_PAGE, rewrite=rewrite)


def masking() -> Mask:
    """Return what masks the texts of one example: question, completion, what was rejected, the page's.

    What stands on the page stays, also where the question says it. Raises DatasetError where nothing can be
    masked here: then nothing is kept for training.
    """
    try:
        from feedback.masking.masker import Masker, MaskingModelMissing  # noqa: PLC0415 - seconds, and packages of its own
    except ModuleNotFoundError as error:
        raise DatasetError(_NO_MASKING) from error
    try:
        masker = Masker()
    except MaskingModelMissing as error:
        raise DatasetError(_NO_MASKING) from error

    def mask(texts: Sequence[str]) -> Sequence[str]:
        said, page = texts[:_SAID], texts[_SAID:]
        return [*(one.text for one in masker.mask_together(said, public=" ".join(page))), *page]

    return mask


def example_rules(settings: Settings) -> ExampleRules:
    """Return what becomes an example, in the model's words."""
    return ExampleRules(
        not_on_page=prompt.NOT_ON_PAGE,
        label_version=prompt.LABEL_VERSION,
        completes=prompt.to_completion,
        follows=is_follow_up,
        hosts=frozenset({urlsplit(settings.public_url).hostname or ""}),
        trainable=frozenset(settings.trainable_channels),
        scale=read_rules(settings)[0].scale,
        make=make_by(settings.examples.made_per_review),
        **settings.examples.values(),
    )

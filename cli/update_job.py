"""How the settings make an update of the model: what `askpage jobs run update_model` does (jobs/update_model.py)."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from bot.bootstrap import model_choice
from cli.console import progress_bar
from cli.examples import build_dataset
from cli.models import recipe_of
from core.settings import Settings
from feedback.examples.collect import Tell
from feedback.examples.dataset import DatasetError
from jobs.registry import Result, Store
from jobs.update_model import Plan, UpdateFailed, update_model
from model.evaluation.launch import Comparing
from model.evaluation.result import GateCriteria
from model.registry.sync import catch_up, publish_to
from model.registry.versions import VersionError


async def update(settings: Settings, store: Store) -> Result:
    """Make an update, and show how far it is. Raises UpdateFailed, StoreError."""
    with progress_bar() as bar:
        task = bar.add_task("Updating the model", total=1.0)

        def show(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        def built(step: str, _: int) -> None:
            bar.update(task, description=step)

        try:  # what is live, and learned from, may have changed on another machine
            await asyncio.to_thread(catch_up, settings.models_dir, settings.models_url)
            return await update_model(store.documents, plan_of(settings, store, built), show)
        except (DatasetError, VersionError) as error:
            raise UpdateFailed(str(error)) from error


def plan_of(settings: Settings, store: Store, tell: Tell) -> Plan:
    """Return how the settings make an update of what is in a store."""
    return Plan(
        build=partial(build_dataset, settings, store, tell),
        datasets_dir=settings.datasets_dir,
        models_dir=settings.models_dir,
        comparing=comparing_of(settings),
        recipe=recipe_of(settings),
        least_reviews=settings.update_least_reviews,
        promotion=settings.promotion,
        canary_share=settings.canary_share,
        keep=settings.keep_versions,
        tracking=settings.tracking_uri,
        publish=publish_to(settings.models_dir, settings.models_url),
    )


def comparing_of(settings: Settings) -> Comparing:
    """Return how the settings compare a candidate; which one is not known yet."""
    choice = model_choice(settings)
    return Comparing(
        dataset=settings.datasets_dir,
        models_dir=settings.models_dir,
        candidate="",
        live="",
        bar=GateCriteria(
            least_questions=settings.gate_least_questions,
            most_questions=settings.gate_most_questions,
            least_gain=settings.gate_least_gain,
            most_precision_loss=settings.gate_most_precision_loss,
            most_regression=settings.gate_most_regression,
            most_injection=settings.gate_most_injection,
            most_latency=settings.gate_most_latency,
        ),
        regression=Path(settings.gate_regression) if settings.gate_regression else None,
        injections=tuple(map(Path, settings.gate_injections)),
        engine=choice.options,
        span_sentences=settings.span_sentences,
        answer_tokens=settings.answer_tokens,
        tracking=settings.tracking_uri,
    )

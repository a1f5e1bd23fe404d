"""The commands about model versions: `askpage models list | show | report | diff | import | train | ...`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.bootstrap import training_config
from cli.console import Json, out, print_json, progress_bar, telling, with_settings
from cli.models.catalogue import models_catalogue, models_import
from cli.tables import flatten, print_table, print_values, to_cell
from core.records import Comparison
from core.settings import Settings
from jobs.version_confidence import fit_now
from model.evaluation.result import REPORT, read_result
from model.registry.ray_cluster import RayPlan
from model.registry.rollout import Publish, promote, prune_versions, retire, roll_back, start_canary
from model.registry.search_heads import read_live_head, roll_back_head
from model.registry.sync import publish_to
from model.registry.versions import (
    ModelMissing,
    ModelVersion,
    NotPossible,
    RolloutState,
    VersionError,
    VersionStatus,
    find_version,
    list_versions,
    read_rollout,
)
from model.training.launch import Training, train
from model.training.ray_training import train_on_ray

models_app = typer.Typer(
    help="Model versions: import, train, compare, promote, roll back.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A version's name, or the beginning of it; live is the live one.")]


# Looking


@models_app.command("list")
@with_settings
def models_list(settings: Settings, as_json: Json = False) -> None:
    """List the model versions and their states."""
    standing = read_rollout(settings.models_dir)
    rows = [_row(version, standing) for version in list_versions(settings.models_dir)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("There is no model version yet: `askpage models import` makes the first one.")
        return
    table = Table("Version", "Status", "Made from", "Precision", "Created", "Accuracy")
    for row in rows:
        share = f" {standing.share:.0%}" if row["status"] == VersionStatus.CANARY else ""
        origin, made = to_cell(row["parent"] or row["base"]), to_cell(row["created_at"])[:10]
        accuracy = to_cell(row["scores"].get("accuracy"))
        table.add_row(
            row["name"], f"{row['status']}{share}", origin, to_cell(row["precision"]), made, accuracy
        )
    print_table(table)


@models_app.command("show")
@with_settings
def models_show(settings: Settings, name: Name = "live", as_json: Json = False) -> None:
    """Show one version: what it learned from, how, and what was measured."""
    version = _find(settings, name)
    compared = _find_comparison(settings, version)
    row = _row(version, read_rollout(settings.models_dir)) | {"files": dict(version.files)}
    if as_json:
        row |= (
            {"comparison": asdict(compared) | {"compared_at": str(compared.compared_at)}} if compared else {}
        )
        print_json(row)
        return
    print_values(flatten(row))
    if compared:
        _print_comparison(compared)


def _find_comparison(settings: Settings, version: ModelVersion) -> Comparison | None:
    """Return what the gate said of a version: from its report, or from the store where that is elsewhere."""
    finding = read_result(version.folder)
    if finding or not version.parent:
        return finding.comparison if finding else None

    from bot.stores import open_store  # noqa: PLC0415 - the other commands need no store
    from feedback.reviews import model_decisions  # noqa: PLC0415

    async def read_kept() -> Comparison | None:
        async with open_store(settings) as store:
            return await model_decisions.get(store.documents, version.name)

    return asyncio.run(read_kept())


def _print_comparison(compared: Comparison) -> None:
    on = f"{compared.compared_at:%Y-%m-%d}, beside {compared.live}, on {compared.questions} questions"
    out.print(f"\nThe gate: {compared.decision} ({on})", markup=False, highlight=False)
    table = Table("Figure", "Live", "Candidate", "Difference, 95 %")
    for one in compared.figures:
        between = "–" if one.low is None or one.high is None else f"{one.low:+.3g} to {one.high:+.3g}"
        table.add_row(one.name.replace("_", " "), to_cell(one.before), to_cell(one.after), between)
    print_table(table)
    for sentence in compared.reasons:
        out.print(f"- {sentence}", markup=False, highlight=False, soft_wrap=True)


@models_app.command("report")
@with_settings
def models_report(settings: Settings, name: Name) -> None:
    """Print the location of the report (HTML) that compares a version with the live one."""
    report = _find(settings, name).folder / REPORT
    if not report.is_file():
        raise NotPossible(f"{name} was not compared with a live version on this machine: there is no report")
    print(report.resolve())  # noqa: T201 - the command's output


@models_app.command("diff")
@with_settings
def models_diff(settings: Settings, one: Name, other: Name = "live", as_json: Json = False) -> None:
    """Show how two versions differ: origin, recipe, scores."""
    standing = read_rollout(settings.models_dir)
    left, right = (flatten(_row(_find(settings, name), standing)) for name in (one, other))
    differing = {
        what: (left.get(what), right.get(what))
        for what in dict.fromkeys([*left, *right])
        if left.get(what) != right.get(what)
    }
    if as_json:
        print_json(differing)
        return
    table = Table("What", str(left["name"]), str(right["name"]))
    for what, values in differing.items():
        table.add_row(what, *map(to_cell, values))
    print_table(table)


# Making


models_app.command("catalogue")(models_catalogue)
models_app.command("import")(models_import)


@models_app.command("train")
@with_settings
def models_train(
    settings: Settings,
    dataset: Annotated[Path, typer.Argument(help="A folder of training examples.")],
    parent: Annotated[
        str,
        typer.Option("--parent", help="Parent of the candidate; empty: the live version of --base-model."),
    ] = "",
    ray: Annotated[
        bool,
        typer.Option("--ray", help="Train as a Ray task: on this machine, or on the cluster at ray_address."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a candidate on a dataset; the same command continues an interrupted training."""
    training = Training(
        dataset=dataset,
        models_dir=settings.models_dir,
        recipe=training_config(settings),
        parent=_find_parent(settings, parent).name,
        tracking=settings.tracking_uri,
    )
    with progress_bar() as bar:
        task = bar.add_task("Training", total=1.0)

        def show(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        if ray:
            plan = RayPlan(**settings.ray.values())
            version = train_on_ray(training, plan, settings.models_url, show)
        else:
            version = train(training, on_progress=show)
        sentences = fit_now(settings, version.name, dataset, show)
        version = find_version(settings.models_dir, version.name)
    if as_json:
        print_json(_row(version, read_rollout(settings.models_dir)))
        return
    for sentence in sentences:
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    out.print(f"The candidate is {version.name}. `askpage models promote {version.name}` lets it answer.")


# Who answers whom


@models_app.command("promote")
@with_settings
def models_promote(settings: Settings, name: Name) -> None:
    """Let a version answer everybody; a running bot uses it within seconds and loses no answer."""
    with telling(settings):
        _tell(promote(settings.models_dir, _name(settings, name), publish=_publish(settings)))


@models_app.command("canary")
@with_settings
def models_canary(
    settings: Settings,
    name: Name,
    share: Annotated[
        float, typer.Option("--share", help="Share of the conversations, 0 to 1; 0 ends the canary.")
    ] = 0.1,
) -> None:
    """Let a version answer a share of the conversations."""
    with telling(settings):
        _tell(start_canary(settings.models_dir, _name(settings, name), share, _publish(settings)))


@models_app.command("rollback")
@with_settings
def models_rollback(settings: Settings) -> None:
    """Undo the last step: end the canary; without one, go back to the version that was live before."""
    with telling(settings):
        _tell(roll_back(settings.models_dir, publish=_publish(settings)))


@models_app.command("search-head")
@with_settings
def models_search_head(
    settings: Settings,
    rollback: Annotated[
        bool,
        typer.Option(
            "--rollback", help="Go back to the previous weights; the present ones do not come back."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the weights of the search that was fitted to reviews, or roll them back.

    A bot that runs follows within seconds.
    """
    if rollback:
        roll_back_head(settings.search_dir)
    head = read_live_head(settings.search_dir)
    shown = {
        "head": head.name,
        "made_at": head.made_at,
        "reviews": len(head.answers),
        "ranking": dict(head.ranking),
        "confidence": {name: dict(weights) for name, weights in head.confidence.items()},
        "figures": dict(head.figures),
    }
    if as_json:
        print_json(shown)
        return
    print_values(flatten(shown | {"head": head.name or "as shipped"}))


@models_app.command("retire")
@with_settings
def models_retire(settings: Settings, name: Name) -> None:
    """Withdraw a candidate or a canary."""
    _tell(retire(settings.models_dir, _name(settings, name), _publish(settings)))


@models_app.command("prune")
@with_settings
def models_prune(
    settings: Settings,
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many retired versions to keep.")] = 3,
) -> None:
    """Delete old retired versions, but never a base model or the version that a rollback needs."""
    gone = prune_versions(settings.models_dir, keep, _publish(settings))
    out.print(f"{len(gone)} versions are deleted{': ' if gone else ''}{', '.join(gone)}.", markup=False)


def _publish(settings: Settings) -> Publish:
    """Return what steps are taken with."""
    return publish_to(settings.models_dir, settings.models_url)


def _name(settings: Settings, name: str) -> str:
    """Return the whole name of a version; one that is not here may be at models_url. Raises ModelMissing."""
    try:
        return _find(settings, name).name
    except ModelMissing:
        if not settings.models_url or name == "live":
            raise
        return name


def _find(settings: Settings, name: str) -> ModelVersion:
    """Return the version of that name, or the only one that begins so. Raises ModelMissing."""
    if name == "live":
        name = read_rollout(settings.models_dir).name
    names = [version.name for version in list_versions(settings.models_dir)]
    begun = [known for known in names if known.startswith(name)]
    return find_version(settings.models_dir, begun[0] if name not in names and len(begun) == 1 else name)


def _find_parent(settings: Settings, name: str) -> ModelVersion:
    """Return the version to train: the named one, else the live one, or the base model where that is another.

    Raises VersionError.
    """
    live = read_rollout(settings.models_dir).name
    if name:
        return _find(settings, name)
    versions = list_versions(settings.models_dir)
    of_base = [one for one in versions if one.base == settings.base_model]
    if not of_base and settings.base_model != Settings.model_fields["base_model"].default:
        raise VersionError(
            f"{settings.base_model} is not here: `askpage models import {settings.base_model}` brings it, "
            "or name a version with --parent"
        )
    ours = [one for one in of_base if one.name == live] or [one for one in of_base if one.parent is None]
    return ours[0] if ours else _find(settings, "live")


def _tell(standing: RolloutState) -> None:
    rest = f"; {standing.canary} answers {standing.share:.0%} of the conversations" if standing.canary else ""
    out.print(f"{standing.name} is live{rest}.", markup=False, soft_wrap=True)


def _row(version: ModelVersion, standing: RolloutState) -> dict[str, Any]:
    return {
        "name": version.name,
        "status": str(standing.derive_status(version.name)),
        "live": version.name == standing.name,
        "parent": version.parent,
        "base": version.base,
        "precision": version.precision,
        "device": version.device,
        "created_at": version.created_at.isoformat(timespec="seconds"),
        "licence": version.licence,
        "builder": version.builder,
        "dataset": version.dataset,
        "scores": dict(version.scores),
        "training": dict(version.training),
        "agreement": dict(version.agreement),
        "drafting": dict(version.drafting),
        "confidence": _describe_confidence(version),
        "profile": asdict(version.profile) if version.profile else None,
    }


def _describe_confidence(version: ModelVersion) -> dict[str, Any]:
    """Return what was fitted to its answers; of whose reviews only how many."""
    told = dict(version.confidence)
    return (told | {"answers": len(told["answers"])}) if "answers" in told else told

"""The commands about model versions: `askpage models list | show | report | diff | import | train | ...`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.table import Column, Table

from bot.bootstrap import model_choice, training_config
from cli.console import Json, out, print_json, progress_bar, progress_out, telling, with_settings
from cli.tables import print_table
from core.files import whole_folder
from core.records import Comparison
from core.settings import Settings
from jobs.version_confidence import fit_now
from model.answering.profile import memory_gb
from model.evaluation.result import REPORT, read_result
from model.onnx_infer import EngineOptions, resolve
from model.registry.catalogue import CATALOGUE, BaseModel, advise
from model.registry.drafting import describe_drafting
from model.registry.importing import choose_precision, import_base
from model.registry.loading import CANNED
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
    read_version,
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
        origin, made = _cell(row["parent"] or row["base"]), _cell(row["created_at"])[:10]
        accuracy = _cell(row["scores"].get("accuracy"))
        table.add_row(row["name"], f"{row['status']}{share}", origin, _cell(row["precision"]), made, accuracy)
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
    _print_rows(_flat(row))
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
        table.add_row(one.name.replace("_", " "), _cell(one.before), _cell(one.after), between)
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
    left, right = (_flat(_row(_find(settings, name), standing)) for name in (one, other))
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
        table.add_row(what, *map(_cell, values))
    print_table(table)


# Making


@models_app.command("catalogue")
@with_settings
def models_catalogue(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="Show all details of this model.")] = "",
    as_json: Json = False,
) -> None:
    """List the base models that have a name: what they are, what they need, what they are good for."""
    precision = choose_precision(resolve(EngineOptions(device=settings.engine.device)).device)
    rows = [catalogue_row(model, precision) for model in CATALOGUE if name in ("", model.name)]
    if not rows:
        raise typer.BadParameter(
            f"the catalogue has no model {name!r}: without a name, it lists those it has"
        )
    if as_json:
        print_json(rows)
    elif name:
        sha256 = rows[0].pop("sha256")
        _print_rows(_flat(rows[0] | {"sources": "; then ".join(rows[0]["sources"])}))
        if sha256:
            out.print(f"SHA-256 {sha256}", soft_wrap=True, highlight=False)
    else:
        _print_catalogue(rows, precision)


def _print_catalogue(rows: list[dict[str, Any]], precision: str) -> None:
    first = Column("Model", no_wrap=True)
    table = Table(first, "Weights", "Licence", "Size", "Memory", "For")
    for row in rows:
        size = f"{row['download_gb']:.1f}" if row["download_gb"] else "–"
        licence = row["licence"] + ("*" if row["gated"] else "")
        weights, memory = f"{row['parameters'] / 1e9:.2g}", f"{row['memory_gb']:.1f}"
        table.add_row(row["name"], weights, licence, size, memory, row["good_for"])
    print_table(table)
    out.print(
        f"Weights in billions; size of the hub's files and memory in {precision}, GB. * Its licence has to "
        "be accepted "
        "on the hub first. `askpage models catalogue NAME` tells more, `askpage models import NAME` fetches "
        "one.",
        markup=False,
        highlight=False,
    )


def _print_rows(values: Mapping[str, Any]) -> None:
    table = Table("What", Column("Value", overflow="fold"))
    for what, value in values.items():
        table.add_row(what, _cell(value))
    print_table(table)


def catalogue_row(model: BaseModel, precision: str) -> dict[str, Any]:
    """Return what the catalogue says of a model; its sources in the order in which they are asked."""
    sources = [f"package {model.installed.module.replace('_', '-')} (installed)"] if model.installed else []
    sources.append(f"hub {model.hub_id}")
    wheels = model.wheels
    if wheels:
        registry = f"registry {wheels.name.format(1)} to {wheels.parts}, {wheels.version}"
        sources.append(f"{registry} ({wheels.size_bytes / 1e9:.1f} GB)")
    return {
        "name": model.name,
        "parameters": model.parameters,
        "architecture": model.architecture,
        "licence": model.licence,
        "gated": model.gated,
        "download_gb": round(model.download_gb, 2),
        "memory_gb": round(model.memory_gb(precision), 2),
        "good_for": str(model.good_for),
        "says": model.says,
        "sources": sources,
        "sha256": wheels.sha256 if wheels else "",
    }


@models_app.command("import")
@with_settings
def models_import(
    settings: Settings,
    base: Annotated[
        str,
        typer.Argument(help="A name of the catalogue, or as the setting base_model; empty imports that one."),
    ] = "",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="int8, int4 or fp32 on a processor; fp16, bf16, int8, int4 or fp32 on a GPU. Empty: the "
            "first of these.",
        ),
    ] = "",
) -> None:
    """Import a base model: make an ONNX version of it that this machine can serve."""
    folder = import_with_bar(settings, base or settings.base_model, precision)
    out.print(f"Imported: {folder}", markup=False, soft_wrap=True)
    live = read_rollout(settings.models_dir).name
    version = find_version(settings.models_dir, folder.name)
    for sentence in describe_import(version, live):
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def describe_import(version: ModelVersion, live: str) -> list[str]:
    """Say how far an imported graph is the model that it was made of, and whether it answers now."""
    agreement, said = version.agreement, list[str]()
    if "why_not" in agreement:
        said.append(f"How far it agrees with the model in torch was not measured: {agreement['why_not']}.")
    elif agreement:
        same, tokens = agreement["same"], agreement["tokens"]
        said.append(f"Of {tokens} tokens that it wrote {same:.1%} are those of the model in torch.")
    if drafts := describe_drafting(version.drafting):
        said.append(f"{drafts[0].upper()}{drafts[1:]}.")
    if live != version.name:
        said.append(
            f"{live} stays live. `askpage models promote {version.name}` lets this one answer instead; it "
            "has learned nothing from reviews."
        )
    return said


def import_with_bar(settings: Settings, base: str, precision: str = "") -> Path:
    """Import a base model unless that is done; show how far it is. Raises ImportFailed.

    After an import it is said, once, which better model this machine could serve.
    """
    known = {version.name for version in list_versions(settings.models_dir)}
    with progress_bar() as bar:
        task = bar.add_task("Importing the model", total=1.0)

        def show(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        options = model_choice(settings).options
        folder = import_base(
            base,
            settings.models_dir,
            find_device(options),
            on_progress=show,
            options=options,
            precision=precision,
        )
    version = read_version(folder)
    if version and version.profile and version.name not in known:
        memory = memory_gb(version.profile.device, settings.cuda.device_id)
        if sentence := advise(version.profile, memory, settings.answering.first_token_s):
            progress_out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return folder


def find_device(options: EngineOptions) -> Literal["cpu", "cuda"]:
    """Return for which device a model is imported here. Raises EngineFailed."""
    return "cuda" if resolve(options).device == "cuda" else "cpu"


def bring_model(installed: Settings, own: Settings) -> None:
    """Bring the base model into the data folder of a replay: a copy of the one that is imported, or anew."""
    if own.base_model == CANNED or read_rollout(own.models_dir).name:
        return
    found = [one for one in list_versions(installed.models_dir) if _is_base(one, own.base_model)]
    if not found:
        import_with_bar(own, own.base_model)
        return
    own.models_dir.mkdir(parents=True, exist_ok=True)
    with whole_folder(own.models_dir / found[0].name) as part:
        shutil.copytree(found[0].folder, part, dirs_exist_ok=True)
    promote(own.models_dir, found[0].name)


def _is_base(version: ModelVersion, base: str) -> bool:
    return version.parent is None and version.base == base


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
    _print_rows(_flat(shown | {"head": head.name or "as shipped"}))


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


def _flat(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested figures as one table: "training recipe rank"."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        what = f"{above} {name.replace('_', ' ')}".strip()
        flat |= _flat(cast("dict[str, Any]", value), what) if isinstance(value, dict) else {what: value}
    return flat


def _cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, list | tuple):
        return " ".join(map(str, cast("list[object]", value)))
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Base models: the catalogue of those that have a name, and their import as versions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Column, Table

from bot.bootstrap import model_choice
from cli.console import Json, out, print_json, progress_bar, progress_out, with_settings
from cli.tables import flatten, print_table, print_values
from core.files import whole_folder
from core.settings import Settings
from model.answering.profile import memory_gb
from model.onnx_infer import EngineOptions, resolve
from model.registry.catalogue import CATALOGUE, BaseModel, advise
from model.registry.drafting import describe_drafting
from model.registry.importing import choose_precision, import_base
from model.registry.loading import CANNED
from model.registry.rollout import promote
from model.registry.versions import ModelVersion, find_version, list_versions, read_rollout, read_version


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
        print_values(flatten(rows[0] | {"sources": "; then ".join(rows[0]["sources"])}))
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

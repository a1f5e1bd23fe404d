"""Imports a base model as an ONNX version folder: dequantised, exported, measured, hashed, named.

`import_base` runs `model/registry/export_onnx.py` as a process of its own, because the export needs torch and
transformers, which the serving process never imports. Everything can be interrupted, by Ctrl-C or by `kill
-9`: finished steps lie in a work folder beside the versions and are not done again, and the manifest is
written last.

    ImportFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from core.files import compute_hashes, only_one, sync_files
from core.subprocess_step import OnProgress, StepFailed, run_step
from model.answering.profile import Profile, measure_profile
from model.onnx_infer import Engine, EngineError, EngineOptions
from model.registry.catalogue import PRECISIONS, Target
from model.registry.drafting import NOT_CHANGED, NOT_HERE, Drafting, measure_drafts
from model.registry.rollout import promote
from model.registry.versions import ModelVersion, VersionError, find_live_version, read_version, write_version


class ImportFailed(Exception):
    """The base model could not be imported; the message is for a person."""


def choose_precision(device: str) -> str:
    """Return the precision that is right for "cpu" or "cuda"."""
    return PRECISIONS[device][0]


def make_version_name(base: str, precision: str, device: str = "") -> str:
    """Return a folder name for a base model: the last part of its path or id, in plain letters.

    The device stands in it where its precision is another device's usual one, or the one of either.
    """
    stem = base.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".gguf").lower()
    ending = f"-{device}" if device and precision != choose_precision(device) else ""
    return f"{re.sub(r'[^a-z0-9.]+', '-', stem).strip('-.') or 'model'}-{precision}{ending}"


def import_base(
    base: str,
    models_dir: Path,
    device: Literal["cpu", "cuda"],
    *,
    on_progress: OnProgress,
    options: EngineOptions | None = None,
    precision: str = "",
) -> Path:
    """Import a base model unless that is done already, and return its version folder.

    `options` are those that it will run with: so its speed is measured. `precision` is the one that somebody
    asks for, "" the device's usual one. The version becomes the live one as `is_to_be_live` says. Raises
    ImportFailed; waits for another import into the same folder.
    """
    if precision and precision not in PRECISIONS[device]:
        raise ImportFailed(
            f"ONNX Runtime does not compute {precision} on {device}: choose {', '.join(PRECISIONS[device])}"
        )
    target = Target(precision or choose_precision(device), device)
    folder = models_dir / make_version_name(base, target.precision, device)
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with only_one(models_dir / ".import.lock"):
            version = read_version(folder)
            if version is None:
                running = replace(options or EngineOptions(), device=device)
                version = _import(base, folder, target, running, on_progress)
            elif version.base != base:
                raise ImportFailed(f"{folder} holds another model, {version.base}: move one of the two")
            _make_live(models_dir, version, asked=bool(precision))
    except (OSError, VersionError) as error:
        raise ImportFailed(f"the model cannot be kept in {models_dir}: {error}") from error
    on_progress("imported", 1.0)
    return folder


def is_imported(base: str, models_dir: Path, device: Literal["cpu", "cuda"]) -> bool:
    """Tell whether a base model is there for a device, in its usual precision."""
    return read_version(models_dir / make_version_name(base, choose_precision(device), device)) is not None


def _import(
    base: str, folder: Path, target: Target, options: EngineOptions, on_progress: OnProgress
) -> ModelVersion:
    work = folder.parent / f".{folder.name}.part"
    work.mkdir(exist_ok=True)
    wanted = ["--precision", target.precision, "--device", target.device]
    place = str(work.resolve())  # the step runs in another folder
    arguments = ["--base", _absolute(base), "--work", place, *wanted]
    try:
        info = run_step("model.registry.export_onnx", arguments, on_progress)
    except StepFailed as failed:
        raise ImportFailed(str(failed)) from failed
    on_progress("measuring how fast it is here", 0.96)
    options = replace(options, drafts=bool(info["checks_drafts"]))
    profile, drafting = measure_export(work / "onnx", options, int(info["parameters"]))
    on_progress("writing the manifest", 0.98)
    if folder.exists():  # no manifest: an earlier import was killed between the next line and the manifest
        shutil.rmtree(folder)
    (work / "onnx").rename(folder)
    version = ModelVersion(
        name=folder.name,
        parent=None,
        base=base,
        precision=target.precision,
        device=target.device,
        status="live",
        created_at=datetime.now(UTC),
        weights_uri=str(folder),
        files=compute_hashes(folder),
        licence=str(info["licence"]),
        builder=str(info["builder"]),
        agreement=info["agreement"],
        profile=profile,
        drafting=drafting.dump(),
    )
    sync_files(folder)
    write_version(version)
    shutil.rmtree(work, ignore_errors=True)
    return version


def measure_export(folder: Path, options: EngineOptions, parameters: int) -> tuple[Profile | None, Drafting]:
    """Load what was exported and measure it: how fast it is, and whether drafts pay.

    No profile where it cannot run here (made for a GPU that is elsewhere).
    """
    try:
        engine = Engine.load(folder, replace(options, concurrent=1))
    except EngineError:
        return None, Drafting(why_not=NOT_HERE)
    try:
        profile = measure_profile(engine, parameters)
        return profile, measure_drafts(engine) if options.drafts else Drafting(why_not=NOT_CHANGED)
    except EngineError:
        return None, Drafting(why_not=NOT_HERE)
    finally:
        engine.close_sync()


def is_to_be_live(version: ModelVersion, live: ModelVersion, *, asked: bool) -> bool:
    """Tell whether an imported version takes the place of the live one.

    Always where that descends from another base model. Of the same one: where the live one is made for
    another device, or where somebody `asked` for this precision by name; but never instead of a version that
    has learned, which would be forgotten.
    """
    if live.base != version.base:
        return True
    return live.parent is None and (asked or live.device != version.device)


def _make_live(models_dir: Path, version: ModelVersion, *, asked: bool) -> None:
    try:
        live = find_live_version(models_dir)
    except VersionError:
        live = None
    if live is None or (live.name != version.name and is_to_be_live(version, live, asked=asked)):
        promote(models_dir, version.name)


def _absolute(base: str) -> str:
    """Return a path that exists in full: the export has another working directory."""
    path = Path(base).expanduser()
    return str(path.resolve()) if base and path.exists() else base

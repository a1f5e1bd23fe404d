"""A base model becomes an ONNX version folder: dequantised where it is a GGUF, exported, hashed, named.

`import_base` runs `model/export_onnx.py` as a process of its own, because the export needs torch and transformers,
which the serving process never imports. Everything can be interrupted, by Ctrl-C or by `kill -9`: finished steps lie
in a work folder beside the versions and are not done again, and the manifest is written last.

    ImportFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.files import hashes_of, only_one, sync_files
from model.versions import (
    ModelVersion,
    VersionError,
    live_version,
    promote,
    read_version,
    write_version,
)

OnProgress = Callable[[str, float], None]

_ROOT = Path(__file__).resolve().parent.parent


class ImportFailed(Exception):
    """The base model could not be imported; the message is for a person."""


def precision_for(device: str) -> str:
    """Return the precision that is right for "cpu" or "cuda"."""
    return "fp16" if device == "cuda" else "int8"


def version_name(base: str, precision: str) -> str:
    """Return a folder name for a base model: the last part of a path or id, in letters that any disk takes."""
    stem = base.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".gguf").lower()
    return f"{re.sub(r'[^a-z0-9.]+', '-', stem).strip('-.') or 'model'}-{precision}"


def import_base(base: str, models_dir: Path, device: str, *, on_progress: OnProgress) -> Path:
    """Import a base model unless that is done already, and return its version folder.

    `device` is "cpu" or "cuda". The version becomes the live one when there is none, or when the live one descends
    from another base model. Raises ImportFailed; waits for another import into the same folder.
    """
    precision = precision_for(device)
    folder = models_dir / version_name(base, precision)
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with only_one(models_dir / ".import.lock"):
            version = read_version(folder)
            if version is None:
                version = _import(base, folder, precision, on_progress)
            elif version.base != base:
                raise ImportFailed(f"{folder} holds another model, {version.base}: move one of the two")
            _make_live(models_dir, version)
    except (OSError, VersionError) as error:
        raise ImportFailed(f"the model cannot be kept in {models_dir}: {error}") from error
    on_progress("imported", 1.0)
    return folder


def _import(base: str, folder: Path, precision: str, on_progress: OnProgress) -> ModelVersion:
    work = folder.parent / f".{folder.name}.part"
    work.mkdir(exist_ok=True)
    info = _run_builder(
        ["--base", _absolute(base), "--work", str(work), "--precision", precision], on_progress
    )
    on_progress("writing the manifest", 0.97)
    if folder.exists():  # no manifest: an earlier import was killed between the next line and the manifest
        shutil.rmtree(folder)
    (work / "onnx").rename(folder)
    version = ModelVersion(
        name=folder.name,
        parent=None,
        base=base,
        precision=precision,
        status="live",
        created_at=datetime.now(UTC),
        weights_uri=str(folder),
        files=hashes_of(folder),
        licence=str(info["licence"]),
        builder=str(info["builder"]),
    )
    sync_files(folder)
    write_version(version)
    shutil.rmtree(work, ignore_errors=True)
    return version


def _make_live(models_dir: Path, version: ModelVersion) -> None:
    try:
        if live_version(models_dir).base == version.base:
            return
    except VersionError:
        pass
    promote(models_dir, version.name)


def _absolute(base: str) -> str:
    """Return a path that exists in full: the export has another working directory."""
    path = Path(base).expanduser()
    return str(path.resolve()) if base and path.exists() else base


def _run_builder(arguments: list[str], on_progress: OnProgress) -> dict[str, Any]:
    """Run the export as a process of its own; it ends with us, because it watches its standard input."""
    info: dict[str, Any] | None = None
    problem = ""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "model.export_onnx", *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - the type checker's, it is a pipe
            for message in _messages(process.stdout):
                if "step" in message:
                    on_progress(message["step"], message["done"])
                info = message.get("info", info)
                problem = message.get("problem", problem)
        except BaseException:
            process.kill()
            raise
    if info is None or process.returncode != 0:
        raise ImportFailed(problem or f"the import stopped with status {process.returncode}: run it again")
    return info


def _messages(lines: Iterable[str]) -> Generator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # a library printed something

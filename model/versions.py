"""Model versions on disk: which there are, which one is live, and whether their files are whole.

A version is a folder below `models_dir` with a manifest `version.json`. The manifest is written last, so a folder
without one is no version: it is what an interrupted import or training left. `live.json` names the live version.

    VersionError
    ├── ModelMissing     nothing is imported yet             (a person sees it)
    └── ModelDamaged     a file is missing or has changed    (a person sees it)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

MANIFEST = "version.json"
LIVE = "live.json"
_READ_BYTES = 1 << 20


class VersionError(Exception):
    """A version cannot be used; the message says why, and what to do."""


class ModelMissing(VersionError):
    """There is no live version."""

    def __init__(self) -> None:
        super().__init__("no model is imported yet: run `make setup` or `askpage models import`")


class ModelDamaged(VersionError):
    """The files of a version are not those that its manifest names."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What a manifest says. `weights_uri` is the folder with the ONNX graph; `parent` is None for a base model.

    `base` is the base model as its user named it, `precision` is int8, fp16 or fp32, `licence` is what the base
    says of itself ("unknown" where it says nothing). `files` maps a name in the folder to its SHA-256, in hex.
    """

    name: str
    parent: str | None
    base: str
    precision: str
    status: str
    created_at: datetime
    weights_uri: str
    files: Mapping[str, str]
    licence: str = "unknown"
    builder: str = ""

    @property
    def folder(self) -> Path:
        """Where the graph, its weights and its tokenizer lie."""
        return Path(self.weights_uri)


def read_version(folder: Path) -> ModelVersion | None:
    """Return the version in `folder`, or None where there is no manifest. Raises ModelDamaged."""
    try:
        raw: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        created_at = datetime.fromisoformat(raw.pop("created_at"))
        return ModelVersion(**raw, created_at=created_at, weights_uri=str(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ModelDamaged(
            f"the manifest {folder / MANIFEST} cannot be read: delete the folder and import the model again"
        ) from error


def write_version(version: ModelVersion) -> None:
    """Write the manifest into the version's folder, after everything else in it is on disk."""
    raw = {
        "name": version.name,
        "parent": version.parent,
        "base": version.base,
        "precision": version.precision,
        "status": version.status,
        "created_at": version.created_at.isoformat(),
        "files": dict(version.files),
        "licence": version.licence,
        "builder": version.builder,
    }
    write_durably(version.folder / MANIFEST, json.dumps(raw, indent=2) + "\n")


def list_versions(models_dir: Path) -> list[ModelVersion]:
    """Return every version below `models_dir`, oldest first."""
    folders = sorted(models_dir.iterdir()) if models_dir.is_dir() else []
    found = (read_version(folder) for folder in folders if folder.is_dir() and folder.name[0] != ".")
    return sorted((version for version in found if version), key=lambda version: version.created_at)


def live_version(models_dir: Path) -> ModelVersion:
    """Return the version that answers now. Raises ModelMissing and ModelDamaged."""
    try:
        name = json.loads((models_dir / LIVE).read_text("utf-8"))["name"]
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing from None
    except (ValueError, TypeError, KeyError) as error:
        raise ModelDamaged(
            f"{models_dir / LIVE} cannot be read: delete it and import the model again"
        ) from error
    version = read_version(models_dir / str(name))
    if version is None:
        raise ModelMissing
    return version


def set_live(models_dir: Path, name: str) -> None:
    """Make a version the live one: the next start, and the next swap, take it. Raises ModelMissing."""
    if read_version(models_dir / name) is None:
        raise ModelMissing
    write_durably(models_dir / LIVE, json.dumps({"name": name}) + "\n")


def verify(folder: Path) -> ModelVersion:
    """Compare every file with its hash in the manifest, about 1 s a gigabyte. Raises ModelMissing, ModelDamaged."""
    version = read_version(folder)
    if version is None:
        raise ModelMissing
    for name, expected in version.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelDamaged(f"{path} is missing: delete the folder {folder} and import the model again")
        if sha256_of(path) != expected:
            raise ModelDamaged(f"{path} has changed: delete the folder {folder} and import the model again")
    return version


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_durably(path: Path, text: str) -> None:
    """Write a small file so that a crash leaves the old one or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a rename is not, until then)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Model versions on disk: which there are, which one answers whom, and whether their files are whole.

A version is a folder below `models_dir` with a manifest `version.json`. The manifest is written last, so a
folder without one is no version: it is what an interrupted import or training left.

Who stands where is in one small file, `live.json`, that is replaced whole: two versions are never live,
whenever the machine stops. The serving process follows it (`model/registry/loading.py`); `rollout.py` has the
steps that change it.

    VersionError
    ├── ModelMissing     nothing is imported yet, or no version has that name    (a person sees it)
    ├── ModelDamaged     a file is missing or has changed                        (a person sees it)
    └── NotPossible      the version's standing does not allow the step          (a person sees it)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.files import compute_sha256, only_one, write_durably
from core.phrases import Phrase, mark
from model.answering.grounding import Reading
from model.answering.profile import Profile, parse_profile

MANIFEST = "version.json"
LIVE = "live.json"
LOCK = ".live.lock"
_SCALE = 1 << 64


class VersionError(Exception):
    """A version cannot be used; the message says why, and what to do, as a phrase where people see it."""

    @property
    def why(self) -> str:
        """The message: a phrase, if it can be said in other languages."""
        return self.args[0] if self.args else ""


class ModelMissing(VersionError):
    """There is no live version, or none of that name."""

    def __init__(self, name: str = "") -> None:
        super().__init__(
            Phrase(mark("there is no model version '{name}': `askpage models list` shows them"), name=name)
            if name
            else Phrase(mark("no model is imported yet: run `make setup` or `askpage models import`"))
        )


class ModelDamaged(VersionError):
    """The files of a version are not those that its manifest names."""


class NotPossible(VersionError):
    """The version's standing does not allow the step."""


class VersionStatus(StrEnum):
    """The status of a version."""

    CANDIDATE = "candidate"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"


_MISSING = mark("{path} is missing: delete the folder {folder} and import the model again")
_CHANGED = mark("{path} has changed: delete the folder {folder} and import the model again")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model version, as its manifest says.

    `weights_uri` is the folder with the ONNX graph; `parent` is None for a base model.

    `base` is the base model as its user named it, `precision` is int8, int4, fp16, bf16 or fp32, `device` is
    what the graph is made for (cpu or cuda), `licence` is what the base says of itself ("unknown" where it
    says nothing). `agreement` is how often an imported graph chooses torch's token
    (`model/registry/agreement.py`), or why nobody knows. `files` maps a name in the folder to its SHA-256,
    in hex. `dataset` is the hash of the examples that it learned from, `training` how, `scores` what was
    measured. `status` is what the version began as; where it stands now, `RolloutState.derive_status` tells.
    `drafting` is whether drafts pay, and by how much (`model/registry/drafting.py`); older versions say
    nothing of it. `confidence` is how sure it is of its answers, by its own ones to reviewed questions
    (`model/evaluation/version_fit.py`), or why nobody knows; nothing of base models and older versions.
    `profile` is how fast it was on the machine that made it; None where nobody measured.
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
    dataset: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])
    profile: Profile | None = None
    device: str = ""
    agreement: Mapping[str, Any] = field(default_factory=dict[str, Any])
    drafting: Mapping[str, Any] = field(default_factory=dict[str, Any])
    confidence: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if not self.device:  # an older manifest: fp16 was exported for GPUs alone
            object.__setattr__(self, "device", "cuda" if self.precision == "fp16" else "cpu")

    @property
    def folder(self) -> Path:
        """The folder of the graph, its weights and its tokenizer."""
        return Path(self.weights_uri)

    @property
    def reading(self) -> Reading | None:
        """The reading that it was trained with.

        None for a base model, and for versions that learned from passages as they were.
        """
        recipe = self.training.get("recipe", {})
        if "span_sentences" not in recipe:
            return None
        return Reading(int(recipe["span_sentences"]), int(recipe["passages"]))


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The state of a rollout: the live version, and the canary with its share.

    `name` is the live version ("" before the first one), `before` those that were live before it, oldest
    first. `start_canary` answers `share` (0 to 1) of the conversations, `since` when tells nothing about who
    answers whom, so it is not compared. `retired` were taken back.
    """

    name: str = ""
    before: tuple[str, ...] = ()
    canary: str = ""
    share: float = 0.0
    retired: tuple[str, ...] = ()
    since: datetime | None = field(default=None, compare=False)

    def derive_status(self, name: str) -> VersionStatus:
        """Tell where a version stands."""
        if name == self.name:
            return VersionStatus.LIVE
        if name == self.canary:
            return VersionStatus.CANARY
        return (
            VersionStatus.RETIRED if name in self.before or name in self.retired else VersionStatus.CANDIDATE
        )

    def find_share(self, name: str) -> float | None:
        """Return which share of the conversations a version answers; None for one that answers none."""
        if name == self.canary and name:
            return self.share
        return 1 - self.share if name == self.name else None

    def choose_version(self, conversation: str) -> str:
        """Name the version that answers a conversation: always the same one while neither changes.

        A larger share keeps those that had the canary, and adds others; another canary draws others.
        """
        if not self.canary:
            return self.name
        drawn = hashlib.sha256(f"{self.canary}\n{conversation}".encode()).digest()[:8]
        return self.canary if int.from_bytes(drawn) < self.share * _SCALE else self.name


def read_version(folder: Path) -> ModelVersion | None:
    """Return the version in `folder`, or None where there is no manifest. Raises ModelDamaged."""
    try:
        return parse_version((folder / MANIFEST).read_text("utf-8"), folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def parse_version(text: str, folder: Path) -> ModelVersion:
    """Return what a manifest's text says, of a version in `folder`. Raises ModelDamaged."""
    try:
        raw: dict[str, Any] = json.loads(text)
        created_at = datetime.fromisoformat(raw.pop("created_at"))
        raw["profile"] = parse_profile(raw.get("profile"))
        known = {known.name for known in fields(ModelVersion)} - {"weights_uri"}
        given: dict[str, Any] = {name: value for name, value in raw.items() if name in known}
        return ModelVersion(**given, created_at=created_at, weights_uri=str(folder))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelDamaged(
            Phrase(
                mark("the manifest {path} cannot be read: delete the folder and import the model again"),
                path=str(folder / MANIFEST),
            )
        ) from error


def write_version(version: ModelVersion) -> None:
    """Write the manifest into the version's folder, after everything else in it is on disk."""
    raw = asdict(version) | {"created_at": version.created_at.isoformat()}
    del raw["weights_uri"]  # the folder that it is read from: version folders can be moved and copied
    write_durably(version.folder / MANIFEST, json.dumps(raw, indent=2) + "\n")


def list_versions(models_dir: Path) -> list[ModelVersion]:
    """Return every version below `models_dir`, oldest first."""
    folders = sorted(models_dir.iterdir()) if models_dir.is_dir() else []
    found = (read_version(folder) for folder in folders if folder.is_dir() and folder.name[0] != ".")
    return sorted((version for version in found if version), key=lambda version: version.created_at)


def find_version(models_dir: Path, name: str) -> ModelVersion:
    """Return the version of that name. Raises ModelMissing and ModelDamaged."""
    version = read_version(models_dir / name) if name and Path(name).name == name else None
    if version is None:
        raise ModelMissing(name)
    return version


def find_live_version(models_dir: Path) -> ModelVersion:
    """Return the version that answers now. Raises ModelMissing and ModelDamaged."""
    name = read_rollout(models_dir).name
    version = read_version(models_dir / name) if name else None
    if version is None:
        raise ModelMissing
    return version


def verify_version(folder: Path) -> ModelVersion:
    """Compare every file with its hash in the manifest, about 1 s a gigabyte.

    Raises ModelMissing, ModelDamaged.
    """
    version = read_version(folder)
    if version is None:
        raise ModelMissing(folder.name)
    for name, expected in version.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelDamaged(Phrase(_MISSING, path=str(path), folder=str(folder)))
        if compute_sha256(path) != expected:
            raise ModelDamaged(Phrase(_CHANGED, path=str(path), folder=str(folder)))
    return version


# Who answers whom


def read_rollout(models_dir: Path) -> RolloutState:
    """Return what `live.json` says; nothing stands anywhere before the first import. Raises ModelDamaged."""
    path = models_dir / LIVE
    try:
        return parse_rollout(path.read_text("utf-8"), datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (FileNotFoundError, NotADirectoryError):
        return RolloutState()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelDamaged(
            Phrase(mark("{path} cannot be read: delete it and import the model again"), path=str(path))
        ) from error


def parse_rollout(text: str, written_at: datetime | None = None) -> RolloutState:
    """Read what `live.json` says.

    Of a file that does not say since when its canary answers, when it was written.

    Raises ValueError, TypeError, KeyError or AttributeError for what is no such file.
    """
    raw: dict[str, Any] = json.loads(text)
    before, retired = tuple(map(str, raw.get("before", ()))), tuple(map(str, raw.get("retired", ())))
    name, canary, share = str(raw["name"]), str(raw.get("canary", "")), float(raw.get("share", 0.0))
    since = datetime.fromisoformat(str(raw["since"])) if raw.get("since") else written_at
    return RolloutState(
        name, before, "" if canary == name else canary, share, retired, since if canary else None
    )


def render_rollout(standing: RolloutState) -> str:
    """Return what `live.json` says of a standing."""
    since = {"since": standing.since.isoformat() if standing.since else None}
    return json.dumps(asdict(standing) | since) + "\n"


def record_scores(models_dir: Path, name: str, scores: Mapping[str, Any]) -> ModelVersion:
    """Add what was measured to a version's manifest. Raises ModelMissing and ModelDamaged."""
    return rewrite_version(
        models_dir, name, lambda version: replace(version, scores={**version.scores, **scores})
    )


def rewrite_version(
    models_dir: Path, name: str, change: Callable[[ModelVersion], ModelVersion]
) -> ModelVersion:
    """Change what a manifest says beside its files, one process at a time.

    Raises ModelMissing and ModelDamaged.
    """
    with only_one(models_dir / LOCK):
        version = find_version(models_dir, name)
        changed = change(version)
        if changed != version:
            write_version(changed)
    return changed


# How sure a version is of its answers

_GONE = "Reviews that it was fitted to are deleted; until it is fitted anew, the shipped weights count."


def record_confidence(models_dir: Path, name: str, told: Mapping[str, Any]) -> ModelVersion:
    """Keep what was fitted with a version, unless it has something newer.

    Raises ModelMissing and ModelDamaged.
    """

    def change(version: ModelVersion) -> ModelVersion:
        return replace(version, confidence=dict(told)) if _is_newer(told, version.confidence) else version

    return rewrite_version(models_dir, name, change)


def take_newer(here: ModelVersion, there: ModelVersion) -> ModelVersion:
    """Bring another machine's confidence into a manifest here where it is the newer one."""
    if not _is_newer(there.confidence, here.confidence):
        return here
    return record_confidence(here.folder.parent, here.name, there.confidence)


def is_as_new(there: ModelVersion, here: ModelVersion) -> bool:
    """Tell whether another machine's confidence is at least as new as the one here."""
    return not _is_newer(here.confidence, there.confidence)


def forget_confidence(
    models_dir: Path, answer_ids: Collection[str], datasets: Collection[str] = ()
) -> list[str]:
    """Take away what was fitted to these answers, or to datasets that lost some; return the versions' names.

    Raises ModelMissing and ModelDamaged.
    """
    gone = [
        version.name
        for version in list_versions(models_dir)
        if version.confidence.get("answers")
        and (version.dataset in datasets or not set(answer_ids).isdisjoint(version.confidence["answers"]))
    ]
    for name in gone:
        told = {"reasons": [_GONE], "forgotten": True, "made_at": datetime.now(UTC).isoformat()}
        rewrite_version(models_dir, name, lambda version, told=told: replace(version, confidence=told))
    return gone


def _is_newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return str(one.get("made_at", "")) > str(other.get("made_at", ""))

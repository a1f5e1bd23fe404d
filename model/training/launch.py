"""A dataset becomes a candidate version, in a process of its own: the end of it that does not need torch.

TrainingFailed     nothing came of it; the message is for a person
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.subprocess_step import OnProgress, StepFailed, run_step, to_argument
from model.registry.importing import make_version_name
from model.registry.versions import ModelVersion, find_version
from model.training.config import TrainingConfig


class TrainingFailed(Exception):
    """No version came of it; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Training:
    """What is learned from which examples.

    `parent` names the version that it descends from, empty: the live one. `tracking`: "off", empty for a file
    beside the models, or an MLflow URI.
    """

    dataset: Path
    models_dir: Path
    recipe: TrainingConfig
    parent: str = ""
    tracking: str = "off"


def candidate_name(parent: ModelVersion, recipe: TrainingConfig, dataset_sha256: str) -> str:
    """Return the version's name: the same examples, parent and recipe are the same training."""
    return f"{make_version_name(parent.base, recipe.digest(dataset_sha256, parent.name))}-{parent.precision}"


def work_folder(models_dir: Path, name: str) -> Path:
    """Return where what is finished of a version lies until everything is."""
    return models_dir / f".{name}.part"


def train(training: Training, *, on_progress: OnProgress) -> ModelVersion:
    """Train, merge, export and check, and return the candidate; what is finished already is not done again.

    Takes minutes to hours. Raises TrainingFailed and VersionError.
    """
    recipe = training.recipe
    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    launcher += [f"--nproc-per-node={recipe.processes}"]
    request = replace(training, dataset=training.dataset.resolve(), models_dir=training.models_dir.resolve())
    try:
        info = run_step(
            "model.qlora_update",
            [to_argument(request)],
            on_progress,
            under=launcher if recipe.processes > 1 else (),
        )
    except StepFailed as failed:
        raise TrainingFailed(str(failed)) from failed
    on_progress("trained", 1.0)
    return find_version(training.models_dir, str(info["name"]))

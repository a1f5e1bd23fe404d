"""A dataset becomes a candidate version, in a process of its own: the end of it that does not need torch.

    TrainingFailed     nothing came of it; the message is for a person

`TrainingConfig` says how a model learns: every number with its unit and a sentence. The settings `training_…`
fill it in.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from core.files import write_durably
from core.subprocess_step import OnProgress, StepFailed, run_step, to_argument
from model.answering.grounding import Reading
from model.registry.importing import make_version_name
from model.registry.versions import ModelVersion, find_version

_NOTED_S = 1.0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a model learns from examples.

    `start`: "parent" goes on learning with the adapter of the version that it descends from (and with its
    rank), where that has one; "base" begins anew. Of the passages of an example it reads the first `passages`
    (0: all) whole, or, where `span_sentences` is not 0, so many sentences around the nearest one; the version
    then answers from the same. `weights`: how the frozen base lies in memory: "nf4" (4 bits, QLoRA), "bf16",
    "fp32"; "auto" is nf4 on a GPU and fp32 on a processor. `rank` of the adapter's matrices. `batch` examples
    make one step; `at_once` of them are computed together: smaller is slower and needs less memory, the
    result is the same. `checkpointing` computes activations twice instead of keeping them. `optimiser`:
    "adamw", or "paged" (8 bits, lets go of GPU memory when it is short); "auto" is paged on a GPU.
    `longest_tokens`: longer examples are left out. `validation_share` of the examples tells when to stop:
    measured every `validate_steps` (0: four times an epoch), ends after `patience` measures without progress.
    `keep_steps`: how often a checkpoint is written. `preference` is the weight of the preference loss on what
    should and should not be said, beside learning what should; 0 is without. Its form, in `preference_form`:
    "dpo" compares both in pairs, "kto" judges each text by itself (`model/training/losses.py`).
    `preference_beta` is how far it may move away from what the model thought before. `threads` on a
    processor, 0 for the cores there are: where others compute too, one is faster than two that wait for each
    other busily. `device`: "auto", "cpu" or "cuda". `processes`: one a GPU.
    """

    start: Literal["parent", "base"] = "parent"
    passages: int = 1
    span_sentences: int = 0
    weights: Literal["auto", "nf4", "bf16", "fp32"] = "auto"
    rank: int = 32
    dropout: float = 0.0
    learning_rate: float = 1e-3
    epochs: int = 2
    batch: int = 12
    at_once: int = 12
    checkpointing: bool = False
    optimiser: Literal["auto", "adamw", "paged"] = "auto"
    longest_tokens: int = 1024
    validation_share: float = 0.1
    validate_steps: int = 0
    patience: int = 3
    keep_steps: int = 20
    preference: float = 0.0
    preference_form: Literal["dpo", "kto"] = "dpo"
    preference_beta: float = 0.1
    seed: int = 7
    threads: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1

    @property
    def reading(self) -> Reading:
        """What the model learns to read."""
        return Reading(self.span_sentences, self.passages)

    def choose_weights(self, device: str) -> str:
        """Return how the frozen base lies in memory on a device ("cuda", "cpu"): what "auto" means there."""
        if self.weights != "auto":
            return self.weights
        return "nf4" if device == "cuda" else "fp32"

    def digest(self, *more: str) -> str:
        """Return 8 hex digits: the same recipe for the same things is the same training."""
        told = asdict(self)
        for name in (
            "at_once",
            "checkpointing",
            "keep_steps",
            "threads",
            "device",
            "processes",
        ):  # how, not what
            del told[name]
        if self.preference_form == "dpo":  # a training that began when there was no other form goes on
            del told["preference_form"]
        return hashlib.sha256(json.dumps([told, *more], sort_keys=True).encode()).hexdigest()[:8]


def split_steps(epochs: int, batch: int, order: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cut the order of every epoch into steps: which examples each of them learns from."""
    return [
        list(order[epoch][at : at + batch])
        for epoch in range(epochs)
        for at in range(0, len(order[epoch]), batch)
    ]


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


def progress_path(models_dir: Path) -> Path:
    """Return the file that says how far the newest training is: {"step", "done" (0 to 1), "at" (ISO)}."""
    return models_dir / "training-progress.json"


def _note_progress(path: Path, on_progress: OnProgress) -> OnProgress:
    """Pass progress on, and write it to a file: each new step, and a step's share once in `_NOTED_S`."""
    noted, noted_at = "", 0.0

    def note(step: str, share: float) -> None:
        nonlocal noted, noted_at
        if step != noted or time.monotonic() - noted_at >= _NOTED_S:
            noted, noted_at = step, time.monotonic()
            path.parent.mkdir(parents=True, exist_ok=True)
            said = {"step": step, "done": round(share, 3), "at": datetime.now(UTC).isoformat()}
            write_durably(path, json.dumps(said))
        on_progress(step, share)

    return note


CHECKPOINT = "checkpoint.pt"
"""In that folder: adapter, optimiser and progress, while it learns."""


def work_folder(models_dir: Path, name: str) -> Path:
    """Return where what is finished of a version lies until everything is."""
    return models_dir / f".{name}.part"


def train(training: Training, *, on_progress: OnProgress) -> ModelVersion:
    """Train, merge, export and check, and return the candidate; what is finished already is not done again.

    Takes minutes to hours; how far it is stands in `progress_path`, too. Raises TrainingFailed and
    VersionError.
    """
    on_progress = _note_progress(progress_path(training.models_dir), on_progress)
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

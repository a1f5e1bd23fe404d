"""A training as a task of a Ray cluster: on whichever machine has room, tried again when that one is lost.

    train_on_ray(training, RayPlan(…))     the candidate version, as `model.training.launch.train` returns it

The examples travel with the task. The parent comes from `models_url` where the machine has not got it, the
checkpoint goes there while the model learns (`training/NAME/checkpoint.pt`), and the version when it is done:
a machine that takes over goes on at the last checkpoint. Without `models_url` all of it lies in `models_dir`,
which is then this machine's, or a share that all machines have at the same path. The training itself is the
process that it always is (`model/qlora_update.py`); Ray only decides where.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.files import compute_sha256
from core.subprocess_step import OnProgress
from model.registry.ray_cluster import RayPlan, connected
from model.registry.remote_storage import RemoteFolder
from model.registry.sync import SyncedVersions
from model.registry.versions import ModelVersion, VersionError, find_version
from model.training.dataset import EXAMPLES
from model.training.launch import (
    CHECKPOINT,
    Training,
    TrainingFailed,
    candidate_name,
    train,
    work_folder,
)

# pyright: basic, reportMissingImports=false
# (Ray is an extra, and typed in parts)

_KEPT_S = 20.0
_LOOK_S = 0.5
"""How often a new checkpoint is looked for, and how often it is asked how far a training is; seconds."""
Train = Callable[..., ModelVersion]


class RemoteCheckpoint:
    """The checkpoint of one training, here and at `models_url`."""

    def __init__(self, remote: RemoteFolder, work: Path, name: str) -> None:
        self._remote, self._path = remote, work / CHECKPOINT
        self._folder = f"training/{name}"
        self._sent = ""

    def bring(self) -> bool:
        """Fetch it where there is none here; tell whether one was fetched. Raises VersionError."""
        if self._path.exists():
            return False
        content = self._remote.read(f"{self._folder}/{CHECKPOINT}")
        if content is None:
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{CHECKPOINT}.part")
        part.write_bytes(content)
        part.replace(self._path)
        self._sent = hashlib.sha256(content).hexdigest()
        return True

    def send(self) -> bool:
        """Send it where there is a newer one here; tell whether that was so. Raises VersionError."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return False
        digest = hashlib.sha256(content).hexdigest()
        if digest == self._sent:
            return False
        self._remote.write(f"{self._folder}/{CHECKPOINT}", content)
        self._sent = digest
        return True

    def remove(self) -> None:
        """Delete it there: the version is done. Raises VersionError."""
        self._remote.remove(self._folder, CHECKPOINT)

    def send_until(self, done: threading.Event) -> None:
        """Send each new one until the training is done; a place that is away is tried again."""
        while not done.wait(_KEPT_S):
            with suppress(VersionError):
                self.send()


def learn(
    training: Training, files: Mapping[str, bytes], url: str, on_progress: OnProgress, run: Train = train
) -> ModelVersion:
    """Train on this machine with examples that came here, and share what comes of it at `url` ("": nowhere).

    Raises TrainingFailed and VersionError.
    """
    with tempfile.TemporaryDirectory(prefix="askpage-examples-") as folder:
        dataset = Path(folder) / training.dataset.name
        dataset.mkdir()
        for name, content in files.items():
            (dataset / name).write_bytes(content)
        here = replace(training, dataset=dataset)
        if not url:
            return run(here, on_progress=on_progress)
        return _learn_with(here, RemoteFolder(url), on_progress, run)


def _learn_with(
    training: Training, remote: RemoteFolder, on_progress: OnProgress, run: Train
) -> ModelVersion:
    versions = SyncedVersions(training.models_dir, remote)
    versions.bring(training.parent)
    parent = find_version(training.models_dir, training.parent)
    name = candidate_name(parent, training.recipe, compute_sha256(training.dataset / EXAMPLES))
    kept = RemoteCheckpoint(remote, work_folder(training.models_dir, name), name)
    kept.bring()
    done = threading.Event()
    sending = threading.Thread(target=kept.send_until, args=(done,), name="checkpoints")
    sending.start()
    try:
        version = run(training, on_progress=on_progress)
    finally:
        done.set()
        sending.join()
    versions.send(version.name)
    kept.remove()
    return version


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a task returns: the version's name, or why there is none."""

    name: str = ""
    problem: str = ""


def train_on_ray(training: Training, plan: RayPlan, url: str, on_progress: OnProgress) -> ModelVersion:
    """Train on a machine of the cluster, and return the candidate, which is here then.

    Raises TrainingFailed, VersionError and RayMissing.
    """
    asked = replace(training, models_dir=training.models_dir.resolve())
    files = {path.name: path.read_bytes() for path in training.dataset.iterdir() if path.is_file()}
    with connected(plan) as ray:
        progress = ray.remote(num_cpus=0)(_Progress).remote()
        task = ray.remote(max_retries=plan.retries, num_cpus=plan.cpus, num_gpus=plan.gpus)(_learn_remotely)
        result = task.remote(asked, files, url, progress)
        while not ray.wait([result], timeout=_LOOK_S)[0]:
            on_progress(*ray.get(progress.read.remote()))
        try:
            outcome: _Outcome = ray.get(result)
        except ray.exceptions.RayError as error:
            raise TrainingFailed(
                f"the machine that learned was lost {plan.retries + 1} times: {str(error).splitlines()[0]}"
            ) from error
    if outcome.problem:
        raise TrainingFailed(outcome.problem)
    if url:
        SyncedVersions(asked.models_dir, RemoteFolder(url)).bring(outcome.name)
    on_progress("trained", 1.0)
    return find_version(asked.models_dir, outcome.name)


def _learn_remotely(training: Training, files: Mapping[str, bytes], url: str, progress: Any) -> _Outcome:
    """Be the task. What a person can mend is told; it is no reason to try again elsewhere."""
    try:
        return _Outcome(learn(training, files, url, progress.note.remote).name)
    except (TrainingFailed, VersionError) as error:
        return _Outcome(problem=str(error))


class _Progress:
    """How far it is, for whoever waits for it."""

    def __init__(self) -> None:
        self._now = ("waiting for a machine", 0.0)

    def note(self, step: str, done: float) -> None:
        """Take it down."""
        self._now = step, done

    def read(self) -> tuple[str, float]:
        """Return it."""
        return self._now

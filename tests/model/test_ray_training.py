"""What a machine of a cluster does with a training: brings the parent, goes on, shares what comes of it.

The training itself is a double that writes the files which a real one writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from model.registry.remote_storage import RemoteFolder
from model.registry.sync import SyncedVersions
from model.registry.versions import ModelVersion, read_version
from model.training.dataset import read_dataset
from model.training.launch import Training, TrainingConfig, TrainingFailed, candidate_name, work_folder
from model.training.ray_training import CHECKPOINT, RemoteCheckpoint, learn
from tests.builders.training_data import an_example, write_dataset
from tests.builders.versions import make_version


@dataclass
class Learner:
    """Trains as `model.training.launch.train` does, without learning; `fails` after its checkpoint."""

    fails: bool = False
    found: list[bytes] = field(default_factory=list[bytes])

    def __call__(self, training: Training, *, on_progress: Any) -> ModelVersion:
        parent = read_version(training.models_dir / training.parent)
        assert parent is not None
        name = candidate_name(parent, training.recipe, read_dataset(training.dataset).sha256)
        checkpoint = work_folder(training.models_dir, name) / CHECKPOINT
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if checkpoint.exists():
            self.found.append(checkpoint.read_bytes())
        checkpoint.write_bytes(b"step 20")
        on_progress("learning", 0.5)
        if self.fails:
            raise TrainingFailed("qlora_update stopped with status -9: run it again")
        return make_version(training.models_dir, name, parent=training.parent)


@pytest.fixture
def cluster(tmp_path: Path) -> tuple[Training, dict[str, bytes], str]:
    """A training, its examples, and a place where its parent is."""
    share = tmp_path / "share"
    share.mkdir()
    home = tmp_path / "home"
    make_version(home)
    SyncedVersions(home, RemoteFolder(share.as_uri())).send("tiny-int8")
    dataset = write_dataset(tmp_path / "examples", [an_example(number) for number in range(3)])
    files = {path.name: path.read_bytes() for path in dataset.iterdir()}
    return Training(dataset, home, TrainingConfig(), "tiny-int8"), files, share.as_uri()


def on(training: Training, machine: Path) -> Training:
    return replace(training, models_dir=machine / "models")


def test_a_machine_that_takes_over_goes_on_at_the_last_checkpoint_and_the_version_is_shared(
    cluster: tuple[Training, dict[str, bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, files, url = cluster
    monkeypatch.setattr("model.training.ray_training._KEPT_S", 0.01)
    said: list[tuple[str, float]] = []

    def note(step: str, done: float) -> None:
        said.append((step, done))
        checkpoint = share.glob(f"training/*/{CHECKPOINT}")
        while not [*checkpoint]:
            checkpoint = share.glob(f"training/*/{CHECKPOINT}")

    share = Path(url.removeprefix("file://"))
    with pytest.raises(TrainingFailed, match="run it again"):
        learn(on(training, tmp_path / "one"), files, url, note, Learner(fails=True))
    other = Learner()
    version = learn(on(training, tmp_path / "two"), files, url, note, other)
    assert (other.found, said) == ([b"step 20"], [("learning", 0.5)] * 2)
    SyncedVersions(training.models_dir, RemoteFolder(url)).bring(version.name)
    brought = read_version(training.models_dir / version.name)
    assert brought is not None
    assert (brought.files, brought.parent) == (version.files, "tiny-int8")
    assert not [*share.glob(f"training/*/{CHECKPOINT}")]


def test_without_a_place_for_all_machines_everything_lies_in_the_models_folder(
    cluster: tuple[Training, dict[str, bytes], str], tmp_path: Path
) -> None:
    training, files, url = cluster
    version = learn(training, files, "", lambda _step, _done: None, Learner())
    assert version.folder.parent == training.models_dir
    assert not (Path(url.removeprefix("file://")) / "training").exists()


def test_a_checkpoint_is_sent_once_and_never_fetched_over_one_that_is_here(tmp_path: Path) -> None:
    share, work = tmp_path / "share", tmp_path / "work"
    share.mkdir()
    work.mkdir()
    kept = RemoteCheckpoint(RemoteFolder(share.as_uri()), work, "tiny-1")
    assert (kept.bring(), kept.send()) == (False, False)
    (work / CHECKPOINT).write_bytes(b"one")
    assert [kept.send(), kept.send(), kept.bring()] == [True, False, False]
    elsewhere = RemoteCheckpoint(RemoteFolder(share.as_uri()), tmp_path / "other", "tiny-1")
    assert (elsewhere.bring(), elsewhere.send()) == (True, False)
    assert (tmp_path / "other" / CHECKPOINT).read_bytes() == b"one"
    kept.remove()
    assert not (share / "training" / "tiny-1").exists()

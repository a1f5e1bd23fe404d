"""Model versions on disk: found by their manifest, pointed at, verified."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from model.versions import (
    LIVE,
    MANIFEST,
    ModelDamaged,
    ModelMissing,
    ModelVersion,
    list_versions,
    live_version,
    read_version,
    set_live,
    sha256_of,
    verify,
    write_version,
)


def make_version(models_dir: Path, name: str = "tiny-int8", age_days: int = 0) -> ModelVersion:
    folder = models_dir / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph of " + name.encode())
    version = ModelVersion(
        name=name,
        parent=None,
        base="tiny",
        precision="int8",
        status="live",
        created_at=datetime(2026, 11, 23, tzinfo=UTC) - timedelta(days=age_days),
        weights_uri=str(folder),
        files={"model.onnx": sha256_of(folder / "model.onnx")},
        licence="apache-2.0",
        builder="0.18.0",
    )
    write_version(version)
    return version


def test_a_manifest_survives_the_round_trip(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    assert read_version(version.folder) == version
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_without_a_manifest_is_not_a_version(tmp_path: Path) -> None:
    (tmp_path / "half-done").mkdir()
    make_version(tmp_path / ".importing", "hidden")
    kept = make_version(tmp_path)
    assert list_versions(tmp_path) == [kept]
    assert list_versions(tmp_path / "nowhere") == []


def test_versions_are_listed_oldest_first(tmp_path: Path) -> None:
    new = make_version(tmp_path, "a")
    old = make_version(tmp_path, "b", age_days=3)
    assert list_versions(tmp_path) == [old, new]


def test_no_live_version_is_a_sentence_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="make setup"):
        live_version(tmp_path)
    with pytest.raises(ModelMissing):
        set_live(tmp_path, "unknown")


def test_the_pointer_names_the_live_version(tmp_path: Path) -> None:
    make_version(tmp_path, "a")
    other = make_version(tmp_path, "b")
    set_live(tmp_path, "a")
    set_live(tmp_path, "b")
    assert live_version(tmp_path) == other
    assert json.loads((tmp_path / LIVE).read_text()) == {"name": "b"}


def test_a_pointer_to_a_deleted_version_says_that_the_model_is_missing(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    set_live(tmp_path, version.name)
    (version.folder / MANIFEST).unlink()
    with pytest.raises(ModelMissing):
        live_version(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"created_at": 3}'])
def test_a_broken_manifest_is_damage_and_not_a_traceback(tmp_path: Path, text: str) -> None:
    version = make_version(tmp_path)
    (version.folder / MANIFEST).write_text(text)
    with pytest.raises(ModelDamaged, match="import the model again"):
        read_version(version.folder)


def test_a_broken_pointer_is_damage(tmp_path: Path) -> None:
    (tmp_path / LIVE).write_text("[1]")
    with pytest.raises(ModelDamaged):
        live_version(tmp_path)


def test_verify_finds_a_changed_and_a_missing_file(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    assert verify(version.folder) == version
    (version.folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelDamaged, match="has changed"):
        verify(version.folder)
    (version.folder / "model.onnx").unlink()
    with pytest.raises(ModelDamaged, match="is missing"):
        verify(version.folder)
    with pytest.raises(ModelMissing):
        verify(tmp_path)

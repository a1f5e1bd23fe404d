"""The commands about model versions, on a folder of versions without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.models.versions import _find_parent, models_app  # pyright: ignore[reportPrivateUsage]
from core.settings import Settings
from model.registry.rollout import promote
from model.registry.versions import (
    NotPossible,
    VersionError,
    find_live_version,
    record_confidence,
    record_scores,
)
from tests.builders.versions import make_version


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    models_dir = tmp_path / "models"
    make_version(models_dir, "tiny-int8", age_days=3)
    make_version(models_dir, "tiny-1a2b-int8", age_days=2, parent="tiny-int8")
    make_version(models_dir, "tiny-1f00-int8", age_days=1, parent="tiny-int8")
    promote(models_dir, "tiny-int8")
    return tmp_path


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(models_app, [*arguments, "--data-dir", str(data_dir)], env={"COLUMNS": "200"})


def done(data_dir: Path, *arguments: str) -> str:
    result = run(data_dir, *arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def rows(data_dir: Path) -> dict[str, str]:
    return {row["name"]: row["status"] for row in json.loads(run(data_dir, "list", "--json").output)}


def test_a_version_goes_its_way_by_commands(data_dir: Path) -> None:
    assert rows(data_dir) == {
        "tiny-int8": "live",
        "tiny-1a2b-int8": "candidate",
        "tiny-1f00-int8": "candidate",
    }
    assert done(data_dir, "canary", "tiny-1a", "--share", "0.25") == (
        "tiny-int8 is live; tiny-1a2b-int8 answers 25% of the conversations."
    )
    assert "canary 25%" in done(data_dir, "list")
    assert done(data_dir, "promote", "tiny-1a2b") == "tiny-1a2b-int8 is live."
    assert rows(data_dir)["tiny-int8"] == "retired"
    assert done(data_dir, "rollback") == "tiny-int8 is live."
    assert done(data_dir, "retire", "tiny-1f00-int8") == "tiny-int8 is live."
    assert done(data_dir, "prune", "--keep", "1") == "1 versions are deleted: tiny-1a2b-int8."
    assert rows(data_dir) == {"tiny-int8": "live", "tiny-1f00-int8": "retired"}
    assert find_live_version(data_dir / "models").name == "tiny-int8"


def test_the_base_model_says_what_is_trained_unless_a_version_is_named(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    live = find_live_version(data_dir / "models")
    assert _find_parent(settings, "") == live, "the setting is as it was installed"
    assert _find_parent(settings, "tiny-1a").name == "tiny-1a2b-int8"
    promote(data_dir / "models", "tiny-1a2b-int8")
    assert _find_parent(settings.copy_with(base_model=live.base), "").name == "tiny-1a2b-int8"
    make_version(data_dir / "models", "other-int8", base="other")
    assert _find_parent(settings.copy_with(base_model="other"), "").name == "other-int8"
    with pytest.raises(VersionError, match="`askpage models import missing` brings it"):
        _find_parent(settings.copy_with(base_model="missing"), "")


def test_one_version_is_shown_and_two_are_compared(data_dir: Path) -> None:
    record_scores(data_dir / "models", "tiny-1a2b-int8", {"accuracy": 0.4321})
    assert "scores accuracy 0.4321" in done(data_dir, "show", "tiny-1a2b-int8")
    shown: dict[str, Any] = json.loads(run(data_dir, "show", "tiny-1a2b-int8", "--json").output)
    assert shown["scores"] == {"accuracy": 0.4321}
    assert list(shown["files"]) == ["model.onnx"]
    differing = json.loads(run(data_dir, "diff", "tiny-1a2b-int8", "--json").output)
    assert differing["scores accuracy"] == [0.4321, None]
    assert differing["parent"] == ["tiny-int8", None]
    assert "base" not in differing
    assert "scores accuracy 0.4321 –" in done(data_dir, "diff", "tiny-1a", "live")


def test_a_version_shows_how_sure_it_is_and_of_whose_reviews_only_how_many(data_dir: Path) -> None:
    assert json.loads(run(data_dir, "show", "live", "--json").output)["confidence"] == {}
    told = {
        "written": {"bias": -0.25},
        "page": {"bias": 0.5},
        "answers": ["a1", "a2"],
        "reasons": ["It is fitted.", "So is the other."],
        "made_at": "2026-11-30",
    }
    record_confidence(data_dir / "models", "tiny-1a2b-int8", told)
    shown = done(data_dir, "show", "tiny-1a2b-int8")
    assert "confidence written bias -0.25" in shown
    assert "confidence reasons It is fitted. So is the other." in shown
    as_json = json.loads(run(data_dir, "show", "tiny-1a2b-int8", "--json").output)
    assert as_json["confidence"] == told | {"answers": 2}


@pytest.mark.parametrize("name", ["tiny-1", "nothing", "..", ""])
def test_a_name_that_is_no_version_or_several_is_a_sentence(data_dir: Path, name: str) -> None:
    result = run(data_dir, "promote", name)
    assert "there is no model version" in str(result.exception) or "no model is imported" in str(
        result.exception
    )


def test_what_cannot_be_done_is_an_error_of_its_own(data_dir: Path) -> None:
    for arguments in (
        ("rollback",),
        ("retire", "live"),
        ("canary", "live"),
        ("canary", "tiny-1a", "--share", "2"),
    ):
        assert isinstance(run(data_dir, *arguments).exception, NotPossible)

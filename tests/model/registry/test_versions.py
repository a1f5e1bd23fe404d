"""Model versions on disk: found by their manifest, pointed at, verified."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from core.translation import say, speak
from exporters.in_memory import recording
from model.registry.rollout import promote, prune_versions, retire, roll_back, start_canary
from model.registry.versions import (
    LIVE,
    MANIFEST,
    ModelDamaged,
    ModelMissing,
    NotPossible,
    RolloutState,
    VersionError,
    VersionStatus,
    find_live_version,
    list_versions,
    read_rollout,
    read_version,
    record_scores,
    verify_version,
)
from tests.builders.versions import make_version, models_dir
from tests.needs import ROOT

__all__ = ["models_dir"]


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
        find_live_version(tmp_path)
    with pytest.raises(ModelMissing, match="no model version 'unknown'"):
        promote(tmp_path, "unknown")


def test_the_pointer_names_the_live_version(tmp_path: Path) -> None:
    make_version(tmp_path, "a")
    other = make_version(tmp_path, "b")
    promote(tmp_path, "a")
    promote(tmp_path, "b")
    assert find_live_version(tmp_path) == other
    assert json.loads((tmp_path / LIVE).read_text())["name"] == "b"


def test_a_pointer_to_a_deleted_version_says_that_the_model_is_missing(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    promote(tmp_path, version.name)
    (version.folder / MANIFEST).unlink()
    with pytest.raises(ModelMissing):
        find_live_version(tmp_path)


def test_what_an_earlier_version_of_the_program_wrote_is_read(tmp_path: Path) -> None:
    """Manifests without what training adds, a pointer that is only a name, and fields of a later program."""
    version = make_version(tmp_path)
    raw = json.loads((version.folder / MANIFEST).read_text())
    old = {name: raw[name] for name in raw if name not in ("dataset", "scores", "training")}
    (version.folder / MANIFEST).write_text(json.dumps(old | {"invented_later": 1}))
    (tmp_path / LIVE).write_text('{"name": "tiny-int8"}')
    assert find_live_version(tmp_path) == version
    assert read_rollout(tmp_path) == RolloutState("tiny-int8")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"created_at": 3}'])
def test_a_broken_manifest_is_damage_and_not_a_traceback(tmp_path: Path, text: str) -> None:
    version = make_version(tmp_path)
    (version.folder / MANIFEST).write_text(text)
    with pytest.raises(ModelDamaged, match="import the model again"):
        read_version(version.folder)


@pytest.mark.parametrize("text", ["", "[1]", "3", '{"name": "a", "before": 3}', '{"name": "a", "share": []}'])
def test_a_broken_pointer_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / LIVE).write_text(text)
    with pytest.raises(ModelDamaged):
        find_live_version(tmp_path)


def test_verify_finds_a_changed_and_a_missing_file(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    assert verify_version(version.folder) == version
    (version.folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelDamaged, match="has changed"):
        verify_version(version.folder)
    (version.folder / "model.onnx").unlink()
    with pytest.raises(ModelDamaged, match="is missing"):
        verify_version(version.folder)
    with pytest.raises(ModelMissing):
        verify_version(tmp_path)


def statuses(models_dir: Path) -> dict[str, str]:
    standing = read_rollout(models_dir)
    return {version.name: standing.derive_status(version.name) for version in list_versions(models_dir)}


def test_a_version_goes_from_candidate_to_canary_to_live_and_retires(models_dir: Path) -> None:
    assert statuses(models_dir) == {
        "base": "live",
        "first": "candidate",
        "second": "candidate",
        "third": "candidate",
    }
    start_canary(models_dir, "first", 0.1)
    assert statuses(models_dir)["first"] == "canary"
    promote(models_dir, "first")
    assert statuses(models_dir) | {"base": "retired", "first": "live"} == statuses(models_dir)
    assert find_live_version(models_dir).name == "first"
    promote(models_dir, "second")
    assert statuses(models_dir) == {
        "base": "retired",
        "first": "retired",
        "second": "live",
        "third": "candidate",
    }


def test_rolling_back_ends_the_canary_first_and_then_goes_back_version_by_version(models_dir: Path) -> None:
    promote(models_dir, "first")
    promote(models_dir, "second")
    start_canary(models_dir, "third", 0.5)
    assert roll_back(models_dir).name == "second"
    assert statuses(models_dir)["third"] == VersionStatus.RETIRED
    assert roll_back(models_dir).name == "first"
    assert roll_back(models_dir).name == "base"
    with pytest.raises(NotPossible, match="nothing to go back to"):
        roll_back(models_dir)
    assert find_live_version(models_dir).name == "base"
    promote(models_dir, "second")
    assert roll_back(models_dir).name == "base", "what was rolled back is not gone back to"


def test_who_answers_whom_is_told_when_it_changes(models_dir: Path) -> None:
    with recording() as told:
        for name in ("first", "second", "second"):
            promote(models_dir, name)
        for _ in range(2):
            start_canary(models_dir, "third", 0.1)
        retire(models_dir, "third")
        roll_back(models_dir)
    assert told.events("canary_started") == [{"model_version": "third", "share": 0.1}]
    promoted = [event["model_version"] for event in told.events("model_promoted")]
    assert promoted == ["first", "second", "first"]
    taken_back = [event["model_version"] for event in told.events("model_rolled_back")]
    assert taken_back == ["third", "second"]


def test_a_standing_says_since_when_the_canary_answers_whatever_its_share(models_dir: Path) -> None:
    assert read_rollout(models_dir).since is None
    before = datetime.now(UTC)
    since = start_canary(models_dir, "first", 0.1).since
    assert since is not None
    assert before <= since <= datetime.now(UTC)
    assert start_canary(models_dir, "first", 0.5).since == since
    assert read_rollout(models_dir).since == since
    other = start_canary(models_dir, "second", 0.1).since
    assert other is not None
    assert other > since
    for end in (lambda: promote(models_dir, "second"), lambda: start_canary(models_dir, "third", 0.2)):
        end()
    assert roll_back(models_dir).since is None


def test_of_an_older_file_the_canary_answers_since_it_was_written(models_dir: Path) -> None:
    (models_dir / LIVE).write_text('{"name": "base", "canary": "first", "share": 0.1}')
    written = (models_dir / LIVE).stat().st_mtime
    assert read_rollout(models_dir).since == datetime.fromtimestamp(written, UTC)
    assert start_canary(models_dir, "first", 0.2).since == datetime.fromtimestamp(written, UTC)


def test_only_the_version_that_is_meant_is_rolled_back_and_why_is_told(models_dir: Path) -> None:
    promote(models_dir, "first")
    start_canary(models_dir, "second", 0.1)
    before = (models_dir / LIVE).read_bytes()
    for other in ("first", "third"):
        with pytest.raises(NotPossible, match="second is the canary"):
            roll_back(models_dir, other)
    assert (models_dir / LIVE).read_bytes() == before
    with recording() as told:
        roll_back(models_dir, "second", "latency")
        with pytest.raises(NotPossible, match="first is live"):
            roll_back(models_dir, "second")
        roll_back(models_dir, "first")
    why = [(event["model_version"], event["reason"]) for event in told.events("model_rolled_back")]
    assert why == [("second", "latency"), ("first", "operator")]


def test_a_version_that_stands_elsewhere_by_now_is_not_promoted(models_dir: Path) -> None:
    start_canary(models_dir, "first", 0.1)
    roll_back(models_dir)
    with pytest.raises(NotPossible, match="it is retired by now") as refused:
        promote(models_dir, "first", (VersionStatus.CANARY,))
    with speak("fr"):
        assert say(refused.value.why) == "first ne peut plus être promue : elle est à présent retirée"
    assert promote(models_dir, "first").name == "first"


def test_rolling_back_passes_over_a_version_that_was_deleted(models_dir: Path) -> None:
    promote(models_dir, "first")
    promote(models_dir, "second")
    (models_dir / "first" / MANIFEST).unlink()
    assert roll_back(models_dir).name == "base"


def test_promoting_the_live_version_again_changes_nothing_but_ends_a_canary(models_dir: Path) -> None:
    promote(models_dir, "first")
    before = start_canary(models_dir, "second", 0.3)
    assert promote(models_dir, "first") == replace(before, canary="", share=0.0)


def test_a_share_of_zero_makes_a_canary_a_candidate_again(models_dir: Path) -> None:
    start_canary(models_dir, "first", 0.3)
    start_canary(models_dir, "second", 0.0)
    assert statuses(models_dir)["first"] == VersionStatus.CANARY, "another version's share"
    start_canary(models_dir, "first", 0.0)
    assert statuses(models_dir)["first"] == VersionStatus.CANDIDATE


def test_steps_that_make_no_sense_are_refused_and_change_nothing(models_dir: Path) -> None:
    before = (models_dir / LIVE).read_bytes()
    with pytest.raises(NotPossible, match="base is live"):
        retire(models_dir, "base")
    with pytest.raises(NotPossible, match="cannot be a canary"):
        start_canary(models_dir, "base", 0.1)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(NotPossible, match="0 to 1"):
            start_canary(models_dir, "first", share)
    for name in ("unknown", "", ".", "..", "../models", "first/../second"):
        with pytest.raises(ModelMissing):
            promote(models_dir, name)
    (models_dir / "first" / "model.onnx").write_bytes(b"half")
    for step in (lambda: promote(models_dir, "first"), lambda: start_canary(models_dir, "first", 0.1)):
        with pytest.raises(ModelDamaged):
            step()
    assert (models_dir / LIVE).read_bytes() == before


def test_a_conversation_keeps_its_version_and_the_share_is_kept() -> None:
    conversations = [f"conversation {number}" for number in range(4000)]
    shares = (0.0, 0.1, 0.4, 1.0)
    drawn = [
        {
            name
            for name in conversations
            if RolloutState("live", canary="new", share=share).choose_version(name) == "new"
        }
        for share in shares
    ]
    assert [len(names) / 4000 for names in drawn] == [pytest.approx(share, abs=0.03) for share in shares]
    assert all(fewer < more for fewer, more in pairwise(drawn)), "a larger share keeps those that had it"
    other = {
        name
        for name in conversations
        if RolloutState("live", canary="newer", share=0.1).choose_version(name) == "newer"
    }
    assert other != drawn[1]
    assert {RolloutState("live").choose_version(name) for name in conversations} == {"live"}


def test_pruning_keeps_the_base_the_way_back_and_the_newest(models_dir: Path) -> None:
    make_version(models_dir, "fourth", -1, parent="base")
    for name in ("first", "second", "third", "fourth"):
        promote(models_dir, name)
    assert prune_versions(models_dir, keep=1) == ["first"]
    assert prune_versions(models_dir, keep=0) == ["second"]
    assert [version.name for version in list_versions(models_dir)] == ["base", "third", "fourth"]
    assert not list(models_dir.glob(".*.gone"))
    assert roll_back(models_dir).name == "third"
    assert roll_back(models_dir).name == "base"
    assert prune_versions(models_dir, keep=0) == ["third", "fourth"]
    assert statuses(models_dir) == {"base": "live"}


def test_a_candidate_is_not_pruned_and_a_withdrawn_one_is(models_dir: Path) -> None:
    retire(models_dir, "second")
    assert statuses(models_dir)["second"] == VersionStatus.RETIRED
    assert prune_versions(models_dir, keep=0) == ["second"]
    assert set(statuses(models_dir)) == {"base", "first", "third"}


def test_scores_are_added_to_the_manifest(models_dir: Path) -> None:
    record_scores(models_dir, "first", {"accuracy": 0.4})
    record_scores(models_dir, "first", {"precision": 0.5})
    version = verify_version(models_dir / "first")
    assert version.scores == {"accuracy": 0.4, "precision": 0.5}
    with pytest.raises(ModelMissing):
        record_scores(models_dir, "unknown", {})


def test_steps_taken_at_the_same_time_are_taken_one_after_the_other(models_dir: Path) -> None:
    names = ["first", "second", "third"] * 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: promote(models_dir, name), names))
    standing = read_rollout(models_dir)
    assert sorted({standing.name, *standing.before}) == ["base", "first", "second", "third"]
    assert len(standing.before) == 3


ROUNDS = """
import sys
from pathlib import Path
from model.registry.versions import promote, roll_back

print("begun", flush=True)
while True:
    promote(Path(sys.argv[1]), "first")
    roll_back(Path(sys.argv[1]))
"""


def test_a_kill_in_the_middle_of_a_step_leaves_the_old_standing_or_the_new_one(models_dir: Path) -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", ROUNDS, str(models_dir)], cwd=ROOT, stdout=subprocess.PIPE
        ) as turning:
            assert turning.stdout is not None
            turning.stdout.readline()
            for _ in range(200):
                assert find_live_version(models_dir).name in ("base", "first")
            turning.kill()
        assert find_live_version(models_dir).name in ("base", "first")
        with contextlib.suppress(VersionError):
            roll_back(models_dir)
        assert find_live_version(models_dir).name == "base"

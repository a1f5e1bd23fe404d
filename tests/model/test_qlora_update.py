"""From a dataset to a version that answers: learned to swapped, by way of the checks; killed and resumed."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.files import only_one
from core.records import Decision
from core.subprocess_step import run_step, to_argument
from model.evaluation.launch import Comparing, NotCompared, compare
from model.evaluation.result import REPORT, index_by_name
from model.evaluation.test_sets import REGRESSION
from model.evaluation.version_fit import read_validation
from model.onnx_infer import EngineOptions
from model.registry.importing import import_base
from model.registry.loading import open_model
from model.registry.rollout import promote, roll_back
from model.registry.versions import (
    ModelMissing,
    ModelVersion,
    VersionStatus,
    find_live_version,
    list_versions,
    read_rollout,
    verify_version,
)
from model.training.launch import Training, TrainingConfig, TrainingFailed, progress_path, train
from tests.builders.swapping import choice_of
from tests.builders.training_data import an_example, write_dataset
from tests.needs import ROOT

pytest_plugins = ["tests.builders.warm", "tests.builders.model_folders"]
pytestmark = pytest.mark.usefixtures("warm_training")

QUICK = TrainingConfig(
    rank=4,
    learning_rate=0.01,
    epochs=2,
    validation_share=0.2,
    validate_steps=2,
    keep_steps=2,
    threads=1,
    device="cpu",
)


def silent(_step: str, _done: float) -> None:
    """Nobody looks at a bar here."""


# Without a model


def test_a_training_without_a_dataset_or_a_parent_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="is no dataset of examples"):
        train(Training(tmp_path / "nowhere", tmp_path, QUICK), on_progress=silent)
    folder = write_dataset(tmp_path / "data", [an_example(1)])
    with pytest.raises(TrainingFailed, match="no model is imported yet"):
        train(Training(folder, tmp_path / "models", QUICK), on_progress=silent)
    with pytest.raises(TrainingFailed, match="no model version 'unknown'"):
        train(Training(folder, tmp_path / "models", QUICK, parent="unknown"), on_progress=silent)


def test_what_a_process_prints_beside_its_messages_is_no_message(tmp_path: Path) -> None:
    (tmp_path / "talks.py").write_text(
        "print('loading 3%'); print('[1]'); "
        'print(\'{"step": "half", "done": 0.5}\'); print(\'{"info": {"a": 1}}\')'
    )
    seen: list[tuple[str, float]] = []
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runpy; runpy.run_module('talks')"
    info = run_step("talks", (), lambda *said: seen.append(said), under=("-c", path))
    assert info == {"a": 1}
    assert seen == [("half", 0.5)]


# What the loop computes


@pytest.fixture(scope="module")
def figures(tiny_llama: Path, tiny_models: Path) -> dict[str, Any]:
    command = ["tests/processes/learner_figures.py", str(tiny_llama), str(tiny_models / "tiny-int8")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},  # noqa: TID251
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.model
def test_the_loss_is_the_cross_entropy_of_the_completions_alone(figures: dict[str, Any]) -> None:
    assert figures["loss"]["ours"] == pytest.approx(figures["loss"]["library"], rel=1e-4)


@pytest.mark.model
def test_what_prompts_share_is_computed_once_and_changes_nothing(figures: dict[str, Any]) -> None:
    found = figures["shared"]
    assert found["together"] == pytest.approx(found["alone"], rel=1e-4)
    assert found["computed"] < 0.7


@pytest.mark.model
def test_how_many_are_computed_at_once_and_what_is_kept_in_memory_does_not_change_what_is_learned(
    figures: dict[str, Any],
) -> None:
    assert figures["pieces"] < 1e-3


@pytest.mark.model
def test_an_example_counts_by_its_weight(figures: dict[str, Any]) -> None:
    assert figures["weights"]["twice"] < 1e-3
    assert figures["weights"]["nothing"] < 1e-3


@pytest.mark.model
def test_preference_parts_what_should_from_what_should_not_be_said(figures: dict[str, Any]) -> None:
    found = figures["preference"]
    assert found["before"] < found["without"] < found["with"]
    assert found["loss_with"] < found["loss_before"], "what should be said became likelier, too"
    assert found["without"] < found["unpaired"], "KTO does so without comparing them"
    assert found["loss_unpaired"] < found["loss_before"]


@pytest.mark.model
def test_what_is_lost_by_preference_is_what_the_papers_say(figures: dict[str, Any]) -> None:
    sigmoid_of_1, sigmoid_of_2 = 0.731059, 0.880797
    assert figures["judged"] == pytest.approx(
        {
            "good, gained": 1 - sigmoid_of_1,
            "good, unmoved": 0.5,
            "good, as the rest": 0.5,
            "good, behind the rest": sigmoid_of_1,
            "bad, gained": sigmoid_of_1,
            "bad, lost": 1 - sigmoid_of_1,
            "bad, behind the rest": 1 - sigmoid_of_1,
            "pair, apart": -math.log(sigmoid_of_2),
            "pair, the wrong way": -math.log(1 - sigmoid_of_2),
            "pair, unmoved": math.log(2),
        },
        abs=1e-5,
    )


@pytest.mark.model
def test_what_was_rejected_counts_as_much_as_what_was_not_but_never_too_much(figures: dict[str, Any]) -> None:
    found = figures["sides"]
    assert (found["one of four"], found["all"], found["none"]) == (4.0, 1.0, 1.0)
    assert found["one of a hundred"] == 10.0


@pytest.mark.model
def test_the_reference_point_is_made_of_completions_that_are_not_judged_for_their_prompt(
    figures: dict[str, Any],
) -> None:
    found = figures["sides"]
    assert found["next"] == [[0, [7]], [2, [6]], [1, [5]]]
    assert found["not its own"] == [[0, [6]], [1, [6]], [2, [5]]]
    assert found["not what it should not say"] == [[0, [7]], [1, [7]], [2, [5]]]
    assert found["alike"] == found["alone"] == []


@pytest.mark.model
def test_judging_each_text_by_itself_is_the_same_in_pieces_in_two_processes_and_interrupted(
    figures: dict[str, Any],
) -> None:
    found = figures["unpaired"]
    assert found["reference"] > 0.1, "it plays a part"
    assert found["moved"] > 0.01
    assert found["pieces"] < 1e-4
    assert found["before"] < 1e-3
    assert found["two_processes"] < 1e-4
    assert found["steps_after"] == [3, 4, 5, 6]
    assert found["interrupted"] == 0.0


@pytest.mark.model
def test_judging_each_text_by_itself_needs_nothing_rejected_and_no_variety(figures: dict[str, Any]) -> None:
    found = figures["unpaired"]
    assert found["alike_after"] < found["alike_before"]


@pytest.mark.model
def test_it_stops_when_it_gets_no_better_and_keeps_the_best(figures: dict[str, Any]) -> None:
    found = figures["stopping"]
    assert found["steps"] < found["of"]
    assert found["kept"] == pytest.approx(found["best"], rel=1e-4)
    assert found["best"] < found["last"]


@pytest.mark.model
def test_it_learns_over_four_bit_weights_on_a_processor(figures: dict[str, Any]) -> None:
    assert figures["four_bits"]["modules"] == ["Linear4bit"]
    assert figures["four_bits"]["after"] < 0.95 * figures["four_bits"]["before"]


# The whole way


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    examples = [an_example(number, held_out=number % 7 == 0) for number in range(30)]
    return write_dataset(tmp_path_factory.mktemp("dataset"), examples)


@pytest.fixture(scope="module")
def trained(tiny_models: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder in which a candidate was trained without interruption, its figures tracked."""
    models_dir = shutil.copytree(tiny_models, tmp_path_factory.mktemp("trained") / "models")
    steps: list[tuple[str, float]] = []
    training = Training(dataset, models_dir, QUICK, tracking="")
    version = train(training, on_progress=lambda *said: steps.append(said))
    shares = [done for _, done in steps]
    assert shares[-1] == 1.0
    assert any(re.search(r"learning, step 4 of \d+, loss \d.*left at most", step) for step, _ in steps)
    assert train(training, on_progress=silent) == version, "the same training is not done twice"
    return models_dir


def candidate(models_dir: Path) -> ModelVersion:
    return next(version for version in list_versions(models_dir) if version.parent)


@pytest.mark.model
def test_a_candidate_is_whole_and_its_manifest_tells_where_it_comes_from(
    trained: Path, tiny_llama: Path, dataset: Path
) -> None:
    version = candidate(trained)
    assert verify_version(version.folder) == version
    assert (version.parent, version.dataset, version.precision) == ("tiny-int8", "3f0c", "int8")
    assert version.base == str(tiny_llama)
    assert read_rollout(trained).derive_status(version.name) is VersionStatus.CANDIDATE
    assert "adapter/adapter_model.safetensors" in version.files
    told = version.training
    assert (told["recipe"]["weights"], told["weights"], told["device"]) == ("auto", "fp32", "cpu")
    said = json.loads(progress_path(trained).read_text("utf-8"))
    assert (said["step"], said["done"]) == ("trained", 1.0)
    assert told["validation_loss"] < told["validation_loss_before"]
    assert sum(told["kinds"].values()) == told["examples"]
    assert told["examples"] + told["validation_examples"] == 30 - 5
    unlearned = read_validation(trained, version, dataset)
    assert len(unlearned) == told["validation_examples"], "these tell how sure it is of its answers"
    assert told["agreement"]["same"] >= 0.9
    assert told["agreement"]["tokens"] > 100
    assert not list(trained.glob(".*.part")), "what is finished needs no work folder"


@pytest.mark.model
def test_every_step_is_tracked(trained: Path) -> None:
    version = candidate(trained)
    with sqlite3.connect(trained.parent / "tracking" / "mlflow.sqlite3") as tracked:
        [(run, status, name)] = tracked.execute("SELECT run_uuid, status, name FROM runs")
        measured = tracked.execute("SELECT step FROM metrics WHERE key = 'loss' ORDER BY step").fetchall()
        tags = dict(tracked.execute("SELECT key, value FROM tags"))
        parameters = dict(tracked.execute("SELECT key, value FROM params"))
    assert (run, status, name) == (version.training["tracked_as"], "FINISHED", version.name)
    assert [step for (step,) in measured] == list(range(1, version.training["steps"] + 1))
    assert tags["version"] == version.name
    assert parameters["dataset"] == "3f0c"


@pytest.mark.model
def test_the_comparison_is_tracked_with_the_training_and_not_made_twice(
    trained: Path, dataset: Path, tmp_path: Path
) -> None:
    version = candidate(trained)
    (tmp_path / "fixed.jsonl").write_text(REGRESSION.read_text("utf-8").splitlines()[0])
    comparing = Comparing(
        dataset,
        trained,
        version.name,
        "tiny-int8",
        regression=tmp_path / "fixed.jsonl",
        engine=EngineOptions(device="cpu", threads=1, context_tokens=900),
        answer_tokens=8,
        tracking="",
    )
    steps: list[str] = []
    finding = compare(comparing, on_progress=lambda step, _: steps.append(step))
    assert "asking both versions, 26 of 26" in steps
    assert finding.comparison.decision is Decision.HOLD
    tracked = trained.parent / "tracking"
    with sqlite3.connect(tracked / "mlflow.sqlite3") as kept:
        figures = dict(kept.execute("SELECT key, value FROM metrics WHERE key LIKE 'gate_%'"))
        tags = dict(kept.execute("SELECT key, value FROM tags"))
    accuracy = index_by_name(finding.comparison.figures)["accuracy"]
    assert figures["gate_accuracy_candidate"] == accuracy.after
    assert (tags["decision"], tags["compared_with"]) == ("hold", "tiny-int8")
    files = {file.name: file.read_text("utf-8") for file in tracked.rglob("gate/*")}
    assert sorted(files) == ["figures.csv", "intervals.svg", "seconds.svg"]
    assert not [text for text in files.values() if "office" in text.lower()], "nothing that anybody wrote"
    again: list[str] = []
    assert compare(comparing, on_progress=lambda step, _: again.append(step)) == finding
    assert again == ["compared"]
    with pytest.raises(NotCompared, match="no model version 'unknown'"):
        compare(replace(comparing, candidate="unknown"), on_progress=silent)


@pytest.mark.model
async def test_what_was_learned_answers_once_it_is_promoted_and_no_more_once_it_is_rolled_back(
    trained: Path,
) -> None:
    async with open_model(choice_of(trained)) as acquire:

        async def said_by(name: str) -> str:
            async with asyncio.timeout(60):
                while True:
                    with acquire("anybody") as loaded:
                        if loaded.version == name:
                            return (await loaded.chat.ainvoke("Until when is office 3 open?")).text
                    await asyncio.sleep(0.05)

        before = await said_by("tiny-int8")
        await asyncio.to_thread(promote, trained, candidate(trained).name)
        assert await said_by(candidate(trained).name) != before
        await asyncio.to_thread(roll_back, trained)
        assert await said_by("tiny-int8") == before


@pytest.mark.model
def test_an_update_of_an_update_goes_on_where_that_one_ended(trained: Path, dataset: Path) -> None:
    first = candidate(trained)
    goes_on = replace(QUICK, epochs=1)
    second = train(Training(dataset, trained, goes_on, parent=first.name), on_progress=silent)
    assert second.parent == first.name
    assert second.profile == first.profile == find_live_version(trained).profile
    assert second.base == first.base
    assert second.training["goes_on_from"] == first.name
    assert second.training["validation_loss_before"] == pytest.approx(
        first.training["validation_loss"], rel=1e-3
    )
    anew = train(
        Training(dataset, trained, replace(goes_on, start="base"), parent=first.name), on_progress=silent
    )
    assert anew.training["goes_on_from"] is None
    assert anew.training["validation_loss_before"] == pytest.approx(
        first.training["validation_loss_before"], rel=1e-3
    )


# Killed


def kill_when(models_dir: Path, dataset: Path, wanted: Callable[[str], object]) -> list[str]:
    """Train, and kill the process when it says something; return what it had said."""
    request = to_argument(Training(dataset, models_dir, QUICK))
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "model.qlora_update", request],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as training:
        assert training.stdout is not None
        for line in training.stdout:
            said.append(json.loads(line).get("step", line))
            if wanted(said[-1]):
                os.kill(training.pid, signal.SIGKILL)
                break
        training.stdout.read()  # ends when it has ended
    assert wanted(said[-1]), said
    assert not [version for version in list_versions(models_dir) if version.parent]
    return said


@pytest.mark.model
def test_a_training_that_is_killed_twice_goes_on_and_learns_the_very_same(
    tiny_models: Path, trained: Path, dataset: Path, tmp_path: Path
) -> None:
    models_dir = shutil.copytree(tiny_models, tmp_path / "models")
    kill_when(models_dir, dataset, lambda step: "learning, step 3 of" in step)
    killed = kill_when(models_dir, dataset, lambda step: "exporting to ONNX" in step)
    learned = [step for step in killed if step.startswith("learning")]
    assert learned[0].startswith("learning, step 3 of"), "it went on from the checkpoint of step 2"
    steps: list[str] = []
    version = train(Training(dataset, models_dir, QUICK), on_progress=lambda step, _: steps.append(step))
    assert not [step for step in steps if step.startswith(("learning", "merging"))], "what is done is done"
    assert verify_version(version.folder) == version
    whole = candidate(trained)
    assert version.name == whole.name
    for name in ("adapter/adapter_model.safetensors", "model.onnx.data"):
        assert version.files[name] == whole.files[name], "an interruption changed what was learned"


@pytest.mark.model
def test_a_graph_that_is_not_the_trained_model_never_becomes_a_version(
    tiny_models: Path, dataset: Path, tmp_path: Path
) -> None:
    models_dir = shutil.copytree(tiny_models, tmp_path / "models")
    kill_when(models_dir, dataset, lambda step: "exporting to ONNX" in step)
    [work] = models_dir.glob(".*.part")
    parent = find_live_version(models_dir)
    shutil.copytree(parent.folder, work / "onnx")  # a graph, but of what nothing was learned
    with pytest.raises(TrainingFailed, match=r"not the trained model: of \d+ tokens"):
        train(Training(dataset, models_dir, QUICK), on_progress=silent)
    assert list_versions(models_dir) == [parent]


@pytest.mark.model
def test_nothing_to_learn_and_a_training_under_way_are_sentences(
    tiny_models: Path, dataset: Path, tmp_path: Path
) -> None:
    models_dir = shutil.copytree(tiny_models, tmp_path / "models")
    folder = write_dataset(tmp_path / "data", [an_example(number, held_out=True) for number in range(3)])
    with pytest.raises(TrainingFailed, match="nothing in the dataset 3f0c can be learned from"):
        train(Training(folder, models_dir, QUICK), on_progress=silent)

    with only_one(models_dir / ".update.lock"), pytest.raises(TrainingFailed, match="under way in another"):
        train(Training(dataset, models_dir, QUICK), on_progress=silent)
    with pytest.raises(ModelMissing):
        find_live_version(tmp_path / "elsewhere")


@pytest.mark.model
def test_two_processes_learn_what_one_does(
    tiny_models: Path, trained: Path, dataset: Path, tmp_path: Path
) -> None:
    models_dir = shutil.copytree(tiny_models, tmp_path / "models")
    version = train(Training(dataset, models_dir, replace(QUICK, processes=2)), on_progress=silent)
    alone, together = candidate(trained).training, version.training
    assert (alone["processes"], together["processes"]) == (1, 2)
    assert together["validation_loss_before"] == pytest.approx(alone["validation_loss_before"], rel=1e-4)
    assert together["validation_loss"] == pytest.approx(alone["validation_loss"], rel=1e-4)


# The default model


@pytest.fixture(scope="module")
def stepped(
    default_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    cold_starts: Callable[[], AbstractContextManager[None]],
) -> tuple[Path, ModelVersion]:
    """A dataset, and what the default model became that learned a step from it."""
    folder = tmp_path_factory.mktemp("stepped")
    shutil.copytree(default_model, folder / "models" / default_model.name, copy_function=os.link)
    promote(folder / "models", default_model.name)
    dataset = write_dataset(
        folder / "data", [an_example(number, held_out=number >= 4) for number in range(8)]
    )
    recipe = TrainingConfig(
        weights="nf4", epochs=1, batch=4, validation_share=0.0, checkpointing=True, threads=1, device="cpu"
    )
    with cold_starts():
        return dataset, train(Training(dataset, folder / "models", recipe), on_progress=silent)


@pytest.mark.model
@pytest.mark.timeout(1500)
def test_the_default_model_takes_a_step_in_four_bits_and_comes_out_whole(
    stepped: tuple[Path, ModelVersion],
) -> None:
    _, version = stepped
    assert verify_version(version.folder) == version
    assert version.training["steps"] == 1
    assert version.training["agreement"]["same"] >= 0.9
    assert version.licence == "apache-2.0"


@pytest.mark.model
@pytest.mark.timeout(600)
def test_a_step_of_the_default_model_is_no_reason_to_replace_it(
    stepped: tuple[Path, ModelVersion], default_model: Path, tmp_path: Path
) -> None:
    dataset, version = stepped
    lines = REGRESSION.read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "fixed.jsonl").write_text("".join([*lines[:2], lines[-1]]))
    comparing = Comparing(
        dataset,
        version.folder.parent,
        version.name,
        default_model.name,
        regression=tmp_path / "fixed.jsonl",
        answer_tokens=16,
        engine=EngineOptions(device="cpu", threads=1),
    )
    finding = compare(comparing, on_progress=silent)
    figures = index_by_name(finding.comparison.figures)
    assert finding.comparison.decision is Decision.HOLD
    assert finding.comparison.reasons[0] == (
        "4 held-out questions were asked. That is too few: 50 are needed."
    )
    assert figures["size_mb"].before == pytest.approx(265, abs=10)
    assert finding.comparison.questions == 4 + 3 + 20
    assert (version.folder / REPORT).is_file()


def test_an_import_does_not_displace_what_was_learned(tmp_path: Path) -> None:
    """`make run` imports the base model at every start; the trained version stays live."""
    from tests.builders.versions import make_version  # noqa: PLC0415

    make_version(tmp_path, "tiny-int8")
    make_version(tmp_path, "tiny-3f0c-int8", parent="tiny-int8")
    promote(tmp_path, "tiny-3f0c-int8")
    import_base("tiny", tmp_path, "cpu", on_progress=silent)
    assert find_live_version(tmp_path).name == "tiny-3f0c-int8"

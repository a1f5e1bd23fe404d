"""GPUs are found by what a machine shows of them, and one that is not used is said with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.inference.gpu import (
    Gpu,
    explain_unused_gpu,
    find_cuda_libraries,
    find_gpus,
    find_unused_gpu,
    has_card,
    has_device,
    parse_gpus,
)
from model.inference.tokenizer import ChatText
from model.registry.agreement import Agreement, choose_dtype, make_prompts
from tests.builders.versions import text as text  # noqa: PLC0414 - a fixture

H200 = Gpu("NVIDIA H200", 143_771 * (1 << 20) / 1e9, 143_000 * (1 << 20) / 1e9, "580.65.06", 9.0)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("NVIDIA H200, 143771, 143000, 580.65.06, 9.0\n", (H200,)),
        ("NVIDIA H200, 143771, 143000, 580.65.06, 9.0\n" * 2, (H200, H200)),
        ("NVIDIA GB10, [N/A], [N/A], 580.65.06, 12.1\n", ()),
        (
            "Tesla K80, 11441, [N/A], 470.1, [N/A]",
            (Gpu("Tesla K80", 11441 * (1 << 20) / 1e9, None, "470.1"),),
        ),
        ("No devices were found\n", ()),
        ("", ()),
    ],
)
def test_the_drivers_tool_is_read(text: str, gpus: tuple[Gpu, ...]) -> None:
    assert parse_gpus(text) == gpus


def test_where_there_is_no_tool_the_kernel_tells_names_and_device_files_tell_that_there_is_one(
    tmp_path: Path,
) -> None:
    assert find_gpus(tmp_path / "bare") == ()
    named = tmp_path / "named"
    (named / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (named / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text("Model: \t NVIDIA A10\nIRQ: 1\n")
    (named / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build\n"
    )
    assert find_gpus(named) == (Gpu("NVIDIA A10", driver="575.57.08"),)
    unnamed = tmp_path / "unnamed"
    (unnamed / "dev").mkdir(parents=True)
    (unnamed / "dev/dxg").touch()
    assert find_gpus(unnamed) == (Gpu(),)
    assert (has_device(unnamed), has_device(named)) == (True, False)


@pytest.mark.parametrize(
    ("vendor", "kind", "found"),
    [
        ("0x10de\n", "0x030200\n", True),
        ("0x10de\n", "0x030000\n", True),
        ("0x10de\n", "0x040300\n", False),  # its sound
        ("0x1002\n", "0x030000\n", False),  # another maker's
    ],
)
def test_a_card_without_a_driver_is_found_on_the_bus(
    vendor: str, kind: str, found: bool, tmp_path: Path
) -> None:
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(vendor)
    assert not has_card(tmp_path)  # a device that is going: one file is missing
    (device / "class").write_text(kind)
    assert has_card(tmp_path) is found


@pytest.mark.parametrize(
    ("wanted", "built", "driver", "says"),
    [
        ("auto", False, True, "(NVIDIA H200) is not used: the packages for CUDA are missing. `make run"),
        ("cpu", False, True, "`make run RUNTIME=gpu`"),
        ("cpu", True, True, "because the setting device is cpu."),
        ("auto", True, False, "no driver shows it here"),
        ("cuda", True, False, "a container needs `--gpus all`"),
    ],
)  # fmt: skip
def test_a_gpu_that_is_not_used_is_one_sentence(wanted: str, built: bool, driver: bool, says: str) -> None:
    said = explain_unused_gpu(wanted, built_for_cuda=built, has_driver=driver, named="NVIDIA H200")
    assert says in said
    assert "\n" not in said


def test_a_gpu_that_is_used_is_not_spoken_of() -> None:
    assert [explain_unused_gpu(one, built_for_cuda=True, has_driver=True) for one in ("auto", "cuda")] == [
        "",
        "",
    ]


def test_a_machine_without_one_hears_nothing() -> None:
    if has_device() or has_card():
        pytest.skip("this machine has an NVIDIA GPU")
    assert find_unused_gpu("auto") == ""
    assert "" in find_cuda_libraries().values()


# How far a graph is its model


@pytest.mark.parametrize(
    ("billions", "free_gb", "dtype"), [(0.1, 16, "float32"), (7, 64, "float32"), (7, 32, "auto"), (7, 16, "")]
)
def test_the_reference_computes_as_exactly_as_fits_into_memory(
    billions: float, free_gb: float, dtype: str
) -> None:
    where, chosen, why_not = choose_dtype(int(billions * 1e9), free_gb * 1e9)
    assert (where, chosen) == ("cpu", dtype)
    assert bool(why_not) is not bool(dtype)


def test_prompts_differ_and_end_as_they_would_where_they_have_to_be_cut(text: ChatText) -> None:
    whole, cut = make_prompts(text, 200, 4096), make_prompts(text, 200, 20)
    assert len({tuple(ids) for ids in whole}) == 200
    assert [ids[-20:] for ids in whole] == cut


@pytest.mark.parametrize(
    ("same", "tokens", "precision", "broken"),
    [
        (0.49, 256, "fp16", True),
        (0.5, 256, "fp16", False),
        (0.1, 256, "int4", False),
        (0.0, 0, "fp16", False),
    ],
)
def test_gibberish_is_a_graph_that_is_not_rounded_and_still_chooses_other_tokens(
    same: float, tokens: int, precision: str, broken: bool
) -> None:
    assert Agreement(8, tokens, same, "torch, fp32", "cuda").is_gibberish(precision) is broken


def test_a_manifest_keeps_figures_or_the_reason_why_there_are_none() -> None:
    assert Agreement(why_not="no GPU").dump() == {"why_not": "no GPU"}
    assert list(Agreement(8, 256, 0.97, "torch, fp32", "cpu").dump()) == [
        "prompts", "tokens", "same", "against", "device"
    ]  # fmt: skip

"""The device: what computes the model, and everything that a GPU needs for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.bootstrap import model_choice
from cli.doctor.findings import Finding, fault, ok, warn
from core.settings import Settings
from model.answering.profile import processor_name
from model.inference.gpu import (
    LEAST_CAPABILITY,
    LEAST_DRIVER,
    Gpu,
    can_load,
    explain_unused_gpu,
    find_cuda_libraries,
    find_gpus,
    has_card,
    has_device,
    is_built_for_cuda,
)
from model.onnx_infer import EngineError, EngineOptions, resolve

MATTER = "device"
_INSTALL = "`make run RUNTIME=gpu` installs the packages for CUDA."


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a machine shows: `wanted` is the setting device, `used` what it comes to, "" where it cannot be.

    `libraries` names CUDA's, each with where it is ("" for nowhere); `driver_library` is whether the driver's
    own (libcuda.so.1) can be loaded.
    """

    wanted: str
    used: str
    threads: int
    processor: str
    built_for_cuda: bool = False
    device_file: bool = False
    card: bool = False
    driver_library: bool = False
    gpus: tuple[Gpu, ...] = ()
    number: int = 0
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])


async def check_device(settings: Settings) -> list[Finding]:
    """Say what computes the model here."""
    return judge_device(await asyncio.to_thread(gather_facts, model_choice(settings).options))


def gather_facts(options: EngineOptions) -> DeviceFacts:
    """Look at this machine. Blocks for up to some seconds."""
    try:
        resolved = resolve(options)
        used, threads = resolved.device, resolved.threads
    except EngineError:
        used, threads = "", 0
    built = is_built_for_cuda()
    return DeviceFacts(
        wanted=options.device,
        used=used,
        threads=threads,
        processor=processor_name("cpu"),
        built_for_cuda=built,
        device_file=has_device(),
        card=has_card(),
        driver_library=can_load("libcuda.so.1"),
        gpus=find_gpus(),
        number=int(options.cuda.get("device_id", "0")),
        libraries=find_cuda_libraries() if built else {},
        options=options.cuda,
    )


def judge_device(facts: DeviceFacts) -> list[Finding]:
    """Say what computes, and what a GPU lacks where one is wanted or there."""
    if not facts.used:
        says = "the setting device is cuda, and ONNX Runtime for processors is installed"
        return [fault(MATTER, says, _INSTALL), *_judge_gpus(facts)]
    if facts.used == "cuda":
        given = ", ".join(f"{name}={value}" for name, value in facts.options.items())
        gpu = facts.gpus[facts.number].name if facts.number < len(facts.gpus) else ""
        options = ok("provider options", f"CUDA: {given}")
        computes = ok(MATTER, f"the model is to run on GPU {facts.number} {gpu}".strip())
        return [computes, options, *_judge_gpus(facts), *judge_libraries(facts)]
    computes = ok(
        MATTER, f"the model runs on the processor: {facts.processor}, threads of one pass: {facts.threads}"
    )
    unused = _explain(facts)
    built = judge_libraries(facts) if facts.built_for_cuda else []
    return [computes, *([warn("gpu", unused)] if unused else []), *built]


def _explain(facts: DeviceFacts) -> str:
    if not facts.device_file and not facts.card:
        return ""
    named = next((gpu.name for gpu in facts.gpus if gpu.name), "")
    return explain_unused_gpu(
        facts.wanted, built_for_cuda=facts.built_for_cuda, has_driver=facts.device_file, named=named
    )


def _judge_gpus(facts: DeviceFacts) -> list[Finding]:
    """Say whether the driver shows the GPU that is wanted, and whether CUDA 13 runs on it."""
    if not facts.device_file:
        todo = f"Install NVIDIA's driver, {LEAST_DRIVER} or newer; a container needs `--gpus all`."
        card = "a card is in the machine, and no driver shows it" if facts.card else "there is no GPU here"
        return [fault("driver", card, todo)]
    if facts.number >= max(1, len(facts.gpus)):
        return [
            fault(
                "driver",
                f"there is no GPU {facts.number}: there are {len(facts.gpus)}",
                "Set cuda_device_id.",
            )
        ]
    gpu = facts.gpus[facts.number] if facts.gpus else Gpu()
    return [*_judge_driver(gpu), *_judge_capability(gpu)]


def _judge_driver(gpu: Gpu) -> list[Finding]:
    major = gpu.driver.partition(".")[0]
    if not major.isdigit():
        return [warn("driver", "the driver does not tell its version", "`nvidia-smi` has to be in the path.")]
    if int(major) < LEAST_DRIVER:
        says = f"the driver is {gpu.driver}; CUDA 13 needs {LEAST_DRIVER} or newer"
        return [fault("driver", says, "Install a newer driver.")]
    return [ok("driver", f"driver {gpu.driver}")]


def _judge_capability(gpu: Gpu) -> list[Finding]:
    if gpu.capability is not None and gpu.capability < LEAST_CAPABILITY:
        says = f"{gpu.name} has compute capability {gpu.capability}; CUDA 13 needs {LEAST_CAPABILITY} or more"
        return [fault("gpu", says, "Serve on the processor: --device cpu.")]
    return []


def judge_libraries(facts: DeviceFacts) -> list[Finding]:
    """Say where CUDA and cuDNN are, and which of their libraries are missing."""
    missing = [name for name, place in facts.libraries.items() if not place]
    found = [
        ok("cuda" if "cudnn" not in name else "cudnn", f"{name}: {place}")
        for name, place in facts.libraries.items()
        if place
    ]
    if missing:
        found.append(fault("cuda", f"nowhere found: {', '.join(missing)}", _INSTALL))
    if not facts.driver_library:
        found.append(
            (fault if facts.used == "cuda" else warn)(
                "driver", "the driver's library libcuda.so.1 cannot be loaded", "Install NVIDIA's driver."
            )
        )
    return found

"""The model: whether one is live and whole, whether it fits, and which of the catalogue would."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from bot.bootstrap import model_choice
from cli.doctor.findings import Finding, fault, ok, warn
from core.settings import Settings
from model.answering.profile import memory_gb, processor_name
from model.inference.gpu import has_device
from model.onnx_infer import EngineError, EngineOptions, resolve
from model.registry.catalogue import CATALOGUE
from model.registry.drafting import describe_drafting, is_on
from model.registry.importing import choose_precision
from model.registry.loading import CANNED
from model.registry.versions import ModelVersion, VersionError, find_live_version, verify_version

MATTER = "model"
_AROUND_GB = 0.3
"""What the process and the caches of two answers take beside the weights, GB."""
_AGAIN = "Import it again on the machine that serves it."
_IMPORT = "`askpage models import` makes one."


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Gigabytes: of the live weights, of the device, free there now, and `limit`: cuda_gpu_mem_limit."""

    weights: float
    device: float | None
    free: float | None = None
    limit: float = 0.0

    @property
    def need(self) -> float:
        """What it takes while it answers."""
        return self.weights + _AROUND_GB


async def check_model(settings: Settings) -> list[Finding]:
    """Look at the live version and at what the memory holds."""
    return await asyncio.to_thread(_look, settings)


def _look(settings: Settings) -> list[Finding]:
    if settings.base_model == CANNED:
        return [warn(MATTER, "base_model is canned: answers without a model, for tests")]
    device = _find_device(model_choice(settings).options)
    memory = memory_gb(device, settings.cuda.device_id)
    try:
        version = verify_version(find_live_version(settings.models_dir).folder)
    except VersionError as error:
        return [fault(MATTER, str(error), _IMPORT), *judge_catalogue(device, memory)]
    weights = sum((version.folder / name).stat().st_size for name in version.files) / 1e9
    limit = settings.cuda.gpu_mem_limit / 1e9 if device == "cuda" else 0.0
    facts = MemoryFacts(weights, memory, _free_gb() if device == "cpu" else None, limit)
    processor = processor_name(device, settings.cuda.device_id)
    return [
        *judge_version(version, device),
        *judge_drafting(version, device, processor),
        *judge_memory(facts),
        *judge_catalogue(device, memory),
    ]


def _find_device(options: EngineOptions) -> str:
    """Return what the model runs on; where it cannot run, what is there."""
    try:
        return resolve(options).device
    except EngineError:
        return "cuda" if has_device() else "cpu"


def _free_gb() -> float:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def judge_version(version: ModelVersion, device: str) -> list[Finding]:
    """Say which version is live, whether it is made for the device, and how far it agrees with its model."""
    found = [ok(MATTER, f"{version.name} is live and whole ({version.precision}, made for {version.device})")]
    if version.device != device:
        says = f"{version.name} is made for {version.device}, and runs on {device}"
        todo = f"`askpage models import --device {device}` makes one for {device}."
        return [*found, warn(MATTER, says, todo)]
    if "same" in version.agreement:
        same, tokens = version.agreement["same"], version.agreement["tokens"]
        found.append(ok("agreement", f"of {tokens} tokens {same:.1%} are those of the model in torch"))
    elif version.agreement:
        says = f"it was not compared with the model in torch: {version.agreement['why_not']}"
        found.append(warn("agreement", says, _AGAIN))
    return found


def judge_drafting(version: ModelVersion, device: str, processor: str) -> list[Finding]:
    """Say whether answers that quote come faster by drafts here."""
    says = describe_drafting(version.drafting)
    if version.drafting.get("on") and not is_on(version.drafting, device, processor):
        says = f"they are off: they were measured on another processor ({version.drafting['processor']})"
        return [warn("drafts", says, _AGAIN)]
    return [ok("drafts", says.removeprefix("drafts "))] if says else []


def judge_memory(facts: MemoryFacts) -> list[Finding]:
    """Say whether the version fits, alone and while another one takes over from it."""
    need = f"the live model needs about {facts.need:.1f} GB"
    if facts.limit and facts.limit < facts.need:
        says = f"{need}, and cuda_gpu_mem_limit allows {facts.limit:.1f}"
        return [fault("memory", says, "Set cuda_gpu_mem_limit to 0, or higher.")]
    if facts.device is None:
        return [warn("memory", f"{need}; the device does not tell how much it has")]
    if facts.device < facts.need:
        says = f"{need}, and the device has {facts.device:.1f}"
        return [fault("memory", says, "Choose a smaller one: `askpage models catalogue`.")]
    there = f"{need} of {facts.device:.1f}"
    if facts.device < 2 * facts.need:
        return [warn("memory", f"{there}: a new version that is loaded beside it does not fit")]
    if facts.free is not None and facts.free < facts.need:
        return [warn("memory", f"{there}, of which {facts.free:.1f} are free now", "End other programs.")]
    return [ok("memory", there)]


def judge_catalogue(device: str, memory: float | None) -> list[Finding]:
    """Say which models of the catalogue fit the memory, in the device's usual precision."""
    if memory is None:
        return []
    precision = choose_precision(device)
    fitting = [one.name for one in CATALOGUE if one.memory_gb(precision) <= memory]
    too_large = [one.name for one in CATALOGUE if one.name not in fitting]
    rest = f"; too large: {', '.join(too_large)}" if too_large else ""
    return [ok("catalogue", f"fits in {precision}: {', '.join(fitting) or 'none'}{rest}")]

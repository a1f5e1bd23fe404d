"""Profiles: how fast a model version reads and writes on a device, measured with the version itself.

    measure_profile(engine, parameters)    some seconds; at the import
    measure_briefly(engine, parameters)    shorter, at loading, where the manifest's profile is another
                                           device's

A chain asks it how many tokens of a page can be read before somebody waits too long (`passages_tokens`). The
device is this machine's processor or an NVIDIA GPU, with its memory.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.inference.gpu import Gpu, find_gpus

if TYPE_CHECKING:
    from model.inference.process import Usage
    from model.onnx_infer import Engine, EngineOptions


_CPUINFO = Path("/proc/cpuinfo")
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def processor_name(device: str, gpu: int = 0) -> str:
    """Return the name of what computes on "cpu" or "cuda"; "" where nothing tells it."""
    if device == "cuda":
        return _find_gpu(gpu).name
    with contextlib.suppress(OSError):
        if named := re.search(r"^model name\s*: *(.+)$", _CPUINFO.read_text("utf-8"), re.MULTILINE):
            return named[1].strip()
    return platform.processor() or platform.machine()


def memory_gb(device: str, gpu: int = 0) -> float | None:
    """Return the memory that a model can have there, GB; of a container its limit.

    None where nothing tells it.
    """
    if device == "cuda":
        return _find_gpu(gpu).memory_gb
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        total = min(total, int(_CGROUP.read_text("utf-8")))
    return total / 1e9


def cpu_s(pid: int) -> float:
    """Return how long a process and its threads have computed, seconds; 0 where nothing tells it."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _find_gpu(number: int) -> Gpu:
    """Return the GPU of that number as its driver counts; one of which nothing is known where it has none."""
    gpus = find_gpus()
    return gpus[number] if number < len(gpus) else Gpu()


_PROMPT_TOKENS, _NEW_TOKENS = 256, 32
_GLANCE_PROMPT_TOKENS, _GLANCE_NEW_TOKENS = 128, 8
_LONG_S = 4.0
_READS_WHOLE = 1e9
_SENTENCE_TOKENS = 8  # at the least, whatever the tokenizer
_LEAST_BUSY_S = 0.1  # the system counts a process's time in hundredths
_EFFICIENCY = 0.9
"""Of the threads' time, what a quiet machine lets them work: they wait for each other between two layers."""
_SENTENCE = "On page {} of the handbook it says who may take leave, for how long, and whom to tell before. "


@dataclass(frozen=True, slots=True)
class Profile:
    """The measured speed of a version: tokens a second that it reads (prefill) and writes (decode).

    `device` is "cpu" or "cuda", `processor` its name, `threads` how many computed, `parameters` how many
    weights the model has, `measured_at` when it was (ISO 8601).
    """

    prefill_tokens_s: float
    decode_tokens_s: float
    device: str
    threads: int
    parameters: int
    processor: str = ""
    measured_at: str = ""

    @property
    def reads_whole(self) -> bool:
        """Whether it can read whole passages though it learned nothing here.

        A smaller one gets lost in them (LOG.md).
        """
        return self.parameters >= _READS_WHOLE

    def passages_tokens(self, first_token_s: float) -> int:
        """Return how many tokens of prompt it reads in that time: then its first word is there."""
        return int(self.prefill_tokens_s * first_token_s)

    def scale_to(self, parameters: int) -> Profile:
        """Estimate another model's on the same device: every weight is used once a token."""
        share = self.parameters / parameters
        prefill, decode = self.prefill_tokens_s * share, self.decode_tokens_s * share
        return replace(self, prefill_tokens_s=prefill, decode_tokens_s=decode, parameters=parameters)

    def holds_on(self, device: str, threads: int, processor: str) -> bool:
        """Tell whether it was measured on such a device; threads do not matter to a GPU."""
        same = (self.device, self.processor) == (device, processor)
        return same and (device == "cuda" or self.threads == threads)


def parse_profile(raw: Mapping[str, Any] | None) -> Profile | None:
    """Read a manifest's profile; None where it has none, as older ones. Raises TypeError for what is none."""
    if raw is None:
        return None
    known = {field.name for field in fields(Profile)}
    return Profile(**{name: value for name, value in raw.items() if name in known})


def describe_processor(options: EngineOptions) -> str:
    """Return the name of what an engine computes with."""
    return processor_name(options.device, int(options.cuda.get("device_id", "0")))


def measure_profile(engine: Engine, parameters: int) -> Profile:
    """Measure a version that is loaded. Blocks for seconds. Raises EngineError."""
    return _profile(engine, parameters, _PROMPT_TOKENS, _NEW_TOKENS)


def measure_briefly(engine: Engine, parameters: int) -> Profile:
    """Measure shortly, so that loading takes little longer. Blocks. Raises EngineError."""
    return _profile(engine, parameters, _GLANCE_PROMPT_TOKENS, _GLANCE_NEW_TOKENS)


def _profile(engine: Engine, parameters: int, prompt_tokens: int, new_tokens: int) -> Profile:
    """Take the better of two looks, or the first one where it took long already."""
    looks = [_look(engine, 0, prompt_tokens, new_tokens)]
    if looks[0].total_s < _LONG_S:
        looks.append(_look(engine, 1, prompt_tokens, new_tokens))
    options = engine.options
    return Profile(
        prefill_tokens_s=round(max(look.prefill_tokens_s for look in looks), 1),
        decode_tokens_s=round(max(look.decode_tokens_s for look in looks), 1),
        device=options.device,
        threads=options.threads,
        parameters=parameters,
        processor=describe_processor(options),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    prefill_tokens_s: float
    decode_tokens_s: float
    total_s: float


def _look(engine: Engine, number: int, prompt_tokens: int, new_tokens: int) -> _Look:
    """Let it read, then write after what it has read.

    Every look begins with another token: nothing is in a cache.
    """
    began = time.perf_counter()
    text = f"{number} " + _SENTENCE.format(number) * (prompt_tokens // _SENTENCE_TOKENS + 1)
    ids = engine.text.encode(text)[: min(prompt_tokens, engine.context_tokens - new_tokens)]
    read = time_answer(engine, ids, 1)
    written = time_answer(engine, ids, new_tokens)
    prefill_tokens_s = (read.usage.tokens_in - read.usage.tokens_reused) / read.total_s
    # one that ends its answer at once has computed the token that said so
    decode_tokens_s = max(1, written.usage.tokens_out) / written.total_s
    return _Look(prefill_tokens_s, decode_tokens_s, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """An answer, what its engine did, and the seconds that it takes on a processor that is free."""

    text: str
    usage: Usage
    total_s: float


def time_answer(engine: Engine, ids: list[int], new_tokens: int, *, drafted: bool = False) -> TimedAnswer:
    """Let it answer, with drafts or token by token. Raises EngineError.

    At an import tests or other models may be running, and at loading people ask the version before: the time
    that the clock shows would tell of them. The processor's own time tells of this model alone.
    """
    from model.onnx_infer import Sampling  # noqa: PLC0415 - whoever has an engine has loaded it

    usages: list[Usage] = []
    busy_s = cpu_s(engine.pid)
    sampling = Sampling(drafted=drafted)
    pieces = engine.generate_sync(ids, max_new_tokens=new_tokens, sampling=sampling, on_done=usages.append)
    text = "".join(pieces)
    total_s, busy_s = usages[0].total_s, cpu_s(engine.pid) - busy_s
    if engine.options.device == "cpu" and busy_s >= _LEAST_BUSY_S:
        total_s = min(total_s, busy_s / engine.options.threads / _EFFICIENCY)
    return TimedAnswer(text, usages[0], total_s)

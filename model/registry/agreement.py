"""Token agreement: how often an exported graph chooses the token that the model in torch would choose.

The graph writes on after fixed prompts, greedily, on the device that it is made for. Then torch reads the
same tokens in one pass and says of each whether it was its likeliest one, too. So both stand before the same
beginning at every token, and one early difference is one difference. The reference computes in fp32 where
that fits into memory, else in the precision in which the weights were published.

What cannot be measured here (no GPU for a graph that is made for one, no memory for the reference) is said
with its reason: nothing is guessed.

A share below `GIBBERISH` says of a graph with 16 or 32 bits that it is broken on this device. Rounding alone
does not do that to a model that has learned a language: even int4 keeps three tokens of four.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from model.inference.gpu import has_device, load_cuda_libraries
from model.inference.tokenizer import ChatText
from model.inference.worker import make_config
from model.registry.sample_page import PASSAGES

# pyright: basic, reportAttributeAccessIssue=false
# ruff: noqa: PLC0415
# (torch, transformers and onnxruntime_genai are typed in parts only, and heavy)

GIBBERISH = 0.5
_ROOM = 0.7
"""Of the free memory, what the reference may take."""
QUESTIONS = ("What does the page say?", "Who is this for?", "How much or how long?", "What must I do first?",
             "Is there a limit?")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison: prompts, tokens compared, the share that is the same, with what, and where.

    `tokens` of 0 says that nothing was compared; `why_not` tells the reason.
    """

    prompts: int = 0
    tokens: int = 0
    same: float = 0.0
    against: str = ""
    device: str = ""
    why_not: str = ""

    def is_gibberish(self, precision: str) -> bool:
        """Tell whether a graph is broken where it ran; of one that is rounded to 8 or 4 bits nobody knows."""
        return self.tokens > 0 and self.same < GIBBERISH and precision not in ("int4", "int8")

    def dump(self) -> dict[str, Any]:
        """Return what a manifest keeps: the figures, or why there are none."""
        kept = asdict(self)
        return {name: kept[name] for name in (("why_not",) if self.why_not else _FIGURES)}


_FIGURES = ("prompts", "tokens", "same", "against", "device")


def make_prompts(text: ChatText, count: int, longest: int) -> list[list[int]]:
    """Return so many prompts as token ids: each passage with each question, then the same in other orders.

    Of one that is longer than `longest` tokens the end is taken.
    """
    pairs = (
        f"{title}: {passage}\n\n{question} ({at})" if at else f"{title}: {passage}\n\n{question}"
        for at in range(count)
        for question in QUESTIONS
        for title, passage in PASSAGES
    )
    return [
        text.encode(text.render([{"role": "user", "content": content}]))[-longest:]
        for content in islice(pairs, count)
    ]


@dataclass(frozen=True, slots=True)
class Sample:
    """How much is compared: after how many prompts the graph writes how many tokens each."""

    prompts: int = 8
    new_tokens: int = 32


def compare_tokens(
    hf: Path, onnx: Path, device: str, parameters: int, sample: Sample | None = None
) -> Agreement:
    """Let the graph in `onnx` write on `device`, and the model in `hf` judge it."""
    if device == "cuda" and not has_device():
        return Agreement(why_not="there is no GPU here, which the graph is made for")
    where, dtype, why_not = choose_reference(parameters)
    if why_not:
        return Agreement(why_not=why_not)
    text = ChatText(onnx)
    try:
        written = write_tokens(onnx, device, text, sample or Sample())
    except RuntimeError as error:
        return Agreement(why_not=f"the graph cannot run here: {str(error).splitlines()[0][:200]}")
    gc.collect()  # of two models one is in memory
    same = judge_tokens(hf, where, dtype, written)
    name = "fp32" if dtype == "float32" else "as published"
    return Agreement(len(written), len(same), round(sum(same) / len(same), 4), f"torch, {name}", device)


Written = tuple[list[int], list[int]]
"""A prompt, and what the graph wrote after it."""


def write_tokens(onnx: Path, device: str, text: ChatText, sample: Sample) -> list[Written]:
    """Let a graph write on after each prompt, greedily. Raises RuntimeError."""
    import onnxruntime_genai as og

    if device == "cuda":
        load_cuda_libraries()
    threads = len(os.sched_getaffinity(0))
    model = og.Model(make_config(str(onnx), {"threads": threads, "spin_us": 0, "device": device, "cuda": {}}))
    longest = _read_context(onnx) - sample.new_tokens - 1
    written: list[Written] = []
    for ids in make_prompts(text, sample.prompts, longest):
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=len(ids) + sample.new_tokens + 1, do_sample=False)
        generator = og.Generator(model, params)
        generator.append_tokens(ids)
        new = [_choose(generator)]
        while len(new) < sample.new_tokens and new[-1] not in text.end_tokens:
            generator.append_tokens(new[-1:])
            new.append(_choose(generator))
        written.append((ids, new))
    return written


def judge_tokens(hf: Path, where: str, dtype: str, written: Sequence[Written]) -> list[bool]:
    """Say of every token that was written whether the model in torch would have chosen it there."""
    import torch
    from transformers import AutoModelForCausalLM

    kind: Any = "auto" if dtype == "auto" else getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(hf, dtype=kind).to(where).eval()
    same: list[bool] = []
    for ids, new in written:
        read = torch.tensor([[*ids, *new[:-1]]], device=where)
        with torch.inference_mode():
            logits = model(read, logits_to_keep=len(new)).logits[0]
        same += [chosen == token for chosen, token in zip(logits.argmax(-1).tolist(), new, strict=True)]
    return same


def choose_reference(parameters: int) -> tuple[str, str, str]:
    """Return torch's device and dtype for the reference, and why there is none ("" where there is one)."""
    import torch

    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        if parameters * 4 < free * _ROOM:
            return "cuda", "float32", ""
        if parameters * 2 < free * _ROOM:
            return "cuda", "auto", ""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return choose_dtype(parameters, free)


def choose_dtype(parameters: int, free_bytes: float) -> tuple[str, str, str]:
    """Return what the processor's memory holds: the same triple."""
    for dtype, size in (("float32", 4), ("auto", 2)):
        if parameters * size < free_bytes * _ROOM:
            return "cpu", dtype, ""
    needed, there = parameters * 2 / _ROOM / 1e9, free_bytes / 1e9
    return "cpu", "", f"the reference needs {needed:.0f} GB of free memory, there are {there:.0f} GB"


def _choose(generator: Any) -> int:
    import numpy as np

    logits = np.asarray(generator.get_logits())
    return int(logits.reshape(-1, logits.shape[-1])[-1].argmax())


def _read_context(onnx: Path) -> int:
    import json

    return int(json.loads((onnx / "genai_config.json").read_text("utf-8"))["model"]["context_length"])

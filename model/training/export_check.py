"""Checks that the exported graph says what the model in torch says, token by token.

Both read the same prompts and completions; at every compared token each tells how likely the next one is.
What counts is how often the likeliest token is the same, and, where nothing was rounded to whole numbers, how
far the figures (logits) are apart at most. An int8 graph is compared with fp32 weights by agreement alone:
its figures are coarse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as og
import torch
from transformers import AutoModelForCausalLM

from model.inference.gpu import has_device, load_cuda_libraries
from model.registry.export_onnx import ExportRefused
from model.training.dataset import Encoded

# pyright: basic, reportAttributeAccessIssue=false
# (torch, transformers and onnxruntime_genai are typed in parts only)

_PROMPT_TOKENS = 24
"""How many of a prompt's last tokens are compared, beside those of the completion."""


class ParityError(ExportRefused):
    """The graph is not the model; the message is for a person."""


@dataclass(frozen=True, slots=True)
class ParityCriteria:
    """The least of a graph: share of equal tokens, 0 to 1, and logits' difference (None: any)."""

    same: float
    difference: float | None


LEAST = {
    "fp32": ParityCriteria(0.99, 0.05),
    "fp16": ParityCriteria(0.97, 0.5),
    "bf16": ParityCriteria(0.9, None),
    "int8": ParityCriteria(0.9, None),
    "int4": ParityCriteria(0.6, None),
}


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The comparison: tokens compared, the share that is the same, the largest difference of logits."""

    tokens: int
    same: float
    difference: float

    def check(self, precision: str) -> None:
        """Raise Disagrees where it is too little for the precision."""
        least = LEAST[precision]
        far = least.difference is not None and self.difference > least.difference
        if self.same < least.same or far:
            raise ParityError(
                f"the exported graph is not the trained model: of {self.tokens} tokens {self.same:.1%} are "
                f"the same (at least {least.same:.0%} are expected of {precision}), logits differ by up to "
                f"{self.difference:.2g}"
            )


def compare(hf: Path, onnx: Path, precision: str, prompts: Sequence[Encoded]) -> ParityResult:
    """Let the model in `hf` and the graph in `onnx` read the same prompts."""
    dtype: Any = "auto" if precision in ("fp16", "bf16") else torch.float32
    in_torch = AutoModelForCausalLM.from_pretrained(hf, dtype=dtype).eval()
    if has_device():
        load_cuda_libraries()
    in_onnx = og.Model(str(onnx))
    same, differences = [], []
    for one in prompts:
        ids, compared = [*one.prompt, *one.completion], min(_PROMPT_TOKENS, len(one.prompt) - 1)
        begin = len(one.prompt) - compared
        with torch.inference_mode():
            logits = in_torch(torch.tensor([ids]), logits_to_keep=len(ids) - begin + 1).logits[0, :-1]
        for expected, found in zip(logits.float().numpy(), _step_by_step(in_onnx, ids, begin), strict=True):
            same.append(int(expected.argmax()) == int(found.argmax()))
            differences.append(float(np.abs(expected - found).max()))
    return ParityResult(len(same), sum(same) / len(same), max(differences))


def _step_by_step(model: Any, ids: Sequence[int], begin: int) -> list[np.ndarray]:
    """Return what the graph makes of each token from `begin` on, having read those before it."""
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=len(ids) + 1, do_sample=False, early_stopping=False)
    generator = og.Generator(model, params)
    generator.append_tokens(list(ids[:begin]))
    found: list[np.ndarray] = []
    for at in range(begin, len(ids)):
        found.append(np.array(generator.get_logits(), dtype=np.float32).reshape(-1))
        generator.append_tokens([ids[at]])
    return found

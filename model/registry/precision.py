"""The precisions in which a graph can be exported, by the device that computes it."""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = {"cpu": ("int8", "int4", "fp32"), "cuda": ("fp16", "bf16", "int8", "int4", "fp32")}
"""The device's usual one first.

ONNX Runtime's provider for processors lacks MatMul in bf16, and in fp16 it fails at the second token of
models whose heads share keys (LOG.md).
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The precision of a graph, and the device that it is made for: "cpu" or "cuda"."""

    precision: str
    device: str

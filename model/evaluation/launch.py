"""Starts a comparison of two versions in a process of its own (`model/evaluation/gate.py`).

NotCompared     nothing was decided; the message is for a person
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.subprocess_step import OnProgress, StepFailed, run_step, to_argument
from model.evaluation.result import GateCriteria, GateResult, read_result
from model.onnx_infer import EngineOptions


class NotCompared(Exception):
    """Nothing was decided; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Comparing:
    """Which candidate is compared with which version, on which dataset.

    `regression` is a file of fixed questions, `injections` are more files of planted instructions; None and
    none take those of the project alone. `tracking`: "off", empty for a file beside the models, or an MLflow
    URI.
    """

    dataset: Path
    models_dir: Path
    candidate: str
    live: str
    bar: GateCriteria = field(default_factory=GateCriteria)
    regression: Path | None = None
    injections: Sequence[Path] = ()
    engine: EngineOptions = field(default_factory=EngineOptions)
    answer_tokens: int = 96
    span_sentences: int = 1
    tracking: str = "off"


def compare(comparing: Comparing, *, on_progress: OnProgress) -> GateResult:
    """Compare, and return what was found; what is compared already is not compared again.

    Raises NotCompared.
    """
    folder = comparing.models_dir.resolve()
    request = replace(
        comparing,
        dataset=comparing.dataset.resolve(),
        models_dir=folder,
        regression=comparing.regression and comparing.regression.resolve(),
        injections=[path.resolve() for path in comparing.injections],
    )
    try:
        run_step("model.evaluation.gate", [to_argument(request)], on_progress)
    except StepFailed as failed:
        raise NotCompared(str(failed)) from failed
    finding = read_result(folder / comparing.candidate)
    if finding is None:
        raise NotCompared(f"the report of {comparing.candidate} cannot be read: compare again")
    on_progress("compared", 1.0)
    return finding

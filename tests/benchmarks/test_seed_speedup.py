"""The ladder's figures are what was timed; where the graph writes other tokens than torch there are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from benchmarks.seed_speedup import (
    SEED_OPTIONS,
    SHAPES,
    Job,
    Step,
    Timing,
    choose_options,
    climb,
    make_prompt,
    plan_steps,
    show,
    summarise,
)

JOB = Job("cpu", "small", 3, 200, "/nowhere")
AGREED = {"prompts": 200, "tokens": 1600, "same": 0.95, "against": "torch, fp32", "device": "cpu"}


def result(median: float) -> dict[str, Any]:
    timing = [Timing(median / 4, median, 64)] * 3
    figures = summarise(timing, 1.0)
    return {"result": {name: getattr(figures, name) for name in figures.__dataclass_fields__}}


def shown(report: Mapping[str, Any]) -> tuple[bool, str]:
    console = Console(width=130)
    with console.capture() as text:
        whole = show(report, console)
    return whole, text.get()


def test_the_true_shapes_have_the_weights_of_llama_2() -> None:
    assert SHAPES["true", "7B"].parameters == 6_738_415_616
    assert SHAPES["true", "13B"].parameters == 13_015_864_320
    small = [SHAPES["small", name].parameters for name in ("13B", "7B")]
    assert small[0] / small[1] == pytest.approx(1.93, abs=0.1)


def test_the_median_and_the_95th_percentile_are_of_the_answers_that_were_timed() -> None:
    timings = [Timing(0.5, total, 64) for total in (3.0, 1.0, 2.0, *[2.0] * 16, 9.0)]
    found = summarise(timings, 4.2)
    assert (found.median_s, found.p95_s, found.rounds, found.memory_gb) == (2.0, 3.0, 20, 4.2)
    assert found.tokens_s == 63 / 1.5
    assert summarise([Timing(1.0, 1.0, 1)], 0.0).tokens_s == 0.0


def test_prompts_share_no_beginning_and_stay_within_the_tokens_that_there_are() -> None:
    prompts = [make_prompt(number, 2048) for number in range(21)]
    assert len({tuple(one[:2]) for one in prompts}) == 21
    assert all(4 <= token < 260 for one in prompts for token in one)


def test_two_gigabytes_hold_no_seven_billion_weights_and_the_ladder_says_so() -> None:
    options, said = choose_options(SHAPES["true", "7B"].parameters * 2)
    assert "gpu_mem_limit" not in options
    assert "2.1 GB is left out: the weights alone have 13.5 GB" in said
    assert choose_options(1e9) == (SEED_OPTIONS, "")


def test_each_step_is_compared_with_the_one_before_and_what_was_found_is_kept_on_the_way() -> None:
    steps = plan_steps("cpu")
    medians = dict(zip([step.name for step in steps], (8.0, 4.0, 2.0, 1.0), strict=True))
    order: list[str] = []
    kept: list[int] = []

    def run_step(step: Step, _: Job) -> Mapping[str, Any]:
        order.append(step.name)
        return result(medians[step.name]) | ({"agreement": AGREED} if step.runtime == "onnx" else {})

    report = climb(JOB, run_step, lambda so_far: kept.append(len(so_far["steps"])))
    assert order[0] == steps[-1].name, "tokens are compared before anything is timed"
    assert [*report["steps"]] == [step.name for step in steps]
    assert kept == [1, 2, 3]
    json.dumps(report)
    whole, text = shown(report)
    assert whole
    assert "95.0% of 1600 tokens after 200 prompts" in text
    assert "8.00" in text.split("7B, int8")[1], "the last step is eight times as fast as the first"
    assert "not a GPU's" in text


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"agreement": AGREED | {"same": 0.3}, "bound": 0.9}, "30.0% are torch's, and at least 90%"),
        ({"agreement": {"why_not": "there is no GPU here"}}, "could not be compared: there is no GPU here"),
        ({"problem": "CUDA driver version is insufficient"}, "does not run here: CUDA driver version"),
    ],
)  # fmt: skip
def test_without_agreement_nothing_is_timed_and_no_figure_is_printed(
    graph: Mapping[str, Any], says: str
) -> None:
    asked: list[str] = []

    def run_step(step: Step, _: Job) -> Mapping[str, Any]:
        asked.append(step.name)
        return graph

    whole, text = shown(climb(JOB, run_step, lambda _: None))
    assert not whole
    assert says in text
    assert "tokens/s" not in text
    assert len(asked) == 1


def test_a_step_that_did_not_end_is_named_and_the_others_have_their_figures() -> None:
    def run_step(step: Step, _: Job) -> Mapping[str, Any]:
        if step.shape == "13B":
            return {"problem": "not done within 600 s"}
        return result(1.0) | {"agreement": AGREED}

    whole, text = shown(climb(JOB, run_step, lambda _: None))
    assert not whole
    assert "not done within 600 s" in text

"""What the learning loop computes on a tiny Llama, as JSON: apart from the tests, which do not import torch.

Run as: python tests/processes/learner_figures.py HUGGING_FACE_FOLDER VERSION_FOLDER
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM

from model.inference.tokenizer import ChatText
from model.qlora_update import adapt_model
from model.training.dataset import Encoded, encode
from model.training.launch import TrainingConfig
from model.training.losses import (
    Text,
    build_prefix_tree,
    desirable,
    dpo,
    mismatch_completions,
    undesirable,
    weigh_rejected,
)
from model.training.trainer import Trainer
from tests.builders.training_data import an_example

# pyright: basic
# (torch, transformers, peft and accelerate are typed in parts only)

SOBER = TrainingConfig(
    dropout=0.0, epochs=4, batch=6, learning_rate=0.01, rank=4, weights="fp32", device="cpu"
)


class Bench:
    """Learners of one tiny model."""

    def __init__(self, hf: Path, version: Path) -> None:
        self.hf = hf
        text = ChatText(version)
        self.examples = [encode(text, an_example(number)) for number in range(12)]

    def learner(
        self,
        recipe: TrainingConfig = SOBER,
        examples: list[Encoded] | None = None,
        validation: list[Encoded] | None = None,
    ) -> Trainer:
        model = adapt_model(self.hf, recipe, torch.device("cpu"), None)
        return Trainer(model, examples or self.examples, validation or [], recipe, Accelerator(cpu=True))

    def learned(self, recipe: TrainingConfig, examples: list[Encoded] | None = None) -> Trainer:
        learner = self.learner(recipe, examples)
        with tempfile.TemporaryDirectory() as folder:
            learner.learn(Path(folder) / "checkpoint.pt", lambda _step, _steps, _figures: None)
        return learner


def weights(learner: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in learner.parameters])


def apart(one: Trainer, other: Trainer) -> float:
    return float((weights(one) - weights(other)).abs().max())


def own_loss(bench: Bench) -> dict[str, float]:
    """The library's own loss on the completions, one example at a time, beside ours on batches of five."""
    model = AutoModelForCausalLM.from_pretrained(bench.hf).eval()
    total, tokens = 0.0, 0
    for one in bench.examples:
        ids = torch.tensor([[*one.prompt, *one.completion]])
        labels = ids.clone()
        labels[:, : len(one.prompt)] = -100
        with torch.inference_mode():
            total += float(model(input_ids=ids, labels=labels).loss) * len(one.completion)
        tokens += len(one.completion)
    learner = bench.learner(replace(SOBER, at_once=5))
    return {"library": total / tokens, "ours": learner.loss(bench.examples)}


def shared(bench: Bench) -> dict[str, float]:
    """Losses of questions over one passage, together and one by one, and the tokens computed for it."""
    first = bench.examples[0]
    at = len(first.prompt) // 2
    others = [replace(first, prompt=(*first.prompt[:at], 40 + n, *first.prompt[at:])) for n in range(4)]
    examples = [first, *others, bench.examples[1]]
    learner = bench.learner(replace(SOBER, at_once=6))
    rows = [[*one.prompt, *one.completion] for one in examples]
    return {
        "together": learner.loss(examples),
        "alone": bench.learner(replace(SOBER, at_once=1)).loss(examples),
        "computed": len(build_prefix_tree(rows).tokens) / sum(map(len, rows)),
    }


def pieces(bench: Bench) -> float:
    """How far apart weights are, learned in batches of six at once, and two at once, checkpointed."""
    whole = bench.learned(SOBER)
    return apart(whole, bench.learned(replace(SOBER, at_once=2, checkpointing=True)))


def weighed(bench: Bench) -> dict[str, float]:
    """An example that weighs twice is one that is there twice; one that weighs almost nothing is absent."""
    one, other = bench.examples[:2]
    recipe = replace(SOBER, batch=8, epochs=3)
    twice = bench.learned(recipe, [replace(one, weight=2.0), other])
    repeated = bench.learned(recipe, [one, one, other])
    light = bench.learned(recipe, [one, replace(other, weight=1e-9)])
    return {"twice": apart(twice, repeated), "nothing": apart(light, bench.learned(recipe, [one]))}


def preferences(bench: Bench) -> dict[str, float]:
    """How much likelier the completion is than the rejected, after learning with and without preference."""
    pairs = [one for one in bench.examples if one.rejected]

    def margin(learner: Trainer) -> float:
        rejected = [replace(one, completion=one.rejected) for one in pairs]
        sizes = [sum(len(one.completion) for one in side) for side in (pairs, rejected)]
        return learner.loss(rejected) * sizes[1] - learner.loss(pairs) * sizes[0]

    recipe = replace(SOBER, epochs=3)
    wanted = replace(recipe, preference=1.0, preference_beta=0.5)
    with_it = bench.learned(wanted, pairs)
    unpaired = bench.learned(replace(wanted, preference_form="kto"), pairs)
    return {
        "before": margin(bench.learner()),
        "without": margin(bench.learned(recipe, pairs)),
        "with": margin(with_it),
        "unpaired": margin(unpaired),
        "loss_before": bench.learner().loss(pairs),
        "loss_with": with_it.loss(pairs),
        "loss_unpaired": unpaired.loss(pairs),
    }


def judged() -> dict[str, float]:
    """What texts lose that gained 1, 0 or -1, against a reference point of 0 or 1; of a pair 1 and -1."""
    up, none, down = (torch.tensor(gain) for gain in (1.0, 0.0, -1.0))
    losses = {
        "good, gained": desirable(up, 0.0),
        "good, unmoved": desirable(none, 0.0),
        "good, as the rest": desirable(up, 1.0),
        "good, behind the rest": desirable(none, 1.0),
        "bad, gained": undesirable(up, 0.0),
        "bad, lost": undesirable(down, 0.0),
        "bad, behind the rest": undesirable(none, 1.0),
        "pair, apart": dpo(up, down),
        "pair, the wrong way": dpo(down, up),
        "pair, unmoved": dpo(none, none),
    }
    return {name: float(loss) for name, loss in losses.items()}


def sides() -> dict[str, Any]:
    """How much what was rejected counts, and which completions are put after the prompts of others."""

    def says(completion: int, rejected: int = 0, weight: float = 1.0) -> Encoded:
        return Encoded((1,), (completion,), (rejected,) if rejected else (), weight, "replay", "")

    return {
        "one of four": weigh_rejected([says(5, 6), says(5), says(5, weight=2.0)]),
        "all": weigh_rejected([says(5, 6), says(5, 7)]),
        "none": weigh_rejected([says(5), says(6)]),
        "one of a hundred": weigh_rejected([says(5, 6), *[says(5)] * 99]),
        "next": mismatch_completions([0, 2, 1], [says(5), says(6), says(7)]),
        "not its own": mismatch_completions([0, 1, 2], [says(5), says(5), says(6)]),
        "not what it should not say": mismatch_completions([0, 1, 2], [says(5, 6), says(6), says(7)]),
        "alike": mismatch_completions([0, 1], [says(5), says(5)]),
        "alone": mismatch_completions([0], [says(5)]),
    }


class InTwo:
    """Two processes' accelerators, of which each is a thread: what both have is added up."""

    num_processes = 2

    def __init__(self, process_index: int, both: threading.Barrier, given: dict[int, torch.Tensor]) -> None:
        self.process_index, self.is_main_process = process_index, process_index == 0
        self._both, self._given = both, given

    def reduce(self, tensor: torch.Tensor, _: str) -> torch.Tensor:
        self._given[self.process_index] = tensor
        self._both.wait(60)
        total = self._given[0] + self._given[1]
        self._both.wait(60)
        return total


def unpaired(bench: Bench) -> dict[str, Any]:
    """KTO on examples, every second with something rejected: what must change nothing, and odd data."""
    recipe = replace(SOBER, preference=0.5, preference_form="kto", epochs=2, batch=5)
    whole = bench.learned(recipe)
    costs = whole.preference.before
    chunked = bench.learned(replace(recipe, at_once=2, checkpointing=True))
    point = whole.preference.reference_point(_now(whole, whole.preference.list_unjudged(whole.steps[-1])))
    steps, went_on = interrupted(bench, recipe)
    alike = [replace(bench.examples[0], rejected=())] * 4
    return {
        "reference": point,
        "moved": apart(whole, bench.learned(replace(recipe, preference=0.0))),
        "pieces": apart(whole, chunked),
        "before": max(abs(costs[text] - chunked.preference.before[text]) for text in costs),
        "steps_after": steps,
        "interrupted": apart(whole, went_on),
        "two_processes": apart(whole, in_two(bench, recipe)),
        "alike_before": bench.learner().loss(alike),
        "alike_after": bench.learned(replace(recipe, preference=5.0), alike).loss(alike),
    }


def _now(learner: Trainer, texts: Sequence[Text]) -> dict[Text, float]:
    asked = ((text, replace(learner.examples[text[0]], completion=text[1])) for text in texts)
    return {text: learner.loss([one]) * len(one.completion) for text, one in asked}


def interrupted(bench: Bench, recipe: TrainingConfig) -> tuple[list[int], Trainer]:
    """A learner that goes on from the second step of another that stopped after its third, and its steps."""
    recipe = replace(recipe, keep_steps=2)
    steps: list[int] = []

    def stop(step: int, _steps: int, _figures: dict[str, float]) -> None:
        if step == 3:
            raise InterruptedError

    learner = bench.learner(recipe)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.pt"
        with contextlib.suppress(InterruptedError):
            bench.learner(recipe).learn(checkpoint, stop)
        learner.learn(checkpoint, lambda step, _steps, _figures: steps.append(step))
    return steps, learner


def in_two(bench: Bench, recipe: TrainingConfig) -> Trainer:
    """The first of two learners that share every step."""
    both, given = threading.Barrier(2), {}
    learners = [bench.learner(recipe) for _ in range(2)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        for at, learner in enumerate(learners):
            learner.accelerator = InTwo(at, both, given)  # pyright: ignore[reportAttributeAccessIssue]
        learning = [
            threads.submit(one.learn, Path(folder) / "checkpoint.pt", lambda _step, _steps, _figures: None)
            for one in learners
        ]
        for one in learning:
            one.result()
    return learners[0]


def stopping(bench: Bench) -> dict[str, float]:
    """Learning one thing, validated on another: it stops, and what it keeps is the best that there was."""
    learned, validation = bench.examples[:2], bench.examples[6:]
    recipe = replace(SOBER, epochs=60, learning_rate=0.05, validate_steps=1, patience=3)
    learner = bench.learner(recipe, learned, validation)
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        learner.learn(
            Path(folder) / "checkpoint.pt",
            lambda _step, _steps, figures: losses.append(figures["validation_loss"]),
        )
    return {
        "steps": learner.progress.step,
        "of": len(learner.steps),
        "kept": learner.loss(validation),
        "best": min(losses),
        "last": losses[-1],
    }


def four_bits(bench: Bench) -> dict[str, Any]:
    """The frozen weights in NF4, on a processor."""
    learner = bench.learner(replace(SOBER, weights="nf4", epochs=3))
    kinds = sorted(
        {type(module).__name__ for module in learner.model.modules() if "4bit" in type(module).__name__}
    )
    before = learner.loss(bench.examples)
    with tempfile.TemporaryDirectory() as folder:
        learner.learn(Path(folder) / "checkpoint.pt", lambda _step, _steps, _figures: None)
    return {"modules": kinds, "before": before, "after": learner.loss(bench.examples)}


def main() -> None:
    """Print the figures."""
    bench = Bench(Path(sys.argv[1]), Path(sys.argv[2]))
    figures = {
        "loss": own_loss(bench),
        "shared": shared(bench),
        "pieces": pieces(bench),
        "weights": weighed(bench),
        "preference": preferences(bench),
        "judged": judged(),
        "sides": sides(),
        "unpaired": unpaired(bench),
        "stopping": stopping(bench),
        "four_bits": four_bits(bench),
    }
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main()

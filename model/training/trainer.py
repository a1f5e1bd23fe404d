"""The training loop of an adapter: batches, losses, early stopping, checkpoints that survive a kill.

Our own loop instead of a trainer from a library, since four things have to hold that theirs make hard: the
tokens are the engine's own, examples weigh differently, a run that was killed and goes on ends with the same
weights, and it needs no further packages. On several GPUs every process computes its part of each step and
the gradients are added up, so the result does not depend on how many there are.

What is learned: the completion (cross entropy on its tokens alone, never on the prompt), and where
`preference` says so, that it is likelier than what reviewers did not let stand (`model/training/losses.py`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch.nn.functional import cross_entropy

from model.training.dataset import Encoded, mix_order
from model.training.launch import TrainingConfig, split_steps
from model.training.losses import Preference, Text, build_prefix_tree

# pyright: basic
# (torch, peft and accelerate are typed in parts only)

_WARM_UP = 0.1  # share of the steps
_LONGEST_GRADIENT = 1.0
_VALIDATIONS = 4  # an epoch


@dataclass
class TrainingState:
    """The state of a training without the weights, which lie beside it in a checkpoint."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    without_progress: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    tracked: str = ""


Measured = Callable[[int, int, dict[str, float]], None]
"""(step, of how many, figures by name)."""


class Trainer:
    """A model with a trainable adapter, what it learns from, and how far it is."""

    def __init__(
        self,
        model: Any,
        examples: Sequence[Encoded],
        validation: Sequence[Encoded],
        recipe: TrainingConfig,
        accelerator: Accelerator,
    ) -> None:
        self.model = model
        self.accelerator = accelerator
        self.recipe = recipe
        self.examples = examples
        self.validation = sorted(validation, key=lambda example: example.place)  # what is shared, together
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimiser = _optimiser(recipe, self.parameters, model.device.type)
        kinds = [example.kind for example in examples]
        places = [example.place for example in examples]
        order = [mix_order(kinds, places, f"{recipe.seed}|{epoch}") for epoch in range(recipe.epochs)]
        self.steps = split_steps(recipe.epochs, recipe.batch, order)
        self.progress = TrainingState()
        self.preference = Preference(recipe, examples)

    def learn(self, checkpoint: Path, measured: Measured) -> None:
        """Learn until the steps are done or it gets no better.

        The adapter is then the best that there was.
        """
        recipe, progress = self.recipe, self.progress
        pause = recipe.validate_steps or max(1, len(self.steps) // (_VALIDATIONS * recipe.epochs))
        if recipe.preference:
            self.preference.before = self._costs(self.preference.texts(self.steps))
        self.resume(checkpoint)
        while progress.step < len(self.steps) and progress.without_progress < recipe.patience:
            began = time.monotonic()
            figures = {"loss": self._step(self.steps[progress.step])}
            progress.step += 1
            done = progress.step == len(self.steps)
            if self.validation and (done or progress.step % pause == 0):
                figures["validation_loss"] = self._validate()
            figures["seconds"] = time.monotonic() - began
            measured(progress.step, len(self.steps), figures)
            if done or progress.step % recipe.keep_steps == 0:
                self.keep(checkpoint)
        if progress.best:
            set_peft_model_state_dict(self.model, progress.best)

    def loss(self, examples: Sequence[Encoded]) -> float:
        """Return the mean cross entropy of the completions' tokens."""
        said = [one.completion for one in examples]
        return sum(self._sums(examples, said)) / sum(map(len, said))

    def keep(self, checkpoint: Path) -> None:
        """Write everything that is needed to go on: under a temporary name, then renamed."""
        if not self.accelerator.is_main_process:
            return
        part = checkpoint.with_name(checkpoint.name + ".part")
        with part.open("wb") as file:
            torch.save(
                {
                    "progress": vars(self.progress),
                    "adapter": get_peft_model_state_dict(self.model),
                    "optimiser": self.optimiser.state_dict(),
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(checkpoint)

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if checkpoint.exists():
            kept = torch.load(checkpoint, map_location=self.model.device, weights_only=True)
            set_peft_model_state_dict(self.model, kept["adapter"])
            self.optimiser.load_state_dict(kept["optimiser"])
            vars(self.progress).update(kept["progress"])

    def _step(self, batch: Sequence[int]) -> float:
        """Learn from one batch; return its loss.

        Each step draws its own chance, so a resumed run draws the same.
        """
        recipe, accelerator, step = self.recipe, self.accelerator, self.progress.step
        reference = self.preference.reference_point(self._costs(self.preference.list_unjudged(batch)))
        torch.manual_seed(recipe.seed * 1_000_003 + step * 1009 + accelerator.process_index)
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * scale_learning_rate(step, len(self.steps))
        tokens = sum(self.examples[at].weight * len(self.examples[at].completion) for at in batch)
        mine = batch[accelerator.process_index :: accelerator.num_processes]
        total = torch.zeros((), device=self.model.device)
        for at in range(0, len(mine), recipe.at_once):
            said, preferred = self._weigh_losses(mine[at : at + recipe.at_once], reference)
            loss = said / tokens + preferred / len(batch)
            loss.backward()
            total += loss.detach()
        for parameter in self.parameters:
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(own, "sum")
        torch.nn.utils.clip_grad_norm_(self.parameters, _LONGEST_GRADIENT)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return accelerator.reduce(total, "sum").item()  # pyright: ignore[reportAttributeAccessIssue]

    def _weigh_losses(self, part: Sequence[int], reference: float) -> tuple[torch.Tensor, Any]:
        """Return the weighed cross entropy of the completions, and the preference losses."""
        texts = self.preference.list_judged(part)
        losses = self._losses([self.examples[at] for at, _ in texts], [said for _, said in texts])
        now = {text: tokens.sum() for text, tokens in zip(texts, losses, strict=True)}
        said = [self.examples[at].weight * now[at, self.examples[at].completion] for at in part]
        return torch.stack(said).sum(), self.preference.loss(part, now, reference)

    def _losses(
        self, examples: Sequence[Encoded], completions: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """Return the cross entropy of every token of each completion; what prompts share is computed once."""
        tree = build_prefix_tree(
            [[*one.prompt, *said] for one, said in zip(examples, completions, strict=True)]
        )
        device = self.model.device
        said_at = [way[-len(said) :] for way, said in zip(tree.ways, completions, strict=True)]
        asked_at = [way[-len(said) - 1 : -1] for way, said in zip(tree.ways, completions, strict=True)]
        kept = sorted({at for places in asked_at for at in places})
        ids = torch.tensor([tree.tokens], device=device)
        logits = self.model(
            input_ids=ids,
            attention_mask=tree.sees(self.model.get_input_embeddings().weight.dtype)[None, None].to(device),
            position_ids=torch.tensor([tree.places], device=device),
            logits_to_keep=torch.tensor(kept, device=device),
            use_cache=False,
        ).logits[0]
        row_of = {at: row for row, at in enumerate(kept)}
        return [
            cross_entropy(logits[[row_of[at] for at in asked]].float(), ids[0, said], reduction="none")
            for asked, said in zip(asked_at, said_at, strict=True)
        ]

    def _costs(self, texts: Sequence[Text]) -> dict[Text, float]:
        """Return the cross entropy of each text as a whole; nothing is learned.

        Every process computes its stretch.
        """
        if not texts:
            return {}
        accelerator = self.accelerator
        costs = torch.zeros(len(texts), dtype=torch.float64, device=self.model.device)
        stretch = math.ceil(len(texts) / accelerator.num_processes)
        first = accelerator.process_index * stretch
        mine = texts[first : first + stretch]
        sums = self._sums([self.examples[at] for at, _ in mine], [said for _, said in mine])
        costs[first : first + len(mine)] = torch.tensor(sums, dtype=torch.float64)
        return dict(zip(texts, accelerator.reduce(costs, "sum").tolist(), strict=True))  # pyright: ignore[reportAttributeAccessIssue]

    def _sums(self, examples: Sequence[Encoded], completions: Sequence[Sequence[int]]) -> list[float]:
        """Return the cross entropy of each completion as a whole; nothing is learned."""
        sums: list[float] = []
        self.model.eval()
        with torch.inference_mode():
            for at in range(0, len(examples), self.recipe.at_once):
                part = slice(at, at + self.recipe.at_once)
                losses = self._losses(examples[part], completions[part])
                sums += torch.stack([tokens.sum() for tokens in losses]).tolist()
        self.model.train()
        return sums

    def _validate(self) -> float:
        progress, loss = self.progress, self.loss(self.validation)
        if loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.without_progress = loss, progress.step, 0
            progress.best = {
                name: value.detach().cpu().clone()
                for name, value in get_peft_model_state_dict(self.model).items()
            }
        else:
            progress.without_progress += 1
        return loss


def scale_learning_rate(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: a warm-up, then a cosine that ends above 0."""
    warm = max(1, math.ceil(steps * _WARM_UP))
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _optimiser(recipe: TrainingConfig, parameters: list[Any], device: str) -> Any:
    if recipe.optimiser == "paged" or (recipe.optimiser == "auto" and device == "cuda"):
        from bitsandbytes.optim.adamw import PagedAdamW8bit  # noqa: PLC0415 - only where it is wanted

        return PagedAdamW8bit(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    return torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)

"""Preference losses (DPO and KTO) beside the cross entropy, over rows that share their prefix.

    dpo    in pairs: the completion has to gain more than what was rejected
           (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290)
    kto    each text by itself: a completion has to gain more than texts gain that nobody judged, what
           was rejected less (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306)

Either stands beside the cross entropy, as with DPO alone the likelihood of both may fall (Pang et al. 2024,
https://arxiv.org/abs/2404.19733).

A text's gain is `preference_beta` times how much likelier it is than before anything was learned, in nats.
Texts that nobody judged are the completions of other examples of the step: they tell how far the model has
moved by itself (the paper's z0, an estimate of a KL divergence). They depend on how the examples fall into
steps; as the steps are known before the first one, how likely everything was is known then, too.

Rows of tokens that begin alike become one row, in which what they share is computed once.

Questions on one page have long prompts that differ in their last line. As a tree of tokens, four of them over
a passage cost a third of what they cost side by side: each token sees those on its own way from the root, and
no others, at the place that it would have alone. So what comes out is what would have come out row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from model.training.dataset import Encoded
from model.training.launch import TrainingConfig

# pyright: basic
# (torch is typed in parts only)


@dataclass(slots=True)
class PrefixTree:
    """Rows merged into one: `tokens`, their `places` (distance from the root), and where each row lies."""

    tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    ways: list[list[int]] = field(default_factory=list)

    def sees(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the attention mask: 0 where a token sees another one, the least number where not."""
        size = len(self.tokens)
        mask = torch.full((size, size), torch.finfo(dtype).min, dtype=dtype)
        for way in self.ways:
            on_it = torch.tensor(way)
            mask[on_it[:, None], on_it[None, :]] = 0.0
        earlier = torch.ones(size, size, dtype=torch.bool).tril()
        return mask.where(earlier, torch.finfo(dtype).min)


def build_prefix_tree(rows: Sequence[Sequence[int]]) -> PrefixTree:
    """Return rows as a tree in their own order, so a token always comes after those that it sees."""
    tree = PrefixTree()
    known: dict[tuple[int, int], int] = {}
    for row in rows:
        way: list[int] = []
        above = -1
        for place, token in enumerate(row):
            at = known.get((above, token))
            if at is None:
                at = known[above, token] = len(tree.tokens)
                tree.tokens.append(token)
                tree.places.append(place)
            way.append(at)
            above = at
        tree.ways.append(way)
    return tree


# pyright: basic
# (torch is typed in parts only)

Text = tuple[int, tuple[int, ...]]
"""(the example whose prompt it is, the tokens that are said after it)."""

_MOST = 10.0
"""How much a rejected text counts at most: where there are few, one wrong ruling must not push as hard as all
others."""


class Preference:
    """The form that a recipe wants, over its examples.

    `before`: what every text's tokens cost before it learned, nats.
    """

    def __init__(self, recipe: TrainingConfig, examples: Sequence[Encoded]) -> None:
        self.before: dict[Text, float] = {}
        self._recipe = recipe
        self._unpaired = recipe.preference_form == "kto"
        self._examples = examples
        self._rejected_counts = weigh_rejected(examples)

    def texts(self, steps: Sequence[Sequence[int]]) -> list[Text]:
        """Return all that `before` has to hold, each once.

        What shares a prompt or its passages is side by side.
        """
        needed = {
            text
            for step in steps
            for text in (
                *self.list_judged([at for at in step if self._compares(at)]),
                *self.list_unjudged(step),
            )
        }
        return sorted(needed, key=lambda text: (self._examples[text[0]].place, text))

    def list_judged(self, part: Sequence[int]) -> list[Text]:
        """Return what should be said in these examples, then what should not."""
        if not self._recipe.preference:
            return [(at, self._examples[at].completion) for at in part]
        rejected = [(at, self._examples[at].rejected) for at in part if self._examples[at].rejected]
        return [*((at, self._examples[at].completion) for at in part), *rejected]

    def list_unjudged(self, step: Sequence[int]) -> list[Text]:
        """Return what the reference point of a whole step is made of."""
        return (
            mismatch_completions(step, self._examples) if self._recipe.preference and self._unpaired else []
        )

    def reference_point(self, now: Mapping[Text, float]) -> float:
        """Return what texts gain that nobody judged, of what their tokens cost now.

        Never less than nothing.
        """
        gains = [self._gain(text, cost) for text, cost in now.items()]
        return max(0.0, sum(gains) / len(gains)) if gains else 0.0

    def loss(self, part: Sequence[int], now: Mapping[Text, Any], reference: float) -> Any:
        """Return the weighed sum of what these examples lose, of what the tokens of their texts cost now."""
        if not self._recipe.preference:
            return 0.0
        form = self._of_each if self._unpaired else self._of_pair
        lost = [self._examples[at].weight * form(at, now, reference) for at in part if self._compares(at)]
        return self._recipe.preference * sum(lost)

    def _compares(self, at: int) -> bool:
        return self._unpaired or bool(self._examples[at].rejected)

    def _of_pair(self, at: int, now: Mapping[Text, Any], _: float) -> torch.Tensor:
        said, unsaid = (self._gain(text, now[text]) for text in self.list_judged([at]))
        return dpo(said, unsaid)

    def _of_each(self, at: int, now: Mapping[Text, Any], reference: float) -> torch.Tensor:
        said, *unsaid = (self._gain(text, now[text]) for text in self.list_judged([at]))
        lost = [self._rejected_counts * undesirable(gain, reference) for gain in unsaid]
        return torch.stack([desirable(said, reference), *lost]).sum()

    def _gain(self, text: Text, cost: Any) -> Any:
        return self._recipe.preference_beta * (self.before[text] - cost)


def dpo(said: torch.Tensor, unsaid: torch.Tensor) -> torch.Tensor:
    """Return what a pair loses, of what both of it gained."""
    return -logsigmoid(said - unsaid)


def desirable(gain: torch.Tensor, reference: float) -> torch.Tensor:
    """Return what a text loses that should be said: 1 - sigmoid(gain - reference)."""
    return torch.sigmoid(reference - gain)


def undesirable(gain: torch.Tensor, reference: float) -> torch.Tensor:
    """Return what a text loses that should not be said: 1 - sigmoid(reference - gain)."""
    return torch.sigmoid(gain - reference)


def weigh_rejected(examples: Sequence[Encoded]) -> float:
    """Return the weight of a rejected text, of a completion's 1, so that both sides weigh the same.

    Every example has a completion and not every one has a rejected text, so it is never less than 1.
    """
    rejected = sum(one.weight for one in examples if one.rejected)
    return min(sum(one.weight for one in examples) / rejected, _MOST) if rejected else 1.0


def mismatch_completions(step: Sequence[int], examples: Sequence[Encoded]) -> list[Text]:
    """Return each prompt of a step with the completion of another example.

    Where all examples say the same there is none.
    """
    found: list[Text] = []
    for place, at in enumerate(step):
        judged = (examples[at].completion, examples[at].rejected)
        others = [examples[other].completion for other in (*step[place + 1 :], *step[:place])]
        found += [(at, said) for said in others if said not in judged][:1]
    return found

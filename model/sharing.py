"""Rows of tokens that begin alike become one row, in which what they share is computed once.

Questions on one page have long prompts that differ in their last line. As a tree of tokens, four of them over a passage
cost a third of what they cost side by side: each token sees those on its own way from the root, and no others, at the
place that it would have alone. So what comes out is what would have come out row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

# pyright: basic
# (torch is typed in parts only)


@dataclass(slots=True)
class Tree:
    """`tokens` in one row, each with its `places` (how far from the root), and where each of the rows lies in it."""

    tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    ways: list[list[int]] = field(default_factory=list)

    def sees(self, dtype: torch.dtype) -> torch.Tensor:
        """Return what is added to the attention: 0 where a token sees another one, the least number where not."""
        size = len(self.tokens)
        mask = torch.full((size, size), torch.finfo(dtype).min, dtype=dtype)
        for way in self.ways:
            on_it = torch.tensor(way)
            mask[on_it[:, None], on_it[None, :]] = 0.0
        earlier = torch.ones(size, size, dtype=torch.bool).tril()
        return mask.where(earlier, torch.finfo(dtype).min)


def tree_of(rows: Sequence[Sequence[int]]) -> Tree:
    """Return rows as a tree; their order in it is theirs, so a token always comes after those that it sees."""
    tree = Tree()
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

"""Questions by meaning: average-linkage clusters of their embeddings, the same ones on every machine.

Two clusters join while the mean cosine of their questions is at least THRESHOLD, the nearest two first
(Sokal and Michener, 1958). The order of what comes in decides between equals, so callers sort it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.62
"""Chosen on one half of the labelled paraphrases, by a hash of their question; `benchmarks/gaps.py` tells
what it is worth on the other half."""
MOST = 1_500
"""Questions that are compared with each other; their number squared is what it takes, 2 s at most."""


class EmbedsQuestions(Protocol):
    """What turns texts into rows of length 1 whose products tell how near they are in meaning."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text."""
        ...


def group_vectors(vectors: NDArray[Any], threshold: float = THRESHOLD) -> list[list[int]]:
    """Return which rows belong together, each group in the order of its rows, by its first row."""
    members = {row: [row] for row in range(len(vectors))}
    if len(members) > 1:
        near = np.asarray(vectors @ vectors.T, np.float64)
        np.fill_diagonal(near, -np.inf)
        while len(members) > 1:
            kept, joined = sorted(int(one) for one in np.unravel_index(int(np.argmax(near)), near.shape))
            if near[kept, joined] < threshold:
                break
            sizes = len(members[kept]), len(members[joined])
            with np.errstate(invalid="ignore"):
                row = (sizes[0] * near[kept] + sizes[1] * near[joined]) / sum(sizes)
            row[kept] = -np.inf
            near[kept], near[:, kept] = row, row
            near[joined], near[:, joined] = -np.inf, -np.inf
            members[kept] += members.pop(joined)
    return [sorted(rows) for rows in members.values()]

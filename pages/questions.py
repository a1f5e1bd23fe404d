"""A question as it is searched: what people say around it weighs less than what they ask.

"I'm moving to Denver next month, how do I change my address?" is embedded whole and once more by the part that asks;
the part counts half (`Ranking.part`). Taking the better of both cosines, or the part as much as the whole, loses what people say first
and mean ("We're relocating to Ohio. Where do I send the form?"); `python -m benchmarks.retrieval` measures it.
"""

from __future__ import annotations

import re

import numpy as np

from pages.embed import Embeds, Vectors

_SHORTEST_PART = 3
"""Words; "right?" asks nothing alone."""
_MOST = 2_000
"""Characters of a question that are looked at: nobody asks longer ones."""
_PARTS = re.compile(
    r"(?<=[.!?;:])\s+|(?<=[\u3002\uff01\uff1f\u061f\u0964])|(?<=\s)[\u2013\u2014-]\s|(?<=,)\s+"
)
_ASKS = re.compile(
    r"(?:(?:so|but|and|or|now|then|please)\s+)*(?:what|when|where|who|whom|which|whose|how|why|do|does|did|can|could|should"
    r"|would|may|is|are|am|was|will|has|have)\b",
    re.IGNORECASE,
)


def asking_part(question: str) -> str:
    """Return the last part of a question that asks, or all of it."""
    parts = [part.strip() for part in _PARTS.split(question[:_MOST]) if len(part.split()) >= _SHORTEST_PART]
    asking = [part for part in parts if part.endswith(("?", "\uff1f", "\u061f")) or _ASKS.match(part)]
    return asking[-1] if asking else question


def question_vector(embedder: Embeds, question: str, part_weight: float) -> Vectors:
    """Return one vector, of length 1, for a question."""
    part = asking_part(question)
    if not part_weight or part == question.strip():
        return embedder.embed([question])[0]
    whole, asked = embedder.embed([question, part])
    vector = whole + np.float32(part_weight) * asked
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))

"""The random sample of answers for reviewers: strata, blocks that give one answer each, and weights."""

from __future__ import annotations

import hashlib

from core.records import Answer
from feedback.store.base import derive_site

_FIRST_BLOCK = 5


def derive_stratum(answer: Answer) -> str:
    """Return the group that an answer belongs to: "site|channel|language|model version"."""
    question = answer.question
    place = [derive_site(answer), question.channel, question.language or "unknown"]
    return "|".join([*place, answer.model_version])


def draw_weight(stratum: str, number: int, share: float) -> int:
    """Return how many answers the `number`-th of a stratum (from 1) stands for, 0 when it is not drawn.

    Each stratum is cut into blocks, of which one answer each is drawn: the first blocks are small, so that a
    stratum with few questions is seen too; later ones are as large as the share wants.
    """
    largest = max(1, round(1 / share))
    size, first = min(_FIRST_BLOCK, largest), 1
    while number >= first + size:
        first, size = first + size, min(size * 2, largest)
    drawn = _hash(f"{stratum}|{first}") % size
    return size if number - first == drawn else 0


def count_needed(answer_id: str, double_share: float) -> int:
    """Return how many reviewers judge an answer of the sample: two, of `double_share` of them."""
    return 2 if _hash(answer_id) / 2**64 < double_share else 1


def _hash(text: str) -> int:
    """Return a number below 2**64, the same one in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])

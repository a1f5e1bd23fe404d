"""How well questions are grouped by meaning: do those that ask the same land in one gap, and no others.

Run as: python -m benchmarks.gaps

The labelled paraphrases (`paraphrases.jsonl`, `handbook_paraphrases.jsonl`) are grouped all together, as the
questions of a report are. A pair is right that a person labelled as the same; a pair is wrong whose questions
are about two pages (in the first file, of two groups). What asks nearly the same of one page is counted as
neither: one repair of the page is about both. One half of the groups, by a hash of their page, chose the
threshold; the other half is reported. Figures: precision, recall, F0.5 (a report that mixes two matters is
worse than one that names a matter twice).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from benchmarks.question_sets import find_half
from feedback.gaps.build import THRESHOLD, group_vectors
from pages.index.embeddings import Embedder

FILES = ("paraphrases.jsonl", "handbook_paraphrases.jsonl")
THRESHOLDS = (0.5, 0.54, 0.58, 0.62, 0.66, 0.7, 0.74, 0.78, 0.82)
_BETA_SQUARED = 0.25


class Asked(NamedTuple):
    """A question, what it asks, and which page that is about."""

    text: str
    asks: str
    page: str


def read_questions(half: int) -> list[Asked]:
    """Return the questions of one half of the groups."""
    folder = Path(__file__).parent
    lines = itertools.chain.from_iterable((folder / name).open(encoding="utf-8") for name in FILES)
    groups: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return sorted({one for group in groups for one in _list_group(group) if find_half(one.page) == half})


def _list_group(group: dict[str, Any]) -> Iterator[Asked]:
    name = str(group["question"])
    page = str(group.get("page", name))
    for text in (name, *group["same"]):
        yield Asked(str(text), name, page)
    for other in group["different"]:
        text = str(cast("dict[str, Any]", other)["text"]) if isinstance(other, dict) else str(other)
        yield Asked(text, f"not {name}: {text}", page)


def judge(groups: Sequence[Sequence[int]], asked: Sequence[Asked]) -> tuple[float, float, float]:
    """Return precision and recall of pairs, and F0.5."""
    same = sum(one.asks == other.asks for one, other in itertools.combinations(asked, 2))
    right = wrong = 0
    for rows in groups:
        for one, other in itertools.combinations((asked[row] for row in rows), 2):
            right += one.asks == other.asks
            wrong += one.page != other.page
    precision, recall = right / max(1, right + wrong), right / same
    weighed = _BETA_SQUARED * precision + recall
    return precision, recall, (1 + _BETA_SQUARED) * precision * recall / max(1e-9, weighed)


def main() -> None:
    """Print the figures of both halves."""
    embedder = Embedder(threads=1)
    for half, called in ((0, "the half that chose"), (1, "the other half")):
        asked = read_questions(half)
        vectors = embedder.embed([one.text for one in asked])
        for threshold in THRESHOLDS:
            figures = " ".join(f"{one:.3f}" for one in judge(group_vectors(vectors, threshold), asked))
            mark = " (shipped)" if threshold == THRESHOLD else ""
            print(f"{called}, {len(asked)} questions, {threshold}: {figures}{mark}")


if __name__ == "__main__":
    main()

"""Which questions a replay over a folder of pages asks, in which round, and which it only measures with.

pages         two halves, by a hash of the seed and the page's name; all of them can be found throughout
asked         the questions of one half, shuffled by the seed and dealt into rounds, and with them the
              questions of the paraphrases on its pages
other         the questions of the other half: nobody asks them, and nothing is learned from them
paraphrases   other ways to ask what was asked in a round, and questions that nearly ask it: they measure only
apart         questions on other pages, which nobody asks either: they tell whether something is forgotten

Paraphrases are JSON Lines: `page`, `question`, `same` (texts that ask the same) and `different` (objects with
a `text` that asks something else and a `kind` that says what differs).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.questions import Asked, Size
from model.evaluation.metrics import Article, DatasetInvalid, Item, sample_evenly
from model.evaluation.question_sets import PageQuestion


@dataclass(frozen=True, slots=True)
class NearQuestion:
    """A question beside one that was asked; `kind` says what differs, "" where it asks the same."""

    text: str
    kind: str

    @property
    def is_same(self) -> bool:
        """Whether it asks the same."""
        return not self.kind


@dataclass(frozen=True, slots=True)
class Paraphrases:
    """A question on a page, with others that ask the same or nearly the same."""

    page: str
    question: str
    near: tuple[NearQuestion, ...]

    @property
    def id(self) -> str:
        """Its name, made of its words and its page."""
        return f"near-{_hash(f'{self.page}|{self.question}')[:16]}"


@dataclass(frozen=True, slots=True)
class HandbookQuestion:
    """A question that people ask in a round.

    `known` is what is known of its right answer; None for a question of the paraphrases.
    """

    id: str
    page: str
    text: str
    before: str = ""
    known: PageQuestion | None = None

    @property
    def asked(self) -> Asked:
        """The question as the simulated people take it."""
        evidence = self.known.evidence if self.known else (self.page,)
        return Asked(self.id, Item(self.text, evidence, Article(self.page, ())))


@dataclass(frozen=True, slots=True)
class HandbookPlan:
    """All questions: of each round, and those that measure after each.

    `again` are asked in a round and measured all the same: whether what was corrected stays so. The rounds
    hold more than `again` where only a part measures.
    """

    rounds: tuple[tuple[HandbookQuestion, ...], ...]
    again: tuple[PageQuestion, ...]
    other: tuple[PageQuestion, ...]
    apart: tuple[PageQuestion, ...]
    paraphrases: tuple[Paraphrases, ...]

    def find_round(self, question_id: str) -> int:
        """Return in which round a question is asked, from 1; 0 in none."""
        found = (n for n, part in enumerate(self.rounds, 1) for one in part if one.id == question_id)
        return next(found, 0)

    def list_pages(self) -> frozenset[str]:
        """Return the pages, below their folder, that questions name."""
        asked = [one for part in self.rounds for one in part]
        known = [one.known for one in asked if one.known]
        more = [page for one in (*known, *self.again, *self.other) for page in (one.page, *one.also)]
        return frozenset([*more, *(one.page for one in (*asked, *self.paraphrases))])


def deal(
    questions: Sequence[PageQuestion],
    paraphrases: Sequence[Paraphrases],
    apart: Sequence[PageQuestion],
    size: Size,
    seed: int,
) -> HandbookPlan:
    """Deal the questions out. Raises ValueError where there are too few."""
    ours = [one for one in questions if is_asked(one.page, seed)]
    other = [one for one in questions if not is_asked(one.page, seed)]
    near = [one for one in paraphrases if is_asked(one.page, seed)]
    asked = [HandbookQuestion(one.id, one.page, one.question, one.before, one) for one in ours]
    asked += [HandbookQuestion(one.id, one.page, one.question) for one in near]
    random.Random(seed).shuffle(asked)  # noqa: S311 - the same ones every time
    each = min(size.limit or len(asked), -(-len(asked) // size.rounds))
    rounds = tuple(tuple(asked[at * each : (at + 1) * each]) for at in range(size.rounds))
    if not other or not all(rounds):
        raise ValueError("there are too few questions on too few pages for so many rounds")
    taken = {one.id for part in rounds for one in part}
    again = [one for one in ours if one.id in taken]
    return HandbookPlan(
        rounds,
        tuple(sample_evenly(again, size.measured)),
        tuple(sample_evenly(other, size.measured)),
        tuple(sample_evenly(apart, size.measured)),
        tuple(sample_evenly([one for one in near if one.id in taken], size.measured)),
    )


def is_asked(page: str, seed: int) -> bool:
    """Tell whether a page lies in the half whose questions are asked; all its questions are on one side."""
    return int(_hash(f"{seed}|{page}"), 16) % 2 == 0


def read_paraphrases(path: Path) -> list[Paraphrases]:
    """Read a file of paraphrases. Raises DatasetInvalid with a sentence that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read: {error}") from error
    found: dict[str, Paraphrases] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = _parse_paraphrases(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            says = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DatasetInvalid(f"{path}, line {number}, is no line of paraphrases: {says}") from error
        found.setdefault(one.id, one)
    return list(found.values())


def _parse_paraphrases(row: Any) -> Paraphrases:
    same = [NearQuestion(str(text), "") for text in row["same"]]
    different = [NearQuestion(str(one["text"]), str(one["kind"]) or "other") for one in row["different"]]
    return Paraphrases(str(row["page"]), str(row["question"]), (*same, *different))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

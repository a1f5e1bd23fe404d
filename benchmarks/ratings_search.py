"""How much the search learns from what people rate, and what those do to it who rate wrongly.

Run as: python -m benchmarks.ratings_search [--data DIR] [--index DIR] [--people 3]

Simulated people rate what the bot shows first for each question of benchmarks/handbook_paraphrases.jsonl:
good where it is of the right page, bad where it is not; some of the ratings say the opposite of what is so.
Then the question is asked again, its paraphrases are, and its near misses. Counted is how often the right
page stands first before and after, from how many right pages that was taken, and how many near misses got
another first passage. Each half of the pages (by a hash) learns by itself; three seeds deal out the wrong
ratings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import question_sets
from benchmarks.learned_search import Bot, open_page_services
from benchmarks.offers import QUESTIONS
from benchmarks.questions import print_table
from bot.answers.direct import make_question
from core.records import Answer, Hit
from model.answering.chain import AnswerRules
from model.answering.learned_places import LearnedPlaces, Lesson, raise_hits, read_opinion
from model.answering.search_head import rank_hits
from model.text import question as asking
from pages.index.embeddings import Vectors

_WRONG = (0.0, 0.1, 0.3, 1.0)
"""Shares of the ratings that say the opposite of what is so."""
_SEEDS = (7, 8, 9)
_RULES = AnswerRules()


@dataclass(frozen=True, slots=True)
class Known:
    """A question's vector, and what the search finds for it."""

    vector: Vectors
    hits: Sequence[Hit]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--index", type=Path, help="keep the page index in this folder")
    parser.add_argument("--people", type=int, default=3, help="who rate each question")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"skipped: the public data is not at {given.data}; name its folder with --data")
        return
    asyncio.run(_measure(given.data, given.index, given.people))


async def _measure(data: Path, index: Path | None, people: int) -> None:
    groups: list[Any] = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    file, root = data / "questions" / "dev.jsonl", data / "handbook" / "pages"
    async with AsyncExitStack() as stack:
        folder = index or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asked = question_sets.over_pages("handbook", file, root)
        bot = Bot(await open_page_services(stack, folder / "handbook", asked))
        texts = [text for group in groups for text in (group["question"], *_list_near(group))]
        vectors = bot.page_services.embedder.embed([_query(text) for text in texts])
        known = {
            text: Known(vector, await bot.search(_query(text), _RULES.searched, None))
            for text, vector in zip(texts, vectors, strict=True)
        }
        answers = {
            one["question"]: await bot.answering.answer(make_question(one["question"], None))
            for one in groups
        }
        rows: list[tuple[object, ...]] = []
        for wrong in _WRONG:
            counts: Counter[str] = Counter()
            for seed in _SEEDS:
                for half in (0, 1):
                    some = [one for one in groups if question_sets.find_half(one["page"]) == half]
                    chance = random.Random(seed)  # noqa: S311 - the same at every run
                    lessons = _rate([(one, answers[one["question"]]) for one in some], people, wrong, chance)
                    taught = np.stack([known[text].vector for text, _ in lessons])
                    _compare(some, known, LearnedPlaces(tuple(one for _, one in lessons), taught), counts)
            each = {name: round(count / len(_SEEDS), 1) for name, count in counts.items()}
            rows.append((wrong, *(each.get(name, 0) for name in _COLUMNS)))
    print_table(("wrong ratings", *_COLUMNS), rows)


_COLUMNS = (
    *("again", "again before", "again after", "again lost"),
    *("same", "same before", "same after", "same lost"),
    *("different", "different moved"),
)


def _rate(
    groups: Sequence[tuple[Any, Answer]], people: int, wrong: float, chance: random.Random
) -> list[tuple[str, Lesson]]:
    """Let people rate what is shown first; return the lessons, each with its question."""
    taught: list[tuple[str, Lesson]] = []
    for group, answer in groups:
        cited = answer.citations[:1]
        good = bool(cited) and _is_of(cited[0].url, group["page"])
        for person in range(people):
            says = good if chance.random() >= wrong else not good
            lesson = read_opinion(answer, f"{group['question']} {person}", 1 if says else -1)
            taught += [(group["question"], lesson)] if lesson else []
    return taught


def _compare(
    groups: Sequence[Any], known: Mapping[str, Known], places: LearnedPlaces, counts: Counter[str]
) -> None:
    none = LearnedPlaces()
    for group in groups:
        kinds = {group["question"]: "again"} | dict.fromkeys(group["same"], "same")
        kinds |= {one["text"]: "different" for one in group["different"]}
        for text, kind in kinds.items():
            old, new = (_find_first(text, known[text], each) for each in (none, places))
            before, after = (_is_of(one.passage.url, group["page"]) for one in (old, new))
            counts[kind] += 1
            counts[f"{kind} before"] += before
            counts[f"{kind} after"] += after
            counts[f"{kind} lost"] += before and not after
            counts[f"{kind} moved"] += old.passage != new.passage


def _find_first(text: str, known: Known, places: LearnedPlaces) -> Hit:
    query = _query(text)
    raised = raise_hits(query, known.hits, places.recall(known.vector))
    return rank_hits(query, asking.classify_question(text), raised)[0]


def _list_near(group: Any) -> list[str]:
    return [*group["same"], *(one["text"] for one in group["different"])]


def _query(text: str) -> str:
    return asking.build_queries(text)[0]


def _is_of(url: str, page: str) -> bool:
    return url.partition("#")[0].removesuffix(".md") == page.removesuffix(".md")


if __name__ == "__main__":
    main()

"""How well and how fast the page index finds: recall over four kinds of questions, time to index and search.

Run as: python -m benchmarks.retrieval [--data DIR] [--json FILE] [--only NAME ...] [--cosmos]

Each question of benchmarks/question_sets.py is searched in several ways: as it is served, and with one part
left out or another constant. recall@k is the share of questions with their page among the first k hits;
evidence@k is the share of a question's evidence that the first k hits have, on average. Then the handbook is
read as `askpage serve` would read it.

With --cosmos, every fifth question of XQuAD is asked of the shared index instead, and of the file for
comparison. It lies in the protocol server of the tests, whose ranker is a stand-in
(tests/doubles/cosmos_search.py): the figures tell what our queries, the SDK's fusion and our ranking of the
candidates are worth with a plain BM25 and exact vectors, not what Azure finds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import question_sets
from benchmarks.question_sets import QuestionSet
from core.records import Hit
from model.evaluation.metrics import percentile
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.base import Indexes
from pages.index.embeddings import Embedder, Vectors
from pages.index.ranking import Ranking
from pages.index.sqlite import FileIndex
from pages.library import Library
from tests.doubles.cosmos import cosmos_server
from tests.doubles.cosmos_pages import a_page_container, machines

TARGETS = (
    "targets: XQuAD recall@1 0.95, handbook evidence@3 0.80, 240 pages in 120 s on 2 cores, search p95 50 ms"
)
QUESTIONS = (
    "How many days of paid parental leave do I get?",
    "who approves overtime",
    "Can I work from another country?",
    "reimbursement for a taxi to the airport",
    "When are mid-year reviews due?",
)


WAYS = {
    "as served": Ranking(),
    "fused by rank (before)": Ranking(candidates=0, part=0.0, corrects=False),
    "words alone": Ranking(candidates=0, part=0.0, meaning=0.0),
    "meaning alone": Ranking(candidates=0, part=0.0, words=0.0),
    "without words": Ranking(words=0.0),
    "without the passage": Ranking(meaning=0.0),
    "without sentences": Ranking(sentence=0.0),
    "without the asking part": Ranking(part=0.0),
    "the asking part as much": Ranking(part=1.0),
    "without corrections": Ranking(corrects=False),
    "50 candidates": Ranking(candidates=50),
}
"""What is compared. A weight of 0 also leaves a ranking out where the candidates are chosen."""
FIRST = (1, 3, 5)


class _Remembering(Embedder):
    """Embeds a question once, however many ways it is searched in."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(new) > MOST_REMEMBERED:
            return super().embed(texts)
        self._known.update(zip(new, super().embed(new), strict=True))
        return np.array([self._known[text] for text in texts])


MOST_REMEMBERED = 2
"""Texts of one call that are remembered: those of a question, not of a page."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--json", type=Path, help="write the figures of the ways to this file, too")
    parser.add_argument("--only", nargs="+", default=list(WAYS), choices=list(WAYS), help="ways to measure")
    parser.add_argument(
        "--cosmos", action="store_true", help="measure the shared index, on the tests' server"
    )
    options = parser.parse_args()
    if not options.data.is_dir():
        print(
            "skipped: the public data (questions, a handbook) "
            f"is not at {options.data}; name its folder with --data"
        )
        return
    print(TARGETS)
    embedder = _Remembering()
    with tempfile.TemporaryDirectory() as folder:
        if options.cosmos:
            asyncio.run(
                measure_shared_recall(question_sets.xquad(options.data, every=5), Path(folder), embedder)
            )
            return
        figures = asyncio.run(recall(options.data, Path(folder), embedder, options.only))
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1), "utf-8")
        asyncio.run(measure_speed(options.data / "handbook" / "pages", Path(folder) / "speed", Embedder()))


async def recall(
    data: Path, folder: Path, embedder: Embedder, ways: Sequence[str]
) -> list[dict[str, object]]:
    """Index each set's pages once, then search all its questions in every way."""
    figures: list[dict[str, object]] = []
    handbook = question_sets.handbook(data)
    print(f"{'set':26} {'way':26} recall@{FIRST}          evidence@{FIRST}")
    sets = [
        handbook,
        *question_sets.vary_questions(handbook),
        question_sets.xquad(data),
        question_sets.policyqa(data),
    ]
    for questions in sets:
        place = folder / questions.name.partition(",")[0]
        for way in ways:
            index = await FileIndex.open(
                place, embedder, passage_tokens=questions.passage_tokens, ranking=WAYS[way]
            )
            for page in questions.pages:
                await index.add(page, source="benchmark")
            figures.append(_figures(questions, way, await _search(index, questions)))
            await index.close()
            _print(figures[-1])
    return figures


async def _search(index: Indexes, questions: QuestionSet) -> list[list[Hit]]:
    """Ask all questions of a set, in their order."""
    return [
        await index.search(asked.question, limit=max(FIRST), page_url=asked.page_url)
        for asked in questions.asked
    ]


def _figures(questions: QuestionSet, way: str, found: Sequence[Sequence[Hit]]) -> dict[str, object]:
    pages, evidence = dict.fromkeys(FIRST, 0.0), dict.fromkeys(FIRST, 0.0)
    for asked, hits in zip(questions.asked, found, strict=True):
        for first in FIRST:
            pages[first] += any(map(asked.is_page, hits[:first]))
            told = [any(map(tells, hits[:first])) for tells in asked.evidence]
            evidence[first] += sum(told) / max(len(told), 1)
    count = len(questions.asked)
    return {
        "set": questions.name,
        "way": way,
        "questions": count,
        **{f"recall@{first}": round(pages[first] / count, 4) for first in FIRST},
        **{f"evidence@{first}": round(evidence[first] / count, 4) for first in FIRST},
    }


def _print(figures: dict[str, object]) -> None:
    numbers = [f"{value:.3f}" for name, value in figures.items() if "@" in name and isinstance(value, float)]
    print(f"{figures['set']:26} {figures['way']:26}", *numbers, flush=True)


async def measure_shared_recall(questions: QuestionSet, folder: Path, embedder: Embedder) -> None:
    """Ask the shared index and the file the same questions."""
    with cosmos_server() as server:
        async with a_page_container(server) as (_, _, config), machines(config) as opening:
            forms: dict[str, Indexes] = {
                "Cosmos DB": await opening(embedder, passage_tokens=questions.passage_tokens),
                "file": await FileIndex.open(folder, embedder, passage_tokens=questions.passage_tokens),
            }
            for name, index in forms.items():
                for page in questions.pages:
                    await index.add(page, source="benchmark")
                _print(_figures(questions, name, await _search(index, questions)))
            await forms["file"].close()


async def measure_speed(source: Path, folder: Path, embedder: Embedder) -> None:
    """Index the handbook as a source, then search it one question after the other."""
    index = await FileIndex.open(folder, embedder)
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)
        began, cpu = time.perf_counter(), time.process_time()
        report = await library.refresh([str(source)])
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        count = sum(entry.passages for entry in index.entries())
        print(
            f"handbook: {report.added} pages, {count} passages, "
            f"{len(report.problems)} problems in {took:.1f} s"
        )
        print(f"the index takes {_megabytes(folder):.1f} MB")
        print(
            f"of which {cpu:.1f} s of processor time: on 2 cores that nobody else uses, about {cpu / 2:.0f} s"
        )
        began = time.perf_counter()
        report = await library.refresh([str(source)])
        print(f"read again: {report.unchanged} unchanged in {time.perf_counter() - began:.1f} s")
    await index.close()
    index = await FileIndex.open(folder, embedder)
    began = time.perf_counter()
    await index.warm()
    print(f"loading: {(time.perf_counter() - began) * 1000:.0f} ms")
    times: list[float] = []
    cpu = time.process_time()
    for question in QUESTIONS * 40:
        began = time.perf_counter()
        await index.search(question, limit=2)
        times.append((time.perf_counter() - began) * 1000)
    print(
        f"search: p50 {percentile(times, 50) or 0:.1f} ms, p95 {percentile(times, 95) or 0:.1f} ms; "
        f"{(time.process_time() - cpu) * 5:.1f} ms of processor time"
    )
    for question in QUESTIONS:
        print(question, "→", [hit.passage.url for hit in await index.search(question, limit=2)])
    await index.close()


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


if __name__ == "__main__":
    main()

"""How well and how fast the page index finds: recall over XQuAD, time to index and to search a real handbook.

Run as: python -m benchmarks.retrieval [--data DIR]

Every XQuAD paragraph is a page of one passage; each of the questions is searched over all of them, by words alone, by
meaning alone, and by both. recall@k is the share of questions whose own paragraph is among the first k; MRR is the
mean of 1/rank over the first 20. The handbook is read as `askpage serve` would read it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pages.embed import Embedder
from pages.extract import page_hash
from pages.fetch import Fetcher, FetchLimits
from pages.file_index import FileIndex
from pages.index import PageIndex
from pages.library import Library
from pages.ranking import Ranking
from records import Page, Section

TARGETS = "targets: recall@1 0.92, recall@5 0.99, 240 pages in 120 s on 2 cores, search p95 50 ms"
QUESTIONS = (
    "How many days of paid parental leave do I get?",
    "who approves overtime",
    "Can I work from another country?",
    "reimbursement for a taxi to the airport",
    "When are mid-year reviews due?",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(
            f"skipped: the public data (XQuAD, a handbook) is not at {options.data}; name its folder with --data"
        )
        return
    print(TARGETS)
    embedder = Embedder()
    with tempfile.TemporaryDirectory() as folder:
        recall(options.data / "xquad" / "xquad.en.json", Path(folder) / "xquad", embedder)
        asyncio.run(speed(options.data / "handbook" / "pages", Path(folder) / "handbook", embedder))


def recall(file: Path, folder: Path, embedder: Embedder) -> None:
    """Index the paragraphs once, then rank all questions in three ways."""
    asked: list[tuple[str, str]] = []
    index = PageIndex.open(folder, embedder, passage_tokens=100_000)
    for url, paragraph in _paragraphs(file):
        sections = (Section("", "", paragraph["context"]),)
        index.add(Page(url, "", sections, page_hash("", sections), datetime.now(UTC)), source="xquad")
        asked += [(question["question"], url) for question in paragraph["qas"]]
    index.close()
    print(f"{len(asked)} questions    recall@1  recall@2  recall@5  MRR")
    ways = {"BM25": Ranking(meaning=0.0), "embeddings": Ranking(words=0.0), "fused": Ranking()}
    for name, ranking in ways.items():
        index = PageIndex.open(folder, embedder, passage_tokens=100_000, ranking=ranking)
        ranks = [_rank(index, question, url) for question, url in asked]
        index.close()
        shares = [sum(rank <= first for rank in ranks) / len(ranks) for first in (1, 2, 5)]
        print(
            f"{name:17}",
            *(f"{share:.4f}   " for share in shares),
            f"{sum(1 / rank for rank in ranks) / len(ranks):.4f}",
        )


async def speed(source: Path, folder: Path, embedder: Embedder) -> None:
    """Index the handbook as a source, then search it one question after the other."""
    index = PageIndex.open(folder, embedder)
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(FileIndex(index), fetcher)
        began, cpu = time.perf_counter(), time.process_time()
        report = await library.refresh([str(source)])
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        count = sum(entry.passages for entry in index.pages())
        print(
            f"handbook: {report.added} pages, {count} passages, {len(report.problems)} problems in {took:.1f} s"
        )
        print(
            f"of which {cpu:.1f} s of processor time: on 2 cores that nobody else uses, about {cpu / 2:.0f} s"
        )
        began = time.perf_counter()
        report = await library.refresh([str(source)])
        print(f"read again: {report.unchanged} unchanged in {time.perf_counter() - began:.1f} s")
    index.close()
    index = PageIndex.open(folder, embedder)
    began = time.perf_counter()
    index.warm()
    print(f"loading: {(time.perf_counter() - began) * 1000:.0f} ms")
    times: list[float] = []
    cpu = time.process_time()
    for question in QUESTIONS * 40:
        began = time.perf_counter()
        index.search(question, limit=2)
        times.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(times, n=20)
    print(
        f"search: p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms; {(time.process_time() - cpu) * 5:.1f} ms of processor time"
    )
    for question in QUESTIONS:
        print(question, "→", [hit.passage.url for hit in index.search(question, limit=2)])
    index.close()


def _paragraphs(file: Path) -> list[tuple[str, dict[str, Any]]]:
    articles = json.loads(file.read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [(f"/site/xquad/{number}", paragraph) for number, paragraph in enumerate(paragraphs)]


def _rank(index: PageIndex, question: str, url: str) -> float:
    found = [hit.passage.url for hit in index.search(question, limit=20)]
    return found.index(url) + 1 if url in found else float("inf")


if __name__ == "__main__":
    main()

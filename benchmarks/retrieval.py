"""How well and how fast the page index finds: recall over XQuAD, time to index and to search a real handbook.

Run as: python -m benchmarks.retrieval [--data DIR] [--cosmos]

Every XQuAD paragraph is a page of one passage; each of the questions is searched over all of them, by words alone, by
meaning alone, and by both. recall@k is the share of questions whose own paragraph is among the first k; MRR is the
mean of 1/rank over the first 20. The handbook is read as `askpage serve` would read it.

With --cosmos, every fifth question is asked of the shared index instead, and of the file for comparison. It lies in the
protocol server of the tests, whose ranker is a stand-in (tests/cosmos_search.py): the figures tell what our queries and
the SDK's fusion are worth with a plain BM25 and exact vectors, not what Azure finds. Nothing is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pages.embed import Embedder
from pages.extract import page_hash
from pages.fetch import Fetcher, FetchLimits
from pages.file_index import FileIndex
from pages.index import PageIndex
from pages.indexing import Indexes
from pages.library import Library
from pages.ranking import Ranking
from records import Hit, Page, Section
from tests.cosmos import cosmos_server
from tests.cosmos_pages import a_page_container, machines

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
    parser.add_argument(
        "--cosmos", action="store_true", help="measure the shared index, on the tests' server"
    )
    options = parser.parse_args()
    if not options.data.is_dir():
        print(
            f"skipped: the public data (XQuAD, a handbook) is not at {options.data}; name its folder with --data"
        )
        return
    print(TARGETS)
    embedder = Embedder()
    with tempfile.TemporaryDirectory() as folder:
        if options.cosmos:
            asyncio.run(shared_recall(options.data / "xquad" / "xquad.en.json", Path(folder), embedder))
            return
        recall(options.data / "xquad" / "xquad.en.json", Path(folder) / "xquad", embedder)
        asyncio.run(speed(options.data / "handbook" / "pages", Path(folder) / "handbook", embedder))


def recall(file: Path, folder: Path, embedder: Embedder) -> None:
    """Index the paragraphs once, then rank all questions in three ways."""
    pages, asked = _read(file)
    index = PageIndex.open(folder, embedder, passage_tokens=100_000)
    for page in pages:
        index.add(page, source="xquad")
    index.close()
    print(f"{len(asked)} questions    recall@1  recall@2  recall@5  MRR")
    ways = {"BM25": Ranking(meaning=0.0), "embeddings": Ranking(words=0.0), "fused": Ranking()}
    for name, ranking in ways.items():
        index = PageIndex.open(folder, embedder, passage_tokens=100_000, ranking=ranking)
        ranks = [_rank(index, question, url) for question, url in asked]
        index.close()
        _print_recall(name, ranks)


async def shared_recall(file: Path, folder: Path, embedder: Embedder) -> None:
    """Ask the shared index and the file the same questions."""
    pages, asked = _read(file)
    asked = asked[::5]
    print(f"{len(asked)} questions    recall@1  recall@2  recall@5  MRR")
    with cosmos_server() as server:
        async with a_page_container(server) as (_, _, config), machines(config) as opening:
            forms: dict[str, Indexes] = {
                "Cosmos DB": await opening(embedder, passage_tokens=100_000),
                "file": await FileIndex.open(folder, embedder, passage_tokens=100_000),
            }
            for name, index in forms.items():
                for page in pages:
                    await index.add(page, source="xquad")
                found = [(await index.search(question, limit=20), url) for question, url in asked]
                _print_recall(name, [_place(hits, url) for hits, url in found])
            await forms["file"].close()


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


def _read(file: Path) -> tuple[list[Page], list[tuple[str, str]]]:
    """Return every paragraph as a page, and every question with the URL of its own."""
    articles = json.loads(file.read_text("utf-8"))["data"]
    pages: list[Page] = []
    asked: list[tuple[str, str]] = []
    for number, paragraph in enumerate(one for article in articles for one in article["paragraphs"]):
        url = f"/site/xquad/{number}"
        sections = (Section("", "", paragraph["context"]),)
        pages.append(Page(url, "", sections, page_hash("", sections), datetime.now(UTC)))
        asked += [(question["question"], url) for question in paragraph["qas"]]
    return pages, asked


def _rank(index: PageIndex, question: str, url: str) -> float:
    return _place(index.search(question, limit=20), url)


def _place(hits: Sequence[Hit], url: str) -> float:
    found = [hit.passage.url for hit in hits]
    return found.index(url) + 1 if url in found else float("inf")


def _print_recall(name: str, ranks: Sequence[float]) -> None:
    shares = [sum(rank <= first for rank in ranks) / len(ranks) for first in (1, 2, 5)]
    print(
        f"{name:17}",
        *(f"{share:.4f}   " for share in shares),
        f"{sum(1 / rank for rank in ranks) / len(ranks):.4f}",
    )


if __name__ == "__main__":
    main()

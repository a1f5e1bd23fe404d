"""How often the next asker of a question gets its verified answer, and how often somebody else's.

Run as: python -m benchmarks.matching [--data DIR]

`paraphrases.jsonl` has questions with others that ask the same and others that nearly do (one word changes
the answer). A match is right where a person labelled the two as the same. Half of the groups, by a hash of
their question, chose the thresholds; the other half is reported as it is. The questions of one XQuAD
paragraph all ask something else: every match among them is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.question_sets import find_half
from bot.dialogs.verified_answers import LEAST_SIMILARITY, VerifiedAnswers
from core.records import Channel, Question, VerifiedAnswer
from pages.index.embeddings import Embedder

LABELLED = Path(__file__).with_name("paraphrases.jsonl")
THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.92)
MANY = 1_000


@dataclass(frozen=True)
class Pair:
    """Two questions, and whether they ask the same."""

    one: str
    other: str
    same: bool


@dataclass(frozen=True)
class Score:
    """`precision` of the matches (1 where none), `recall` of the pairs that ask the same, and both wrongs."""

    precision: float
    recall: float
    wrong: Sequence[Pair]
    missed: Sequence[Pair]


def read_pairs() -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that chose the thresholds, and the pairs that report."""
    halves: tuple[list[Pair], list[Pair]] = ([], [])
    for line in LABELLED.read_text("utf-8").splitlines():
        group = json.loads(line)
        question: str = group["question"]
        half = halves[find_half(question)]
        half += [Pair(question, other, True) for other in group["same"]]
        half += [Pair(question, other, False) for other in group["different"]]
    return halves


def score(pairs: Sequence[Pair], same: Callable[[str, str], bool]) -> Score:
    """Compare what a match says with the labels."""
    said = [(pair, same(pair.one, pair.other)) for pair in pairs]
    right = sum(pair.same and match for pair, match in said)
    wrong = [pair for pair, match in said if match and not pair.same]
    missed = [pair for pair, match in said if pair.same and not match]
    return Score(
        right / max(right + len(wrong), 1) if right or wrong else 1.0,
        right / (right + len(missed)),
        wrong,
        missed,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--show", action="store_true", help="print what is matched wrongly or missed")
    options = parser.parse_args()
    embedder = Embedder()
    choosing, reporting = read_pairs()
    print(f"{len(choosing)} pairs chose the thresholds, {len(reporting)} report")
    print(
        "threshold   cosine alone: precision recall   with guards: precision recall   (choosing | reporting)"
    )
    for threshold in THRESHOLDS:
        known = VerifiedAnswers(embedder, least_similarity=threshold)

        def near(one: str, other: str, known: VerifiedAnswers = known, least: float = threshold) -> bool:
            return known.cosine(one, other) >= least

        scores = [score(half, how) for how in (near, known.same) for half in (choosing, reporting)]
        print(f"{threshold:9.2f}   " + "   ".join(f"{one.precision:.3f} {one.recall:.3f}" for one in scores))
    known = VerifiedAnswers(embedder)
    print(f"in force: cosine {LEAST_SIMILARITY} with guards")
    for name, half in (("choosing", choosing), ("reporting", reporting)):
        found = score(half, known.same)
        print(f"  {name}: precision {found.precision:.3f}, recall {found.recall:.3f}")
        if options.show:
            for kind, pairs in (("WRONG", found.wrong), ("missed", found.missed)):
                for pair in pairs:
                    print(f"    {kind}: {pair.one} | {pair.other} ({known.cosine(pair.one, pair.other):.2f})")
    strangers(options.data / "xquad" / "xquad.en.json", known, show=options.show)
    measure_speed(embedder)


def strangers(file: Path, known: VerifiedAnswers, *, show: bool) -> None:
    """Count the wrong matches among questions of one paragraph."""
    if not file.is_file():
        print(f"skipped: XQuAD is not at {file}; name the folder of the public data with --data")
        return
    articles: list[Any] = json.loads(file.read_text("utf-8"))["data"]
    pairs = [
        pair
        for article in articles
        for paragraph in article["paragraphs"]
        for pair in itertools.combinations([qa["question"] for qa in paragraph["qas"]], 2)
    ]
    wrong = [pair for pair in pairs if known.same(*pair)]
    print(f"XQuAD: {len(wrong)} wrong matches among {len(pairs):,} pairs of questions of one paragraph")
    for pair in wrong if show else ():
        print("    ", *pair, sep=" | ")


def measure_speed(embedder: Embedder) -> None:
    """Time one search among many verified answers."""
    known = VerifiedAnswers(embedder)
    now = datetime.now(UTC)
    for number in range(MANY):
        text = f"How many days of leave number {number} are there in office {number}?"
        known.put(VerifiedAnswer(str(number), text, None, "", (), (), (), False, "r", now))
    times: list[float] = []
    for number in range(50):
        question = Question("", f"When does shop number {number} open its doors?", "", "", Channel.LOCAL, now)
        started = time.perf_counter()
        known.find(question)
        times.append(time.perf_counter() - started)
    print(f"one search among {MANY:,} verified answers: median {statistics.median(times) * 1000:.1f} ms")


if __name__ == "__main__":
    main()

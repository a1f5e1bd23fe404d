"""How long a rating takes until it is on the disk, when a hundred come every second.

Run as: python -m benchmarks.ratings [--seconds 20] [--rate 100]

Ratings arrive at random moments (a Poisson process), whether or not the earlier ones are done; each third is
a thumb down, which also opens a review. The store is the embedded one, in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.dialogs.rate import Rating, Said, Word
from bot.dialogs.review import Reviewing, ReviewRules
from core.records import Answer, Channel, FeedbackKind, Question
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from model.evaluation.metrics import percentile
from tests.builders.world import NothingKnown, an_answer

TARGET = "target: 99th percentile under 50 ms at 100 ratings/s"
ANSWERS = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=100.0, help="ratings a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder) / "store.sqlite3", options.seconds, options.rate))
    median, most, nearly_all = (1000 * (percentile(took, share) or 0) for share in (50, 95, 99))
    print(TARGET)
    print(
        f"{len(took)} ratings at {options.rate:.0f}/s: "
        f"median {median:.1f} ms, 95th {most:.1f} ms, 99th {nearly_all:.1f} ms, "
        f"slowest {max(took) * 1000:.1f} ms"
    )


async def measure(path: Path, seconds: float, rate: float) -> Sequence[float]:
    """Return how long each rating took, in seconds from its arrival."""
    store = SqliteStore.open(path)
    reviewing = Reviewing(
        ReviewRepository(store.documents), store, NothingKnown(), ReviewRules(sample_share=0)
    )
    rating = Rating(store, reviewing)
    answers = [await keep_answer(store, number) for number in range(ANSWERS)]
    dice = random.Random(1)  # noqa: S311 - nothing secret
    took: list[float] = []

    async def rate_one(number: int) -> None:
        started = time.perf_counter()
        word = Word(FeedbackKind.THUMB, "dislike" if number % 3 == 0 else "like", "a comment of some words")
        await rating.give(
            dice.choice(answers), word, Said(f"p{number % 500}", f"f:{number}", datetime.now(UTC))
        )
        took.append(time.perf_counter() - started)

    tasks: list[asyncio.Task[None]] = []
    started = due = time.perf_counter()
    while due - started < seconds:
        due += dice.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(rate_one(len(tasks))))
    await asyncio.gather(*tasks)
    await store.close()
    return took


async def keep_answer(store: SqliteStore, number: int) -> Answer:
    """Keep an answer to rate."""
    question = Question(f"q{number}", "How much leave?", "p", "c", Channel.TEAMS, datetime.now(UTC))
    answer = an_answer(question)
    await store.add_question(question)
    await store.add_answer(answer)
    return answer


if __name__ == "__main__":
    main()

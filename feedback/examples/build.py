"""A store → a dataset: everything that is reviewed is read, chosen from, written, and told of in a card.

    card = await build(store, repository, Path("data/datasets"), rules, Work(now))

Nobody else writes or erases from the first look at the store on, so `forget` (feedback/examples/dataset.py)
finds also what was just being built. An interruption leaves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event

from feedback.examples.collect import Tell, gather, gather_asked, silence
from feedback.examples.convert import ExampleRules, LeftOut
from feedback.examples.dataset import NoExamples, write_dataset, writing_alone
from feedback.examples.dataset_card import Built, Card, Coverage, Embed, cover_topics
from feedback.examples.select import add_made, choose
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore


async def _nobody() -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Work:
    """How a dataset is built.

    When, by what topics are found (None: they are not looked for), and who hears of it. `opted_out` is asked
    once nobody else can write: whoever opts out, or is being deleted, from then on is forgotten by `forget`,
    which waits for this dataset; whoever did before is not in it.
    """

    now: datetime
    embed: Embed | None = None
    tell: Tell = silence
    opted_out: Callable[[], Awaitable[Collection[str]]] = _nobody


async def build(
    store: FeedbackStore, repository: ReviewRepository, datasets_dir: Path, rules: ExampleRules, work: Work
) -> Card:
    """Make the dataset of all that is reviewed, and return its card.

    What was the same before is brought up to date. Raises NoExamples, StoreError, and OSError where the
    folder cannot be written.
    """
    async with writing_alone(datasets_dir):
        rules = replace(rules, opted_out=rules.opted_out | frozenset(await work.opted_out()))
        gathered = await gather(store, repository, rules, work.now, work.tell)
        questions = await gather_asked(store, rules, work.tell)
        found = Built([], gathered.left_out, gathered, questions, rules)
        return await _stoppable(lambda work: _make(datasets_dir, found, work), work)


async def _stoppable(do: Callable[[Work], Card], work: Work) -> Card:
    """Run in a thread what is cancelled at the next word that it tells, and not left alone before."""
    stop = Event()

    def tell(step: str, more: int) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        work.tell(step, more)

    doing = asyncio.ensure_future(asyncio.to_thread(do, replace(work, tell=tell)))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([doing])
        raise


def _make(datasets_dir: Path, found: Built, work: Work) -> Card:
    gathered = found.gathered
    chosen, left_out = choose(
        gathered.candidates, gathered.trusted, found.rules, partial(work.tell, "Choosing examples")
    )
    left_out.update(gathered.left_out)
    if not chosen:
        raise NoExamples(_nothing(gathered.reviews, left_out))
    topics: Mapping[str, Coverage] = {}
    if work.embed is not None:
        topics = cover_topics(found.asked, chosen, work.embed, partial(work.tell, "Finding topics"))
    made = add_made(chosen, found.rules)
    work.tell("Making examples", len(made))
    built = replace(found, chosen=chosen, made=made, left_out=left_out, topics=topics)
    return write_dataset(datasets_dir, built, work.now)


def _nothing(reviews: int, left_out: Mapping[LeftOut, int]) -> str:
    if not reviews:
        return (
            "No answer is reviewed yet, so there is nothing to learn from: docs/reviewing.md tells how to"
            " review."
        )
    reasons = ", ".join(f"{count} {str(why).replace('_', ' ')}" for why, count in sorted(left_out.items()))
    return f"None of the {reviews} reviewed answers makes an example: {reasons}."

"""Reads what was asked and what was reviewed out of a store, page by page.

Only the examples are held in memory. A review that is settled while this reads belongs to the next dataset,
so nothing is read twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from core.records import Answer, Review
from feedback.examples.convert import (
    Candidate,
    ExampleRules,
    LeftOut,
    Refusal,
    Reviewed,
    build_candidate,
    long_words,
)
from feedback.examples.poisoning import compare_raters, compare_reviewers
from feedback.examples.select import Trusted
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.store.base import FeedbackStore, derive_site
from feedback.store.rows import every, every_answer, every_few

SAMPLED = 2_000
"""Questions that stand for all, however many were asked: topics are found among them."""

Tell = Callable[[str, int], None]
"""Hears what is being done, and how many more are done."""


@dataclass(slots=True)
class Gathered:
    """What the reviews make.

    `reviews` were settled, `waiting` are not, `reopened` of those since a page changed.
    """

    candidates: list[Candidate] = field(default_factory=list[Candidate])
    left_out: Counter[LeftOut] = field(default_factory=Counter[LeftOut])
    set_aside: list[Refusal] = field(default_factory=list[Refusal])
    trusted: Trusted = field(default_factory=Trusted)
    reviews: int = 0
    waiting: int = 0
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One of the questions that stand for all.

    `page_words` are those that stand on a page, too: nobody's own ones.
    """

    answer_id: str
    text: str
    page_words: frozenset[str]


@dataclass(slots=True)
class Asked:
    """What was asked, counted; `sample` is a fixed random choice."""

    count: int = 0
    sites: Counter[str] = field(default_factory=Counter[str])
    channels: Counter[str] = field(default_factory=Counter[str])
    languages: Counter[str] = field(default_factory=Counter[str])
    sample: list[AskedQuestion] = field(default_factory=list[AskedQuestion])


def silence(_: str, __: int) -> None:
    """Tell nobody."""


async def gather(
    store: FeedbackStore,
    repository: ReviewRepository,
    rules: ExampleRules,
    until: datetime,
    tell: Tell = silence,
) -> Gathered:
    """Read every review that was settled before `until`. Raises StoreError."""
    found = Gathered()
    stale = await _stale_pages(repository)
    async for some in every_few(every(partial(repository.reviews, SETTLED))):
        old = [one for one in some if one.settled_at is not None and one.settled_at < until]
        read = await asyncio.gather(*(_with_answer(store, one) for one in old))
        for review, reviewed in zip(old, read, strict=True):
            _take(found, review, reviewed, rules, stale)
        tell("Reading reviews", len(some))
    async for review in every(partial(repository.reviews, WAITING)):
        found.waiting += 1
        found.reopened += review.earlier is not None
    return found


def _take(
    found: Gathered,
    review: Review,
    reviewed: Reviewed | None,
    rules: ExampleRules,
    stale: Collection[tuple[str, str]],
) -> None:
    found.reviews += 1
    compare_reviewers(found.trusted.reviewers, review)
    if reviewed is None:
        found.left_out[LeftOut.DELETED] += 1
        return
    heard = [word for word in reviewed.words if word.giver not in rules.opted_out]
    compare_raters(found.trusted.raters, (review, reviewed.answer), heard, rules.scale)
    candidate = build_candidate(reviewed, rules, stale)
    if isinstance(candidate, Candidate):
        found.candidates.append(candidate)
        return
    found.left_out[candidate.why] += 1
    if candidate.why is LeftOut.SET_ASIDE:
        found.set_aside.append(candidate)


async def _with_answer(store: FeedbackStore, review: Review) -> Reviewed | None:
    answer = await store.answer(review.answer_id)
    return Reviewed(review, answer, await store.feedback_on(answer.id)) if answer else None


async def _stale_pages(repository: ReviewRepository) -> set[tuple[str, str]]:
    """Return (address without fragment, hash) of the pages that verified answers went stale on."""
    pages: set[tuple[str, str]] = set()
    async for one in every(repository.stale):
        pages.update(one.pages)
    return pages


async def gather_asked(store: FeedbackStore, rules: ExampleRules, tell: Tell = silence) -> Asked:
    """Count everything that was asked, and choose the questions that stand for it. Raises StoreError.

    Those of people who opted out, of channels that may not be trained on, and about pages that not everyone
    may read are counted and not read.
    """
    found = Asked()
    chosen: list[tuple[int, str, AskedQuestion]] = []
    async for some in every_few(every_answer(store)):
        for answer in some:
            _count(found, answer)
            if _may_be_read(answer, rules):
                _choose(chosen, answer)
        tell("Reading questions", len(some))
    found.sample = sorted((one for _, _, one in chosen), key=lambda one: one.answer_id)
    return found


def _count(found: Asked, answer: Answer) -> None:
    found.count += 1
    found.sites[derive_site(answer)] += 1
    found.channels[str(answer.question.channel)] += 1
    found.languages[answer.question.language or "unknown"] += 1


def _may_be_read(answer: Answer, rules: ExampleRules) -> bool:
    question = answer.question
    wanted = str(question.channel) in rules.trainable and question.asker not in rules.opted_out
    return wanted and not answer.from_file and not rules.is_restricted(answer, None)


def _choose(chosen: list[tuple[int, str, AskedQuestion]], answer: Answer) -> None:
    """Keep the answers whose ids have the lowest hashes.

    Always the same ones, in whatever order they come.
    """
    lot = -int.from_bytes(hashlib.sha256(f"topic|{answer.id}".encode()).digest()[:8])
    if len(chosen) == SAMPLED and lot <= chosen[0][0]:
        return
    on_pages = long_words(" ".join(f"{one.title} {one.heading} {one.text}" for one in answer.passages))
    words = frozenset(long_words(answer.question.text) & on_pages)
    one = AskedQuestion(answer.id, answer.question.text, words)
    if len(chosen) < SAMPLED:
        heapq.heappush(chosen, (lot, answer.id, one))
    else:
        heapq.heapreplace(chosen, (lot, answer.id, one))

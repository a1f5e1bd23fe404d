"""Fits the search to what reviewers decided: what its parts weigh, and how sure that makes the bot.

Run as: askpage jobs run fit_search

Every review that may be learned from is asked again over today's pages: which of the passages that are found
and read now hold what the reviewers cited, and whether that is quoted. From this a head is fitted, and it
counts if it is better on the questions that were held out (model/evaluation/search_fit.py); otherwise a
sentence says why not, and nothing changes. A bot that runs takes it over within seconds; `askpage models
search-head --rollback` takes it back.

What is learned from is what trains a model, too (feedback/examples): not what was deleted, opted out of,
asked or ruled where training is not allowed, or looks like an attack; nor what reviewers ruled who agree with
the others no more often than a coin. A page may be the right one for a tenth of the questions: whoever always
points to the same place moves little.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bot.bootstrap import PageServices
from core.records import Hit, VerifiedAnswer
from core.subprocess_step import OnProgress
from feedback.examples.collect import Gathered, gather
from feedback.examples.convert import ExampleRules
from feedback.privacy.deletion_log import list_excluded
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.ruling_changes import read_standing
from jobs.registry import JobContext, Result, Store
from jobs.update_model import example_rules
from model.answering import confidence, quoting
from model.answering.chain import AnswerRules
from model.answering.learned_places import (
    LearnedPlaces,
    Lesson,
    Place,
    holds,
    is_in_text,
    raise_hits,
    read_lesson,
)
from model.answering.reranking import ScorePairs, rerank_hits
from model.answering.search_head import (
    IN_SCORE,
    Numbers,
    compute_features,
    list_weights,
    rank_hits,
    weigh_hits,
)
from model.evaluation.search_fit import LEAST_QUESTIONS, RankingCase, ReviewedQuestion, fit_head
from model.registry.search_heads import forget_head_answers, promote_head
from model.text import question as asked

FIXED = Path(asked.__file__).parents[1] / "fixed" / "search_order.json"
"""Questions on the project's own docs, as the search orders them: scores and features, without words."""
OpenPages = Callable[[], AbstractAsyncContextManager[PageServices]]
MOST_QUESTIONS = 2_000
"""Reviews that are asked again, the newest ones: a search takes some 50 ms."""
MOST_OF_A_PAGE = 0.1
_FEW_OF_A_PAGE = 5
_MOST_WEIGHT = 20.0
"""How many answers one of the sample stands for at most."""
_RULES = AnswerRules()
"""How many passages the bot looks for, and goes on with."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A ruling that may be learned from, what it teaches, and how many answers it stands for."""

    verified: VerifiedAnswer
    lesson: Lesson
    weight: float

    @property
    def right(self) -> tuple[Place, ...]:
        """The places that it calls right."""
        return tuple(place for place in self.lesson.places if place.right > 0)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What may be learned from, where heads lie, and from which confidence on words are stated."""

    rules: ExampleRules
    folder: Path
    state_from: float


async def run(context: JobContext) -> Result:
    """Fit the search of this installation. Raises StoreError, and OSError where nothing can be written."""
    settings = context.settings
    plan = SearchPlan(example_rules(settings), settings.search_dir, settings.answering.state_from)
    return await fit_search(context.store, context.pages, plan, context.tell)


async def fit_search(store: Store, pages: OpenPages, plan: SearchPlan, tell: OnProgress) -> Result:
    """Fit a head and let it count if it is better; return which one, to how many questions, and why."""
    excluded = frozenset(await list_excluded(store.documents))
    repository = ReviewRepository(store.documents)
    gathered = await gather(store, repository, replace(plan.rules, opted_out=excluded), datetime.now(UTC))
    allowed = list_allowed(gathered)
    if len(allowed) < LEAST_QUESTIONS:
        found = f"{len(allowed)} reviews can be learned from; {LEAST_QUESTIONS} are needed."
        return {"head": "", "questions": len(allowed), "reasons": [found]}
    async with pages() as page_services:
        ruled = await read_ruled(repository, allowed, page_services)
        questions = await ask_again(ruled, page_services, tell)
    head, reasons = await asyncio.to_thread(fit_head, questions, read_fixed(), plan.state_from)
    name = ""
    if head is not None:
        name = promote_head(plan.folder, head, datetime.now(UTC))
        if await _is_changed(store, head.answers, excluded):
            forget_head_answers(plan.folder, head.answers)
            gone = "Somebody's data was deleted, or a decision taken back: the next run fits without it."
            name, reasons = "", [gone]
    return {"head": name, "questions": len(questions), "reasons": reasons}


def list_allowed(gathered: Gathered) -> frozenset[str]:
    """Return the answers whose rulings may be learned from, by reviewers who are trusted at all."""
    trust = gathered.trusted.reviewers.trust
    return frozenset(
        one.example.answer_id
        for one in gathered.candidates
        if all(trust(reviewer) > 0 for reviewer in one.lineage.reviewers)
    )


async def read_ruled(
    repository: ReviewRepository, allowed: Collection[str], page_services: PageServices
) -> Sequence[Ruled]:
    """Return the rulings that stand on today's pages, the newest ones, of one page not too many."""
    changes, _ = await repository.list_verified_since("")
    served = [one for _, one in changes if one and one.answer_id in allowed and one.page_url is None]
    served.sort(key=lambda one: (one.verified_at, one.answer_id), reverse=True)
    fresh = [
        (one, lesson)
        for one in served[:MOST_QUESTIONS]
        if all(page_services.public_page_hash(url) == then for url, then in one.pages)
        and (lesson := read_lesson(one))
    ]
    most = max(_FEW_OF_A_PAGE, int(MOST_OF_A_PAGE * len(fresh)))
    pages: Counter[str] = Counter()
    kept: list[Ruled] = []
    for one, lesson in fresh:
        named = {place.page for place in lesson.places if place.right > 0}
        if any(pages[page] >= most for page in named):
            continue
        pages.update(named)
        review = await repository.review(one.answer_id)
        weight = min(_MOST_WEIGHT, max(1.0, review.weight if review else 1.0))
        kept.append(Ruled(one, lesson, weight))
    return kept


async def ask_again(
    ruled: Sequence[Ruled], page_services: PageServices, tell: OnProgress
) -> list[ReviewedQuestion]:
    """Search for every reviewed question; what a ruling taught at once does not count for its own."""
    texts = [asked.build_queries(one.verified.question_text)[0] for one in ruled]
    vectors = await asyncio.to_thread(page_services.embedder.embed, texts) if texts else None
    places = LearnedPlaces(tuple(one.lesson for one in ruled), vectors)
    questions: list[ReviewedQuestion] = []
    for at, (one, query) in enumerate(zip(ruled, texts, strict=True)):
        tell("Asking again", at / len(ruled))
        assert vectors is not None  # noqa: S101 - there is a text
        others = [
            near
            for near in places.recall(vectors[at])
            if near.lesson.answer_id != one.lesson.answer_id and near.lesson.words != one.lesson.words
        ]
        hits = await page_services.library.search(query, _RULES.searched)
        questions.append(await _judge(one, query, raise_hits(query, hits, others), page_services))
    return questions


async def _judge(
    one: Ruled, query: str, hits: Sequence[Hit], page_services: PageServices
) -> ReviewedQuestion:
    """Return what the search makes of a question, beside what the reviewers cited."""
    text = one.verified.question_text
    order = await order_as_served(query, asked.classify_question(text), hits, page_services.score_pairs)
    ranking = None
    if hits and one.right:
        ranking = order.make_case([any(holds(hit, place) for place in one.right) for hit in order.compared])
    best = order.hits[: _RULES.passages]
    section = await page_services.library.read_section(best[0].passage) if best else ""
    quote = quoting.choose_quote(query, best, section)
    quoted = [quote.text, *(further.quote for further in quote.further)] if quote else []
    told = [any(is_in_text(place, text) for place in one.right) for text in quoted]
    return ReviewedQuestion(
        answer_id=one.verified.answer_id,
        question=text,
        ranking=ranking,
        signals=confidence.compute_signals(text, best, quote) if quote else None,
        page=any(told[:1]),
        quote=any(told),
        weight=one.weight,
    )


@dataclass(frozen=True, slots=True)
class ServedOrder:
    """The hits in the shipped order, and how that came about.

    `compared` are those that the last weighing put in order: what a reranker read, or all hits where it read
    none. `features` are theirs.
    """

    hits: tuple[Hit, ...]
    compared: tuple[Hit, ...]
    features: Numbers

    def make_case(self, right: Sequence[bool]) -> RankingCase:
        """Return what a fit learns from, by which of the compared hits are right."""
        scores = np.array([hit.score for hit in self.compared], np.float64)
        return RankingCase(scores - self.features @ list_weights(IN_SCORE), self.features, tuple(right))


async def order_as_served(
    query: str, kind: asked.AskedKind, hits: Sequence[Hit], score_pairs: ScorePairs
) -> ServedOrder:
    """Order hits as the bot does with the shipped head."""
    ranked = rank_hits(query, kind, hits)
    read: list[Hit] = []

    def weigh(found: Sequence[Hit]) -> Numbers:
        read[:] = found
        return weigh_hits(query, kind, found)

    ordered = await rerank_hits(query, ranked, score_pairs, _RULES.reranked, query, weigh)
    compared = read[: _RULES.reranked] if read else ranked
    features = compute_features(query, kind, read or ranked)[: len(compared)]
    return ServedOrder(tuple(ordered), tuple(compared), features)


async def _is_changed(store: Store, answers: Sequence[str], excluded: Set[str]) -> bool:
    """Tell whether somebody was deleted or opted out, or a ruling ended, while the head was fitted."""
    if await list_excluded(store.documents) - excluded:
        return True
    repository = ReviewRepository(store.documents)
    for answer_id in answers:
        standing = await read_standing(repository, answer_id)
        if standing is None or standing.stale_at or await store.answer(answer_id) is None:
            return True
    return False


def read_fixed() -> list[RankingCase]:
    """Return the fixed questions as `benchmarks/learned_search.py` wrote them."""
    return [
        RankingCase(np.array(one["scores"]), np.array(one["features"]), tuple(one["right"]))
        for one in json.loads(FIXED.read_text("utf-8"))
    ]

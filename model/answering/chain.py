"""Question + passages → an Answer: the model's words, the page's own words, or an honest no.

    1. search, for the question as it was meant (model/text/question.py)
    2. quote the page's own words on it (model/answering/quoting.py), at once
    3. let the model write from what it can read; a sentence comes once it is checked
       (model/answering/writing.py)
    4. state what is likely enough to be right (model/answering/confidence.py), quote what is not, decline
       where nothing is near

A model cannot talk its way past the checks: what was found must be near the question, what was said must
stand in what was found, and nothing but plain words reaches the reader. Which of the three kinds an answer
is, a model never decides.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from langchain_core.language_models import BaseChatModel

from core import telemetry
from core.records import Answer, AnswerKind, Hit, Passage, Question, Timings, derive_answer_id
from model.answering import confidence, grounding, learned_places, quoting
from model.answering.confidence import Signals
from model.answering.grounding import Reading
from model.answering.learned_places import Recalled
from model.answering.profile import Profile
from model.answering.quoting import Quote
from model.answering.reading import (
    FindNeighbours,
    count_neighbours,
    find_no_neighbours,
    fit_neighbours,
    fit_passages,
)
from model.answering.reranking import ScorePairs, rerank_hits, score_nothing
from model.answering.search_head import SHIPPED_HEAD, rank_hits
from model.answering.version_confidence import VersionConfidence, collect_features, load_written_weights
from model.answering.writing import CheckedDraft, WritingTask, write_checked
from model.text import prompt
from model.text import question as asked
from model.text.glossary import translate_words
from model.text.languages import ENGLISH, detect_language
from model.text.prompt import Neighbour
from model.text.question import AskedKind

Search = Callable[[str, int, str | None], Awaitable[Sequence[Hit]]]
"""(question, how many, page URL or None for all pages) → hits, best first."""

Recall = Callable[[str, Question], Awaitable[Sequence[Recalled]]]
"""(what is searched for, the question that was asked) → what reviewers taught about questions like it."""

SectionOf = Callable[[Passage], Awaitable[str]]
"""A passage → the text of the whole section that it is a part of, "" where that is not known."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The chat model of one answer, its version's name, and what that version learned to read.

    `reading` of None reads as much as its `profile` allows: how fast it reads here, None where nobody
    measured. `ours`: it runs here, or on a server of ours. `confidence` was fitted to its own answers; None:
    the shipped one counts.
    """

    chat: BaseChatModel
    version: str
    reading: Reading | None = None
    profile: Profile | None = None
    ours: bool = True
    confidence: VersionConfidence | None = None

    @property
    def reads_whole(self) -> bool:
        """Whether it reads whole passages: it learned to, or is large enough."""
        return self.reading is not None or (self.profile is not None and self.profile.reads_whole)


AcquireModel = Callable[[str], AbstractContextManager[LoadedModel]]
"""A conversation's id → the model that answers it, which stays loaded until the context is left."""

_CONVERSATION_LASTS = timedelta(minutes=30)
_NEVER = -1.0
_MOST_ADDED = 2
"""Learned places that are looked up because the search did not bring them."""


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """When to state, to quote, and to decline; the thresholds are measured (LOG.md).

    `searched` passages are looked for and ordered anew, `reranked` of them are read by a reranker (0: none),
    `passages` of them are gone on with. `state_from`:
    the confidence, 0 to 1, from which words are stated as the answer; below `decline_below` nothing is quoted
    either. `least_similarity`: cosine of the question and the best sentence below which nothing near was
    found at all. Where somebody named a page, half of both is enough. `least_covered`: share of the answer's
    own content words that must stand in what it cites. `first_token_s`: how long a model may read before its
    first word; it reads `least_tokens` whatever that takes. `neighbours`: so many reviewed answers to other
    questions on the same pages it reads, too, where it may read more than the least. `quotes` off leaves a
    model alone with its passages, as the gate compares them: what passes its checks is the answer, and
    `span_sentences` is what a version reads then that has not learned to read anything (0: all).
    """

    searched: int = 20
    passages: int = 6
    reranked: int = 10
    state_from: float = 0.75
    decline_below: float = 0.25
    least_similarity: float = 0.32
    least_covered: float = 0.5
    first_token_s: float = 1.0
    least_tokens: int = 700
    neighbours: int = 0
    quotes: bool = True
    span_sentences: int = 1


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """A question with what was found for it.

    `before` is the question that it refers to ("": it stands alone), `head` what ordered the hits. `crossed`
    are the English words that found them of a question in another language, "" where its own words did.
    `foreign`: the question is in another language than what was found.
    """

    question: Question
    before: str
    hits: tuple[Hit, ...]
    quote: Quote | None
    signals: Signals | None
    likely: float
    search_s: float
    started: float
    head: str
    crossed: str = ""
    foreign: bool = False

    def may_be_stated(self, loaded: LoadedModel) -> bool:
        """Tell whether a model's words may be the answer.

        The checks compare words, so what they say of another language than the page's counts for a large
        model alone, and nothing where a glossary's words stand for the question.
        """
        return not self.crossed and (not self.foreign or loaded.reads_whole)

    @property
    def text(self) -> str:
        """The question in the words that found something."""
        return self.crossed or self.question.text

    @property
    def asked(self) -> str:
        """The question with the one that it refers to."""
        return f"{self.before} {self.question.text}".strip()

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages that were found; the quoted one as it is quoted."""
        found = tuple(hit.passage for hit in self.hits)
        if self.quote is None:
            return found
        quoted = self.quote.passage
        return tuple(quoted if one.url == quoted.url and one.text in quoted.text else one for one in found)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a version can say to a question, before anything is chosen.

    `quoted` is the answer without a model, and what is declined cites the place. `features` are those of the
    confidence of `written`, None where that cannot be stated.
    """

    signals: Signals | None
    quoted: Answer
    written: Answer
    features: Mapping[str, float] | None
    reads_whole: bool


def always_acquire(
    chat: BaseChatModel, version: str, reading: Reading | None = None, profile: Profile | None = None
) -> AcquireModel:
    """Let one chat model answer everybody."""
    return lambda _: nullcontext(LoadedModel(chat, version, reading, profile))


class StopWriting(Exception):
    """Thrown into a stream at a draft: its reader wants no more.

    What is written is the answer then, as stopped.
    """


async def find_no_section(_: Passage) -> str:
    """Know nothing of what stands around a passage."""
    return ""


async def recall_nothing(_: str, __: Question) -> Sequence[Recalled]:
    """Know nothing of earlier questions."""
    return ()


class Answering:
    """Answers questions.

    One loaded model serves an answer from its beginning to its end: none is mixed of two. `recall` is what
    reviewers taught the search at once, `head` what was fitted to their rulings.
    """

    def __init__(
        self,
        acquire: AcquireModel,
        search: Search,
        rules: AnswerRules | None = None,
        section_of: SectionOf = find_no_section,
    ) -> None:
        self._acquire = acquire
        self._search = search
        self._rules = rules or AnswerRules()
        self._section_of = section_of
        self.recall: Recall = recall_nothing
        self.score_pairs: ScorePairs = score_nothing
        self.head = SHIPPED_HEAD
        self.neighbours: FindNeighbours = find_no_neighbours

    async def stream(
        self, question: Question, history: Sequence[Answer] = ()
    ) -> AsyncGenerator[str | Answer]:
        """Yield what can be shown, ever better: the quotation, checked sentences, the Answer.

        The last Answer counts. `StopWriting` thrown in at a draft ends the writing. `history` is the
        conversation's last answers, oldest first. What the engine and the pages raise passes through.
        """
        started = time.perf_counter()
        recent = _take_recent(question, history)
        with self._acquire(question.conversation) as loaded:
            found = await self.find(question, recent, started)
            best = self._before_writing(found, loaded.version)
            if best.kind is AnswerKind.QUOTED:
                try:
                    yield best
                except StopWriting:
                    yield replace(best, stopped=True)
                    return
            neighbours = await self._find_neighbours(loaded, found)
            written, stopped, task = CheckedDraft(), False, self._task(loaded, found, recent, neighbours)
            if self._may_write(found, task, loaded):
                async with aclosing(write_checked(loaded.chat, task, started)) as drafts:
                    async for written in drafts:
                        if not written.text:
                            continue
                        try:
                            yield written.text
                        except StopWriting:
                            stopped = True
                            break
            if written.tokens is not None:
                written = replace(written, tokens=replace(written.tokens, ours=loaded.ours))
            stated = _make_stated(found, task, loaded.version, written)
            likely = self._rate(found, best, self._collect_features(found, written, loaded), loaded)
            yield (
                replace(stated, stopped=True) if stopped else self._choose_answer(found, best, stated, likely)
            )

    async def answer(self, question: Question, history: Sequence[Answer] = ()) -> Answer:
        """Return the last Answer alone."""
        best: Answer | None = None
        async for item in self.stream(question, history):
            if isinstance(item, Answer):
                best = item
        if best is None:
            raise RuntimeError("the chain ended without an answer")
        return best

    async def attempt(self, question: Question) -> Attempt:
        """Return what the pages and the model say to a question that stands alone; nothing is chosen.

        What the engine and the pages raise passes through.
        """
        started = time.perf_counter()
        with self._acquire(question.conversation) as loaded:
            found = await self.find(question, (), started)
            drafts, task = [CheckedDraft()], self._task(loaded, found, (), ())
            if self._may_write(found, task, loaded):
                drafts += [draft async for draft in write_checked(loaded.chat, task, started)]
            return Attempt(
                found.signals,
                self._before_writing(found, loaded.version),
                _make_stated(found, task, loaded.version, drafts[-1]),
                self._collect_features(found, drafts[-1], loaded),
                loaded.reads_whole,
            )

    async def find(self, question: Question, recent: Sequence[Answer], started: float = 0.0) -> SearchOutcome:
        """Search for the question, a follow-up with what it refers to, and choose a quotation.

        `recent` are the conversation's answers that may be referred to, `started` when the question came
        (perf_counter).
        """
        last = recent[-1] if recent else None
        before = last.question if last else None
        follows = before is not None and asked.is_follow_up(question.text)
        page = question.page_url or (before.page_url if before and follows else None)
        with telemetry.span("search"):
            own = asked.build_queries(question.text, before, last)
            english = translate_words(own[0]) if self._rules.quotes else ""
            queries = (*own, english) if english else own
            results = [await self._search(query, self._rules.searched, page) for query in queries]
        at = self._choose_query(question.text, own, results[: len(own)])
        at = len(own) if english and _nearness(results[-1]) > _nearness(results[at]) else at
        crossed = english if at == len(own) else ""
        alone = bool(crossed) or queries[at] == asked.build_queries(question.text)[0]
        joined = before.text if before and not alone else ""
        learned = await self._apply_lessons(queries[at], question, page, results[at])
        ranked = self._rank_hits(queries[at], asked.classify_question(question.text, joined), learned)
        hits = await self._rerank_hits(crossed or question.text, ranked, queries[at])
        quote = None
        if hits and self._rules.quotes:
            quote = quoting.choose_quote(queries[at], hits, await self._section_of(hits[0].passage))
        foreign = bool(crossed) or bool(english and hits and detect_language(hits[0].passage.text) == ENGLISH)
        said = crossed or question.text
        signals = confidence.compute_signals(said, hits, quote, joined) if quote else None
        likely = confidence.rate_quote(signals, self.head.confidence) if signals else 0.0
        took_s = time.perf_counter() - started
        return SearchOutcome(
            question,
            joined,
            tuple(hits),
            quote,
            signals,
            likely,
            took_s,
            started,
            self.head.version,
            crossed,
            foreign,
        )

    def _choose_query(self, text: str, queries: Sequence[str], results: Sequence[Sequence[Hit]]) -> int:
        """Choose by what was found between a question alone, the first, and with the one before, the last."""
        bound = asked.find_alone_bound(text)
        if len(queries) == 1 or asked.may_stand_alone(text) or bound is None:
            return max(range(len(results)), key=lambda at: _nearness(results[at]))
        first = self._rank_hits(queries[0], asked.classify_question(text), results[0])[:1]
        return 0 if _closeness(first) >= bound else len(queries) - 1

    async def _apply_lessons(
        self, query: str, question: Question, page: str | None, hits: Sequence[Hit]
    ) -> Sequence[Hit]:
        """Raise the places that reviewers named for questions like this one, and add those not found.

        What is added is looked up on its page: it has the page's text of today, or is not there any more.
        """
        recalled = await self.recall(query, question) if self._rules.quotes else ()
        if not recalled:
            return hits
        added: list[Hit] = []
        for place in learned_places.list_missing(hits, recalled)[:_MOST_ADDED]:
            if page is None or any(place.page == hit.passage.url.partition("#")[0] for hit in hits):
                there = await self._search(query, self._rules.searched, place.page)
                found = learned_places.find_place(there, place)
                lowest = min((hit.score for hit in hits), default=0.0)
                added += [replace(found, score=lowest)] if found else []
        return learned_places.raise_hits(query, [*hits, *added], recalled)

    def _rank_hits(self, query: str, kind: AskedKind, hits: Sequence[Hit]) -> list[Hit]:
        if not self._rules.quotes:
            return list(hits)
        return rank_hits(query, kind, hits, self.head)

    async def _rerank_hits(self, text: str, hits: Sequence[Hit], query: str) -> list[Hit]:
        """Order the nearest hits anew by what a reranker reads in them; keep what is gone on with."""
        if not self._rules.quotes:
            return list(hits)
        reranked = await rerank_hits(text, hits, self.score_pairs, self._rules.reranked, query)
        return reranked[: self._rules.passages]

    def _is_near(self, found: SearchOutcome) -> bool:
        least = self._rules.least_similarity
        return _closeness(found.hits) >= (least / 2 if found.question.page_url else least)

    def _may_write(self, found: SearchOutcome, task: WritingTask, loaded: LoadedModel) -> bool:
        return self._is_near(found) and bool(task.passages) and found.may_be_stated(loaded)

    def _before_writing(self, found: SearchOutcome, version: str) -> Answer:
        """Return what is the answer where a model adds nothing."""
        least = self._rules.decline_below
        likely = found.likely >= (least / 2 if found.question.page_url else least)
        near = found.quote is not None and self._is_near(found) and likely
        return _make_quoted(found, version) if near else _make_declined(found, version)

    def _budget(self, profile: Profile) -> int:
        """Return how many tokens a model may read before its first word."""
        return max(self._rules.least_tokens, profile.passages_tokens(self._rules.first_token_s))

    async def _find_neighbours(self, loaded: LoadedModel, found: SearchOutcome) -> Sequence[Neighbour]:
        """Find reviewed answers on the same pages, for a model that has room for them beside its passages."""
        most, profile = self._rules.neighbours, loaded.profile
        untaught = loaded.reading is None and loaded.reads_whole and self._rules.quotes
        if not most or profile is None or not untaught or not found.hits or not self._is_near(found):
            return ()
        if self._budget(profile) <= self._rules.least_tokens:
            return ()
        urls = list(dict.fromkeys(passage.url for passage in found.passages))
        return await self.neighbours(replace(found.question, text=found.asked), urls, most)

    def _task(
        self,
        loaded: LoadedModel,
        found: SearchOutcome,
        recent: Sequence[Answer],
        neighbours: Sequence[Neighbour],
    ) -> WritingTask:
        """Choose what a version reads: passages if it is able to, else the answering sentence."""
        least_covered = self._rules.least_covered
        if loaded.reading is not None or not self._rules.quotes:
            reading = loaded.reading or Reading(self._rules.span_sentences)
            passages, turns = _read_as_trained(found, recent, reading)
            goes_on = bool(turns) and not reading.sentences
            if goes_on:  # the prompt goes on where the last one ended: nothing is read twice
                passages = turns[0].passages
            chat = prompt.build_messages(found.question.text, passages, turns)
            kept = recent[-1].passages if goes_on else found.passages
            trained = loaded.reading is not None
            return WritingTask(chat, found.question.text, passages, trained, least_covered, kept)
        if loaded.profile is not None and loaded.profile.reads_whole:
            budget, count = self._budget(loaded.profile), loaded.chat.get_num_tokens
            shown = fit_neighbours(neighbours, count, budget)
            left = budget - count_neighbours(shown, count)
            passages = fit_passages(found.passages, found.quote, count, left)
            chat = prompt.build_reading_messages(found.question.text, passages, found.before, shown)
        else:
            passages = (found.quote.sentence,) if found.quote else ()
            chat = prompt.build_messages(found.asked, passages)
        return WritingTask(chat, found.asked, passages, False, least_covered, found.passages)

    def _choose_answer(
        self, found: SearchOutcome, best: Answer, stated: Answer, likely: tuple[float, float]
    ) -> Answer:
        """Choose between what the model wrote, the page's own words, and neither.

        `likely` tells how likely each of the two is right.
        """
        written, quoted = likely
        best = replace(best, timings=stated.timings, tokens=stated.tokens)
        if not self._rules.quotes:
            return stated if stated.text else replace(best, passages=stated.passages)
        if stated.text and written >= self._rules.state_from:
            stated = replace(stated, confidence=written)
            return stated if found.quote is None else _widen_citation(stated, found.quote)
        if quoted >= self._rules.state_from:
            return _state_quotation(best, quoted)
        return best

    def _rate(
        self, found: SearchOutcome, best: Answer, features: Mapping[str, float] | None, loaded: LoadedModel
    ) -> tuple[float, float]:
        """Return how likely what the model wrote is right, and the quotation; -1: it is not to be stated.

        The surer one of both counts. What a large model writes that was not measured here is not compared
        with the quotation: its words are shorter and read better.
        """
        own = loaded.confidence
        written = 0.0
        if features is not None:
            weights = own.written if own else load_written_weights(reads_whole=loaded.reads_whole)
            written = confidence.rate_features(features, weights)
        if found.signals is None or found.foreign or best.kind is not AnswerKind.QUOTED:
            return written, _NEVER
        quoted = (
            own.rate_quotation(found.signals)
            if own
            else confidence.rate_page(found.signals, self.head.confidence)
        )
        if own is None and loaded.reads_whole:
            return written, quoted
        return (written, _NEVER) if written >= quoted else (_NEVER, quoted)

    def _collect_features(
        self, found: SearchOutcome, written: CheckedDraft, loaded: LoadedModel
    ) -> Mapping[str, float] | None:
        if not written.text or written.failed or found.signals is None or not found.may_be_stated(loaded):
            return None
        return collect_features(found.signals, found.quote, written)


def _read_as_trained(
    found: SearchOutcome, recent: Sequence[Answer], reading: Reading
) -> tuple[tuple[Passage, ...], tuple[Answer, ...]]:
    """Return the passages that a trained version reads, and the turns that a follow-up goes on from."""
    passages = grounding.select_passages(found.asked, tuple(hit.passage for hit in found.hits), reading)
    if not found.before or not passages:
        return passages, ()
    last = recent[-1]
    earlier = replace(last, passages=grounding.select_passages(last.question.text, last.passages, reading))
    return passages, (earlier,) if any(passages[0].url == one.url for one in earlier.passages) else ()


def _nearness(hits: Sequence[Hit]) -> float:
    return max((hit.similarity for hit in hits), default=-1.0)


def _closeness(hits: Sequence[Hit]) -> float:
    """Return how similar the best sentence is that was found; of a hit without sentences, its passage."""
    similar = (span.similarity for hit in hits for span in hit.spans)
    return max(similar, default=_nearness(hits))


def _take_recent(question: Question, history: Sequence[Answer]) -> list[Answer]:
    oldest = question.asked_at - _CONVERSATION_LASTS
    return [
        answer for answer in history if answer.answered_at >= oldest and answer.question.id != question.id
    ]


def _timings(found: SearchOutcome, first_token_s: float | None = None) -> Timings:
    return Timings(found.search_s, first_token_s, time.perf_counter() - found.started)


def _make_answer(found: SearchOutcome, version: str, kind: AnswerKind) -> Answer:
    return Answer(
        id=derive_answer_id(found.question.id),
        question=found.question,
        text="",
        passages=found.passages,
        citations=(),
        model_version=version,
        timings=_timings(found),
        answered_at=datetime.now(UTC),
        kind=kind,
        search_version=found.head,
    )


def _make_quoted(found: SearchOutcome, version: str) -> Answer:
    assert found.quote is not None  # noqa: S101 - callers looked
    return replace(
        _make_answer(found, version, AnswerKind.QUOTED),
        text=found.quote.text,
        marked=found.quote.marked,
        citations=(found.quote.citation, *found.quote.further),
        confidence=found.likely,
    )


def _make_declined(found: SearchOutcome, version: str) -> Answer:
    """Decline, and cite what would have been quoted: one who is declined wrongly still finds the place."""
    near = found.quote.source if found.quote else None
    near = near or grounding.find_nearest(found.text, found.passages)
    return replace(
        _make_answer(found, version, AnswerKind.DECLINED),
        text=prompt.NOT_ON_PAGE,
        citations=(near,) if near else (),
        confidence=found.likely if found.signals else None,
    )


def _make_stated(found: SearchOutcome, task: WritingTask, version: str, written: CheckedDraft) -> Answer:
    """Return what the model wrote as the answer."""
    return replace(
        _make_answer(found, version, AnswerKind.ANSWERED),
        text=written.text,
        passages=task.found,
        citations=written.citations,
        support=written.covered,
        timings=_timings(found, written.first_token_s),
        tokens=written.tokens,
    )


def _widen_citation(answer: Answer, quote: Quote) -> Answer:
    """Widen the citation of the marked sentence to the quotation around it."""
    cited = tuple(quote.source if one.quote == quote.answering else one for one in answer.citations)
    return replace(answer, citations=cited)


def _state_quotation(quoted: Answer, likely: float) -> Answer:
    """State the quotation as the answer: the search is sure of it, and the model has nothing better."""
    return replace(
        quoted,
        kind=AnswerKind.ANSWERED,
        text=f"{quoted.text} [1]",
        citations=quoted.citations[:1],
        confidence=likely,
        support=1.0,
    )

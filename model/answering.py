"""Question + passages → an Answer whose citations stand in the page, or an honest "not on this page".

The chain is LangChain's: messages | chat model | text. Around it stand the checks that a model cannot talk its way
past: what was found must be near the question, what was said must stand in what was found, and nothing but plain
words reaches the reader.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda

import telemetry
from model import grounding, prompt, wording
from model.grounding import Reading, Within
from model.profile import Profile
from records import Answer, AnswerKind, Citation, Hit, Passage, Question, Timings, answer_id_of

Search = Callable[[str, int, str | None], Awaitable[Sequence[Hit]]]
"""(question, how many, page URL or None for all pages) → hits, best first."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one answer is written with: a chat model, the name of the version that it is, and what it learned to read.

    `reading` of None reads what the rules say. `profile`: how fast it reads here; None where nobody measured.
    """

    chat: BaseChatModel
    version: str
    reading: Reading | None = None
    profile: Profile | None = None


Lend = Callable[[str], AbstractContextManager[Voice]]
"""A conversation's id → the voice that answers it; its model stays loaded until the context is left."""

_CONTINUES = re.compile(
    r"\W*(and|but|or|also|then|so|what about|how about|what if|why not|how come|since when)\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"\b(it|its|they|them|their|this|that|those|these|he|she|him|her|his)\b", re.IGNORECASE
)
_DECLINES = re.compile(
    r"not on (this|the) page|(does|do|did) not (say|tell|mention|state|specify|provide|contain|answer|include)"
    r"|(is|are) not (mentioned|stated|specified|provided|given|included|answered|explicitly)"
    r"|no (information|mention) (about|on|of|in)|i (do not|don't|cannot|can't) (know|answer|find|provide)"
    r"|(as an|i am an|i'm an) ai\b|i'm sorry|i apologi[sz]e"
    r"|^\W*question:|\?\W*$",  # a question back, or the question again
    re.IGNORECASE,
)
_CONVERSATION_LASTS = timedelta(minutes=30)
_FEW_WORDS = 3


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """When to answer and when to decline; the thresholds are measured (LOG.md).

    `passages`: how many are searched for. `span_sentences`: how many sentences of the nearest one the model sees; 0
    shows all passages whole, for models that can read them. A version that was trained reads what it learned to read. `least_similarity`: cosine of question and nearest passage below which the
    model is not even asked. `least_covered`: share of the answer's own content words that must stand in the span
    that it cites.
    """

    passages: int = 2
    span_sentences: int = 1
    least_similarity: float = 0.15
    least_covered: float = 0.5


@dataclass(frozen=True, slots=True)
class _Draft:
    """A question on its way to an answer, with what was found for it and what the model reads of that (`passages`).

    `trained`: the model has learned to choose its words from the page, also those that the question has.
    """

    question: Question
    found: tuple[Passage, ...]
    passages: tuple[Passage, ...]
    turns: tuple[Answer, ...]
    similarity: float
    search_s: float
    started: float
    trained: bool = False


@dataclass(slots=True)
class _Written:
    """What the model has written, and when it began."""

    text: str = ""
    first_token_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a model wrote, plain; "" where it declined. `citation` is where it stands, None where it does not."""

    text: str
    citation: Citation | None = None
    covered: float = 0.0

    @property
    def is_lost(self) -> bool:
        """A model that knows to answer in the page's words has written others."""
        return bool(self.text) and self.citation is None


def always(chat: BaseChatModel, version: str, reading: Reading | None = None) -> Lend:
    """Let one chat model answer everybody."""
    return lambda _: nullcontext(Voice(chat, version, reading))


class Enough(Exception):
    """Thrown into a stream at a draft: its reader wants no more. What is written is the answer then, as stopped."""


class Answering:
    """Answers questions. One voice is borrowed for an answer, from its beginning to its end: none is mixed of two."""

    def __init__(self, lend: Lend, search: Search, rules: AnswerRules | None = None) -> None:
        self._lend = lend
        self._search = search
        self._rules = rules or AnswerRules()
        self._reading = Reading(self._rules.span_sentences)

    async def stream(
        self, question: Question, history: Sequence[Answer] = ()
    ) -> AsyncGenerator[str | Answer]:
        """Yield what is written so far, cumulatively, then the Answer; `Enough` thrown in ends the writing.

        `history` is the conversation's last answers, oldest first. What the engine and the pages raise passes through.
        """
        started = time.perf_counter()
        so_far, stopped_at = _Written(), ""
        with self._lend(question.conversation) as voice:
            reading = voice.reading or self._reading
            found = await self._find(question, _recent(question, history), reading, started)
            draft = replace(found, trained=voice.reading is not None)
            if self._is_near(draft):
                async with aclosing(_write(voice.chat, draft, so_far)) as drafts:
                    async for shown in drafts:
                        try:
                            yield shown
                        except Enough:
                            stopped_at = shown
                            break
            if stopped_at:
                answer = _answer(draft, voice.version, stopped_at, (), so_far.first_token_s)
                answer = replace(answer, stopped=True)
            else:
                checked = self._check(draft, so_far.text)
                if draft.trained and checked.is_lost:
                    bound = _chain(voice.chat.bind(within=_within(draft)))
                    checked = self._check(draft, await bound.ainvoke(draft))
                answer = self._conclude(draft, voice.version, checked, so_far.first_token_s)
        yield answer

    async def answer(self, question: Question, history: Sequence[Answer] = ()) -> Answer:
        """Return the Answer alone."""
        async for item in self.stream(question, history):
            if isinstance(item, Answer):
                return item
        raise RuntimeError("the chain ended without an answer")

    async def _find(
        self, question: Question, history: Sequence[Answer], reading: Reading, started: float
    ) -> _Draft:
        """Search; a follow-up on what the last answer stood on keeps its passages, so their reading is not repeated."""
        earlier = _as_read(history[-1], reading) if history and follows(question.text) else None
        query = f"{earlier.question.text} {question.text}" if earlier else question.text
        page = question.page_url or (earlier.question.page_url if earlier else None)
        with telemetry.span("search"):
            hits = await self._search(query, self._rules.passages, page)
        found = tuple(hit.passage for hit in hits)
        passages = grounding.read(query, found, reading)
        turns = (earlier,) if earlier and passages and _same_section(passages[0], earlier.passages) else ()
        if earlier and turns and not reading.sentences:
            found = history[-1].passages
            passages = earlier.passages  # the prompt goes on where the last one ended: nothing is read twice
        similarity = max((hit.similarity for hit in hits), default=-1.0)
        return _Draft(question, found, passages, turns, similarity, time.perf_counter() - started, started)

    def _is_near(self, draft: _Draft) -> bool:
        return bool(draft.passages) and draft.similarity >= self._rules.least_similarity

    def _check(self, draft: _Draft, written: str) -> _Checked:
        """Make what a model wrote plain, and look whether it stands in the passages."""
        text = wording.whole_sentences(wording.plain(written))
        if not text or declines(text):
            return _Checked("")
        found = grounding.support(draft.question.text, text, draft.passages, echoes_count=draft.trained)
        stands = found.numbers_stand and found.same_sense and found.covered >= self._rules.least_covered
        return _Checked(text, found.citation if stands else None, found.covered)

    def _conclude(
        self, draft: _Draft, version: str, checked: _Checked, first_token_s: float | None
    ) -> Answer:
        if checked.citation is None:
            return self._decline(draft, version, first_token_s)
        answer = _answer(draft, version, f"{checked.text} [1]", (checked.citation,), first_token_s)
        return replace(answer, support=checked.covered)

    def _decline(self, draft: _Draft, version: str, first_token_s: float | None) -> Answer:
        near = grounding.nearest(draft.question.text, draft.passages)
        return _answer(
            draft,
            version,
            prompt.NOT_ON_PAGE,
            (near,) if near else (),
            first_token_s,
            kind=AnswerKind.DECLINED,
        )


def declines(text: str) -> bool:
    """Tell whether a model's words are no answer: they say that there is none, apologise, or ask back."""
    return bool(_DECLINES.search(text))


def follows(text: str) -> bool:
    """Tell whether a question needs the one before it ("and for part-timers?", "why?", "when does it end?").

    A question that names its subject stands alone, even when it says "it".
    """
    named = len(grounding.content_words(text))
    bare = named <= 1 and len(text.split()) <= _FEW_WORDS
    return bool(_CONTINUES.match(text)) or bare or (named <= _FEW_WORDS and bool(_POINTS_BACK.search(text)))


async def _write(chat: BaseChatModel, draft: _Draft, so_far: _Written) -> AsyncGenerator[str]:
    """Let the model write, and yield what can be shown of it; closing stops the model."""
    async for piece in _chain(chat).astream(draft):
        so_far.first_token_s = so_far.first_token_s or time.perf_counter() - draft.started
        so_far.text += piece
        shown = wording.plain_so_far(so_far.text)
        if shown and not declines(shown):
            yield shown


def _within(draft: _Draft) -> Within:
    return Within(tuple(passage.text for passage in draft.passages), prompt.NOT_ON_PAGE)


def _chain(chat: Runnable[LanguageModelInput, AIMessage]) -> Runnable[_Draft, str]:
    def to_messages(draft: _Draft) -> list[tuple[str, str]]:
        chat_messages = prompt.messages(draft.question.text, draft.passages, draft.turns)
        return [(message["role"], message["content"]) for message in chat_messages]

    return RunnableLambda(to_messages) | chat | StrOutputParser()


def _recent(question: Question, history: Sequence[Answer]) -> list[Answer]:
    oldest = question.asked_at - _CONVERSATION_LASTS
    return [
        answer for answer in history if answer.answered_at >= oldest and answer.question.id != question.id
    ]


def _as_read(answer: Answer, reading: Reading) -> Answer:
    """Return an answer with what the model reads of its passages."""
    return replace(answer, passages=grounding.read(answer.question.text, answer.passages, reading))


def _same_section(passage: Passage, earlier: Sequence[Passage]) -> bool:
    return any(passage.url == other.url for other in earlier)


def _answer(
    draft: _Draft,
    version: str,
    text: str,
    citations: tuple[Citation, ...],
    first_token_s: float | None,
    *,
    kind: AnswerKind = AnswerKind.ANSWERED,
) -> Answer:
    return Answer(
        id=answer_id_of(draft.question.id),
        question=draft.question,
        text=text,
        passages=draft.found,
        citations=citations,
        model_version=version,
        kind=kind,
        timings=Timings(draft.search_s, first_token_s, time.perf_counter() - draft.started),
        answered_at=datetime.now(UTC),
    )

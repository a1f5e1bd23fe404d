"""Two versions are asked the same questions, in turn, and what each of them says is judged.

Both go through the whole of `model/answering/chain.py`, with the passages of the question in place of a search: what is
compared is what a person would have been shown. What the model wrote before its answer was checked is heard, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from core.records import Answer, AnswerKind, Channel, Hit, Question
from model.answering import grounding
from model.answering.chain import Answering, AnswerRules, Voice, always
from model.evaluation.metrics import Article, Item, judge
from model.evaluation.test_sets import Part, Probe, obeys
from model.onnx_infer import PromptTooLong

_AS_GIVEN = AnswerRules(passages=8, least_similarity=-1.0, quotes=False)
"""The passages of a question are not searched for, and what the model adds to a quotation is what is compared."""
_TOO_LONG = "(the prompt is too long for this version)"

Tell = Callable[[int, int], None]
"""(questions asked, of how many)"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one version said to one question, judged as `model/evaluation/metrics.py` does. `kind` as in `Answer`.

    `cited` says that its citations stand in the passages word for word. `obeyed`: what people would see does what a
    planted instruction wants; `wrote`: what the model wrote does, before it was checked.
    """

    text: str
    kind: AnswerKind
    correct: bool
    strict: bool
    contained: bool
    f1: float
    cited: bool
    obeyed: bool
    wrote: bool
    total_s: float

    @property
    def abstained(self) -> bool:
        """Whether the version declined."""
        return self.kind is AnswerKind.DECLINED


Pair = tuple[Said, Said]
"""What the live version said, and what the candidate said."""


class _Heard(BaseCallbackHandler):
    """Hears all that a model writes: first freely, then bound to the page where that was of no use."""

    run_inline = True

    def __init__(self) -> None:
        self.text = ""

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.text += f"{response.generations[0][0].text}\n"


class _Side:
    """One version, as it answers these questions."""

    def __init__(self, voice: Voice, span_sentences: int) -> None:
        self._heard = _Heard()
        voice.chat.callbacks = [self._heard]
        self._hits: list[Hit] = []
        rules = replace(_AS_GIVEN, span_sentences=span_sentences)
        self._answering = Answering(
            always(voice.chat, voice.version, voice.reading, voice.profile), self._search, rules
        )

    async def _search(self, _query: str, _limit: int, _page_url: str | None) -> Sequence[Hit]:
        return self._hits

    async def say(self, probe: Probe, question: Question) -> Said:
        self._hits = [Hit(passage, 1.0, 1.0) for passage in probe.passages]
        self._heard.text = ""
        try:
            answer = await self._answering.answer(question)
        except PromptTooLong:
            return _nothing()
        return _said(probe, answer, self._heard.text)


def _said(probe: Probe, answer: Answer, written: str) -> Said:
    article = Article("", tuple(passage.text for passage in probe.passages))
    judged = judge(Item(probe.question, probe.references, article), answer)
    attacked = probe.part is Part.INJECTION
    return Said(
        text=answer.text,
        kind=answer.kind,
        correct=judged.correct,
        strict=judged.strict,
        contained=judged.contained,
        f1=judged.f1,
        cited=bool(answer.citations)
        and all(grounding.stands(citation, probe.passages) for citation in answer.citations),
        obeyed=attacked and not answer.abstained and obeys(probe, answer.text),
        wrote=attacked and obeys(probe, written),
        total_s=answer.timings.total_s,
    )


def _nothing() -> Said:
    """A version that cannot take the prompt has not answered, and not rightly declined either."""
    return Said(
        _TOO_LONG,
        kind=AnswerKind.DECLINED,
        correct=False,
        strict=False,
        contained=False,
        f1=0.0,
        cited=False,
        obeyed=False,
        wrote=False,
        total_s=0.0,
    )


async def ask_both(
    live: Voice, candidate: Voice, probes: Sequence[Probe], tell: Tell, span_sentences: int = 1
) -> list[Pair]:
    """Ask both versions every question; who is first changes with every question, so that neither gets the warm one.

    `span_sentences` is what a version reads that has not learned to read anything. Raises EngineError but for prompts
    that are too long for a version.
    """
    sides = (_Side(live, span_sentences), _Side(candidate, span_sentences))
    pairs: list[Pair] = []
    for number, probe in enumerate(probes):
        question = _question(probe, number)
        first = number % 2
        one = await sides[first].say(probe, question)
        other = await sides[1 - first].say(probe, question)
        pairs.append((other, one) if first else (one, other))
        tell(number + 1, len(probes))
    return pairs


def _question(probe: Probe, number: int) -> Question:
    at = probe.passages[0].fetched_at
    return Question(f"gate/{number}", probe.question, "gate", f"gate/{number}", Channel.COMMAND_LINE, at)

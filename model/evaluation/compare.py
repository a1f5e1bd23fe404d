"""Asks two versions the same questions, in turn, and compares what they say: figures with intervals.

Both go through the whole of `model/answering/chain.py`, with the passages of the question in place of a
search: what is compared is what a person would have been shown. What the model wrote before its answer was
checked is heard, too.

The measures are those of `model/evaluation/metrics.py`, on the held-out questions; `regression_accuracy` is
accuracy on the fixed ones. Beside them:

- *precision*: of what was attempted: of what was answered. What is quoted says that it is not certain.
- *citation validity*: answers whose citations stand in the passages word for word ÷ what was answered or
  quoted.
- *attack success*: planted instructions that what people would see obeys ÷ all planted. *attack written*: the
  same of what the model wrote before its answer was checked. *accuracy under attack*: questions that are
  answered rightly all the same.
- *latency*: seconds from question to whole answer, of the held-out and the fixed questions.

How far apart the versions are, and whether that could be chance, `statistics.py` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from core.records import Answer, AnswerKind, Channel, ComparedAnswer, ComparedFigure, Hit, Question
from model.answering import grounding
from model.answering.chain import Answering, AnswerRules, LoadedModel, always_acquire
from model.evaluation.metrics import Article, Item, judge, percentile
from model.evaluation.result import GroupAccuracy, PairedOutcome, WorstAnswer
from model.evaluation.statistics import (
    Quotient,
    bootstrap_difference,
    bootstrap_percentile_difference,
    compute_mcnemar,
)
from model.evaluation.test_sets import Part, Probe, obeys
from model.onnx_infer import PromptTooLong

_AS_GIVEN = AnswerRules(passages=8, least_similarity=-1.0, quotes=False)
"""The passages of a question are not searched for, and what the model adds to a quotation is what is
compared."""
_TOO_LONG = "(the prompt is too long for this version)"

Tell = Callable[[int, int], None]
"""(questions asked, of how many)"""


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """The answer of one version to one question, judged as `model/evaluation/metrics.py` does.

    `kind` as in `Answer`.

    `cited` says that its citations stand in the passages word for word. `obeyed`: what people would see does
    what a planted instruction wants; `wrote`: what the model wrote does, before it was checked.
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


Pair = tuple[VersionAnswer, VersionAnswer]
"""What the live version said, and what the candidate said."""


class _OutputListener(BaseCallbackHandler):
    """Hears all that a model writes: first freely, then bound to the page where that was of no use."""

    run_inline = True

    def __init__(self) -> None:
        self.text = ""

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.text += f"{response.generations[0][0].text}\n"


class _Side:
    """One version, as it answers these questions."""

    def __init__(self, loaded: LoadedModel, span_sentences: int) -> None:
        self._heard = _OutputListener()
        loaded.chat.callbacks = [self._heard]
        self._hits: list[Hit] = []
        rules = replace(_AS_GIVEN, span_sentences=span_sentences)
        self._answering = Answering(
            always_acquire(loaded.chat, loaded.version, loaded.reading, loaded.profile), self._search, rules
        )

    async def _search(self, _query: str, _limit: int, _page_url: str | None) -> Sequence[Hit]:
        return self._hits

    async def say(self, probe: Probe, question: Question) -> VersionAnswer:
        self._hits = [Hit(passage, 1.0, 1.0) for passage in probe.passages]
        self._heard.text = ""
        try:
            answer = await self._answering.answer(question)
        except PromptTooLong:
            return _make_unanswered()
        return _judge_answer(probe, answer, self._heard.text)


def _judge_answer(probe: Probe, answer: Answer, written: str) -> VersionAnswer:
    article = Article("", tuple(passage.text for passage in probe.passages))
    judged = judge(Item(probe.question, probe.references, article), answer)
    attacked = probe.part is Part.INJECTION
    return VersionAnswer(
        text=answer.text,
        kind=answer.kind,
        correct=judged.correct,
        strict=judged.strict,
        contained=judged.contained,
        f1=judged.f1,
        cited=bool(answer.citations)
        and all(grounding.is_verbatim(citation, probe.passages) for citation in answer.citations),
        obeyed=attacked and not answer.abstained and obeys(probe, answer.text),
        wrote=attacked and obeys(probe, written),
        total_s=answer.timings.total_s,
    )


def _make_unanswered() -> VersionAnswer:
    """A version that cannot take the prompt has not answered, and not rightly declined either."""
    return VersionAnswer(
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
    live: LoadedModel, candidate: LoadedModel, probes: Sequence[Probe], tell: Tell, span_sentences: int = 1
) -> list[Pair]:
    """Ask both versions every question.

    Who is first changes with every question, so that neither gets the warm one.

    `span_sentences` is what a version reads that has not learned to read anything. Raises EngineError but for
    prompts that are too long for a version.
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


WORST = 8
_PERCENTILES = (50, 95)

Counted = Callable[[VersionAnswer], float]


@dataclass(frozen=True, slots=True)
class _Measure:
    """A figure: what of each answer is counted, of which answers, in which part of the questions."""

    name: str
    part: Part
    counted: Counted
    of: Callable[[Probe, VersionAnswer], bool] = lambda _probe, _said: True


def _answerable(probe: Probe, _: VersionAnswer) -> bool:
    return bool(probe.references)


def _unanswerable(probe: Probe, _: VersionAnswer) -> bool:
    return not probe.references


def _is_attempt(_: Probe, said: VersionAnswer) -> bool:
    return said.kind is AnswerKind.ANSWERED


def _cites(_: Probe, said: VersionAnswer) -> bool:
    return not said.abstained


def _correct(said: VersionAnswer) -> bool:
    return said.correct


def _is_abstention(said: VersionAnswer) -> bool:
    return said.abstained


_MEASURES = (
    _Measure("accuracy", Part.HELD_OUT, _correct),
    _Measure("strict_accuracy", Part.HELD_OUT, lambda said: said.strict),
    _Measure("precision", Part.HELD_OUT, _correct, _is_attempt),
    _Measure("f1", Part.HELD_OUT, lambda said: said.f1, _answerable),
    _Measure("contained", Part.HELD_OUT, lambda said: said.contained, _answerable),
    _Measure("right_abstentions", Part.HELD_OUT, _is_abstention, _unanswerable),
    _Measure("false_abstentions", Part.HELD_OUT, _is_abstention, _answerable),
    _Measure("citation_validity", Part.HELD_OUT, lambda said: said.cited, _cites),
    _Measure("regression_accuracy", Part.REGRESSION, _correct),
    _Measure("attack_success", Part.INJECTION, lambda said: said.obeyed),
    _Measure("attack_written", Part.INJECTION, lambda said: said.wrote),
    _Measure("accuracy_under_attack", Part.INJECTION, _correct),
)


def compute_figures(
    probes: Sequence[Probe], pairs: Sequence[Pair], sizes: tuple[int, int]
) -> tuple[ComparedFigure, ...]:
    """Return every figure. `sizes` are the bytes of the two versions' files."""
    shares = [_figure(measure, probes, pairs) for measure in _MEASURES]
    megabytes = ComparedFigure("size_mb", *(size / 1e6 for size in sizes))
    return (*shares, *_latencies(probes, pairs), megabytes)


def _figure(measure: _Measure, probes: Sequence[Probe], pairs: Sequence[Pair]) -> ComparedFigure:
    chosen = [(probe, pair) for probe, pair in zip(probes, pairs, strict=True) if probe.part is measure.part]

    def side(which: int) -> Quotient:
        of = [measure.of(probe, pair[which]) for probe, pair in chosen]
        counted = [
            float(measure.counted(pair[which])) if is_of else 0.0
            for (_, pair), is_of in zip(chosen, of, strict=True)
        ]
        return Quotient(counted, [float(is_of) for is_of in of])

    before, after = side(0), side(1)
    found = bootstrap_difference(before, after)
    between = (found.low, found.high) if found else (None, None)
    return ComparedFigure(measure.name, before.value, after.value, *between)


def _latencies(probes: Sequence[Probe], pairs: Sequence[Pair]) -> list[ComparedFigure]:
    before, after = collect_seconds(probes, pairs)
    figures: list[ComparedFigure] = []
    for share in _PERCENTILES:
        found = bootstrap_percentile_difference(before, after, share)
        between = (found.low, found.high) if found else (None, None)
        values = (percentile(before, share), percentile(after, share))
        figures.append(ComparedFigure(f"latency_p{share}_s", *values, *between))
    return figures


def collect_seconds(probes: Sequence[Probe], pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    """Return how long each answer took, of both versions.

    Passages with planted texts are longer, so without them.
    """
    taken = [pair for probe, pair in zip(probes, pairs, strict=True) if probe.part is not Part.INJECTION]
    return [old.total_s for old, _ in taken], [new.total_s for _, new in taken]


def count_outcomes(part: Part, probes: Sequence[Probe], pairs: Sequence[Pair]) -> PairedOutcome:
    """Compare which questions of a part are answered rightly."""
    chosen = [pair for probe, pair in zip(probes, pairs, strict=True) if probe.part is part]
    before, after = [old.correct for old, _ in chosen], [new.correct for _, new in chosen]
    return PairedOutcome(len(chosen), sum(before), sum(after), *compute_mcnemar(before, after))


def group_accuracy(probes: Sequence[Probe], pairs: Sequence[Pair]) -> list[GroupAccuracy]:
    """Return how reliable both are by site, channel and language, where that is known."""
    found: dict[tuple[str, str], list[Pair]] = {}
    for probe, pair in zip(probes, pairs, strict=True):
        for kind, name in probe.told.items():
            found.setdefault((kind, name), []).append(pair)
    return [
        GroupAccuracy(
            kind,
            name,
            len(these),
            sum(old.correct for old, _ in these) / len(these),
            sum(new.correct for _, new in these) / len(these),
        )
        for (kind, name), these in sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
    ]


def find_worst(probes: Sequence[Probe], pairs: Sequence[Pair]) -> list[WorstAnswer]:
    """Return questions that only the live version answers rightly, successful attacks first."""
    lost = [
        (probe, pair)
        for probe, pair in zip(probes, pairs, strict=True)
        if (pair[0].correct and not pair[1].correct) or (pair[1].obeyed and not pair[0].obeyed)
    ]
    lost.sort(key=lambda one: (not one[1][1].obeyed, one[1][1].abstained, one[1][1].f1 - one[1][0].f1))
    return [
        WorstAnswer(
            ComparedAnswer(
                probe.question, probe.references[0] if probe.references else "", old.text, new.text
            ),
            str(probe.part),
            probe.id,
        )
        for probe, (old, new) in lost[:WORST]
    ]

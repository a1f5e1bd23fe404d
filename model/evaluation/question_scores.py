"""Asks the questions of a set (`question_sets.py`), and scores what came.

The measures; *answerable* are the questions that the pages tell, *absent* the others:

- *right*: right answers ÷ answerable, whether stated or quoted. *right of all*: with the absent ones that
  were declined.
- *stated rightly*, *stated wrongly*: given as an answer (kind "answered") and right, or not ÷ answerable. A
  wrong statement costs more than a quote beside the point: nothing tells its reader to look for themselves.
- *quoted rightly*, *quoted wrongly*: the same of the page's own words. *declined wrongly*: declined ÷
  answerable.
- *invented*: given as an answer although the pages do not tell ÷ absent. *absent quoted*: quoted ÷ absent;
  not right, but its reader sees the page's words. *too long*: right by its words, but more of them than
  `is_too_long` allows: not right.
- *Brier score* (Brier 1950): mean of (confidence - outcome)², the outcome being 1 for right and 0 for wrong;
  0 is perfect, saying 0.5 to everything has 0.25. The reliability table has the share that was right beside
  the mean confidence, in ten bins of confidence: where they are equal, "0.7" means that seven of ten are
  right.
- *to quote*: seconds from the question to the first Answer that can be shown; *to first token*: to the first
  token that the model wrote; *to end*: to the last Answer. Of `before` nothing is counted.
- A question that raised an error is wrong, and counted as an error: neither stated, quoted nor declined.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Protocol

from core.records import Answer, AnswerKind, Channel, Question
from model.evaluation.metrics import percentile, share
from model.evaluation.question_sets import KINDS, PageQuestion, is_right, is_too_long, strip_markers

_BINS = 10


class AnswerStream(Protocol):
    """An answerer that streams texts so far, and Answers, the last of which counts."""

    def stream(self, question: Question, history: Sequence[Answer] = ()) -> AsyncGenerator[str | Answer]: ...


Show = Callable[[Answer], str]
"""An Answer → the text that a person sees."""


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """The outcome of one question; without an `answer` it raised an `error`.

    `text` is what a person sees; `before` is the answer to the question that was asked first. `to_quote_s`
    and `total_s` are seconds until the first Answer of the stream and until its end.
    """

    asked: PageQuestion
    answer: Answer | None = None
    text: str = ""
    right: bool = False
    too_long: bool = False
    before: Answer | None = None
    to_quote_s: float | None = None
    total_s: float = 0.0
    error: str = ""

    @property
    def kind(self) -> AnswerKind | None:
        """The kind of the answer; None where there is none."""
        return self.answer.kind if self.answer else None

    def as_dict(self) -> dict[str, Any]:
        """Return what is saved of it."""
        answer = self.answer
        return {
            "id": self.asked.id,
            "kind": self.kind,
            "text": self.text,
            "confidence": answer.confidence if answer else None,
            "seconds": round(self.total_s, 3),
            "to_quote_s": None if self.to_quote_s is None else round(self.to_quote_s, 3),
            "right": self.right,
            "too_long": self.too_long,
            "question_kind": self.asked.kind,
            "question": self.asked.question,
            "sources": [citation.url for citation in answer.citations] if answer else [],
            **({"before": self.before.text} if self.before else {}),
            **({"error": self.error} if self.error else {}),
        }


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of like confidence: from `low` on, below `high`."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of the confidences of answers of one kind. Bins without an answer are left out."""

    count: int
    brier: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds: the median, and what 95 of 100 stay below; None where nothing was counted."""

    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class QuestionScores:
    """The scores of a model; shares are 0 to 1, None where nothing was counted. See the module.

    `right_by_kind` has (share, count) by the kind of question, `kinds` the counts of answers by their kind,
    `calibration` the kinds that had a confidence, `latency` the names "to quote", "to first token" and "to
    end".
    """

    count: int
    answerable: int
    right: float | None
    right_of_all: float | None
    stated_rightly: float | None
    stated_wrongly: float | None
    quoted_rightly: float | None
    quoted_wrongly: float | None
    declined_wrongly: float | None
    invented: float | None
    absent_quoted: float | None
    too_long: int
    errors: int
    right_by_kind: dict[str, tuple[float, int]]
    kinds: dict[str, int]
    calibration: dict[str, Calibration]
    latency: dict[str, Percentiles]

    def as_dict(self) -> dict[str, Any]:
        """Return the scores by name, rounded to four places."""
        return _round_floats(asdict(self))


async def ask_each(
    answering: AnswerStream,
    questions: Sequence[PageQuestion],
    show: Show,
    heard: Callable[[QuestionOutcome], None],
) -> QuestionScores:
    """Ask every question in turn and score what came; `heard` hears of each. No question ends the run."""
    replies: list[QuestionOutcome] = []
    for asked in questions:
        replies.append(await ask(answering, asked, show))
        heard(replies[-1])
    return score(replies)


async def ask(answering: AnswerStream, asked: PageQuestion, show: Show) -> QuestionOutcome:
    """Ask one question, in a conversation of its own, and judge what a person sees then."""
    conversation = uuid.uuid4().hex
    before: Answer | None = None
    began = time.perf_counter()
    try:
        if asked.before:
            before, _ = await _listen(answering, _question(asked.before, conversation))
        began = time.perf_counter()
        history = (before,) if before else ()
        answer, to_quote_s = await _listen(answering, _question(asked.question, conversation), history)
        total_s = time.perf_counter() - began
        text = show(answer)
        return judge_outcome(
            QuestionOutcome(asked, answer, text, before=before, to_quote_s=to_quote_s, total_s=total_s)
        )
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and the others are asked
        took_s = time.perf_counter() - began
        return QuestionOutcome(asked, before=before, total_s=took_s, error=f"{type(error).__name__}: {error}")


def judge_outcome(reply: QuestionOutcome) -> QuestionOutcome:
    """Return a reply with its judgement; without an answer it is wrong."""
    answer = reply.answer
    if answer is None:
        return replace(reply, right=False, too_long=False)
    declined = answer.kind is AnswerKind.DECLINED
    right = is_right(reply.asked, strip_markers(reply.text, answer), declined=declined)
    too_long = right and not declined and is_too_long(strip_markers(answer.text, answer))
    return replace(reply, right=right and not too_long, too_long=too_long)


def score(replies: Sequence[QuestionOutcome]) -> QuestionScores:
    """Sum up judged replies."""
    answerable = [reply for reply in replies if not reply.asked.is_absent]
    absent = [reply for reply in replies if reply.asked.is_absent]

    def came(kind: AnswerKind, right: bool) -> float | None:
        return share(reply.kind is kind and reply.right is right for reply in answerable)

    return QuestionScores(
        count=len(replies),
        answerable=len(answerable),
        right=share(reply.right for reply in answerable),
        right_of_all=share(reply.right for reply in replies),
        stated_rightly=came(AnswerKind.ANSWERED, right=True),
        stated_wrongly=came(AnswerKind.ANSWERED, right=False),
        quoted_rightly=came(AnswerKind.QUOTED, right=True),
        quoted_wrongly=came(AnswerKind.QUOTED, right=False),
        declined_wrongly=came(AnswerKind.DECLINED, right=False),
        invented=share(reply.kind is AnswerKind.ANSWERED for reply in absent),
        absent_quoted=share(reply.kind is AnswerKind.QUOTED for reply in absent),
        too_long=sum(reply.too_long for reply in replies),
        errors=sum(bool(reply.error) for reply in replies),
        right_by_kind=_right_by_kind(replies),
        kinds={kind.value: sum(reply.kind is kind for reply in replies) for kind in AnswerKind},
        calibration=_calibrations(replies),
        latency=_latency(replies),
    )


def calibrate(told: Sequence[tuple[float, bool]]) -> Calibration:
    """Compare confidences with what came true; there is at least one."""
    bins: list[Bin] = []
    for number in range(_BINS):
        inside = [one for one in told if min(int(one[0] * _BINS), _BINS - 1) == number]
        if inside:
            confidence, right = (fmean(values) for values in zip(*inside, strict=True))
            bins.append(Bin(number / _BINS, (number + 1) / _BINS, len(inside), confidence, right))
    brier = fmean((confidence - right) ** 2 for confidence, right in told)
    return Calibration(len(told), brier, tuple(bins))


async def _listen(
    answering: AnswerStream, question: Question, history: Sequence[Answer] = ()
) -> tuple[Answer, float]:
    """Return the last Answer of a stream, and the seconds until its first."""
    began = time.perf_counter()
    answer: Answer | None = None
    first_s = 0.0
    async for item in answering.stream(question, history):
        if isinstance(item, Answer):
            first_s = first_s if answer else time.perf_counter() - began
            answer = item
    if answer is None:
        raise RuntimeError("the stream ended without an answer")
    return answer, first_s


def _question(text: str, conversation: str) -> Question:
    return Question(
        f"{conversation}/{uuid.uuid4().hex}",
        text,
        "evaluation",
        conversation,
        Channel.COMMAND_LINE,
        datetime.now(UTC),
    )


def _right_by_kind(replies: Sequence[QuestionOutcome]) -> dict[str, tuple[float, int]]:
    counts = Counter(reply.asked.kind for reply in replies)
    rights = Counter(reply.asked.kind for reply in replies if reply.right)
    return {kind: (rights[kind] / counts[kind], counts[kind]) for kind in KINDS if counts[kind]}


def _calibrations(replies: Sequence[QuestionOutcome]) -> dict[str, Calibration]:
    found: dict[str, Calibration] = {}
    for kind in (AnswerKind.ANSWERED, AnswerKind.QUOTED):
        told = [
            (reply.answer.confidence, reply.right)
            for reply in replies
            if reply.answer and reply.kind is kind and reply.answer.confidence is not None
        ]
        if told:
            found[kind.value] = calibrate(told)
    return found


def _latency(replies: Sequence[QuestionOutcome]) -> dict[str, Percentiles]:
    answered = [(reply, reply.answer) for reply in replies if reply.answer]
    seconds: dict[str, list[float | None]] = {
        "to quote": [reply.to_quote_s for reply, _ in answered],
        "to first token": [answer.timings.time_to_first_token_s for _, answer in answered],
        "to end": [reply.total_s for reply, _ in answered],
    }
    return {
        name: _percentiles([one for one in values if one is not None]) for name, values in seconds.items()
    }


def _percentiles(values: Sequence[float]) -> Percentiles:
    return Percentiles(percentile(values, 50), percentile(values, 95))


def _round_floats(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _round_floats(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_round_floats(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value

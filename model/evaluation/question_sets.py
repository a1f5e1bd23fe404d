"""Questions over a folder of pages: the format, the rule that judges an answer, and what came of asking them.

JSON Lines. A line has `id`, `kind` (fact, list, steps, yesno, compare, followup, absent), `page` (below the
folder), `question`, `must` and `evidence`; it may have `also` (further pages), `before` (asked first, in the
same conversation), `must_not` and `searched`. Each question has a conversation of its own and is asked of all
pages together.

The rule, on the text as a person sees it: an answer is right if every inner list of `must` has at least one
alternative that stands in it, and nothing of `must_not` does. Where the pages do not tell (`must` is empty)
only declining is right; elsewhere declining is wrong.

- Both sides are made plain first: lower case; apostrophes within words and commas within numbers go; "%" is
  "percent", "5pm" is "5 pm"; all other punctuation is a space.
- An alternative begins where a word begins and may go on: "quarter" stands in "quarterly". One of up to three
  letters is a whole word, and no digit follows one that ends in a digit: "24" does not stand in "240".
- "yes" and "no" count only as the first word of the answer.

It tells by words: a short wrong sentence with the same number can pass, and a right answer in unforeseen
words can fail.

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

import hashlib
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol, cast

from core.records import Answer, AnswerKind, Channel, Question
from core.sentences import is_list
from model.answering.quoting import MOST_LIST_WORDS, MOST_WORDS
from model.evaluation.metrics import DatasetInvalid, percentile, share

ABSENT = "absent"
KINDS = ("fact", "list", "steps", "yesno", "compare", "followup", ABSENT)
_PLAIN = (
    (re.compile("[‘’]"), "'"),
    (re.compile(r"\b'\b"), ""),
    (re.compile(r"(?<=\d),(?=\d{3})"), ""),
    (re.compile(r"(?<=\d)\s*(am|pm)\b"), r" \1"),
    (re.compile("%"), " percent "),
    (re.compile("[^a-z0-9à-ÿ]+"), " "),
)
_WHOLE_WORD_UP_TO = 3
_ONLY_FIRST = frozenset({"yes", "no"})
_MARKER = re.compile(r"(?:(?<!\s)\s+)?\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """One question.

    `must`: of each group an answer names one; none where the pages do not tell (kind "absent").
    """

    id: str
    kind: str
    page: str
    question: str
    must: tuple[tuple[str, ...], ...]
    must_not: tuple[str, ...] = ()
    before: str = ""
    evidence: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def is_absent(self) -> bool:
        """Whether the pages do not tell it."""
        return self.kind == ABSENT


def to_plain(text: str) -> str:
    """Return a text as it is compared: words and numbers in lower case, one space between them."""
    text = text.lower()
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text.strip()


def is_named_in(answer: str, alternative: str) -> bool:
    """Tell whether an alternative stands in an answer."""
    said, wanted = to_plain(answer), to_plain(alternative)
    if wanted in _ONLY_FIRST:
        return said.partition(" ")[0] == wanted
    before, after = "(?<![a-z0-9])", ""
    if wanted[-1:].isdigit():
        after = "(?![0-9])"
    elif len(wanted) <= _WHOLE_WORD_UP_TO:
        after = "(?![a-z0-9])"
    return re.search(before + re.escape(wanted) + after, said) is not None


def is_right(asked: PageQuestion, shown: str, *, declined: bool) -> bool:
    """Judge what a person was shown. `declined`: it said that the pages do not tell."""
    if asked.is_absent or declined:
        return asked.is_absent and declined
    if any(is_named_in(shown, phrase) for phrase in asked.must_not):
        return False
    return all(any(is_named_in(shown, alternative) for alternative in group) for group in asked.must)


def strip_markers(shown: str, answer: Answer) -> str:
    """Leave out the markers of an answer's citations: the 1 of "[1]" is no number that it names.

    Emphasis may stay: an asterisk or underscore is a space when texts are compared.
    """
    last = len(answer.citations)
    return _MARKER.sub(lambda found: "" if 1 <= int(found[1]) <= last else found[0], shown)


def is_too_long(text: str) -> bool:
    """Tell whether an answer is longer than a chat's reader likes: 80 words, or 150 of a list.

    Somebody who gets half a page has to look for the answer there. What has neither a letter nor a digit is
    no word.
    """
    words = sum(any(map(str.isalnum, word)) for word in text.split())
    return words > (MOST_LIST_WORDS if is_list(text) else MOST_WORDS)


def read_questions(path: Path) -> list[PageQuestion]:
    """Read a file of questions. Raises DatasetInvalid with a sentence that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # other line ends may stand in a text
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read: {error}") from error
    questions: list[PageQuestion] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            questions.append(_parse_question(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            says = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DatasetInvalid(f"{path}, line {number}, is not a question over pages: {says}") from error
    if not questions:
        raise DatasetInvalid(f"{path} holds no question")
    if len({question.id for question in questions}) < len(questions):
        raise DatasetInvalid(f"{path}: two questions have the same id")
    return questions


def assign_fold(page: str, folds: int) -> int:
    """Return in which of the folds a page lies, from 1.

    All its questions are there, so nothing is tuned on a page and tested on it; and a page stays where it is,
    whatever else is in the file.
    """
    return int.from_bytes(hashlib.sha256(page.encode()).digest()[:8], "big") % folds + 1


def _parse_question(row: Any) -> PageQuestion:
    if not isinstance(row, dict):
        raise TypeError("it is no JSON object")
    fields = cast("Mapping[str, Any]", row)
    kind = str(fields["kind"])
    if kind not in KINDS:
        raise ValueError(f"its kind is {kind}, not one of {', '.join(KINDS)}")
    must = tuple(_texts(group) for group in fields["must"])
    if (kind == ABSENT) == bool(must):
        raise ValueError("`must` is empty for absent questions, and only for them")
    found = PageQuestion(
        id=str(fields["id"]),
        kind=kind,
        page=str(fields["page"]),
        question=str(fields["question"]),
        must=must,
        must_not=_texts(fields.get("must_not", [])),
        before=str(fields.get("before", "")),
        evidence=_texts(fields.get("evidence", [])),
        also=_texts(fields.get("also", [])),
    )
    if not all(must) or not all(to_plain(text) for group in (*must, found.must_not) for text in group):
        raise ValueError("a group of `must` is empty, or an alternative has no word")
    return found


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in cast("list[Any]", values)):
        raise TypeError(
            "`must` is a list of lists of texts; `must_not`, `evidence` and `also` are lists of texts"
        )
    return tuple(cast("list[str]", values))


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

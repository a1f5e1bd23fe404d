"""Accuracy, precision, F1, abstention and latency of a model on questions with reference answers.

The measures (SQuAD's normalisation: Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250):

- *correct*: token F1 against any reference ≥ 0.6, or a reference stands word for word in an answer of at most
  30 words. F1 alone would call every full-sentence answer of an untrained model wrong and make any training
  look miraculous; both are reported.
- *accuracy*: answered correctly or rightly declined ÷ all. *precision*: correct ÷ attempted.
- *strict accuracy*: as accuracy, by F1 alone. *contained*: a reference stands in the answer, whatever its
  length.
- Of an answer in the page's own words, the marked sentence is what is judged: the rest stands around it to be
  read with.
- *abstained*: declined ÷ all. *false abstentions*: declined although there is a reference ÷ those with one.

Evidence is the words of a page that answer a question, looked for in what a search found. A file of questions
quotes them with their Markdown marks and line breaks, which a passage does not have. So a passage has an
evidence if it has at least 80 % of its words, marks and the addresses of links apart.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, quantiles
from typing import TypeVar

from core.records import Answer, Passage
from core.sentences import words

Asked = TypeVar("Asked")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MARKERS = re.compile(r"(?:(?<!\s)\s+)?\[\d+\]")
_CORRECT_F1 = 0.6
_CONTAINING_WORDS = 30


class DatasetInvalid(ValueError):
    """A file is not in SQuAD's format; the message says where."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article of a SQuAD file: a page whose paragraphs are its text."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One question on one article; no references means that the right answer is to decline."""

    question: str
    references: tuple[str, ...]
    article: Article


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer, judged."""

    item: Item
    answer: Answer
    f1: float
    exact: bool
    contained: bool
    correct: bool

    @property
    def strict(self) -> bool:
        """Whether it is correct by F1 alone."""
        return self.f1 >= _CORRECT_F1 if self.item.references else self.correct


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a model on a set of questions; shares are 0 to 1, None where nothing was counted."""

    count: int
    accuracy: float | None
    precision: float | None
    strict_accuracy: float | None
    exact_match: float | None
    f1: float | None
    contained: float | None
    abstained: float | None
    false_abstentions: float | None
    right_abstentions: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    time_to_first_token_p50_s: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the scores by name, rounded to four places."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def read_squad(path: Path, limit: int | None = None) -> list[Item]:
    """Read a SQuAD-format file (1.1 or 2.0); `limit` takes that many questions, spread evenly over the file.

    Raises DatasetInvalid with a sentence.
    """
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        items = [item for article in articles for item in _items(article)]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read as JSON: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetInvalid(f"{path} is not in SQuAD's format: {type(error).__name__} {error}") from error
    if not items:
        raise DatasetInvalid(f"{path} holds no question")
    return sample_evenly(items, limit or 0)


def _items(article: dict[str, list[dict[str, object]]]) -> Iterable[Item]:
    paragraphs = article["paragraphs"]
    page = Article(str(article.get("title", "")), tuple(str(p["context"]) for p in paragraphs))
    for paragraph in paragraphs:
        for qa in paragraph["qas"]:  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] - JSON
            references = () if qa.get("is_impossible") else tuple(str(a["text"]) for a in qa["answers"])  # pyright: ignore
            yield Item(str(qa["question"]), references, page)  # pyright: ignore


async def evaluate(
    items: Sequence[Item], ask: Callable[[Item], Awaitable[Answer]], judged: Callable[[Judged], None]
) -> Scores:
    """Ask every question in turn and score the answers; `judged` hears of each as it comes."""
    results: list[Judged] = []
    for item in items:
        results.append(judge(item, await ask(item)))
        judged(results[-1])
    return score(results)


def judge(item: Item, answer: Answer) -> Judged:
    """Compare one answer with its references."""
    text = "" if answer.abstained else _MARKERS.sub("", answer.marked or answer.text)
    f1 = max((token_f1(text, reference) for reference in item.references), default=0.0)
    exact = any(normalise(text) == normalise(reference) for reference in item.references) and bool(text)
    contained = any(_within(normalise(reference), normalise(text)) for reference in item.references)
    near = f1 >= _CORRECT_F1 or (contained and len(text.split()) <= _CONTAINING_WORDS)
    return Judged(item, answer, f1, exact, contained, near if item.references else answer.abstained)


def score(results: Sequence[Judged]) -> Scores:
    """Sum up judged answers."""
    answerable = [result for result in results if result.item.references]
    unanswerable = [result for result in results if not result.item.references]
    attempted = [result for result in results if not result.answer.abstained]
    seconds = [result.answer.timings.total_s for result in results]
    firsts = [t for result in results if (t := result.answer.timings.time_to_first_token_s) is not None]
    return Scores(
        count=len(results),
        accuracy=share(result.correct for result in results),
        precision=share(result.correct for result in attempted),
        strict_accuracy=share(result.strict for result in results),
        exact_match=share(result.exact for result in answerable),
        f1=fmean(result.f1 for result in answerable) if answerable else None,
        contained=share(result.contained for result in answerable),
        abstained=share(result.answer.abstained for result in results),
        false_abstentions=share(result.answer.abstained for result in answerable),
        right_abstentions=share(result.answer.abstained for result in unanswerable),
        latency_p50_s=percentile(seconds, 50),
        latency_p95_s=percentile(seconds, 95),
        time_to_first_token_p50_s=percentile(firsts, 50),
    )


def normalise(text: str) -> list[str]:
    """Normalise as SQuAD does: lower case, no punctuation, no articles; returns the words."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def token_f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of token precision and recall, 0 to 1, after normalisation."""
    said, expected = normalise(answer), normalise(reference)
    shared = sum((Counter(said) & Counter(expected)).values())
    return 2 * shared / (len(said) + len(expected)) if shared else 0.0


def percentile(values: Sequence[float], share: int) -> float | None:
    """Return the `share`-th percentile (1 to 99) of the values, None of nothing."""
    if len(values) < 2:  # noqa: PLR2004 - one value is every percentile of itself
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[share - 1]


def sample_evenly(questions: Sequence[Asked], limit: int) -> list[Asked]:
    """Return `limit` of the questions, evenly over the file; 0 returns all."""
    if not 0 < limit < len(questions):
        return list(questions)
    return [questions[index * len(questions) // limit] for index in range(limit)]


def share(flags: Iterable[bool]) -> float | None:
    """Return how many of the flags are set, 0 to 1; None of nothing."""
    counted = [float(flag) for flag in flags]
    return fmean(counted) if counted else None


def _within(words: Sequence[str], text: Sequence[str]) -> bool:
    return bool(words) and f" {' '.join(words)} " in f" {' '.join(text)} "


FIRST = (1, 3, 5)
"""After so many passages recall is measured."""
_SHARE = 0.8
_NOT_WORDS = re.compile(r"\]\([^()]*\)|\{[%{][^{}]*[%}]\}|https?://[^\s<>()]+|<[^<>]*>|[*_`#\[\]|]")

_BEFORE_STOP = re.compile(r" (?=[.,;:!?)])")


def strip_markup(evidence: str) -> str:
    """Return an evidence without Markdown's marks and the addresses of links, in one line."""
    return _BEFORE_STOP.sub("", " ".join(_NOT_WORDS.sub(" ", evidence).split()))


def measure_cover(evidence: str, text: str) -> float:
    """Return which share of an evidence's words stands in a text, 0 to 1."""
    looked_for, there = words(strip_markup(evidence)), set(words(text))
    return sum(word in there for word in looked_for) / max(1, len(looked_for))


def is_told(evidence: str, passage: Passage) -> bool:
    """Tell whether a passage, with its title and heading, has an evidence."""
    return measure_cover(evidence, f"{passage.title}\n{passage.heading}\n{passage.text}") >= _SHARE


def measure_recall(evidence: Sequence[str], passages: Sequence[Passage]) -> tuple[float, ...]:
    """Return the share of a question's evidence that the first 1, 3 and 5 passages have (`FIRST`)."""
    return tuple(
        sum(any(is_told(one, passage) for passage in passages[:first]) for one in evidence)
        / max(1, len(evidence))
        for first in FIRST
    )

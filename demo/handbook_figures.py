"""What a round on a folder of pages has taught: answers that measure, and figures with intervals.

FOLDER/scores/N.WHAT.jsonl   a line for each question of one set after round N; 0 is before the first

Asked is the answerer without its dialog, so nothing is kept of these questions, and nothing learns from them.
The shares are those of model/evaluation/question_scores.py, and beside them:

- *answered*: not declined ÷ answerable. *verified*: given as a reviewer's word ÷ all. *offered*: with at
  least one ruling on a similar question below the answer ÷ all.
- *recall@k*: the share of a question's evidence that is in the first k passages that the answer goes on with,
  on average over the answerable questions.
- *reach*: other ways to ask a question that get what was ruled on it ÷ all of them. *reach or offer*: those
  that get it or are offered it, or another ruling with the same words from the same page, or to which the
  bot states these words by itself: then they are not offered. *wrong reach* and *wrong offer*: questions that
  nearly ask it and get it, or are offered it, all the same ÷ all of those. *stray*: of both, those that get
  what was ruled on another question. Only questions that were ruled on are counted.
- *lag*: seconds from a correction to the first answer that has it; of those that no answer had after some
  looks, only the number is told.

Intervals are Wilson's (1927), for 95 %. Recall is a mean of shares, which varies less than shares of yes and
no: for it, the interval is too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from bot.cards.answer_text import render_shown_text
from bot.dialogs.ask import Answerer
from bot.dialogs.similar_questions import holds_words, say_the_same
from core.files import add_line, read_lines
from core.records import Answer, AnswerKind, Question, VerifiedAnswer
from demo.handbook import HandbookPlan, Paraphrases
from demo.handbook_rounds import HandbookStage, is_from, make_measuring_question, name_answer
from feedback.metrics.statistics import wilson
from model.evaluation.metrics import FIRST, measure_recall, percentile
from model.evaluation.question_scores import QuestionOutcome, ask
from model.evaluation.question_sets import PageQuestion
from model.evaluation.statistics import Quotient, bootstrap_difference, compute_mcnemar

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one question. `found` is its recall after 1, 3 and 5 passages, none where it is absent.

    `offered`: rulings on similar questions stand below the answer.
    """

    id: str
    absent: bool
    kind: str
    right: bool
    verified: bool
    seconds: float
    found: tuple[float, ...]
    error: str = ""
    offered: bool = False


@dataclass(frozen=True, slots=True)
class _Listening:
    """An answerer as `model.evaluation.question_scores` asks it."""

    answerer: Answerer

    def stream(self, question: Question, history: Sequence[Answer] = ()) -> AsyncGenerator[str | Answer]:
        return self.answerer.stream(question, history)


async def measure_set(
    stage: HandbookStage, questions: Sequence[PageQuestion], kept: Path, tell: Tell
) -> list[Measured]:
    """Ask every question of a set that was not asked yet; return all that came."""
    known = read_measured(kept)
    for asked in questions:
        if asked.id not in known:
            outcome = await ask(_Listening(stage.answerer), asked, render_shown_text)
            known[asked.id] = await _sum_up(stage, outcome)
            add_line(kept, asdict(known[asked.id]))
        tell(1)
    return [known[asked.id] for asked in questions]


def read_measured(kept: Path) -> dict[str, Measured]:
    """Return what is kept of a set, by its questions."""
    rows = [Measured(**row) for row in read_lines(kept)]
    return {one.id: replace(one, found=tuple(one.found)) for one in rows}


async def _sum_up(stage: HandbookStage, outcome: QuestionOutcome) -> Measured:
    asked, answer = outcome.asked, outcome.answer
    found: tuple[float, ...] = ()
    if not asked.is_absent:
        recent = [outcome.before] if outcome.before else []
        search = await stage.answering.find(make_measuring_question(asked.question), recent)
        found = measure_recall(asked.evidence, [hit.passage for hit in search.hits])
    return Measured(
        asked.id,
        asked.is_absent,
        outcome.kind.value if outcome.kind else "error",
        outcome.right,
        answer is not None and answer.verified_by is not None,
        round(outcome.total_s, 3),
        found,
        outcome.error,
        answer is not None and bool(answer.similar),
    )


async def measure_reach(
    stage: HandbookStage, plan: HandbookPlan, number: int, kept: Path, tell: Tell
) -> list[Mapping[str, Any]]:
    """Ask every paraphrase of what was ruled on until a round; return who got whose ruling."""
    known = {str(row["id"]): row for row in read_lines(kept)}
    rows: list[Mapping[str, Any]] = []
    for one in plan.paraphrases:
        asked_in = plan.find_round(one.id)
        verified = None
        if 0 < asked_in <= number:
            verified = await stage.bot.services.repository.read_verified(name_answer(asked_in, one.id))
        if verified is not None:
            rows += await _measure_line(stage, one, verified, known, kept)
        tell(1)
    return rows


async def _measure_line(
    stage: HandbookStage,
    one: Paraphrases,
    verified: VerifiedAnswer,
    known: Mapping[str, Mapping[str, Any]],
    kept: Path,
) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for at, near in enumerate(one.near):
        name = f"{one.id}/{at}"
        row = known.get(name)
        if row is None:
            answer = await stage.ask_to_end(near.text)
            own = answer is not None and is_from(answer, verified.text, verified.verified_at)
            served = answer is not None and answer.verified_by is not None
            offered = answer is not None and await _is_offered(stage, verified, answer.similar)
            said = answer is not None and _says(answer, verified)
            row = {
                "id": name,
                "kind": near.kind,
                "own": own,
                "offered": offered,
                "said": said,
                "other": served and not own,
            }
            add_line(kept, row)
        rows.append(row)
    return rows


def _says(answer: Answer, verified: VerifiedAnswer) -> bool:
    """Tell whether the bot states by itself, in the same words, what was ruled."""
    return answer.kind is AnswerKind.ANSWERED and holds_words(answer.text, verified.text)


async def _is_offered(stage: HandbookStage, verified: VerifiedAnswer, similar: Sequence[str]) -> bool:
    """Tell whether what was ruled is offered, by this ruling or by one that says the same."""
    others = [await stage.bot.services.repository.read_verified(name) for name in similar]
    return verified.answer_id in similar or any(say_the_same(verified, one) for one in others if one)


# Figures

Figure = Mapping[str, float | int | None]
"""`value`, the bounds `low` and `high`, and the `count` of what it rests on; the first three may be None."""


def compute_figures(measured: Sequence[Measured]) -> dict[str, Figure]:
    """Return the figures of one set."""
    told = [one for one in measured if not one.absent]
    absent = [one for one in measured if one.absent]

    def came(kind: AnswerKind, right: bool) -> Figure:
        return make_figure(one.kind == kind and one.right is right for one in told)

    return {
        "answered": make_figure(one.kind != AnswerKind.DECLINED for one in told),
        "right": make_figure(one.right for one in told),
        "stated rightly": came(AnswerKind.ANSWERED, right=True),
        "stated wrongly": came(AnswerKind.ANSWERED, right=False),
        "quoted rightly": came(AnswerKind.QUOTED, right=True),
        "quoted wrongly": came(AnswerKind.QUOTED, right=False),
        "declined wrongly": came(AnswerKind.DECLINED, right=False),
        "invented": make_figure(one.kind == AnswerKind.ANSWERED for one in absent),
        "rightly declined": make_figure(one.right for one in absent),
        "verified": make_figure(one.verified for one in measured),
        "offered": make_figure(one.offered for one in measured),
        **{f"recall@{first}": make_figure(one.found[at] for one in told) for at, first in enumerate(FIRST)},
    }


def compute_reach(rows: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Return how far rulings reach beyond the words that they were given on."""
    return {
        "reach": make_figure(row["own"] for row in rows if not row["kind"]),
        "reach or offer": make_figure(
            row["own"] or row.get("offered", False) or row.get("said", False)
            for row in rows
            if not row["kind"]
        ),
        "wrong reach": make_figure(row["own"] for row in rows if row["kind"]),
        "wrong offer": make_figure(row.get("offered", False) for row in rows if row["kind"]),
        "stray": make_figure(row["other"] for row in rows),
    }


def compute_lag(lags: Sequence[float | None]) -> dict[str, float | int | None]:
    """Return how soon corrections were served, in seconds."""
    known = [one for one in lags if one is not None]
    return {
        "count": len(lags),
        "never": len(lags) - len(known),
        "p50_s": percentile(known, 50),
        "longest_s": max(known, default=None),
    }


def compare(before: Sequence[Measured], after: Sequence[Measured]) -> dict[str, Mapping[str, Any]]:
    """Return how a set's figures differ from before the first round, question by question.

    `low` and `high` bound the difference, `p` is McNemar's (model/evaluation/statistics.py).
    """
    sides: dict[str, Callable[[Measured], bool]] = {
        "right": lambda one: one.right,
        "stated wrongly": lambda one: one.kind == AnswerKind.ANSWERED and not one.right,
        "declined wrongly": lambda one: one.kind == AnswerKind.DECLINED and not one.right,
    }
    found: dict[str, Mapping[str, Any]] = {}
    for name, counts in sides.items():
        old, new = ([bool(counts(one)) for one in side if not one.absent] for side in (before, after))
        gained, lost, p = compute_mcnemar(old, new)
        between = bootstrap_difference(Quotient(old, [1.0] * len(old)), Quotient(new, [1.0] * len(new)))
        found[name] = {
            "change": round((gained - lost) / len(old), 4) if old else None,
            "low": round(between.low, 4) if between else None,
            "high": round(between.high, 4) if between else None,
            "p": round(p, 4),
            "count": len(old),
        }
    return found


def make_figure(values: Iterable[float]) -> Figure:
    """Return a mean of values from 0 to 1 with its interval."""
    counted = [float(value) for value in values]
    if not counted:
        return {"value": None, "low": None, "high": None, "count": 0}
    value = fmean(counted)
    low, high = wilson(value, len(counted))
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4), "count": len(counted)}

"""Fits how sure the bot is (model/answering/confidence.py) on questions with known answers, and measures it.

Run as: python -m benchmarks.calibration [FILE.jsonl FOLDER ...] [--version NAME] [--folds 5] [--write]

Each FILE of questions is asked over all pages of the FOLDER behind it; without any, the public handbook's.
What is found and quoted is judged as `askpage evaluate` does. Two regressions are fitted: that the quotation
holds the answer (`page`), and that it or a further place does (`quote`). With --version that model writes,
too, and one more is fitted over all that passes the checks: `written` over what small versions make of the
answering sentence, `read` over what those write that read whole passages. Weights that nothing was asked for
stay as they are.

Reported is what comes of questions that the weights were not fitted on: pages are dealt to folds, and each
fold is judged by weights of the others. Brier score, area under the curve, a reliability table, and for some
thresholds how much is stated rightly, stated wrongly, and invented. --write puts the weights of all questions
into model/fixed/confidence.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.questions import print_calibration, print_table
from bot.answers.direct import make_question
from bot.bootstrap import open_answering, open_pages
from bot.cards.answer_text import render_shown_text
from cli.measure import index_pages, settings_beside
from core.records import AnswerKind
from core.settings import Settings
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.confidence import (
    WEIGHTS,
    Signals,
    cites_quote,
    collect_read_features,
    collect_written_features,
)
from model.evaluation.near_fit import Cases, fit_near, make_cases, rate_cases
from model.evaluation.question_scores import ask, calibrate
from model.evaluation.question_sets import PageQuestion, assign_fold, is_right, read_questions
from model.registry.versions import find_version

Numbers = NDArray[np.float64]

_RIDGE = 10.0
"""Weights are held small: a few hundred questions tell little."""
_FITTED = ("score", "terms", "told", "relevance", "lead")
"""The signals that help on questions that no weight was fitted on. Others that were tried do not (LOG.md)."""
_THRESHOLDS = (0.6, 0.66, 0.72, 0.75, 0.78, 0.84)


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what the search knew, and whether the quotation alone, or with further places, was right.

    `quoted` is that quotation. `written`, `read`: whether what a model wrote was right that read the
    answering sentence, or whole passages; `agrees`: something that it cites stands in the quotation.
    """

    asked: PageQuestion
    signals: Signals
    page: bool
    quote: bool
    quoted: str
    written: bool = False
    read: bool = False
    agrees: bool = False


def main() -> None:
    """Fit, report, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", type=Path, metavar="FILE FOLDER")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the models are")
    parser.add_argument("--version", action="append", default=[], help="let this model version write, too")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the weights")
    given = parser.parse_args()
    sets = given.sets or [given.data / "questions" / "dev.jsonl", given.data / "handbook" / "pages"]
    pairs = list(zip(sets[::2], sets[1::2], strict=True))
    cases = [
        one for file, folder in pairs for one in asyncio.run(_judge_quotes(file, folder, given.data_dir))
    ]
    weights: dict[str, Mapping[str, float]] = json.loads(WEIGHTS.read_text("utf-8"))
    for name in ("quote", "page"):
        weights[name] = _cross_validate(name, cases, [_signals(one) for one in cases], given.folds)
    for version in given.version:
        reads, heard = False, list[Case]()
        for file, folder in pairs:
            reads, some = asyncio.run(_judge_statements(cases, file, folder, given.data_dir, version))
            heard += some
        name = "read" if reads else "written"
        known = [
            collect_read_features(one.signals, agrees=one.agrees)
            if reads
            else collect_written_features(one.signals)
            for one in heard
        ]
        weights[name] = _cross_validate(name, heard, known, given.folds)
    if given.write:
        WEIGHTS.write_text(json.dumps(weights, indent=2) + "\n", "utf-8")


async def _judge_quotes(file: Path, folder: Path, data_dir: Path) -> list[Case]:
    """Search and quote, and judge what would be quoted; no model is asked."""
    settings = Settings(data_dir=data_dir, pages=[str(folder)])
    cases: list[Case] = []
    async with open_pages(settings_beside(settings)) as page_services:
        await index_pages(page_services, settings)
        silent = always_acquire(CannedChatModel([""]), "none")
        answering = Answering(
            silent, page_services.library.search, AnswerRules(), page_services.library.read_section
        )
        answering.score_pairs = page_services.score_pairs
        for asked in read_questions(file):
            before = await answering.answer(make_question(asked.before, None)) if asked.before else None
            found = await answering.find(make_question(asked.question, None), [before] if before else [])
            if found.signals is None or found.quote is None:
                continue
            further = "\n".join(one.quote for one in found.quote.further)
            page = is_right(asked, found.quote.text, declined=False)
            quote = is_right(asked, f"{found.quote.text}\n{further}", declined=False)
            cases.append(Case(asked, found.signals, page, quote, found.quote.text))
    return cases


async def _judge_statements(
    cases: Sequence[Case], file: Path, folder: Path, data_dir: Path, version: str
) -> tuple[bool, list[Case]]:
    """Let a version write, and state whatever passes the checks.

    Return whether it reads whole passages, and the cases in which something passed.
    """
    settings = Settings(data_dir=data_dir, pages=[str(folder)], state_confidence=0.0)
    profile = find_version(settings.models_dir, version).profile
    reads = profile is not None and profile.reads_whole
    known = {one.asked.id: one for one in cases}
    async with (
        open_pages(settings_beside(settings)) as page_services,
        open_answering(settings, page_services, version) as answering,
    ):
        replies = [await ask(answering, asked, render_shown_text) for asked in read_questions(file)]
    heard: list[Case] = []
    for reply in replies:
        case = known.get(reply.asked.id)
        if case and reply.answer and reply.kind is AnswerKind.ANSWERED and not reply.answer.marked:
            agrees = cites_quote(reply.answer.citations, case.quoted)
            right = reply.right
            heard.append(replace(case, written=right and not reads, read=right and reads, agrees=agrees))
    return reads, heard


def _signals(case: Case) -> Mapping[str, float]:
    return {name: getattr(case.signals, name) for name in _FITTED}


def _cross_validate(
    name: str, cases: Sequence[Case], known: Sequence[Mapping[str, float]], folds: int
) -> Mapping[str, float]:
    """Report how weights do on questions that they were not fitted on; return those of all questions."""
    right = [bool(getattr(case, name)) and not case.asked.is_absent for case in cases]
    fold = [assign_fold(case.asked.page or case.asked.id, folds) for case in cases]
    whole = make_cases(known, right, [1.0] * len(cases))
    likely = np.zeros(len(cases))
    for number in range(1, folds + 1):
        others = [at for at, one in enumerate(fold) if one != number]
        learned = make_cases([known[at] for at in others], [right[at] for at in others], [1.0] * len(others))
        held = [at for at, one in enumerate(fold) if one == number]
        likely[held] = rate_cases(whole, _fit(learned))[held]
    _report(name, cases, likely, whole.right)
    return _fit(whole)


def _fit(cases: Cases) -> Mapping[str, float]:
    """Return the weights of one regression, pulled towards none."""
    return fit_near(cases, {"bias": 0.0}, _RIDGE, 0.0)


def _report(name: str, cases: Sequence[Case], likely: Numbers, right: Numbers) -> None:
    print(f"\n### {name}: {len(cases)} questions, right {right.mean():.2f}, area {_area(likely, right):.3f}")
    print_calibration(name, calibrate(list(zip(likely.tolist(), (right > 0).tolist(), strict=True))))
    absent = np.array([case.asked.is_absent for case in cases])
    shares: list[tuple[float, ...]] = []
    for threshold in _THRESHOLDS:
        stated = likely >= threshold
        here, rightly = stated[~absent], right[~absent] > 0
        invented = float(np.mean(stated[absent])) if absent.any() else 0.0
        shares.append((threshold, float(np.mean(here & rightly)), float(np.mean(here & ~rightly)), invented))
    print()
    print_table(("stated from", "stated rightly", "stated wrongly", "invented"), shares)


def _area(likely: Numbers, right: Numbers) -> float:
    """Return how often a right answer has the higher confidence than a wrong one (area under curve)."""
    good, bad = likely[right > 0], likely[right == 0]
    return float((good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2)


if __name__ == "__main__":
    main()

"""How well the bot answers: employees on a public handbook, newcomers on our own docs, and XQuAD.

Run as: python -m benchmarks.questions [SET ...] [--fold K/N [--rest]] [--limit N] [--version NAME] [--save
FOLDER]

SET is `handbook`, `newcomers` or `xquad`; all three without one. Handbook and newcomers are asked over all
pages together and measured as `askpage evaluate NAME.jsonl` does (model/evaluation/question_scores.py says
what each figure is); XQuAD's hundred questions are asked of their own article (model/evaluation/metrics.py).
It prints tables in Markdown.

To choose a constant by cross-validation: choose it on `--fold K/N --rest`, the questions of the pages outside
of fold K, and look at `--fold K/N` once, for each K from 1 to N. Pages are dealt to folds by a hash of their
names, so a page's questions are never on both sides. With --save each set's answers are in FOLDER/SET.jsonl,
a line for each.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cli.measure import measure, measure_questions
from core.settings import Settings
from model.evaluation.metrics import read_squad, sample_evenly
from model.evaluation.question_scores import Calibration, QuestionScores
from model.evaluation.question_sets import PageQuestion, assign_fold, read_questions

NEWCOMERS = Path(__file__).with_name("newcomers.jsonl")
DOCS = Path(__file__).resolve().parent.parent / "docs"
XQUAD_QUESTIONS = 100
SETS = ("handbook", "newcomers", "xquad")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the models are")
    parser.add_argument("--fold", default="", metavar="K/N", help="only questions of pages in this fold")
    parser.add_argument("--rest", action="store_true", help="those of the other pages instead")
    parser.add_argument("--limit", type=int, default=0, help="ask this many of each set, spread over it")
    parser.add_argument("--version", default="", help="the model version, not the live one")
    parser.add_argument("--save", type=Path, help="folder for the answers")
    given = parser.parse_args()
    if unknown := set(given.sets) - set(SETS):
        parser.error(f"there is no set {', '.join(sorted(unknown))}")
    for name in given.sets or SETS:
        if name != "newcomers" and not given.data.is_dir():
            print(f"{name} is skipped: the public data is not at {given.data}; name its folder with --data")
        elif name == "xquad":
            _measure_xquad(given)
        else:
            _measure_questions(name, given)


def _measure_questions(name: str, given: argparse.Namespace) -> None:
    handbook = name == "handbook"
    file = given.data / "questions" / "dev.jsonl" if handbook else NEWCOMERS
    pages = given.data / "handbook" / "pages" if handbook else DOCS
    questions = sample_evenly(in_fold(read_questions(file), given.fold, rest=given.rest), given.limit)
    settings = Settings(data_dir=given.data_dir, pages=[str(pages)])
    save = given.save / f"{name}.jsonl" if given.save else None
    scores = asyncio.run(measure_questions(settings, questions, given.version, save))
    print(f"\n### {name}{f', fold {given.fold}' * bool(given.fold)}{', the rest' * given.rest}\n")
    print_scores(scores)


def _measure_xquad(given: argparse.Namespace) -> None:
    items = read_squad(given.data / "xquad" / "xquad.en.json", given.limit or XQUAD_QUESTIONS)
    scores = asyncio.run(measure(Settings(data_dir=given.data_dir), items, given.version)).as_dict()
    print("\n### xquad\n")
    print_table(("measure", "value"), scores.items())


def in_fold(questions: Sequence[PageQuestion], fold: str, *, rest: bool = False) -> list[PageQuestion]:
    """Return the questions whose page lies in fold "K/N", or the others; "" returns all."""
    if not fold:
        return list(questions)
    found = re.fullmatch(r"(\d+)/(\d+)", fold)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise SystemExit(f"--fold {fold}: it is K/N, with K from 1 to N, such as 2/5")
    number, folds = int(found[1]), int(found[2])
    return [one for one in questions if (assign_fold(one.page, folds) == number) is not rest]


def print_scores(scores: QuestionScores) -> None:
    """Print what was reached as tables in Markdown."""
    shares = [(name, value) for name, value in scores.as_dict().items() if not isinstance(value, dict)]
    kinds = [(f"{kind} answers", count) for kind, count in scores.kinds.items()]
    by_kind = [
        (f"right, {kind} ({count})", round(share, 4)) for kind, (share, count) in scores.right_by_kind.items()
    ]
    seconds = [
        (f"{name}, p50; p95", f"{_format_cell(one.p50_s)} s; {_format_cell(one.p95_s)} s")
        for name, one in scores.latency.items()
    ]
    print_table(("measure", "value"), [*shares, *by_kind, *kinds, *seconds])
    for kind, calibration in scores.calibration.items():
        print_calibration(kind, calibration)


def print_calibration(kind: str, calibration: Calibration) -> None:
    """Print how often confidences come true as a table in Markdown."""
    print(f"\nConfidence of {calibration.count} {kind} answers, Brier score {calibration.brier:.3f}:\n")
    rows = [
        (f"{one.low:.1f} to {one.high:.1f}", f"{one.confidence:.2f}", f"{one.right:.2f}", one.count)
        for one in calibration.bins
    ]
    print_table(("confidence", "mean", "right", "answers"), rows)


def print_table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table in Markdown; numbers with two places, – for None."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(_format_cell(cell).replace('_', ' ') for cell in row)} |")


def _format_cell(cell: object) -> str:
    return "–" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    main()

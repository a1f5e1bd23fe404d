"""Fits a version's confidence, in its own words and in the quotation, to what it says of reviewed questions.

    judged = judge_attempt(example, attempt)     both, judged as the gate judges
    fit = fit_version(judged)                    weights near the shipped ones, and why they count or do not

The questions are those of the validation share: reviewed ones that neither this version nor one that it
descends from has learned from, and that the gate does not count on. There are few of them, tens rather than
hundreds, so the shipped weights pull strongly (`_RIDGE`, as so many answers); what all answers have in common
may move more easily (`_BIAS_RIDGE`), since that is what differs most between versions. Fitted weights count
if they are nearer to what was right on questions that they were not fitted to (log loss, each question left
out in turn); else, and with fewer than `LEAST` questions, the shipped ones do, and a sentence says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.records import Answer, AnswerKind, TrainingExample
from model.answering.chain import Attempt
from model.answering.confidence import Signals, load_weights
from model.answering.version_confidence import WRITTEN, load_written_weights
from model.evaluation.metrics import Article, Item, judge
from model.evaluation.near_fit import Cases, compute_log_loss, fit_near, make_cases, rate_cases
from model.registry.versions import ModelVersion, read_version
from model.text import output_text
from model.training.dataset import read_dataset

LEAST = 20
"""Judged answers without which nothing is fitted."""
MOST = 300
"""Questions that are asked: the more, the longer it takes, and three hundred say enough."""
_RIDGE, _BIAS_RIDGE = 10.0, 2.0
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class JudgedAttempt:
    """What a version, and the pages, said to a reviewed question, and whether it was right.

    `features` are None where nothing was written that could be stated, `signals` where nothing was quoted.
    """

    answer_id: str
    features: Mapping[str, float] | None
    signals: Mapping[str, float] | None
    written: bool
    page: bool
    weight: float
    reads_whole: bool


@dataclass(frozen=True, slots=True)
class VersionFit:
    """Weights of both regressions; empty ones where neither is better than what is shipped.

    `answers` are those whose reviews it was fitted to.
    """

    written: Mapping[str, float]
    page: Mapping[str, float]
    answers: tuple[str, ...]
    reasons: tuple[str, ...]
    figures: Mapping[str, float]

    def dump(self, now: datetime) -> dict[str, Any]:
        """Return what a manifest keeps of it."""
        told = asdict(self)
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        return told | {"digest": digest, "made_at": now.isoformat()}


def read_validation(models_dir: Path, version: ModelVersion, dataset: Path) -> list[TrainingExample]:
    """Return reviewed questions that no version in the line learned from, and the gate does not count on.

    The same ones each time, at most `MOST`. Raises ExamplesInvalid.
    """
    share = _find_share(models_dir, version)
    unlearned = read_dataset(dataset).split(share)[1] if share else []
    drawn = sorted(unlearned, key=lambda one: hashlib.sha256(one.answer_id.encode()).digest())
    return drawn[:MOST]


def _find_share(models_dir: Path, version: ModelVersion) -> float:
    """Return the least validation share of a version and of those that it descends from.

    What a smaller share sets aside a larger one does, too. Of versions that are deleted nobody knows.
    """
    share = 1.0
    known: ModelVersion | None = version
    while known is not None and known.parent is not None:
        share = min(share, float(known.training.get("recipe", {}).get("validation_share", 0.0)))
        known = read_version(models_dir / known.parent)
    return share if version.parent is not None else 0.0


def judge_attempt(example: TrainingExample, attempt: Attempt) -> JudgedAttempt:
    """Judge what was said to a reviewed question by what the reviewers let stand."""
    references = () if example.declines else (output_text.to_plain_text(example.completion),)
    item = Item(example.question_text, references, Article("", ()))

    def is_right(answer: Answer) -> bool:
        return answer.kind is not AnswerKind.DECLINED and judge(item, answer).correct

    quoted = attempt.signals is not None and attempt.quoted.kind is AnswerKind.QUOTED
    return JudgedAttempt(
        answer_id=example.answer_id,
        features=attempt.features,
        signals=_list_signals(attempt.signals) if attempt.signals and quoted else None,
        written=attempt.features is not None and is_right(attempt.written),
        page=quoted and is_right(attempt.quoted),
        weight=example.weight,
        reads_whole=attempt.reads_whole,
    )


def _list_signals(signals: Signals) -> Mapping[str, float]:
    return {name: value for name, value in asdict(signals).items() if value is not None}


def fit_version(judged: Sequence[JudgedAttempt]) -> VersionFit:
    """Fit both regressions to what a version said."""
    written = load_written_weights(reads_whole=any(one.reads_whole for one in judged))
    read = any(one.signals and "relevance" in one.signals for one in judged)
    page = load_weights()["page" if read else "page_unread"]
    features = _list_cases(((one.features, one.written, one.weight) for one in judged), {*WRITTEN, *written})
    signals = _list_cases(((one.signals, one.page, one.weight) for one in judged), page.keys())
    figures: dict[str, float] = {}
    own_written, why = _fit_one("written", features, written, figures)
    own_page, why_page = _fit_one("page", signals, page, figures)
    fits = bool(own_written or own_page)
    return VersionFit(
        written=own_written or (written if fits else {}),
        page=own_page or (page if fits else {}),
        answers=tuple(sorted(one.answer_id for one in judged)) if fits else (),
        reasons=(why, why_page),
        figures=figures,
    )


def _list_cases(judged: Iterable[tuple[Mapping[str, float] | None, bool, float]], weighed: Set[str]) -> Cases:
    """Return the cases that have all features that are weighed."""
    names = sorted(weighed - {"bias"})
    known = [
        ({name: row[name] for name in names}, right, weight)
        for row, right, weight in judged
        if row is not None and row.keys() >= {*names}
    ]
    return make_cases(
        [row for row, _, _ in known], [right for _, right, _ in known], [weight for _, _, weight in known]
    )


def _fit_one(
    name: str, cases: Cases, shipped: Mapping[str, float], figures: dict[str, float]
) -> tuple[Mapping[str, float], str]:
    """Return weights, none where the shipped ones stay, and why."""
    count, called = len(cases.right), f"The confidence «{name}»"
    figures[f"{name}_judged"] = count
    if count < LEAST:
        return {}, f"{called} stays as shipped: {count} answers could be judged; {LEAST} are needed."
    before = rate_cases(cases, shipped)
    apart = [_fit(cases.leave_out(at), shipped) for at in range(count)]
    after = np.array([rate_cases(cases, weights)[at] for at, weights in enumerate(apart)])
    losses = [float(compute_log_loss(likely, cases.right).mean()) for likely in (before, after)]
    figures |= {
        f"{name}_right": round(float(cases.right.mean()), 4),
        f"{name}_likely_before": round(float(before.mean()), 4),
        f"{name}_loss_before": round(losses[0], 4),
        f"{name}_loss_after": round(losses[1], 4),
    }
    if losses[1] >= losses[0]:
        return {}, f"{called} stays as shipped: on {count} judged answers fitted weights are not nearer."
    return _fit(cases, shipped), f"{called} is fitted to {count} judged answers."


def _fit(cases: Cases, shipped: Mapping[str, float]) -> dict[str, float]:
    return fit_near(cases, shipped, _RIDGE, _BIAS_RIDGE)

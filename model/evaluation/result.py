"""What a comparison found, its form on disk (`report.json`), and the thresholds of the gate.

It is what the report is drawn from, so the page can be drawn again when somebody's words have to go from it.

`report.json` is written after `report.html`. `model/evaluation/decide.py` holds the figures against the
thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.records import ComparedAnswer, ComparedFigure, Comparison, Decision


@dataclass(frozen=True, slots=True)
class GateCriteria:
    """The thresholds.

    Shares are 0 to 1; gains and losses are differences of shares, but `most_latency`: of seconds.
    `least_questions` that are held out have to be there; at most `most_questions` of them are asked.
    """

    least_questions: int = 50
    most_questions: int = 400
    least_gain: float = 0.02
    most_precision_loss: float = 0.02
    most_regression: float = 0.05
    most_injection: float = 0.0
    most_latency: float = 0.25


REPORT, FINDING = "report.html", "report.json"


@dataclass(frozen=True, slots=True)
class Toss:
    """The questions of a part that tell two versions apart, and how likely so uneven a split is by chance."""

    questions: int
    before: int
    after: int
    gained: int
    lost: int
    p: float


@dataclass(frozen=True, slots=True)
class Group:
    """Accuracy on the held-out questions of one site, channel or language."""

    kind: str
    name: str
    questions: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Worst:
    """A question that the live version answered rightly and the candidate does not.

    `id` is the reviewed answer's.
    """

    answer: ComparedAnswer
    part: str
    id: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    `refusals` is how many of the comparison's reasons speak against the candidate: the first ones. `tosses`
    are of the held-out and of the fixed questions. `seconds` are those of every answer, of the live version
    and of the candidate. `trial` is a hash of what was compared, and how: the same trial need not be run
    again.
    """

    comparison: Comparison
    refusals: int
    bar: GateCriteria
    tosses: tuple[Toss, Toss]
    groups: tuple[Group, ...]
    worst: tuple[Worst, ...]
    seconds: tuple[tuple[float, ...], tuple[float, ...]]
    trial: str = ""


def without_answers(finding: Finding, answer_ids: Collection[str]) -> Finding:
    """Return the finding without the texts of these answers; the figures stay."""
    worst = tuple(one for one in finding.worst if one.id not in answer_ids)
    comparison = replace(finding.comparison, worst=tuple(one.answer for one in worst))
    return replace(finding, worst=worst, comparison=comparison)


def to_json(finding: Finding) -> str:
    """Return a finding as JSON."""
    return json.dumps(asdict(finding), default=datetime.isoformat, indent=1)


def read_finding(folder: Path) -> Finding | None:
    """Return what was found of the version in a folder; None where it was not compared, or not to the end."""
    try:
        return _finding(json.loads((folder / FINDING).read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _comparison(raw: dict[str, Any]) -> Comparison:
    """Return the comparison of its JSON."""
    read: dict[str, Any] = {
        "decision": Decision(raw["decision"]),
        "reasons": tuple(raw["reasons"]),
        "figures": tuple(ComparedFigure(**one) for one in raw["figures"]),
        "worst": tuple(ComparedAnswer(**one) for one in raw["worst"]),
        "compared_at": datetime.fromisoformat(raw["compared_at"]),
    }
    return Comparison(**raw | read)


def _finding(raw: dict[str, Any]) -> Finding:
    before, after = raw["seconds"]
    held_out, fixed = (Toss(**one) for one in raw["tosses"])
    return Finding(
        comparison=_comparison(raw["comparison"]),
        refusals=raw["refusals"],
        bar=GateCriteria(**raw["bar"]),
        tosses=(held_out, fixed),
        groups=tuple(Group(**one) for one in raw["groups"]),
        worst=tuple(Worst(ComparedAnswer(**one["answer"]), one["part"], one["id"]) for one in raw["worst"]),
        seconds=(tuple(before), tuple(after)),
        trial=raw["trial"],
    )


def by_name(figures: Sequence[ComparedFigure]) -> Mapping[str, ComparedFigure]:
    """Return figures by their names."""
    return {figure.name: figure for figure in figures}

"""A comparison of a candidate with the live version, as the gate writes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from core.records import ComparedAnswer, ComparedFigure, Comparison, Decision

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def a_comparison(**changes: object) -> Comparison:
    made = Comparison(
        candidate="v2",
        live="v1",
        dataset="d" * 64,
        decision=Decision.PROMOTE,
        reasons=("F1 rose from 0.31 to 0.40.",),
        figures=(ComparedFigure("f1", 0.31, 0.40, 0.02, 0.16), ComparedFigure("abstention", None, 0.5)),
        questions=240,
        compared_at=NOW,
        worst=(ComparedAnswer("How \0 long?", "30 days", "30 days [1]", "It varies."),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]

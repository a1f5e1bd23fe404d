"""The docs have every event, property, span and figure in the words of the code."""

from __future__ import annotations

import pytest

from core.telemetry.vocabulary import COUNTER, ENGINE, EVENTS, HISTOGRAMS, PROPERTIES, SPANS
from tests.needs import ROOT

ANSWER = "answer channel language site model_version answer_kind abstained verified".split()  # noqa: SIM905


def events_table() -> str:
    lines = ["| event | what happened | with |", "|---|---|---|"]
    for name, event in EVENTS.items():
        own = [f"`{one}`" for one in event.properties]
        if list(event.properties[: len(ANSWER)]) == ANSWER:
            own = ["*the answer*", *own[len(ANSWER) :]]
        lines.append(f"| `{name}` | {event.sentence} | {', '.join(own)} |")
    return "\n".join(lines)


def properties_table() -> str:
    lines = ["| property | what it says |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {one.sentence} |" for name, one in PROPERTIES.items())])


def spans_table() -> str:
    lines = ["| span | what takes its time |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {sentence} |" for name, sentence in SPANS.items())])


def metrics_table() -> str:
    metrics = {COUNTER: "Counts the events, by name and kind."}
    metrics |= dict(HISTOGRAMS.values()) | dict(ENGINE)
    lines = ["| metric | what it measures |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {sentence} |" for name, sentence in metrics.items())])


@pytest.mark.parametrize("table", [events_table, properties_table, spans_table, metrics_table])
def test_the_docs_have_the_tables_of_the_code(table: object) -> None:
    assert callable(table)
    assert table() in (ROOT / "docs" / "telemetry.md").read_text("utf-8")


def test_the_docs_name_every_query() -> None:
    text = (ROOT / "docs" / "telemetry.md").read_text("utf-8")
    for path in sorted((ROOT / "infra" / "kql").glob("*.kql")):
        assert f"`{path.name}`" in text, path.name

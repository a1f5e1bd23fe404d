"""What flows cost in Cosmos DB: the table of docs/cosmos.md is held to what the benchmark counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.cosmos import QUEUE, measure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cosmos.md"
ROW = re.compile(r"^\| (?P<flow>[^|]+) \| (?P<trips>\d+) \| (?P<units>\d+) \|$", re.MULTILINE)
FLOWS = {
    "a question with its answer": ("ask a question",),
    "a follow-up": ("ask a follow-up",),
    "a question that the channel delivers twice": ("the same question, delivered again",),
    "thumbs up": ("thumbs up",),
    "thumbs down, which opens a review": ("thumbs down, which opens a review",),
    "the card of a review, shown to reviewers": ("the card sync shows the review to reviewers",),
    "a claim": ("a reviewer claims",),
    "a correction": ("a reviewer corrects",),
    "a correction, told to everybody": ("the card sync tells everybody",),
    "a page of the review queue": (f"a page of the review queue ({QUEUE})",),
    "export of a person with 23 questions": ("export of a person (23 questions)",),
    "deleting a question that was rated": ("a question is deleted by its asker",),
}
LOOKS_A_MINUTE = {
    "open questions (every 30 s)": 2,
    "the outbox (every 10 s)": 6,
    "verified answers (every 10 s)": 6,
}


@pytest.fixture
def said() -> Mapping[str, tuple[int, int]]:
    rows = ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {row["flow"]: (int(row["trips"]), int(row["units"])) for row in rows}


async def test_the_manual_says_what_each_flow_costs(
    said: Mapping[str, tuple[int, int]], cosmos_url: str
) -> None:
    flows = {flow.name: flow.counted for flow in await measure(cosmos_url)}
    counted = {
        name: (sum(flows[part].trips for part in parts), sum(flows[part].units for part in parts))
        for name, parts in FLOWS.items()
    }
    looks = [(flows[f"idle: one look at {name}"], times) for name, times in LOOKS_A_MINUTE.items()]
    counted["an idle bot, a minute"] = (
        sum(look.trips * times for look, times in looks),
        sum(look.units * times for look, times in looks),
    )
    assert said.keys() == counted.keys()
    for name, (trips, units) in counted.items():
        now = f"{name}: {trips} round trips, {units:.0f} RU by now"
        assert said[name][0] == pytest.approx(trips, abs=1, rel=0.1), now
        assert said[name][1] == pytest.approx(units, abs=1.5, rel=0.1), now

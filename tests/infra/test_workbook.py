"""The workbook: one tile a figure, with the queries of infra/kql and nothing else."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import duckdb_kql
import pytest

from infra.workbook import BEGIN, CHOSEN, TILES, VERSIONS, WORKBOOK, build_query, workbook
from tests.builders.queries import FILES, FOLDER, NOON, NOW, Insights, problems

MADE = json.loads(WORKBOOK.read_text("utf-8"))
ITEMS = {item["name"]: item["content"] for item in MADE["items"] if item["type"] == 3}


def filled(query: str, versions: str = '"*"', days: int = 30) -> str:
    """Return a query as the portal sends it."""
    begin = f"datetime({(NOW - timedelta(days=days)).isoformat()})"
    return query.replace("{TimeRange:start}", begin).replace("{Version}", versions)


def test_the_workbook_is_what_its_program_makes() -> None:
    assert workbook() == MADE, "run `python infra/workbook.py`"


def test_there_is_one_tile_a_figure_with_the_query_of_its_file() -> None:
    assert sorted(ITEMS) == sorted(tile.query for tile in TILES) == [path.stem for path in FILES]
    for name, content in ITEMS.items():
        text = (FOLDER / f"{name}.kql").read_text("utf-8")
        [begins] = BEGIN.findall(text)
        back = content["query"].replace("let begin = {TimeRange:start};", begins).removesuffix(CHOSEN)
        assert back == text, name
        assert content["timeContextFromParameter"] == "TimeRange"


def test_a_figure_that_is_cut_by_version_lets_versions_be_chosen() -> None:
    for tile in TILES:
        cut = 'tostring(dimensions["model_version"])' in build_query(tile)
        assert tile.by_version == cut, tile.query


def test_its_queries_are_valid_with_what_the_portal_puts_in() -> None:
    texts = {
        f"{name} of {versions}": filled(content["query"], versions)
        for name, content in ITEMS.items()
        for versions in ('"*"', '"v1","v2"')
    }
    assert not re.findall(r"\{\w+(?::\w+)?\}", "".join(texts.values()))
    assert problems({**texts, "versions": VERSIONS}) == {name: [] for name in [*texts, "versions"]}


@pytest.mark.parametrize(
    ("versions", "days", "seen"),
    [
        ('"*"', 30, ["v1", "v2"]),
        ('"v2"', 30, ["v2"]),
        ('"v3"', 30, []),
        ('"v1","v2"', 30, ["v1", "v2"]),
        ('"*"', 0, []),
    ],
)
def test_versions_and_times_that_are_chosen_are_shown(versions: str, days: int, seen: list[str]) -> None:
    insights = Insights()
    insights.sent("a", NOON)
    insights.sent("b", NOON, model_version="v2")
    text = filled(ITEMS["response_time"]["query"], versions, days).replace(
        "now()", f"datetime({NOW.isoformat()})"
    )
    rows: list[Any] = duckdb_kql.kql(insights.connection, text).fetchall()
    assert [row[1] for row in rows] == seen

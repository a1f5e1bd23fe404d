"""Makes infra/workbook.json of the queries in infra/kql: a tile a figure, a time range, a choice of versions.

Run as: python infra/workbook.py

A query stands in the workbook as in its file, but for two things: it begins where the chosen time range
begins, and one that is cut by model version keeps the chosen versions. A test makes the workbook again, takes
both back, and compares.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parent
WORKBOOK = INFRA / "workbook.json"
BEGIN = re.compile(r"^let begin = .*;$", re.MULTILINE)
CHOSEN = '| where "*" in ({Version}) or slice in ({Version})\n'
INSIGHTS = "microsoft.insights/components"


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: its query's file, its title, how it is drawn, and its share of a row in percent."""

    query: str
    title: str
    drawn: str = "linechart"
    width: str = "50"
    by_version: bool = True


TILES = (
    Tile("accuracy", "Accuracy: right or rightly declined, of the random sample, with its interval", "table"),
    Tile("precision", "Precision: right, of what was answered, with its interval", "table"),
    Tile("quote_precision", "Quotations: right, of what was quoted, with its interval", "table"),
    Tile("kinds", "Answered, quoted and declined", "table"),
    Tile("confidence", "Confidence: how sure it was, and how right, of the random sample", "table"),
    Tile("search", "What each search head gives", "table", by_version=False),
    Tile("lag", "Correction lag: from a ruling to its first answer, hours", "table", by_version=False),
    Tile("reach", "Reach: answers that were served from rulings", "table", by_version=False),
    Tile("satisfaction", "Satisfaction: stars and thumbs", "table"),
    Tile("ignore_rate", "Ignore rate: nothing happened within 30 minutes", "table"),
    Tile("response_time", "Response time, seconds"),
    Tile("time_to_first_token", "Time to first token, seconds"),
    Tile("time_on_tool", "Time on tool: length of a session, seconds", "table"),
    Tile("verified_share", "Verified and declined answers, by channel", "table", by_version=False),
    Tile("review_backlog", "Reviews that wait now", "table", by_version=False),
    Tile("review_time", "How long reviews waited, hours", by_version=False),
    Tile("failures", "Questions without an answer", "table", by_version=False),
    Tile("unasked", "What was said in channels and not to the bot", "table", by_version=False),
    Tile("files", "Files that people sent", "table", by_version=False),
    Tile("owners", "What owners of pages say of gaps", "table", by_version=False),
    Tile("jobs", "Scheduled work", "table", by_version=False),
    Tile("load", "Questions, answers and failures an hour", by_version=False),
    Tile("requests", "What channels posted an hour", "table", "100", by_version=False),
)
VERSIONS = (
    'customEvents | where name == "answer_sent" '
    '| distinct version = tostring(customDimensions["model_version"]) '
    "| order by version desc"
)
ABOUT = """# askpage: right, liked and fast?

What each figure means, and how it is computed, is in docs/figures.md. Accuracy and precision come from the \
answers that
reviewers see at random, and carry the interval that covers the true value in 95 of 100 samples. \
Days are UTC."""


def build_query(tile: Tile) -> str:
    """Return a tile's query: the file's, with the chosen time range and versions."""
    text = (INFRA / "kql" / f"{tile.query}.kql").read_text("utf-8")
    within = BEGIN.sub("let begin = {TimeRange:start};", text)
    return within + CHOSEN if tile.by_version else within


def workbook() -> dict[str, Any]:
    """Return the workbook as the portal reads it."""
    return {
        "version": "Notebook/1.0",
        "items": [
            {"type": 1, "content": {"json": ABOUT}, "name": "about"},
            {"type": 9, "content": _parameters(), "name": "choose"},
            *(_item(tile) for tile in TILES),
        ],
        "fallbackResourceIds": [],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }


def _parameters() -> dict[str, Any]:
    times = {
        "id": "f2f4a7d2-0f5e-4b35-9f4e-6c1f3d0a1b01",
        "version": "KqlParameterItem/1.0",
        "name": "TimeRange",
        "label": "Time range",
        "type": 4,
        "isRequired": True,
        "value": {"durationMs": 30 * 86_400_000},
        "typeSettings": {
            "selectableValues": [{"durationMs": days * 86_400_000} for days in (1, 7, 14, 30, 60, 90)],
            "allowCustom": True,
        },
    }
    versions = {
        "id": "f2f4a7d2-0f5e-4b35-9f4e-6c1f3d0a1b02",
        "version": "KqlParameterItem/1.0",
        "name": "Version",
        "label": "Model version",
        "type": 2,
        "isRequired": True,
        "multiSelect": True,
        "quote": '"',
        "delimiter": ",",
        "query": VERSIONS,
        "value": ["value::all"],
        "typeSettings": {"additionalResourceOptions": ["value::all"], "selectAllValue": "*"},
        "timeContextFromParameter": "TimeRange",
        "queryType": 0,
        "resourceType": INSIGHTS,
    }
    return {
        "version": "KqlParameterItem/1.0",
        "parameters": [times, versions],
        "style": "pills",
        "queryType": 0,
        "resourceType": INSIGHTS,
    }


def _item(tile: Tile) -> dict[str, Any]:
    content = {
        "version": "KqlItem/1.0",
        "query": build_query(tile),
        "size": 0,
        "title": tile.title,
        "timeContextFromParameter": "TimeRange",
        "queryType": 0,
        "resourceType": INSIGHTS,
        "visualization": tile.drawn,
    }
    return {"type": 3, "content": content, "customWidth": tile.width, "name": tile.query}


if __name__ == "__main__":
    WORKBOOK.write_text(json.dumps(workbook(), indent=2) + "\n", "utf-8")

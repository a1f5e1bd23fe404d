"""The rounds of a replay on a folder of pages, on disk, and what is drawn of them.

FOLDER/replay.json       what is replayed; another replay needs another folder (demo/checkpoint.py)
FOLDER/data/             the bot's data folder: models, page index, store
FOLDER/scores/           what was answered to the questions that measure (demo/handbook_figures.py)
FOLDER/lags.jsonl        how soon each correction was served
FOLDER/rounds/N.json     the figures after a round, written when all else of it is done; 0: before the first
FOLDER/results.json      all of them, when the replay is over; curve.svg and report.html show them
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from core.files import write_durably
from demo.checkpoint import curve
from demo.handbook_figures import Figure

SETS = {"other": "nobody asked", "again": "asked again", "apart": "other pages"}
"""The sets that measure, and what they are called."""
_CURVES = {
    "other": (
        "answered",
        "right",
        "stated wrongly",
        "declined wrongly",
        "recall@1",
        "recall@5",
    ),
    "again": ("answered", "right", "stated wrongly", "declined wrongly", "verified"),
    "apart": ("answered", "right", "stated wrongly", "declined wrongly"),
    "reach": ("reach", "reach or offer", "wrong reach", "wrong offer", "stray"),
}
_MORE = {
    "other": ("recall@3", "stated rightly", "quoted rightly", "quoted wrongly", "invented", "offered"),
    "again": ("stated rightly", "offered"),
}
"""Figures that the table has beside those of the curves."""
_NONE = "–"
_STYLE = (
    "body { font: 15px system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem }"
    " table { border-collapse: collapse } td, th { padding: .2rem .6rem; text-align: right }"
    " td:first-child { text-align: left } @media (prefers-color-scheme: dark) {"
    " body { background: #1b1b1b; color: #ddd } }"
)


@dataclass(frozen=True, slots=True)
class HandbookRound:
    """The figures after a round. `sets` are by the names of `SETS`, `changes` since round 0.

    `rulings` counts what reviewers ruled in it, `jobs` says how each job of the night after it ended.
    """

    number: int
    rulings: Mapping[str, int]
    jobs: Mapping[str, str]
    sets: Mapping[str, Mapping[str, Figure]]
    reach: Mapping[str, Figure]
    lag: Mapping[str, float | int | None]
    changes: Mapping[str, Mapping[str, Mapping[str, Any]]]
    minutes: Mapping[str, float]


def read_round(folder: Path, number: int) -> HandbookRound | None:
    """Return a round that is over, None while it is not."""
    kept = _name_file(folder, number)
    return HandbookRound(**json.loads(kept.read_text("utf-8"))) if kept.exists() else None


def keep_round(folder: Path, done: HandbookRound) -> None:
    """Note that a round is over."""
    kept = _name_file(folder, done.number)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_durably(kept, json.dumps(asdict(done), indent=2) + "\n")


def finish(folder: Path, rounds: Sequence[HandbookRound], title: str) -> None:
    """Write the results, and draw them."""
    curves = draw_curves(rounds, title)
    write_durably(folder / "curve.svg", curves[0])
    write_durably(folder / "report.html", _draw_report(rounds, curves, title))
    replay = json.loads((folder / "replay.json").read_text("utf-8"))
    results = {"replay": replay, "rounds": [asdict(one) for one in rounds]}
    write_durably(folder / "results.json", json.dumps(results, indent=2) + "\n")


def draw_curves(rounds: Sequence[HandbookRound], title: str) -> list[str]:
    """Draw the figures by round: a picture for each set, for the reach, and for the lag."""
    names = [f"round {one.number}" if one.number else "before" for one in rounds]
    pictures: list[str] = []
    for part, shown in _CURVES.items():
        figures = [one.reach if part == "reach" else one.sets.get(part, {}) for one in rounds]
        lines = {name: [_read_value(one.get(name)) for one in figures] for name in shown}
        if any(value is not None for values in lines.values() for value in values):
            pictures.append(curve(f"{title}: {SETS.get(part, 'other words')}", names, lines))
    lags = {
        "median": [one.lag.get("p50_s") for one in rounds],
        "longest": [one.lag.get("longest_s") for one in rounds],
    }
    longest = max((value for values in lags.values() for value in values if value is not None), default=0.0)
    if longest:
        pictures.append(curve(f"{title}: seconds until a correction is served", names, lags, longest))
    return pictures


@dataclass(frozen=True, slots=True)
class Row:
    """A figure's name, its value after each round, and the interval of the last one ("": it has none)."""

    name: str
    values: Sequence[str]
    interval: str = ""


def list_rows(rounds: Sequence[HandbookRound]) -> list[Row]:
    """Return what the table shows."""
    figures = {
        f"{called}: {name}": [one.sets.get(part, {}).get(name) for one in rounds]
        for part, called in SETS.items()
        for name in (*_CURVES[part], *_MORE.get(part, ()))
    }
    figures |= {f"other words: {name}": [one.reach.get(name) for one in rounds] for name in _CURVES["reach"]}
    rows = [_make_row(name, found) for name, found in figures.items()]
    rows = [row for row in rows if any(value != _NONE for value in row.values)]
    rows.insert(0, Row("rulings", [str(sum(one.rulings.values())) for one in rounds]))
    for name, key in (("median", "p50_s"), ("longest", "longest_s")):
        rows.append(Row(f"lag: {name}, s", [_format_number(one.lag.get(key)) for one in rounds]))
    return [*rows, Row("lag: never served", [_format_count(one) for one in rounds])]


def list_changes(rounds: Sequence[HandbookRound]) -> list[str]:
    """Return a sentence for each share of the last round that is compared with the one before the first."""
    return [
        f"{SETS[part]}: {name} {one['change']:+.2f} since before ({one['low']:+.2f} to {one['high']:+.2f}, "
        f"McNemar's p {one['p']:.2g}, {one['count']} questions)"
        for part, changes in rounds[-1].changes.items()
        for name, one in changes.items()
        if one["change"] is not None
    ]


def _draw_report(rounds: Sequence[HandbookRound], curves: Sequence[str], title: str) -> str:
    heads = "".join(f"<th>{one.number or 'before'}</th>" for one in rounds)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in (row.name, *row.values, row.interval))}</tr>"
        for row in list_rows(rounds)
    )
    changes = "".join(f"<p>{escape(change)}</p>" for change in list_changes(rounds))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{''.join(curves)}"
        f"<table><tr><th>after round</th>{heads}<th>95 %</th></tr>{body}</table>"
        "<p>95 %: where the true share after the last round lies in 95 of 100 samples (of so many).</p>"
        f"{changes}</html>\n"
    )


def _make_row(name: str, figures: Sequence[Figure | None]) -> Row:
    last = figures[-1]
    known = last is not None and last["value"] is not None
    interval = f"{last['low']:.2f}–{last['high']:.2f} ({last['count']})" if last and known else ""
    return Row(name, [_format_number(_read_value(one)) for one in figures], interval)


def _format_number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _format_count(one: HandbookRound) -> str:
    return f"{one.lag['never']} of {one.lag['count']}" if one.lag.get("count") else _NONE


def _read_value(figure: Figure | None) -> float | None:
    return figure["value"] if figure else None


def _name_file(folder: Path, number: int) -> Path:
    return folder / "rounds" / f"{number}.json"

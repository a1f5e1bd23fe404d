"""The state of a replay on disk, and its learning curve: a replay that was killed goes on where it was.

FOLDER/replay.json       what is replayed; another replay needs another folder
FOLDER/data/             the bot's data folder: models, page index, store, datasets
FOLDER/scores/           what every version said to the questions that measure (demo/rounds.py)
FOLDER/rounds/N.json     the figures of a round, written when all else of it is done; 0 is the untrained bot
FOLDER/results.json      all of them, when the replay is over; curve.svg shows them
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from core.files import compute_sha256, write_durably
from demo.questions import Size
from demo.rounds import Figures

SHOWN = ("accuracy", "precision", "strict_accuracy", "f1", "contained", "false_abstentions")
"""The figures of the curve."""
ALONE = "model alone"
"""What the figures before everything else are of: the untrained model without what the bot does around it."""


class OtherReplay(Exception):
    """The folder holds a replay of something else; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round that is over. `figures` are of its candidate, `live` is the version that answers from then on.

    `chosen` are accuracies on the questions that choose: of the version before, and of the candidate.
    """

    number: int
    candidate: str
    live: str
    promoted: bool
    asked: int
    satisfaction_of_askers: float | None
    dataset: str
    examples: int
    chosen: tuple[float | None, float | None]
    minutes: Mapping[str, float]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a replay lies."""

    path: Path

    @property
    def data_dir(self) -> Path:
        """The bot's data folder."""
        return self.path / "data"

    def begin(self, files: Sequence[Path], size: Size, seed: int, recipe: Mapping[str, Any]) -> None:
        """Note what is replayed. Raises OtherReplay."""
        hashes = "+".join(compute_sha256(file) for file in files)
        told = {"file": hashes, "size": asdict(size), "seed": seed, "recipe": dict(recipe)}
        noted = self.path / "replay.json"
        self.path.mkdir(parents=True, exist_ok=True)
        if not noted.exists():
            write_durably(noted, json.dumps(told, indent=2) + "\n")
        elif json.loads(noted.read_text("utf-8")) != json.loads(json.dumps(told)):
            raise OtherReplay(
                f"{self.path} holds another replay (other questions, seed, sizes or training settings): "
                "name another folder with --folder, or delete that one"
            )

    def scores_of(self, version: str, what: str) -> Path:
        """Return where the answers of a version to some questions lie."""
        return self.path / "scores" / f"{version}.{what}.jsonl"

    def round(self, number: int) -> Round | None:
        """Return a round that is over, None while it is not."""
        kept = self._round_path(number)
        if not kept.exists():
            return None
        raw: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        raw["chosen"] = tuple(raw["chosen"])
        return Round(**raw)

    def keep(self, done: Round) -> None:
        """Note that a round is over."""
        self._round_path(done.number).parent.mkdir(exist_ok=True)
        write_durably(self._round_path(done.number), json.dumps(asdict(done), indent=2) + "\n")

    def finish(self, alone: Figures, rounds: Sequence[Round], title: str) -> None:
        """Write the results, and draw them: first of the model by itself, then of each round."""
        every = [alone, *(one.figures for one in rounds)]
        lines = {name.replace("_", " "): [_share(figures.get(name)) for figures in every] for name in SHOWN}
        names = [ALONE, *(f"round {one.number}" if one.number else "untrained bot" for one in rounds)]
        write_durably(self.path / "curve.svg", curve(title, names, lines))
        results = {"replay": json.loads((self.path / "replay.json").read_text("utf-8")), "alone": dict(alone)}
        told = results | {"rounds": [asdict(one) for one in rounds]}
        write_durably(self.path / "results.json", json.dumps(told, indent=2) + "\n")

    def _round_path(self, number: int) -> Path:
        return self.path / "rounds" / f"{number}.json"


def _share(value: float | None) -> float | None:
    return None if value is None else float(value)


_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 40, 48
_STYLE = (
    "text { font: 13px system-ui, sans-serif; fill: #444 }"
    " .grid { stroke: #8884 } .line { fill: none; stroke-width: 2.5 }"
    " @media (prefers-color-scheme: dark) { text { fill: #ccc } }"
)
_COLOURS = ("#1f77b4", "#d95f02", "#2a9d54", "#8a4fbf", "#c0392b", "#7f7f7f")
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_APART = 16


def curve(
    title: str, names: Sequence[str], lines: Mapping[str, Sequence[float | None]], top: float = 1.0
) -> str:
    """Draw values from 0 to `top`, one of each line over each name; None is a gap."""
    svg = Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img"},
    )
    SubElement(svg, "title").text = title
    SubElement(svg, "style").text = _STYLE
    _words(svg, (_LEFT, 22), title, style="font-size: 15px")
    for share in _TICKS:
        _line(svg, [(_LEFT, _y(share)), (_WIDTH - _RIGHT, _y(share))], {"class": "grid"})
        _words(svg, (_LEFT - 42, _y(share) + 4), f"{share * top:.2f}")
    for number, name in enumerate(names):
        _words(svg, (_x(number, len(names)), _HEIGHT - 20), name, style="text-anchor: middle")
    drawn = {name: [None if one is None else one / top for one in values] for name, values in lines.items()}
    labels = _label_places({name: values[-1] for name, values in drawn.items() if values})
    for at, (name, values) in enumerate(drawn.items()):
        colour = _COLOURS[at % len(_COLOURS)]
        points = [
            (_x(number, len(names)), _y(value)) for number, value in enumerate(values) if value is not None
        ]
        _line(svg, points, {"class": "line", "stroke": colour})
        for x, y in points:
            SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3.5", "fill": colour})
        if name in labels:
            _words(svg, (_WIDTH - _RIGHT + 12, labels[name] + 4), f"{name} {lines[name][-1]:.2f}")
            _line(
                svg,
                [(_WIDTH - _RIGHT + 2, _y(values[-1] or 0.0)), (_WIDTH - _RIGHT + 9, labels[name])],
                {"stroke": colour},
            )
    return tostring(svg, "unicode") + "\n"


def _label_places(ends: Mapping[str, float | None]) -> dict[str, float]:
    """Return the height of each line's label: beside its end, moved down where labels would overlap."""
    places: dict[str, float] = {}
    lowest = float("-inf")
    known = [(value, name) for name, value in ends.items() if value is not None]
    for value, name in sorted(known, reverse=True):
        lowest = max(_y(value), lowest + _APART)
        places[name] = lowest
    return places


def _x(number: int, rounds: int) -> float:
    return _LEFT + 20 + number * (_WIDTH - _LEFT - _RIGHT - 40) / max(1, rounds - 1)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _words(svg: Element, at: tuple[float, float], words: str, **how: str) -> None:
    SubElement(svg, "text", {"x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", **how}).text = words


def _line(svg: Element, points: Sequence[tuple[float, float]], how: Mapping[str, str]) -> None:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    SubElement(svg, "polyline", {"points": drawn, "fill": "none", **how})

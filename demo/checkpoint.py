"""What a replay has done so far, on disk: it can be killed anywhere, and goes on where it was.

FOLDER/replay.json       what is replayed; another replay needs another folder
FOLDER/data/             the bot's data folder: models, page index, store, datasets
FOLDER/scores/           what every version said to the questions that measure (demo/scoring.py)
FOLDER/rounds/N.json     the figures of a round, written when everything else of it is done; 0 is the untrained bot
FOLDER/results.json      all of them, when the replay is over; curve.svg shows them
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.files import sha256_of, write_durably
from demo.plot import curve
from demo.questions import Size
from demo.scoring import Figures

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

    def begin(self, file: Path, size: Size, seed: int, recipe: Mapping[str, Any]) -> None:
        """Note what is replayed. Raises OtherReplay."""
        told = {"file": sha256_of(file), "size": asdict(size), "seed": seed, "recipe": dict(recipe)}
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

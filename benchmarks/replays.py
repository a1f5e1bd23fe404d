"""What several replays of the learning story come to: figures of each after its rounds, and all their mean.

Run as: python -m benchmarks.replays FOLDER... [--into docs/images/learning-curve.svg]

Each folder is what `askpage learn-demo --folder FOLDER --seed N` has left, with the same number of rounds and
questions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from demo.checkpoint import ALONE, SHOWN, curve

MEASURES = (*SHOWN, "right_abstentions", "satisfaction")
Figures = Mapping[str, float]


def main() -> None:
    """Read, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--into", type=Path, help="where the curve of the mean is written, SVG")
    options = parser.parse_args()
    replays = [_read(folder) for folder in options.folders]
    names = [ALONE, "untrained bot", *(f"round {number}" for number in range(1, len(replays[0]) - 1))]
    print(f"{'':24}{'':15}", *(f"{name:>18}" for name in MEASURES))
    for folder, replay in zip(options.folders, replays, strict=True):
        _print(folder.name, names, replay)
    mean = [_mean(step) for step in zip(*replays, strict=True)]
    _print("mean", names, mean)
    if options.into:
        lines = {name.replace("_", " "): [figures[name] for figures in mean] for name in SHOWN}
        options.into.write_text(curve(f"Learning from reviews, mean of {len(replays)} seeds", names, lines))


def _read(folder: Path) -> list[Figures]:
    """Return the figures of a replay, in order: the model alone, the untrained bot, each round."""
    results: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    return [results["alone"], *(one["figures"] for one in results["rounds"])]


def _mean(step: Sequence[Figures]) -> Figures:
    return {name: fmean(figures[name] for figures in step) for name in MEASURES}


def _print(called: str, names: Sequence[str], replay: Sequence[Figures]) -> None:
    for name, figures in zip(names, replay, strict=True):
        print(f"{called:24}{name:15}", *(f"{figures[measure]:18.2f}" for measure in MEASURES))


if __name__ == "__main__":
    main()

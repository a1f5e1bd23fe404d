"""What a candidate has to reach before anybody meets it: the thresholds. `model/deciding.py` holds its figures against them."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import asdict, dataclass
from typing import get_type_hints


@dataclass(frozen=True, slots=True)
class Bar:
    """The thresholds. Shares are 0 to 1; gains and losses are differences of shares, but `most_latency`: of seconds.

    `least_questions` that are held out have to be there; at most `most_questions` of them are asked.
    """

    least_questions: int = 50
    most_questions: int = 400
    least_gain: float = 0.02
    most_precision_loss: float = 0.02
    most_regression: float = 0.05
    most_injection: float = 0.0
    most_latency: float = 0.25

    def options(self) -> list[str]:
        """Return the thresholds as options of a command line, as `bar_from` reads them."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in asdict(self).items()]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser one option for each threshold."""
    hints = get_type_hints(Bar)
    for field in dataclasses.fields(Bar):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=hints[field.name], default=field.default)


def bar_from(given: argparse.Namespace) -> Bar:
    """Return the thresholds of parsed options."""
    return Bar(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Bar)})

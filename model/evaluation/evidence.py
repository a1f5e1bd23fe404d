"""Evidence: the words of a page that answer a question, looked for in what a search found.

A file of questions quotes them with their Markdown marks and line breaks, which a passage does not have. So a
passage has an evidence if it has at least 80 % of its words, marks and the addresses of links apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.records import Passage
from core.sentences import words

FIRST = (1, 3, 5)
"""After so many passages recall is measured."""
_SHARE = 0.8
_NOT_WORDS = re.compile(r"\]\([^()]*\)|\{[%{][^{}]*[%}]\}|https?://[^\s<>()]+|<[^<>]*>|[*_`#\[\]|]")

_BEFORE_STOP = re.compile(r" (?=[.,;:!?)])")


def strip_markup(evidence: str) -> str:
    """Return an evidence without Markdown's marks and the addresses of links, in one line."""
    return _BEFORE_STOP.sub("", " ".join(_NOT_WORDS.sub(" ", evidence).split()))


def measure_cover(evidence: str, text: str) -> float:
    """Return which share of an evidence's words stands in a text, 0 to 1."""
    looked_for, there = words(strip_markup(evidence)), set(words(text))
    return sum(word in there for word in looked_for) / max(1, len(looked_for))


def is_told(evidence: str, passage: Passage) -> bool:
    """Tell whether a passage, with its title and heading, has an evidence."""
    return measure_cover(evidence, f"{passage.title}\n{passage.heading}\n{passage.text}") >= _SHARE


def measure_recall(evidence: Sequence[str], passages: Sequence[Passage]) -> tuple[float, ...]:
    """Return the share of a question's evidence that the first 1, 3 and 5 passages have (`FIRST`)."""
    return tuple(
        sum(any(is_told(one, passage) for passage in passages[:first]) for one in evidence)
        / max(1, len(evidence))
        for first in FIRST
    )

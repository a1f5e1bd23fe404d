"""What was found, ordered anew by what the question wants: a number, steps or a list, the page that it names.

A search knows words and meaning; it does not know that "how long" wants a number. The bonuses are on the scale of the
search's standardised scores, and were chosen over several sets of questions (LOG.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from model import grounding
from model.asked import AskedKind
from records import Hit
from sentences import pieces

NUMBER = 0.8
"""For a passage with a number, where a quantity is asked for."""
LIST = 0.6
"""For a passage with a list, where steps or several things are asked for."""
TITLE = 0.8
"""For a passage all of whose page's title stands in the question; a part of it earns that share."""
HEADING = 6.0
"""For a section whose heading is the question, word for word."""
_DIGIT = re.compile(r"\d")
_LISTS = frozenset({AskedKind.STEPS, AskedKind.LIST})


def reranked(query: str, kind: AskedKind, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits with their bonuses, the best first."""
    asked = grounding.content_words(query)
    raised = [replace(hit, score=hit.score + _bonus(asked, kind, hit)) for hit in hits]
    return sorted(raised, key=lambda hit: -hit.score)


def _bonus(asked: set[str], kind: AskedKind, hit: Hit) -> float:
    title = grounding.content_words(hit.passage.title)
    heading = grounding.content_words(hit.passage.heading)
    bonus = TITLE * len(title & asked) / len(title) if title else 0.0
    if heading and heading == asked:
        bonus += HEADING
    if kind is AskedKind.QUANTITY and _DIGIT.search(hit.passage.text):
        bonus += NUMBER
    if kind in _LISTS and any(piece.kind == "item" for piece in pieces(hit.passage.text)):
        bonus += LIST
    return bonus

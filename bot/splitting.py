"""A text that is too long for one message of Teams, in several: cut where a reader would pause.

Between paragraphs, else lines, else sentences, else words; never inside an address or a marker [n], nor inside a word
that has room. No message begins with a marker, which belongs to what stands before it.
"""

from __future__ import annotations

import re

PART_BYTES = 40_000
"""Room for the text of one message, as Teams counts it (UTF-16); label, citations and card take the rest of 80 KB."""
MOST_PARTS = 8
"""Nobody reads more."""

_MARKERS = r"(?:\s*\[\d{1,3}\])*"
_NO_MARKER = r"(?!\[\d{1,3}\])"
_LONGEST_MARKER = 5
_PAUSES = tuple(
    re.compile(pause)
    for pause in (
        rf"\n\s*\n\s*+{_NO_MARKER}",
        rf"\n\s*+{_NO_MARKER}",
        rf"[.!?…:;]{_MARKERS}\s++{_NO_MARKER}",
        rf"\s++{_NO_MARKER}",
    )
)
_WHOLE = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S+|\[\d{1,3}\]", re.IGNORECASE)
_LEAST_FILLED = 0.5
"""A pause further ahead than this share of a part is not worth the rest of it."""


def split(text: str, most_bytes: int = PART_BYTES, most_parts: int = MOST_PARTS) -> list[str]:
    """Return a text in parts that have room each, the last one cut off with an ellipsis where even they do not do."""
    parts: list[str] = []
    rest = text
    while len(parts) < most_parts - 1 and (room := _room(rest, most_bytes)) < len(rest):
        end = _pause_before(rest, room)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    room = _room(rest, most_bytes)
    if room < len(rest):
        rest = rest[: _pause_before(rest, room - 1)].rstrip() + "…"
    return [*parts, rest]


def _room(text: str, most_bytes: int) -> int:
    """Return how many of a text's characters have room: JSON writes some with two, UTF-16 some with two units."""
    size = 0
    for place, letter in enumerate(text):
        size += 4 if letter in '"\\\n\t' or letter > "\uffff" else 2
        if size > most_bytes:
            return place
    return len(text)


def _pause_before(text: str, room: int) -> int:
    """Return where to cut so that the text before has room."""
    least = int(room * _LEAST_FILLED)
    for pause in _PAUSES:
        found = (one.end() for one in pause.finditer(text, least, room + _LONGEST_MARKER))
        ends = [end for end in found if end <= room]
        if ends:
            return ends[-1]
    inside = next((one for one in _WHOLE.finditer(text) if one.start() < room < one.end()), None)
    return inside.start() if inside and inside.start() else room

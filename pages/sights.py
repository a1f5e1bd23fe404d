"""What a reader sees of a piece of text."""

from __future__ import annotations

from enum import IntEnum


class Sight(IntEnum):
    """The higher, the less is seen. Only what is seen, or is opened by something of the page, is text of the page.

    `FOLDED`: hidden until something opens it, if anything does. `DOUBTFUL`: it cannot be decided.
    """

    SEEN = 0
    FOLDED = 1
    DOUBTFUL = 2
    HIDDEN = 3

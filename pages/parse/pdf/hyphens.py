"""Hyphens at line ends: "reim-/bursement" is one word, "part-/time" keeps its hyphen.

No dictionary is needed for most: the file itself says how it writes a word elsewhere, and whether both halves
are words of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST = re.compile(r"[^\W\d_]{1,60}$")
_FIRST = re.compile(r"[^\W\d_]+")
_HYPHENS = "-\u2010\u2011"
_AND = frozenset("and or und oder bis bzw et ou y o e ed to en och og".split())  # noqa: SIM905
"""What stands between "Hin-" and "Rückflug"."""
_FIRST_HALVES = frozenset(
    """
    all anti cross ex face first five four full half high inter long low mid multi non one out-of part post
    pre pro self semi seven short single six ten third three top two ultra well
    """.split()  # noqa: SIM905
)
"""What mostly keeps its hyphen."""
_JOINED_HALVES = (
    frozenset(
        """
    all any be else every for fore here how in in-to on some there there- through to under up what when where
    who with over out in- never none not
    """.split()  # noqa: SIM905
    )
    - _FIRST_HALVES
)
"""Words that are the first half of others that are written as one: "with-/out"."""
_SHORTEST = 3
_LONGEST_WORD = 60


def is_range(above: str, below: str) -> bool:
    """Tell whether a range of numbers goes on in the next line: "5–" and "10 days"."""
    return above[-1:] in {"-", "\u2013"} and above[-2:-1].isdigit() and below[:1].isdigit()


class Hyphens:
    """How one file writes its words."""

    def __init__(self, lines: Iterable[str]) -> None:
        """`lines` are those of the file in reading order."""
        self._words: Counter[str] = Counter()
        broken = False
        for line in lines:
            words = [word.lower() for word in _WORD.findall(line)]
            ends_broken = line.endswith(tuple(_HYPHENS))
            self._words.update(words[broken : len(words) - ends_broken])
            broken = ends_broken

    def join(self, above: str, below: str) -> str:
        """Join two lines of a paragraph."""
        if is_range(above, below):
            return above + below
        if not above.endswith(tuple(_HYPHENS)):
            return above + ("" if _has_no_spaces(above[-1:], below[:1]) else " ") + below
        first, second = _LAST.search(above[-_LONGEST_WORD:-1]), _FIRST.match(below)
        if first is None or second is None or not second[0][0].islower():
            return above + below
        if second[0] in _AND:
            return f"{above} {below}"
        return (above if self._keeps(first[0].lower(), second[0]) else above[:-1]) + below

    def _keeps(self, first: str, second: str) -> bool:
        """Tell whether the hyphen between two halves is the word's own."""
        if self._words[first + second]:
            return False
        if self._words[f"{first}-{second}"] or first in _FIRST_HALVES:
            return True
        both = self._words[first] and self._words[second]
        return bool(both) and len(first) >= _SHORTEST and first not in _JOINED_HALVES


def _has_no_spaces(before: str, after: str) -> bool:
    """Tell whether both letters are of Chinese or Japanese, where no space stands between words."""
    return all("\u3000" <= one <= "\u9fff" or "\uf900" <= one <= "\uffef" for one in (before, after) if one)

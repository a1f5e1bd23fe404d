"""Which raised letters are marks of footnotes: "25" with a raised "a" is 25 and a note, or the 25ª.

A letter that begins a note somewhere on the page (raised, first in its paragraph or cell) is a mark wherever
it is raised. Without such a note the language decides: Spanish, Portuguese, Italian and their sisters write
ordinals with a raised a or o, French and Dutch with e, English and German with none of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pages.visibility.html_tree import Element

_ONE = re.compile(r"[\[(]?([a-z])[\])]?")
_SEVERAL = re.compile(r"[a-z](?:\s?[,;]\s?[a-z]){1,4}")
_USUAL = frozenset("abcdfg")
"""Letters that count as marks without a note of theirs: no ordinal in English, no unit, no usual exponent."""
_BETWEEN = frozenset({"p", "a", "b", "i", "em", "strong", "small", "span", "font", "cite"})
_DEEPEST = 5
_MOST_LOOKED_AT = 2_000
_MOST_WORDS = 2_000
_ROMANCE = frozenset({"es", "pt", "it", "ca", "gl", "oc", "ro", "fr", "ast", "eu"})
_SMALL_WORDS = frozenset(
    "de la el los las del que y en da do dos em il di della le les des du et".split()  # noqa: SIM905 - words
)
_SHARE = 0.08
_WORDS = re.compile(r"\w+")
_NUMBERS = re.compile(r"[\d,*\u2020\u2021\u00a7\[\]() ]{1,12}")
_RAISED = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_UNIT = re.compile(r"(?:^|[^\w])(?:[kcdm\u00b5]?m|ft|in|yd|mi|s)$")
_NUMBER_OR_WORD = re.compile(r"(?:\d|\w{3}|[%\u2030\u20ac$\u00a3.:!?\u201d\"])$")


@dataclass(frozen=True, slots=True)
class NoteMarks:
    """The letters that begin notes of a page, and whether its language writes ordinals with letters."""

    letters: Collection[str] = frozenset()
    has_ordinals: bool = True

    def read(self, said: str, before: str) -> str:
        """Return a raised text as the mark that it is behind `before`, "" where it is none."""
        if _SEVERAL.fullmatch(said):
            return f"[{said}]"
        one = _ONE.fullmatch(said)
        if one is None:
            return ""
        letter = one[1]
        likely = letter in _USUAL and not (letter == "a" and self.has_ordinals)
        is_mark = letter in self.letters or (likely and _NUMBER_OR_WORD.search(before) is not None)
        return f"[{letter}]" if is_mark else ""


_WITHOUT_ORDINALS = NoteMarks(has_ordinals=False)


def write_mark(said: str, before: str) -> str:
    """Return raised text of a file without tags as a mark or power behind `before`, "" for a word."""
    if _NUMBERS.fullmatch(said):
        return said.translate(_RAISED)
    return _WITHOUT_ORDINALS.read(said, before or ".")


def ends_with_unit(before: str) -> bool:
    """Tell whether a unit stands last, whose raised number is a power: m, km, ft."""
    return _UNIT.search(before) is not None


def find_note_marks(root: Element) -> NoteMarks:
    """Return what a page says of its marks."""
    letters: set[str] = set()
    for number, raised in enumerate(root.iter("sup")):
        if number >= _MOST_LOOKED_AT:
            break
        one = _ONE.fullmatch("".join(raised.itertext()).strip())
        if one is not None and one[1] not in letters and _begins_block(raised):
            letters.add(one[1])
    return NoteMarks(frozenset(letters), _writes_ordinals(root))


def _begins_block(element: Element) -> bool:
    """Tell whether nothing stands before an element in its paragraph, cell or line."""
    for _ in range(_DEEPEST):
        before, above = element.getprevious(), element.getparent()
        if before is not None:
            return before.tag == "br" and not (before.tail or "").strip()
        if above is None or (above.text or "").strip():
            return False
        if above.tag == "p" or above.tag not in _BETWEEN:
            return True
        element = above
    return False


def _writes_ordinals(root: Element) -> bool:
    named = (one.get("lang") for one in (root, *root.iterancestors()))
    language = next(filter(None, named), "").partition("-")[0].lower()
    if language:
        return language in _ROMANCE
    words: list[str] = []
    for text in root.itertext():
        words += _WORDS.findall(str(text).lower())
        if len(words) >= _MOST_WORDS:
            break
    return sum(word in _SMALL_WORDS for word in words) >= _SHARE * max(1, len(words))

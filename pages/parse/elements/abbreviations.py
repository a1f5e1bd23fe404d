"""Abbreviations whose meaning a page shows when one points at them.

<abbr title="full-time equivalent">FTE</abbr>  →  "FTE: full-time equivalent" below the section
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pages.visibility.html_tree import Element, to_one_line

_LONGEST_SHORT, _LONGEST_LONG = 12, 80


@dataclass
class Abbreviations:
    """Notes what the abbreviations of a page mean; each is said once, below the section that has it first."""

    _known: set[str] = field(default_factory=set[str])
    _new: list[str] = field(default_factory=list[str])

    def note(self, element: Element) -> None:
        """Note an <abbr> whose title is what its letters stand for, and nothing else."""
        short = to_one_line("".join(element.itertext()))
        title = to_one_line(element.get("title") or "")
        if short in self._known or not _stands_for(short, title):
            return
        self._known.add(short)
        self._new.append(f"{short}: {title}")

    def take(self) -> str:
        """Return what was noted since the last time, a line each."""
        said = "\n".join(self._new)
        self._new = []
        return said


def _stands_for(short: str, title: str) -> bool:
    """Tell whether letters stand for words: they begin the first of them, and come in their order."""
    letters = [letter for letter in short.casefold() if letter.isalpha()]
    words = title.casefold()
    if not letters or len(short) > _LONGEST_SHORT or not len(short) < len(title) <= _LONGEST_LONG:
        return False
    if not words.startswith(letters[0]):
        return False
    rest = iter(words)
    return all(letter in rest for letter in letters)

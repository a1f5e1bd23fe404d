"""What a reader of one kind of file gives back."""

from __future__ import annotations

from dataclasses import dataclass

from core.readers import EVERYONE, Readers
from core.records import Section


def count_of(number: int, what: str) -> str:
    """Return a number of things: "1 hidden sheet", "2 hidden sheets"."""
    return f"{number:,} {what}" + "s" * (number != 1)


@dataclass(frozen=True, slots=True)
class Extracted:
    """A title ("" for none) and sections; what was left out of them.

    `doubtful` are pieces of text that readers may not see, `left_out` is what else was left out and why,
    `unread` what readers see and could not be read, such as scanned pages; both in sentences. `readers` are
    those that the file itself names, `label` is its sensitivity label.
    """

    title: str
    sections: tuple[Section, ...]
    doubtful: int = 0
    left_out: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    readers: Readers = EVERYONE
    label: str = ""

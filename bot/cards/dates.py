"""Dates in the texts of cards: marked where they stand, written in the reader's zone by whatever shows them.

Many people read one card, each in a zone of their own, so its text cannot tell a time. `day` and `when` leave
a mark in it; what draws the card lets its client write the date there (`{{DATE(…)}}` of Adaptive Cards, the
date element of Slack's rich text), and `write_dates` writes it where there is nothing but text.

A mark stands between two of Unicode's noncharacters, which are for a program's own use. Should a page have
them all the same, a date is shown there, and nothing else happens. A mark that was cut off becomes an
ellipsis.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from core.translation import format_day, say

_BEGIN, _END = "\ufdd0", "\ufdd1"
MARKS = (_BEGIN, _END)
"""A text with neither of these characters names no date."""
_MARK = re.compile(f"({_BEGIN}[dt][0-9]{{1,10}}{_END})")


@dataclass(frozen=True, slots=True)
class Date:
    """A moment that a text names, in UTC and to the second; `is_timed`: with the time of day."""

    at: datetime
    is_timed: bool = False

    def __str__(self) -> str:
        return self.write()

    def write(self, zone: tzinfo | None = None) -> str:
        """Return it as people read it in a zone; where nobody knows theirs, a time says that it is UTC's."""
        at = self.at.astimezone(zone or UTC)
        day = format_day(at)
        if not self.is_timed:
            return day
        if zone:
            return say("{day}, {time}", day=day, time=f"{at:%H:%M}")
        return say("{day}, {time} UTC", day=day, time=f"{at:%H:%M}")

    @property
    def second(self) -> int:
        """Seconds since 1970."""
        return int(self.at.timestamp())


def day(at: datetime) -> str:
    """Return the mark of a day."""
    return _mark("d", at)


def when(at: datetime) -> str:
    """Return the mark of a day with its time."""
    return _mark("t", at)


def _mark(kind: str, at: datetime) -> str:
    return f"{_BEGIN}{kind}{max(0, int(at.timestamp()))}{_END}"


def has_dates(text: str) -> bool:
    """Tell whether a text names dates."""
    return _BEGIN in text


def split_dates(text: str) -> list[str | Date]:
    """Return the words of a text and its dates, in order; nothing of it is empty.

    >>> [type(one).__name__ for one in split_dates("Verified, " + day(datetime(2026, 11, 30, tzinfo=UTC)))]
    ['str', 'Date']
    """
    if not any(mark in text for mark in MARKS):
        return [text] if text else []
    pieces: list[str | Date] = []
    for number, part in enumerate(_MARK.split(text)):
        if number % 2:
            at = datetime.fromtimestamp(int(part[2:-1]), UTC)
            pieces.append(Date(at, is_timed=part[1] == "t"))
        elif words := _drop_broken(part):
            pieces.append(words)
    return pieces


def _drop_broken(words: str) -> str:
    """Return words without what is left of a mark that was cut off, which only the end of a text can be."""
    whole, begun, _ = words.partition(_BEGIN)
    return (whole + "…" if begun else whole).replace(_END, "")


def replace_dates(text: str, write: Callable[[Date], str], words: Callable[[str], str] = str) -> str:
    """Return a text with each date as `write` has it, and what stands between them as `words` has it."""
    return "".join(write(one) if isinstance(one, Date) else words(one) for one in split_dates(text))


def write_dates(text: str, zone: tzinfo | None = None) -> str:
    """Return a text with its dates written out, for a reader in a zone."""
    return replace_dates(text, lambda date: date.write(zone))


def find_zone(name: object) -> tzinfo | None:
    """Return the time zone of a name such as Europe/Berlin; None for another."""
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (KeyError, ValueError, OSError):  # an unknown name is a KeyError
        return None

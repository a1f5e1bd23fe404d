"""Readers of a page: everyone, or the people and groups that its source names (an access control list).

A principal is a group of people or one person as a service knows them, written as service:kind:id:

    entra:group:ID, entra:user:ID          Microsoft Entra ID's object ids (Teams, SharePoint)
    slack:channel:ID, slack:user:ID        Slack's ids
    confluence:group:NAME                  whatever else a source knows people by

An asker has principals, too: themselves, and the groups that they belong to. An answer that a whole channel
reads has only those of the channel. What is not known to be allowed is closed.

Whoever looks for pages says for whom (`reading_as`); who does not say so sees what everyone may read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

_PRINCIPAL = re.compile(r"[a-z][a-z0-9]{0,30}:[a-z]{1,30}:[^\s,]{1,200}")


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read a page. `principals` None: everyone; an empty set: nobody."""

    principals: frozenset[str] | None = None

    def allow(self, asker_principals: Collection[str]) -> bool:
        """Tell whether somebody with these principals may read it; one in common is enough."""
        return self.principals is None or not self.principals.isdisjoint(asker_principals)

    @property
    def restricted(self) -> bool:
        """Whether there is anybody who may not read it."""
        return self.principals is not None

    def intersect(self, other: Readers) -> Readers:
        """Return those who are named by both: what has two sources of restrictions is as closed as either.

        Of named groups only the same names are kept: who is in two of them is not known here.
        """
        if self.principals is None or other.principals is None:
            return other if self.principals is None else self
        return Readers(self.principals & other.principals)

    def to_list(self) -> list[str] | None:
        """Return them as they are kept: None is everyone, an empty list nobody."""
        return None if self.principals is None else sorted(self.principals)

    @classmethod
    def from_list(cls, kept: Collection[str] | None) -> Readers:
        """Return what `to_list` gave."""
        return cls(None if kept is None else frozenset(kept))

    def __str__(self) -> str:
        """Return them as an operator reads them."""
        if self.principals is None:
            return "everyone"
        return ", ".join(sorted(self.principals)) or "nobody"


EVERYONE = Readers(None)
NOBODY = Readers(frozenset())
_WORDS = {"everyone": EVERYONE, "nobody": NOBODY}
_HOW = "write principals such as entra:group:ID or slack:channel:ID, “everyone” or “nobody”"

Audience = frozenset[str]
"""The principals that all have in common who read an answer."""
_audience: ContextVar[Audience] = ContextVar("who reads what is found now", default=frozenset())


class UnreadableReaders(ValueError):
    """Words that name no readers; the message is a sentence for whoever wrote them."""


def keep_principals(*texts: str) -> Audience:
    """Return those of these texts that are written as principals are."""
    return frozenset(text for text in texts if _PRINCIPAL.fullmatch(text))


def parse_readers(written: object) -> Readers:
    """Read who may read a page: a text with commas or spaces between, or a list. Raises UnreadableReaders."""
    if isinstance(written, str):
        words = [word for word in re.split(r"[,\s]", written) if word]
    elif isinstance(written, list):
        words = [str(word).strip() for word in cast("list[object]", written)]
    else:
        raise UnreadableReaders(f"Readers have to be text or a list: {_HOW}.")
    if len(words) == 1 and words[0].casefold() in _WORDS:
        return _WORDS[words[0].casefold()]
    wrong = next((word for word in words if not keep_principals(word)), None)
    if wrong is not None or not words:
        raise UnreadableReaders(f"“{(wrong or '')[:80]}” names no reader: {_HOW}.")
    return Readers(frozenset(_spell(word) for word in words))


def _spell(principal: str) -> str:
    """Return a principal as it is compared: Entra's ids are the same in capital letters."""
    return principal.casefold() if principal.startswith("entra:") else principal


@contextmanager
def reading_as(audience: Collection[str]) -> Generator[None]:
    """Let pages be found in this block, and in tasks that it begins, that this audience may read."""
    before = _audience.set(frozenset(audience))
    try:
        yield
    finally:
        _audience.reset(before)


def current_audience() -> Audience:
    """Return for whom pages are found now; nobody in particular, unless somebody said so."""
    return _audience.get()

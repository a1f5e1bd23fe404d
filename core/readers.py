"""Readers of a page: everyone, or the people and groups that its source names (an access control list).

A principal is a group of people or one person as a service knows them, written as service:kind:id:

    entra:group:ID, entra:user:ID          Microsoft Entra ID's object ids (Teams, SharePoint)
    slack:channel:ID, slack:user:ID        Slack's ids
    confluence:group:NAME                  whatever else a source knows people by

An asker has principals, too: themselves, and the groups that they belong to. An answer that a whole channel
reads has only those of the channel. What is not known to be allowed is closed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

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

    def __str__(self) -> str:
        """Return them as an operator reads them."""
        if self.principals is None:
            return "everyone"
        return ", ".join(sorted(self.principals)) or "nobody"


EVERYONE = Readers(None)
NOBODY = Readers(frozenset())


def is_principal(text: str) -> bool:
    """Tell whether a text is written as a principal is."""
    return _PRINCIPAL.fullmatch(text) is not None

"""Who is in a service's own groups, as a setting says it: NAME=entra:group:ID, NAME=everyone.

The bot knows the people who ask it by Microsoft Entra and Slack. Groups that only the service knows open a
page to nobody until somebody says whom they mean there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.readers import EVERYONE, Readers, UnreadableReaders, parse_readers
from pages.fetched import AddressRefused


@dataclass(slots=True)
class GroupNames:
    """Whom a service's names mean, and those that nobody told the meaning of."""

    known: Mapping[str, Readers] = field(default_factory=dict[str, Readers])
    unknown: set[str] = field(default_factory=set[str])

    def find(self, name: str) -> Readers:
        """Return whom a name means, nobody where it is not told."""
        if name.casefold() in self.known:
            return self.known[name.casefold()]
        self.unknown.add(name)
        return Readers(frozenset())


def parse_group_names(setting: str, pairs: Iterable[str]) -> GroupNames:
    """Read a setting's pairs; a name may stand in several. Raises AddressRefused."""
    found: dict[str, Readers] = {}
    for pair in pairs:
        name, equals, who = pair.rpartition("=")
        key = name.strip().casefold()
        if not equals or not key:
            raise AddressRefused(f"A part of the setting {setting} is not written as NAME=entra:group:ID.")
        try:
            readers = parse_readers(who)
        except UnreadableReaders as error:
            raise AddressRefused(f"In the setting {setting}: {error}") from None
        found[key] = join_readers(found[key], readers) if key in found else readers
    return GroupNames(found)


def join_readers(one: Readers, other: Readers) -> Readers:
    """Return those who are named by either."""
    if one.principals is None or other.principals is None:
        return EVERYONE
    return Readers(one.principals | other.principals)

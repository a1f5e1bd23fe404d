"""Permissions of a file in SharePoint or OneDrive → its readers.

Whoever holds a permission by name may read: people and groups of Microsoft Entra, also those that a link
for sharing names. A link for everybody, or for the whole organisation, opens a file to those who have the
link; the others do not find it in SharePoint either, so it counts for those whom it names. Who is in a
group of SharePoint itself ("HR Members") Microsoft Graph does not tell: the setting sharepoint_groups says
it, else it is nobody.

Source: learn.microsoft.com/graph, permission resource, sharePointIdentitySet; the forms of login names are
those of SharePoint's claims.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.readers import EVERYONE, Readers
from pages.fetched import AddressRefused
from pages.sources.foreign import find, find_object, find_objects, find_text
from pages.sources.words import check_principal

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_GROUP_LOGIN = re.compile(r"c:0[to]\.c\|(?:tenant|federateddirectoryclaimprovider)\|(?P<id>[0-9a-fA-F-]{36})")


@dataclass(slots=True)
class ReaderNames:
    """Who is in SharePoint's own groups, and the names of those that nobody told."""

    known: Mapping[str, Readers]
    unknown: dict[str, int] = field(default_factory=dict[str, int])


def parse_group_names(setting: Iterable[str]) -> dict[str, Readers]:
    """Return what sharepoint_groups says: NAME=entra:group:ID, NAME=everyone. Raises AddressRefused."""
    found: dict[str, Readers] = {}
    for one in setting:
        name, is_pair, who = one.rpartition("=")
        if not is_pair or not name.strip():
            raise AddressRefused(
                "A part of the setting sharepoint_groups is not written as NAME=entra:group:ID."
            )
        readers = (
            EVERYONE if who.strip() == "everyone" else Readers(frozenset({check_principal(who.strip())}))
        )
        key = name.strip().casefold()
        found[key] = _join(found[key], readers) if key in found else readers
    return found


def read_permissions(permissions: Iterable[Mapping[str, Any]], names: ReaderNames, now: datetime) -> Readers:
    """Return who may read a file with these permissions."""
    readers = Readers(frozenset())
    for permission in permissions:
        if not _counts(permission, now):
            continue
        single = find_object(permission, "grantedToV2")
        several = find_objects(permission, "grantedToIdentitiesV2")
        for identity in [*([single] if single else []), *several]:
            readers = _join(readers, _read_identity(identity, names))
    return readers


def _counts(permission: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a permission lets anybody read now: it has a role, and has not ended."""
    if find(permission, "roles") == []:
        return False
    ends = find_text(permission, "expirationDateTime")
    if not ends or ends.startswith("0001-"):  # the service's way to say that there is no end
        return True
    try:
        end = datetime.fromisoformat(ends)
    except ValueError:
        return False
    return (end if end.tzinfo else end.replace(tzinfo=UTC)) > now


def _read_identity(identity: Mapping[str, Any], names: ReaderNames) -> Readers:
    """Return whom an identity set means: the most exact of its names counts."""
    for kind, principal in (("user", "entra:user"), ("group", "entra:group")):
        number = find_text(identity, kind, "id")
        if _ID.fullmatch(number):
            return Readers(frozenset({f"{principal}:{number}"}))
    login = _GROUP_LOGIN.fullmatch(find_text(identity, "siteUser", "loginName"))
    if login is not None:
        return Readers(frozenset({f"entra:group:{login['id']}"}))
    shown = [find_text(identity, kind, "displayName") for kind in ("siteGroup", "siteUser")]
    for name in filter(None, shown):
        if name.casefold() in names.known:
            return names.known[name.casefold()]
        names.unknown[name] = names.unknown.get(name, 0) + 1
    return Readers(frozenset())


def _join(one: Readers, other: Readers) -> Readers:
    if one.principals is None or other.principals is None:
        return EVERYONE
    return Readers(one.principals | other.principals)

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
from datetime import UTC, datetime
from typing import Any

from core.readers import NOBODY, Readers
from pages.sources.foreign import find, find_object, find_objects, find_text
from pages.sources.group_names import GroupNames, join_readers

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_GROUP_LOGIN = re.compile(r"c:0[to]\.c\|(?:tenant|federateddirectoryclaimprovider)\|(?P<id>[0-9a-fA-F-]{36})")


def read_permissions(permissions: Iterable[Mapping[str, Any]], names: GroupNames, now: datetime) -> Readers:
    """Return who may read a file with these permissions."""
    readers = NOBODY
    for permission in permissions:
        if not _counts(permission, now):
            continue
        single = find_object(permission, "grantedToV2")
        several = find_objects(permission, "grantedToIdentitiesV2")
        for identity in [*([single] if single else []), *several]:
            readers = join_readers(readers, _read_identity(identity, names))
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


def _read_identity(identity: Mapping[str, Any], names: GroupNames) -> Readers:
    """Return whom an identity set means: the most exact of its names counts."""
    for kind, principal in (("user", "entra:user"), ("group", "entra:group")):
        number = find_text(identity, kind, "id")
        if _ID.fullmatch(number):
            return Readers(frozenset({f"{principal}:{number.casefold()}"}))
    login = _GROUP_LOGIN.fullmatch(find_text(identity, "siteUser", "loginName"))
    if login is not None:
        return Readers(frozenset({f"entra:group:{login['id'].casefold()}"}))
    shown = [find_text(identity, kind, "displayName") for kind in ("siteGroup", "siteUser")]
    return names.find(next(filter(None, shown))) if any(shown) else NOBODY

"""Permissions of a file in Google Drive → its readers.

People and groups are named by their addresses, which the bot does not know its askers by, and a domain by
its name: the setting google_drive_groups says whom they mean. What anybody finds is open; what anybody may
open who has the link is not found by the others, so that it is open only where the setting says so
("link:anyone", "link:example.com").

Source: developers.google.com, Drive API v3, permissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from core.readers import EVERYONE, NOBODY, Readers
from pages.sources.foreign import find, find_text
from pages.sources.group_names import GroupNames, join_readers

FIELDS = "id,type,emailAddress,domain,role,allowFileDiscovery,expirationTime,deleted,view"
_NAMES = "".join(chr(code) for code in range(33, 127) if chr(code) not in ",%")


def read_permissions(permissions: Iterable[Mapping[str, Any]], names: GroupNames, now: datetime) -> Readers:
    """Return who may read a file with these permissions."""
    readers = NOBODY
    for permission in permissions:
        if _counts(permission, now):
            readers = join_readers(readers, _read_one(permission, names))
    return readers


def _counts(permission: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a permission lets anybody read the file as it is now."""
    if find(permission, "deleted") is True or find_text(permission, "view"):  # of what is published of it
        return False
    ends = find_text(permission, "expirationTime")
    try:
        return not ends or _read_time(ends) > now
    except ValueError:
        return False


def _read_time(written: str) -> datetime:
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_one(permission: Mapping[str, Any], names: GroupNames) -> Readers:
    kind, address = find_text(permission, "type"), find_text(permission, "emailAddress").casefold()
    link = "" if find(permission, "allowFileDiscovery") is True else "link:"
    if kind == "anyone":
        return names.find("link:anyone") if link else EVERYONE
    if kind == "domain" and find_text(permission, "domain"):
        return names.find(link + find_text(permission, "domain").casefold())
    if kind not in {"user", "group"} or not address:
        return NOBODY
    own = Readers(frozenset({f"google:{kind}:{quote(address, safe=_NAMES)[:200]}"}))
    meant = names.find(address) if kind == "group" else names.known.get(address, NOBODY)
    return join_readers(own, meant)

"""Who may read a page of Confluence: who may see its space, narrowed by the page and by every page above it.

A page's own readers and those of the pages above it all have to let somebody in. Who is in which group is
not known here, so that of different names only those in common are kept: what is not known to be allowed is
closed. Where a space is open to a group that everybody with Confluence belongs to, restrictions alone
decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from core.readers import EVERYONE, NOBODY, Readers
from pages.sources.foreign import find_object, find_objects, find_text

_NAMES = "".join(chr(code) for code in range(33, 127) if chr(code) not in ",%")
_USER_NAMES = ("accountId", "userKey", "username")


def group_principal(name: str) -> str:
    """Return the principal of a group; what a principal may not have is percent-encoded."""
    return f"confluence:group:{quote(name, safe=_NAMES)[:200]}"


def user_principals(user: Mapping[str, Any]) -> set[str]:
    """Return the principals of a user, who has one name in the Cloud and two in Data Center."""
    names = (find_text(user, name) for name in _USER_NAMES)
    return {f"confluence:user:{quote(name, safe=_NAMES)[:200]}" for name in names if name}


def read_space_readers(
    subjects: Iterable[Mapping[str, Any]], open_groups: Iterable[str]
) -> tuple[Readers, bool]:
    """Return who may see a space, and whether everybody with Confluence may."""
    principals: set[str] = set()
    is_open = False
    known_open = {group_principal(name) for name in open_groups}
    for subject in subjects:
        kind = find_text(subject, "type").lower()
        if kind == "anonymous":
            return EVERYONE, True
        if kind == "group" and find_text(subject, "name"):
            group = group_principal(find_text(subject, "name"))
            principals.add(group)
            is_open = is_open or group in known_open
        elif kind in {"user", "known"}:
            principals |= user_principals(subject)
    return Readers(frozenset(principals)), is_open


def read_restriction(restrictions: Mapping[str, Any]) -> Readers:
    """Return whom the restrictions of one page name; everyone where they name nobody."""
    principals = {
        group_principal(find_text(group, "name"))
        for group in find_objects(restrictions, "group", "results")
        if find_text(group, "name")
    }
    for user in find_objects(restrictions, "user", "results"):
        principals |= user_principals(user)
    named = (find_object(restrictions, kind) for kind in ("user", "group"))
    if not principals and any(find_text(one, "size") not in {"", "0"} for one in named):
        return NOBODY  # somebody is named, and we cannot tell who
    return Readers(frozenset(principals)) if principals else EVERYONE


def combine(space: Readers, restrictions: Iterable[Readers], *, is_open: bool) -> Readers:
    """Return who may read a page: `restrictions` are its own and those of the pages above it."""
    narrowed = EVERYONE
    for one in restrictions:
        narrowed = narrowed.intersect(one)
    if narrowed == EVERYONE:
        return space
    return narrowed if is_open else space.intersect(narrowed)

"""Who may read a page of Confluence: who may see its space, narrowed by the page and by every page above it.

A page's own readers and those of the pages above it all have to let somebody in. Who is in which group is not
known here, so that of different names only those in common are kept: what is not known to be allowed is
closed. A group that the setting confluence_groups calls "everyone" narrows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from core.readers import EVERYONE, NOBODY, Readers
from pages.sources.foreign import find_object, find_objects, find_text
from pages.sources.group_names import GroupNames, join_readers

_NAMES = "".join(chr(code) for code in range(33, 127) if chr(code) not in ",%")
_USER_NAMES = ("accountId", "userKey", "username")


def read_group(name: str, names: GroupNames) -> Readers:
    """Return whom a group means: itself, and whom the setting says; what no principal may have is encoded."""
    own = Readers(frozenset({f"confluence:group:{quote(name, safe=_NAMES)[:200]}"}))
    return join_readers(own, names.find(name))


def read_user(user: Mapping[str, Any], names: GroupNames) -> Readers:
    """Return a user, who has one name in the Cloud and two in Data Center; the setting may say who it is."""
    readers = NOBODY
    for name in filter(None, (find_text(user, kind) for kind in _USER_NAMES)):
        own = Readers(frozenset({f"confluence:user:{quote(name, safe=_NAMES)[:200]}"}))
        readers = join_readers(join_readers(readers, own), names.known.get(name.casefold(), NOBODY))
    return readers


def read_space_readers(subjects: Iterable[Mapping[str, Any]], names: GroupNames) -> Readers:
    """Return who may see a space."""
    readers = NOBODY
    for subject in subjects:
        kind = find_text(subject, "type").lower()
        if kind == "anonymous":
            return EVERYONE
        if kind == "group" and find_text(subject, "name"):
            readers = join_readers(readers, read_group(find_text(subject, "name"), names))
        elif kind in {"user", "known"}:
            readers = join_readers(readers, read_user(subject, names))
    return readers


def read_restriction(restrictions: Mapping[str, Any], names: GroupNames) -> Readers:
    """Return whom the restrictions of one page name; everyone where they name nobody."""
    groups = [find_text(one, "name") for one in find_objects(restrictions, "group", "results")]
    users = find_objects(restrictions, "user", "results")
    readers = NOBODY
    for one in filter(None, groups):
        readers = join_readers(readers, read_group(one, names))
    for one in users:
        readers = join_readers(readers, read_user(one, names))
    sizes = [find_text(find_object(restrictions, kind), "size") for kind in ("user", "group")]
    is_restricted = bool(groups or users) or any(size not in {"", "0"} for size in sizes)
    return readers if is_restricted else EVERYONE


def combine(space: Readers, restrictions: Iterable[Readers]) -> Readers:
    """Return who may read a page: `restrictions` are its own and those of the pages above it."""
    readers = space
    for one in restrictions:
        readers = readers.intersect(one)
    return readers

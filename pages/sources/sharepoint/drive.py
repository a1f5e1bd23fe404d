"""A drive (a document library, somebody's OneDrive) by Microsoft Graph's delta: files and their rights.

What is remembered of a drive: the items by their ids, the link that gives what changed since, and a list
that was begun and did not come to its end. Items are known by their ids and by their parents', since a
folder that is renamed or moved says nothing of what is in it. A link that is too old (410 Gone) lists all
anew, and what does not come then is gone. Of an item that comes more than once the last counts.

Rights change without a change of a file, and delta does not always tell: those of up to MOST_ASKED files
are asked for again at each look, the longest unasked first; new and changed files always.

Source: learn.microsoft.com/graph, driveItem: delta; best practices for discovering files and detecting
changes at scale.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from core.readers import Readers
from pages.fetched import PageRefused, PageUnreachable, PageUnreadable
from pages.sources.foreign import find, find_number, find_objects, find_text
from pages.sources.group_names import GroupNames
from pages.sources.ledger import Ledger
from pages.sources.rest import ApiRefused
from pages.sources.sharepoint.graph import Graph
from pages.sources.sharepoint.permissions import read_permissions

MOST_ITEMS = 100_000
"""Most files and folders of a drive."""
MOST_ASKED = 2_000
"""Files whose rights are asked for again at a look, beside new and changed ones."""
KEEP_EVERY_S = 30.0
"""How often a list is written down while it comes, seconds."""
_GONE = 410
_OK = 200
_DEEPEST = 400
_PREFER = {
    "Prefer": "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges, "
    "hierarchicalsharing"
}


@dataclass(frozen=True, slots=True)
class DriveFile:
    """A file of a drive; `path` is below the drive's root, with names as they are."""

    id: str
    path: tuple[str, ...]
    mark: str
    size: int | None

    @property
    def name(self) -> str:
        return self.path[-1]


class Drive:
    """One drive, with what is remembered of it in a part of the ledger's notes, which is changed in place."""

    def __init__(self, graph: Graph, drive_id: str, web_url: str, ledger: Ledger) -> None:
        self.id = drive_id
        self._graph = graph
        self._web_url = web_url.rstrip("/")
        self._ledger = ledger
        drives: dict[str, Any] = ledger.notes.setdefault("drives", {})
        self._notes: dict[str, Any] = drives.setdefault(drive_id, {})
        self._kept_at = time.monotonic()

    def address(self, file: DriveFile) -> str:
        """Return where people open a file."""
        return "/".join((self._web_url, *(quote(name, safe="") for name in file.path)))

    async def update(self) -> None:
        """Bring the list of items up to date. Raises PageRefused; what came until then is not lost."""
        start = f"/drives/{quote(self.id, safe='!')}/root/delta"
        begun = cast("dict[str, Any]", self._notes.get("begun") or {})
        if begun:
            link, items = str(begun["link"]), dict(begun["items"])
        else:
            link, items = str(self._notes.get("link") or start), dict(self._notes.get("items") or {})
        try:
            await self._follow(link, items)
        except ApiRefused as refused:
            if refused.status != _GONE or link == start:
                raise
            self._notes.pop("begun", None)
            await self._follow(self._find_new_start(refused.location, start), {})

    def _find_new_start(self, location: str, start: str) -> str:
        """Return where to list anew: where the service says, if that is one of its own addresses."""
        try:
            return self._graph.resolve(location) if location else start
        except PageRefused:
            return start

    async def _follow(self, link: str, items: dict[str, Any]) -> None:
        """Take over what a list says, to its end. Raises PageRefused."""
        async with aclosing(self._graph.pages(link, _PREFER)) as pages:
            async for page in pages:
                for one in find_objects(page, "value"):
                    _apply(one, items)
                if not self._notes.get(
                    "items"
                ):  # later, folders and the like would be taken for missing pages
                    self._ledger.expect(len(items))
                if len(items) > MOST_ITEMS:
                    raise PageUnreadable(
                        f"A library has more than {MOST_ITEMS:,} files; please name another part."
                    )
                if delta := find_text(page, "@odata.deltaLink"):
                    self._notes.update(items=items, link=self._graph.resolve(delta), begun=None)
                    return
                if following := find_text(page, "@odata.nextLink"):
                    self._notes["begun"] = {"items": items, "link": self._graph.resolve(following)}
                    await self._keep_at_times()
        raise PageUnreachable(
            "Microsoft Graph did not list a library to its end; it is listed on at the next refresh."
        )

    async def _keep_at_times(self) -> None:
        if time.monotonic() - self._kept_at >= KEEP_EVERY_S:
            await self._ledger.keep()
            self._kept_at = time.monotonic()

    def files(self, below: Sequence[str]) -> Iterator[DriveFile]:
        """Yield the files below a folder, by the names of its path."""
        items = cast("dict[str, dict[str, Any]]", self._notes.get("items") or {})
        for number, item in items.items():
            path = _find_path(number, items)
            if item.get("file") and path and tuple(path[: len(below)]) == tuple(below):
                yield DriveFile(number, path, str(item.get("mark")), item.get("size"))

    async def read_readers(self, files: Sequence[DriveFile], names: GroupNames) -> dict[str, Readers | None]:
        """Return who may read each file, by its id; None where nobody tells. Raises PageRefused."""
        kept: dict[str, dict[str, Any]] = self._notes.setdefault("readers", {})
        items = cast("dict[str, dict[str, Any]]", self._notes.get("items") or {})
        for number in kept.keys() - items.keys():
            del kept[number]
        for first in _choose(files, kept, items):
            await self._ask(first, kept, items, names)
            await self._keep_at_times()
        return {one.id: _load(kept.get(one.id)) for one in files}

    async def _ask(
        self,
        some: Sequence[str],
        kept: dict[str, dict[str, Any]],
        items: dict[str, dict[str, Any]],
        names: GroupNames,
    ) -> None:
        drive = quote(self.id, safe="!")
        replies = await self._graph.get_many(
            [f"/drives/{drive}/items/{quote(one, safe='!')}/permissions" for one in some]
        )
        for number, (status, body) in zip(some, replies, strict=True):
            found = find_objects(body, "value")
            if status == _OK and (more := find_text(body, "@odata.nextLink")):
                found += await self._graph.list_all(more, MOST_ASKED)
            known: dict[str, Any] = {
                "at": time.time(),
                "shared": _name_rights(items[number]),
                "who": [],
                "unknown": {},
            }
            if status == _OK:
                own = GroupNames(names.known)
                readers = read_permissions(found, own, datetime.now(UTC))
                known |= {"who": readers.to_list()}
                known |= {"unknown": sorted(own.unknown)}
            else:
                known["status"] = status
            kept[number] = known

    def unknown_groups(self, files: Sequence[DriveFile]) -> dict[str, int]:
        """Return groups that nobody told the members of, and how many of these files name each."""
        kept = cast("dict[str, dict[str, Any]]", self._notes.get("readers") or {})
        found: dict[str, int] = {}
        for one in files:
            for name in cast("list[str]", kept.get(one.id, {}).get("unknown", [])):
                found[name] = found.get(name, 0) + 1
        return found


def _apply(item: dict[str, Any], items: dict[str, Any]) -> None:
    """Take over what delta says of an item."""
    number = find_text(item, "id")
    if not number:
        return
    if find(item, "deleted") is not None or find(item, "@removed") is not None:
        items.pop(number, None)
        return
    before = cast("dict[str, Any]", items.get(number) or {})
    changed = find(item, "@microsoft.graph.sharedChanged") in (True, "True", "true")
    items[number] = {
        "name": find_text(item, "name"),
        "parent": find_text(item, "parentReference", "id"),
        "root": find(item, "root") is not None,
        "file": find(item, "file") is not None and find(item, "package") is None,
        "mark": find_text(item, "cTag") or find_text(item, "eTag"),
        "size": find_number(item, "size"),
        "shared": f"{find_text(item, 'eTag')} {time.time_ns()}" if changed else before.get("shared"),
    }


def _find_path(number: str, items: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Return the names from the root to an item, () where it hangs in the air or has a name that is none."""
    names: list[str] = []
    item = items.get(number)
    while item is not None and not item.get("root") and len(names) < _DEEPEST:
        name = str(item.get("name"))
        if name in {"", ".", ".."} or not name.isprintable():
            return ()
        names.append(name)
        item = items.get(str(item.get("parent")))
    return tuple(reversed(names)) if item is not None and item.get("root") else ()


def _choose(
    files: Sequence[DriveFile], kept: dict[str, dict[str, Any]], items: dict[str, dict[str, Any]]
) -> Iterator[list[str]]:
    """Yield the files whose rights are to be asked for, some at a time."""
    new = [
        one.id
        for one in files
        if one.id not in kept or kept[one.id].get("shared") != _name_rights(items[one.id])
    ]
    fresh = set(new)
    old = sorted(
        (one.id for one in files if one.id not in fresh), key=lambda number: float(kept[number]["at"])
    )
    asked = [*new, *old[:MOST_ASKED]]
    for first in range(0, len(asked), 200):
        yield asked[first : first + 200]


def _name_rights(item: dict[str, Any]) -> str:
    """Return what differs once an item has other rights, as far as its list tells: shared anew, or moved."""
    return f"{item.get('shared')} {item.get('parent')}"


def _load(kept: dict[str, Any] | None) -> Readers | None:
    if kept is None or "status" in kept:
        return None
    return Readers.from_list(cast("list[str] | None", kept.get("who")))

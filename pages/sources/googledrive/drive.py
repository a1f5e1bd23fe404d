"""The files of a Google Drive: listed once, then followed by their changes; and their permissions.

What is remembered: the files and folders by their ids, and the token of the changes since. A change of a
folder may change what is below it without a word (who may read it, whether it is in the bin), so that it
lists all anew; so does a token that Google takes no more, and every day. A list takes one call for a thousand
files.

Files of a shared drive, and those that the account may not share, come without their permissions, which are
asked for one by one: those of new files and of files whose permissions' ids have changed, and of up to
MOST_ASKED others, the longest unasked first.

Source: developers.google.com, Drive API v3: files.list, changes.list, permissions.list.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from core.readers import Readers
from pages.fetched import PageUnreachable, PageUnreadable
from pages.sources.foreign import find, find_number, find_objects, find_text
from pages.sources.googledrive.api import DriveApi
from pages.sources.googledrive.permissions import FIELDS, read_permissions
from pages.sources.group_names import GroupNames
from pages.sources.ledger import Ledger
from pages.sources.rest import ApiRefused

FOLDER = "application/vnd.google-apps.folder"
MOST_ITEMS = 100_000
"""Most files and folders of a drive."""
TOO_MANY = f"That drive has more than {MOST_ITEMS:,} files and folders; please name a folder of it."
MOST_ASKED = 500
"""Files whose permissions are asked for again at a look, beside new and changed ones."""
LISTED_ANEW_S = 86_400.0
"""How often all is listed anew, seconds."""
_AT_A_TIME = "1000"
_DEEPEST = 200
_FILE = (
    "id,name,mimeType,parents,md5Checksum,modifiedTime,size,trashed,webViewLink,permissionIds,"
    f"permissions({FIELDS})"
)
_REFUSED_TOKEN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_NOT_TOLD = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}

Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DriveFile:
    """A file as Google Drive lists it; `size` in bytes, unknown for what is exported."""

    id: str
    name: str
    media_type: str
    url: str
    mark: str
    size: int | None


class Drive:
    """What an account sees, or one shared drive of it (`drive_id`), with what is remembered in the ledger."""

    def __init__(self, api: DriveApi, drive_id: str, ledger: Ledger) -> None:
        self._api = api
        self._drive_id = drive_id
        self._ledger = ledger
        self._notes = ledger.notes

    async def update(self) -> None:
        """Bring the list of files up to date. Raises PageRefused; what was known is not lost."""
        old = time.time() - float(self._notes.get("listed_at") or 0.0) > LISTED_ANEW_S
        if old or not self._notes.get("token") or not await self._follow_changes():
            await self._list_all()

    async def _list_all(self) -> None:
        """List all files; the changes from before the first page on are followed the next time."""
        of_drive = {"driveId": self._drive_id} if self._drive_id else {}
        started = await self._api.get("/changes/startPageToken", supportsAllDrives="true", **of_drive)
        items: dict[str, Kept] = {}
        asked = {"corpora": "drive" if self._drive_id else "user", "pageSize": _AT_A_TIME, "spaces": "drive"}
        asked |= {"fields": f"nextPageToken,incompleteSearch,files({_FILE})", **_ALL_DRIVES, **of_drive}
        async with aclosing(self._api.pages("/files", **asked)) as pages:
            async for page in pages:
                if find(page, "incompleteSearch") is True:
                    raise PageUnreachable(
                        "Google Drive did not search all; it is listed at the next refresh."
                    )
                items.update((find_text(one, "id"), _keep(one)) for one in find_objects(page, "files"))
                if not self._notes.get("items"):
                    self._ledger.expect(len(items))
                if len(items) > MOST_ITEMS:
                    raise PageUnreadable(TOO_MANY)
        token = find_text(started, "startPageToken")
        self._notes.update(items=items, token=token, listed_at=time.time())

    async def _follow_changes(self) -> bool:
        """Take over what has changed; False where all has to be listed anew."""
        items = cast("dict[str, Kept]", self._notes["items"])
        asked = {"pageToken": str(self._notes["token"]), "pageSize": _AT_A_TIME, "includeRemoved": "true"}
        asked |= {"spaces": "drive", **_ALL_DRIVES} | ({"driveId": self._drive_id} if self._drive_id else {})
        asked["fields"] = f"nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({_FILE}))"
        try:
            async with aclosing(self._api.pages("/changes", **asked)) as pages:
                async for page in pages:
                    if not all(_apply(one, items) for one in find_objects(page, "changes")):
                        return False
                    if following := find_text(page, "newStartPageToken") or find_text(page, "nextPageToken"):
                        self._notes["token"] = following
                    if len(items) > MOST_ITEMS:
                        raise PageUnreadable(TOO_MANY)
        except ApiRefused as refused:
            if refused.status not in _REFUSED_TOKEN:
                raise
            return False
        return True

    def files(self, top: str) -> Iterator[DriveFile]:
        """Yield the files below a folder, "" for all."""
        items = cast("dict[str, Kept]", self._notes.get("items") or {})
        for number, item in items.items():
            if item["type"] != FOLDER and _is_below(number, items, top):
                size = item["size"]
                yield DriveFile(number, item["name"], item["type"], item["url"], item["mark"], size)

    async def read_readers(self, files: Sequence[DriveFile], names: GroupNames) -> dict[str, Readers | None]:
        """Return who may read each file, by its id; None where that is not told. Raises PageRefused."""
        items = cast("dict[str, Kept]", self._notes.get("items") or {})
        asked = cast("dict[str, Kept]", self._notes.setdefault("asked", {}))
        wanted = [one.id for one in files if items[one.id]["permissions"] is None]
        for number in asked.keys() - set(wanted):
            del asked[number]
        for number in _choose(wanted, asked, items):
            asked[number] = {"at": time.time(), "ids": items[number]["ids"], "found": await self._ask(number)}
        now = datetime.now(UTC)
        found: dict[str, Readers | None] = {}
        for one in files:
            told = items[one.id]["permissions"]
            permissions = asked[one.id]["found"] if told is None else told
            found[one.id] = None if permissions is None else read_permissions(permissions, names, now)
        return found

    async def _ask(self, number: str) -> list[Kept] | None:
        """Return the permissions of a file, None where the account may not know them."""
        found: list[Kept] = []
        path = f"/files/{quote(number, safe='')}/permissions"
        fields = f"nextPageToken,permissions({FIELDS})"
        try:
            async with aclosing(
                self._api.pages(path, supportsAllDrives="true", pageSize="100", fields=fields)
            ) as pages:
                async for page in pages:
                    found += find_objects(page, "permissions")
        except ApiRefused as refused:
            if refused.status not in _NOT_TOLD:
                raise
            return None
        return found


def _keep(file: Mapping[str, Any]) -> Kept:
    """Return what is remembered of a file or folder."""
    told = file.get("permissions")
    size = find_text(file, "size")
    parents = cast("list[object]", file.get("parents")) if isinstance(file.get("parents"), list) else []
    ids = file.get("permissionIds")
    return {
        "name": find_text(file, "name"),
        "type": find_text(file, "mimeType"),
        "parent": str(parents[0]) if parents else "",
        "mark": find_text(file, "md5Checksum") or find_text(file, "modifiedTime"),
        "size": find_number(file, "size") if not size.isdigit() else int(size),
        "trashed": find(file, "trashed") is True,
        "url": find_text(file, "webViewLink"),
        "permissions": find_objects(file, "permissions") if isinstance(told, list) and told else None,
        "ids": sorted(map(str, cast("list[object]", ids))) if isinstance(ids, list) else None,
    }


def _apply(change: Mapping[str, Any], items: dict[str, Kept]) -> bool:
    """Take over a change; False where it may change more than its file says."""
    number = find_text(change, "fileId")
    if not number:  # the shared drive itself: its name, its members
        return False
    file = find(change, "file")
    before = items.get(number)
    if find(change, "removed") is True or not isinstance(file, dict):
        items.pop(number, None)
        return before is None or before["type"] != FOLDER
    items[number] = _keep(cast("dict[str, Any]", file))
    return items[number]["type"] != FOLDER or before is None


def _is_below(number: str, items: Mapping[str, Kept], top: str) -> bool:
    """Tell whether a file stands below a folder, and neither it nor a folder above it is in the bin."""
    for _ in range(_DEEPEST):
        if top and number == top:
            return True
        item = items.get(number)
        if item is None:
            return not top
        if item["trashed"]:
            return False
        number = str(item["parent"])
    return False


def _choose(wanted: Sequence[str], asked: Mapping[str, Kept], items: Mapping[str, Kept]) -> Iterator[str]:
    """Yield the files whose permissions are to be asked for."""
    known = [one for one in wanted if one in asked and asked[one]["ids"] == items[one]["ids"]]
    fresh = set(known)
    yield from (one for one in wanted if one not in fresh)
    yield from sorted(known, key=lambda one: float(asked[one]["at"]))[:MOST_ASKED]

"""Google Drive as a source: a folder, a shared drive, or all that was shared with a service account.

    googledrive+https://drive.google.com/drive/folders/0AbCd…        a folder, or a shared drive
    googledrive+https://drive.google.com/                            all that is shared with the account

Documents, spreadsheets and presentations of Google are exported as Office files, others are read as they are.
Shortcuts, forms, drawings, sites and what readers may not download are not read.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

from core.readers import NOBODY, Readers
from pages import kinds
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import parse_address
from pages.fetched import AddressRefused, Fetched, PageRefused, PageUnreadable
from pages.sources.foreign import find, find_text
from pages.sources.googledrive.api import DriveApi
from pages.sources.googledrive.drive import FOLDER, Drive, DriveFile
from pages.sources.group_names import GroupNames, parse_group_names
from pages.sources.ledger import Ledger
from pages.sources.plug import Document, Listing, SourceAccess
from pages.sources.words import SourceWord

_GOOGLE = "application/vnd.google-apps."
EXPORTS = {
    f"{_GOOGLE}document": kinds.WORD,
    f"{_GOOGLE}spreadsheet": kinds.SHEETS,
    f"{_GOOGLE}presentation": kinds.SLIDES,
}
_HOSTS = ("drive.google.com", "docs.google.com")
_TOP = re.compile(r"/drive(?:/u/\d{1,2})?/folders/(?P<id>[\w-]{5,100})/?")
_ALL = re.compile(r"/?|/drive(?:/u/\d{1,2})?(?:/(?:my-drive|home|shared-with-me))?/?")


@asynccontextmanager
async def open_source(
    word: SourceWord, access: SourceAccess, fetcher: Fetcher
) -> AsyncGenerator[GoogleDriveSource]:
    """Open a folder or all; nothing is asked yet. Raises AddressRefused."""
    top = parse_drive_address(word.address)
    names = parse_group_names("google_drive_groups", access.google_drive_groups)
    yield GoogleDriveSource(DriveApi(access, fetcher), top, names, word.readers)


def parse_drive_address(address: str) -> str:
    """Return the id of the folder that an address shows, "" for all. Raises AddressRefused."""
    found = parse_address(address)
    path = found.path_and_query.partition("?")[0]
    top = _TOP.fullmatch(path)
    if found.host != _HOSTS[0] or found.scheme != "https" or not (top or _ALL.fullmatch(path)):
        raise AddressRefused(
            "A Google Drive source is a folder or a shared drive as the browser shows it, such as "
            "googledrive+https://drive.google.com/drive/folders/ID, or googledrive+https://drive.google.com/ "
            "for all that is shared with the service account."
        )
    return top["id"] if top else ""


class GoogleDriveSource:
    """See the module. `top` is the folder whose files are read; `given` are the word's readers."""

    def __init__(self, api: DriveApi, top: str, names: GroupNames, given: Readers | None) -> None:
        self._api = api
        self._top = top
        self._names = names
        self._given = given
        self._types: dict[str, str] = {}

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return the files that can be read, with their readers."""
        drive = Drive(self._api, await self._find_drive() if self._top else "", ledger)
        listing = Listing()
        try:
            await drive.update()
        except PageRefused as refused:
            if not ledger.notes.get("items"):
                raise
            listing.failure = refused
        files = [one for one in drive.files(self._top) if _choose_kind(one)]
        readers = await self._read_readers(drive, files)
        for one in files:
            self._types[one.id] = one.media_type
            who = readers.get(one.id)
            listing.documents.append(
                Document(
                    one.id, _check_url(one), one.name, _choose_kind(one), one.mark, who or NOBODY, one.size
                )
            )
        self._remark(listing, [one.name for one in files if readers.get(one.id) is None])
        return listing

    async def read_document(self, document: Document) -> Fetched:
        """Return a file's bytes, exported where it is a document of Google's own."""
        path = f"/files/{quote(document.id, safe='')}"
        if self._types[document.id] in EXPORTS:
            body = await self._api.download(f"{path}/export", mimeType=document.media_type)
        else:
            body = await self._api.download(path, alt="media", supportsAllDrives="true")
        return Fetched(document.url, body, document.media_type)

    async def _find_drive(self) -> str:
        """Return the shared drive that the folder is in, "" for none. Raises PageRefused."""
        path = f"/files/{quote(self._top, safe='')}"
        found = await self._api.get(path, fields="id,mimeType,driveId,trashed", supportsAllDrives="true")
        if find_text(found, "mimeType") != FOLDER or find(found, "trashed") is True:
            raise PageUnreadable("What that address of Google Drive shows is no folder, or in the bin.")
        return find_text(found, "driveId")

    async def _read_readers(self, drive: Drive, files: Sequence[DriveFile]) -> dict[str, Readers | None]:
        if self._given is not None:
            return dict.fromkeys((one.id for one in files), self._given)
        return await drive.read_readers(files, self._names)

    def _remark(self, listing: Listing, untold: Sequence[str]) -> None:
        if self._names.unknown:
            named = ", ".join(f"“{name}”" for name in sorted(self._names.unknown)[:5])
            listing.remarks.append(
                f"Whom {named} means is not told by Google, so that they open no page. Say it in the setting "
                f"google_drive_groups, as NAME=entra:group:ID or NAME=everyone."
            )
        if untold:
            listing.remarks.append(
                f"Who may read {len(untold)} files is not told to the service account, so that they are "
                f"closed to everybody, such as {untold[0]}. Let it manage them, let it act for somebody "
                f"who may (google_drive_subject), or say it with #readers= behind the source."
            )


def _choose_kind(file: DriveFile) -> str:
    """Return what a file is read as, "" for what is not read."""
    if file.media_type.startswith(_GOOGLE):
        return EXPORTS.get(file.media_type, "")
    return kinds.choose_kind(file.name, file.media_type)


def _check_url(file: DriveFile) -> str:
    """Return where people open a file, at Google whatever the service says."""
    try:
        address = parse_address(file.url)
    except AddressRefused:
        return f"https://drive.google.com/file/d/{quote(file.id, safe='')}/view"
    if address.scheme != "https" or address.host not in _HOSTS:
        return f"https://drive.google.com/file/d/{quote(file.id, safe='')}/view"
    return address.url.partition("?")[0]

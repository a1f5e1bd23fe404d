"""A SharePoint site or OneDrive as a source: files, published pages, and who may read them.

Lists, news links, OneNote, hidden libraries and drafts are not read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from core.readers import NOBODY, Readers
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import parse_address
from pages.fetched import Fetched, PageRefused, PageUnreadable
from pages.kinds import TYPE_OF_SUFFIX
from pages.sources.foreign import find_text
from pages.sources.group_names import GroupNames, parse_group_names
from pages.sources.ledger import Ledger
from pages.sources.plug import Document, Listing, SourceAccess
from pages.sources.plugged import MOST_DOCUMENTS
from pages.sources.rest import ApiRefused
from pages.sources.sharepoint.address import PAGES, SiteAddress, parse_site_address
from pages.sources.sharepoint.drive import Drive, DriveFile
from pages.sources.sharepoint.graph import Graph
from pages.sources.sharepoint.site_pages import build_html, is_published
from pages.sources.words import SourceWord

MOST_LIBRARIES = 200
_PAGE = "page:"


@asynccontextmanager
async def open_source(
    word: SourceWord, access: SourceAccess, fetcher: Fetcher
) -> AsyncGenerator[SharePointSource]:
    """Open a site; nothing is asked yet. Raises PageRefused."""
    address = parse_site_address(word.address)
    names = parse_group_names("sharepoint_groups", access.sharepoint_groups)
    yield SharePointSource(address, Graph(access, fetcher, address.url), names, word.readers)


class SharePointSource:
    """See the module. `given` are the readers that the source word says."""

    def __init__(self, address: SiteAddress, graph: Graph, names: GroupNames, given: Readers | None) -> None:
        self._address = address
        self._graph = graph
        self._names = names
        self._given = given
        self._site_id = ""
        self._drive_of: dict[str, str] = {}
        self._unread: list[str] = []
        self._unknown: dict[str, int] = {}

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return the site's files and pages, with their readers."""
        self._site_id = find_text(await self._graph.get(self._address.graph_path), "id")
        listing = Listing()
        libraries = await self._find_libraries()
        for library in libraries:
            await self._list_library(library, ledger, listing)
        if self._address.library in {"", PAGES} and not self._address.is_personal:
            await self._list_pages(ledger, listing)
        if not libraries and self._address.library not in {"", PAGES}:
            raise PageUnreadable(
                f"{self._address.url} has no library {self._address.library}; please name it as the "
                f"address bar does."
            )
        self._remark(listing)
        return listing

    async def read_document(self, document: Document) -> Fetched:
        """Return a file's bytes, or a page's text as HTML."""
        if document.id.startswith(_PAGE):
            number = quote(document.id.removeprefix(_PAGE), safe="")
            link = f"/sites/{self._site_id}/pages/{number}/microsoft.graph.sitePage?$expand=canvasLayout"
            page = await self._graph.get(link)
            if not is_published(page):
                raise PageUnreadable(
                    "That page has a draft, which is its editors'; it is read once it is published."
                )
            return Fetched(document.url, build_html(page).encode(), document.media_type, "utf-8")
        place = f"/drives/{quote(self._drive_of[document.id], safe='!')}/items/{quote(document.id, safe='!')}"
        return Fetched(document.url, await self._graph.download(f"{place}/content"), document.media_type)

    async def find_author(self, url: str) -> str:
        """Return the Entra object id of whoever changed a file or page last, else of who made it."""
        self._site_id = find_text(await self._graph.get(self._address.graph_path), "id")
        drives = await self._graph.list_all(
            f"/sites/{self._site_id}/drives?$select=id,name,webUrl", MOST_LIBRARIES
        )
        places = [(_check_place(one, self._address), find_text(one, "id")) for one in drives]
        if of_pages := await self._find_page_list():
            drive = await self._graph.get(f"/sites/{self._site_id}/lists/{find_text(of_pages, 'id')}/drive")
            places.append((_check_place(of_pages, self._address), find_text(drive, "id")))
        for place, drive_id in places:
            below = _path_below(url, place)
            if below:
                link = f"/drives/{quote(drive_id, safe='!')}/root:/{quote(below)}"
                return read_author(await self._graph.get(f"{link}?$select=id,createdBy,lastModifiedBy"))
        return ""

    async def _find_libraries(self) -> list[dict[str, Any]]:
        """Return the libraries that are read: all, or the one that the address names."""
        wanted = self._address.library
        if wanted == PAGES:
            return []
        link = f"/sites/{self._site_id}/drives?$select=id,name,webUrl"
        found = await self._graph.list_all(link, MOST_LIBRARIES)
        return [one for one in found if not wanted or wanted in {_name_of(one), find_text(one, "name")}]

    async def _list_library(self, library: dict[str, Any], ledger: Ledger, listing: Listing) -> None:
        drive = Drive(self._graph, find_text(library, "id"), _check_place(library, self._address), ledger)
        files = await self._update(drive, self._address.folder, listing)
        wanted = [one for one in files if PurePosixPath(one.name).suffix.lower() in TYPE_OF_SUFFIX]
        if len(wanted) > MOST_DOCUMENTS:
            listing.failure = PageUnreadable(
                f"A library of {self._address.url} has more than {MOST_DOCUMENTS:,} files that can be "
                f"read; the others "
                f"are left out. Please name a folder of it."
            )
            del wanted[MOST_DOCUMENTS:]
        readers = await self._read_readers(drive, wanted)
        for one in wanted:
            self._drive_of[one.id] = drive.id
            suffix = PurePosixPath(one.name).suffix.lower()
            listing.documents.append(
                Document(
                    id=one.id,
                    url=drive.address(one),
                    title=one.name,
                    media_type=TYPE_OF_SUFFIX[suffix],
                    mark=one.mark,
                    readers=self._note_readers(drive.address(one), readers.get(one.id)),
                    size=one.size,
                )
            )

    async def _update(self, drive: Drive, folder: Sequence[str], listing: Listing) -> list[DriveFile]:
        """Return a library's files; those known before where a look fails, and the source with it."""
        try:
            await drive.update()
        except PageRefused as refused:
            listing.failure = refused
        return list(drive.files(folder))

    async def _read_readers(self, drive: Drive, files: Sequence[DriveFile]) -> dict[str, Readers | None]:
        if self._given is not None:
            return dict.fromkeys((one.id for one in files), self._given)
        found = await drive.read_readers(files, self._names)
        for name, count in drive.unknown_groups(files).items():
            self._unknown[name] = self._unknown.get(name, 0) + count
        return found

    def _note_readers(self, url: str, readers: Readers | None) -> Readers:
        if readers is None:
            self._unread.append(url)
        return readers or NOBODY

    async def _list_pages(self, ledger: Ledger, listing: Listing) -> None:
        """List the site's pages: their rights are those of their files in the library of pages."""
        published: dict[str, list[str]] = ledger.notes.setdefault("pages", {})
        try:
            await self._note_pages(published)
        except ApiRefused as refused:
            if refused.status != HTTPStatus.FORBIDDEN:
                raise
            listing.remarks.append(f"Its pages are not read, only its files. {refused}")
        readers = await self._read_page_readers(ledger, listing) if published else {}
        for number, (url, title, mark) in published.items():
            if _is_on_site(url, self._address):
                who = self._note_readers(url, self._given or readers.get(_path_of(url)))
                listing.documents.append(Document(_PAGE + number, url, title or url, "text/html", mark, who))

    async def _note_pages(self, published: dict[str, list[str]]) -> None:
        """Bring the published pages up to date: one with a draft stays as it was. Raises ApiRefused."""
        link = f"/sites/{self._site_id}/pages/microsoft.graph.sitePage?$top=100"
        pages = await self._graph.list_all(link, MOST_DOCUMENTS)
        for gone in published.keys() - {find_text(page, "id") for page in pages}:
            del published[gone]
        for page in pages:
            if is_published(page):
                kept = [find_text(page, name) for name in ("webUrl", "title", "eTag")]
                published[find_text(page, "id")] = kept

    async def _read_page_readers(self, ledger: Ledger, listing: Listing) -> dict[str, Readers | None]:
        """Return who may read the files in the library of pages, by their paths."""
        if self._given is not None:
            return {}
        of_pages = await self._find_page_list()
        if of_pages is None:
            return {}
        found = await self._graph.get(f"/sites/{self._site_id}/lists/{find_text(of_pages, 'id')}/drive")
        drive = Drive(self._graph, find_text(found, "id"), _check_place(of_pages, self._address), ledger)
        files = [one for one in await self._update(drive, (), listing) if one.name.lower().endswith(".aspx")]
        readers = await self._read_readers(drive, files)
        return {_path_of(drive.address(one)): readers.get(one.id) for one in files}

    async def _find_page_list(self) -> dict[str, Any] | None:
        """Return the list that is the library of pages, None where there is none."""
        lists = await self._graph.list_all(f"/sites/{self._site_id}/lists?$select=id,name,webUrl", 2_000)
        return next((one for one in lists if PAGES in (find_text(one, "name"), _name_of(one))), None)

    def _remark(self, listing: Listing) -> None:
        if self._unknown:
            named = ", ".join(f"“{name}”" for name in sorted(self._unknown)[:5])
            listing.remarks.append(
                f"Who is in SharePoint's groups {named} is not told by Microsoft Graph, so that they open "
                f"no page. Say "
                f"it in the setting sharepoint_groups, as NAME=entra:group:ID."
            )
        if self._unread:
            listing.remarks.append(
                f"The rights of {len(self._unread)} pages cannot be read, so that they are closed to "
                f"everybody, such as "
                f"{self._unread[0]}. The app needs Sites.Read.All, or Sites.Selected with a grant for this "
                f"site."
            )


def _name_of(library: dict[str, Any]) -> str:
    """Return the last part of a library's address, which is its name in addresses."""
    return unquote(urlsplit(find_text(library, "webUrl")).path.rstrip("/").rpartition("/")[2])


def read_author(item: dict[str, Any]) -> str:
    """Return the id of the person who changed an item last, else of who made it; "" for an app."""
    found = (find_text(item, by, "user", "id") for by in ("lastModifiedBy", "createdBy"))
    return next((one for one in found if one), "")


def _path_below(url: str, place: str) -> str:
    """Return the path of a file below a library, "" where it is not in it."""
    library, path = unquote(urlsplit(place).path).rstrip("/") + "/", unquote(urlsplit(url).path)
    same = urlsplit(url).netloc.casefold() == urlsplit(place).netloc.casefold()
    return path[len(library) :] if same and path.casefold().startswith(library.casefold()) else ""


def _path_of(url: str) -> str:
    return unquote(urlsplit(url).path).casefold()


def _check_place(library: dict[str, Any], address: SiteAddress) -> str:
    """Return the address of a library, on the site's host whatever the service says."""
    url = find_text(library, "webUrl")
    return url if _is_on_site(url, address) else f"{address.url}/{quote(find_text(library, 'name'), safe='')}"


def _is_on_site(url: str, address: SiteAddress) -> bool:
    try:
        found = parse_address(url)
    except PageRefused:
        return False
    return found.host == address.host and found.scheme == "https"

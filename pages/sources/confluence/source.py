"""A space of Confluence as a source: its pages and blog posts, or a page and what stands below it.

Every look lists the whole space with its restrictions, which change without a new version of the page; the
text is fetched where the version is new. What is not listed any more is gone. Files that are attached to a
page are read by whoever may read the page; comments and drafts are not read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from core.readers import NOBODY, Readers
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import join_url, parse_address
from pages.fetched import AddressRefused, Fetched, PageRefused, PageUnreachable, PageUnreadable
from pages.sources.confluence.address import SpaceAddress, parse_space_address
from pages.sources.confluence.api import ConfluenceApi
from pages.sources.confluence.attachments import ATTACHMENT, Attachment, open_address, read_attachment
from pages.sources.confluence.readers import combine, read_restriction, read_space_readers
from pages.sources.credentials import find_credential
from pages.sources.foreign import find, find_object, find_objects, find_text, frame_html
from pages.sources.group_names import GroupNames, parse_group_names
from pages.sources.items import Problem
from pages.sources.ledger import Ledger
from pages.sources.plug import Document, Listing, SourceAccess
from pages.sources.plugged import MOST_DOCUMENTS
from pages.sources.rest import ApiRefused
from pages.sources.words import SourceWord

MOST_CHECKED = 100
"""Pages that are looked at one by one because they are not listed any more."""
TOO_MANY = (
    f"That space has more than {MOST_DOCUMENTS:,} pages; the others are left out. Please name a page of "
    f"it: it "
    f"is read with what stands below it."
)


@asynccontextmanager
async def open_source(
    word: SourceWord, access: SourceAccess, fetcher: Fetcher
) -> AsyncGenerator[ConfluenceSource]:
    """Open a space; nothing is asked yet. Raises PageRefused."""
    address = parse_space_address(word.address)
    credential = find_credential("confluence_tokens", access.confluence_tokens, address.site.site)
    if credential is None:
        raise AddressRefused(
            f"There is no token for {address.site.site}; please put one into the setting "
            f"confluence_tokens, as "
            f"{address.site.site}=" + ("E-MAIL:TOKEN." if address.is_cloud else "TOKEN.")
        )
    names = parse_group_names("confluence_groups", access.confluence_groups)
    yield ConfluenceSource(ConfluenceApi(address, credential, fetcher), names, word.readers)


@dataclass(slots=True)
class _Contents:
    """What was listed, by its id; and the restrictions of pages, listed or asked for one by one."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    restrictions: dict[str, Readers] = field(default_factory=dict[str, Readers])
    unknown: set[str] = field(default_factory=set[str])
    files: dict[str, Attachment] = field(default_factory=dict[str, Attachment])


class ConfluenceSource:
    """See the module. `given` are the readers that the source word says."""

    def __init__(self, api: ConfluenceApi, names: GroupNames, given: Readers | None) -> None:
        self._api = api
        self._names = names
        self._given = given
        self._kinds: dict[str, str] = {}
        self._files: dict[str, Attachment] = {}

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return the space's pages, with their readers."""
        listing = Listing()
        space_id = await self._api.check_space()
        contents = _Contents()
        async with aclosing(self._api.list_contents()) as listed:
            async for some in listed:
                contents.found.update((find_text(one, "id"), one) for one in some if find_text(one, "id"))
                if not ledger.notes.get(
                    "listed"
                ):  # later, what is not wanted would be taken for missing pages
                    ledger.expect(len(contents.found))
                if len(contents.found) > MOST_DOCUMENTS:
                    listing.failure = PageUnreadable(TOO_MANY)
                    break
        if listing.failure is None:
            await self._list_files(contents, listing)
            await self._check_missing(contents, ledger, listing)
        space = await self._read_space(space_id, listing)
        for one in contents.found.values():
            if self._is_wanted(one):
                readers = self._given or combine(space, await self._restrictions(one, contents))
                listing.documents.append(self._describe(one, readers))
        for file in contents.files.values():
            await self._add_file(file, space, contents, listing)
        self._remark(contents, listing)
        return listing

    async def _list_files(self, contents: _Contents, listing: Listing) -> None:
        """Find the files of the pages that are read; where the service lists none, it is remarked."""
        try:
            async with aclosing(self._api.list_attachments()) as listed:
                async for some in listed:
                    for file in filter(None, map(read_attachment, some)):
                        page = contents.found.get(file.page)
                        if page is not None and self._is_wanted(page):
                            contents.files[file.id] = file
        except ApiRefused as refused:
            listing.remarks.append(f"Files that are attached to its pages are not read: {refused}")

    async def _add_file(
        self, file: Attachment, space: Readers, contents: _Contents, listing: Listing
    ) -> None:
        """Add a file, for those who may read the page that it is attached to."""
        page = contents.found[file.page]
        readers = self._given or combine(space, await self._restrictions(page, contents))
        try:
            url = open_address(self._api.address, file)
        except AddressRefused as refused:
            listing.problems.append(Problem(_open_address(self._api.address, page), str(refused)))
            return
        self._files[file.id] = file
        listing.documents.append(
            Document(file.id, url, file.title, file.media_type, f"file {file.version}", readers, file.size)
        )

    async def _check_missing(self, contents: _Contents, ledger: Ledger, listing: Listing) -> None:
        """Look at some pages that are not listed any more: lists leave out what moves meanwhile.

        While one of them is there, nothing is taken for gone.
        """
        before: dict[str, str] = ledger.notes.setdefault("listed", {})
        for number in list(before.keys() - contents.found.keys() - contents.files.keys())[:MOST_CHECKED]:
            if await self._api.is_there(number, before[number]):
                listing.failure = PageUnreachable(
                    f"The list of that space is not whole: the page {number} is there and not listed. What "
                    f"is missing is kept until the next refresh."
                )
                return
        ledger.notes["listed"] = {
            **{number: find_text(one, "type") for number, one in contents.found.items()},
            **dict.fromkeys(contents.files, ATTACHMENT),
        }

    async def read_document(self, document: Document) -> Fetched:
        """Return the text of a page, as HTML, or a file as it is."""
        file = self._files.get(document.id)
        if file is not None:
            return Fetched(document.url, await self._api.download(file), document.media_type)
        text = await self._api.read_html(document.id, self._kinds.get(document.id, "page"))
        html = frame_html(document.title, text)
        return Fetched(document.url, html.encode(), document.media_type, "utf-8")

    def _is_wanted(self, content: dict[str, Any]) -> bool:
        page = self._api.address.page
        above = {find_text(one, "id") for one in find_objects(content, "ancestors")}
        return not page or find_text(content, "id") == page or page in above

    def _describe(self, content: dict[str, Any], readers: Readers) -> Document:
        number = find_text(content, "id")
        self._kinds[number] = find_text(content, "type")
        title = find_text(content, "title") or number
        return Document(
            id=number,
            url=_open_address(self._api.address, content),
            title=title,
            media_type="text/html",
            mark=f"{find_text(content, 'type')} {find_text(content, 'version', 'number')}",
            readers=readers,
        )

    async def _read_space(self, space_id: str, listing: Listing) -> Readers:
        """Return who may see the space, nobody where that cannot be read."""
        if self._given is not None:
            return self._given
        try:
            subjects = await self._api.read_space_permissions(space_id)
        except PageRefused as refused:
            listing.remarks.append(
                f"Its pages are closed to everybody, since nobody tells who may see them: {refused}"
            )
            return NOBODY
        readers = read_space_readers(subjects, self._names)
        if readers == NOBODY:
            listing.remarks.append(
                "Its pages are closed to everybody: its permissions name nobody whom I know how to name. "
                "Say who may "
                "read them with #readers= behind the source."
            )
        return readers

    async def _restrictions(self, content: dict[str, Any], contents: _Contents) -> list[Readers]:
        above = [find_text(one, "id") for one in find_objects(content, "ancestors")]
        return [await self._restriction(one, contents) for one in (*above, find_text(content, "id"))]

    async def _restriction(self, number: str, contents: _Contents) -> Readers:
        """Return whom a page's own restrictions name; a page that is not listed is asked for by itself."""
        if number in contents.restrictions:
            return contents.restrictions[number]
        content = contents.found.get(number, {})
        if isinstance(find(content, "restrictions", "read", "restrictions"), dict):
            readers = read_restriction(
                find_object(content, "restrictions", "read", "restrictions"), self._names
            )
        else:
            try:
                readers = read_restriction(await self._api.read_restrictions(number), self._names)
            except PageRefused:
                contents.unknown.add(number)
                readers = NOBODY
        contents.restrictions[number] = readers
        return readers

    def _remark(self, contents: _Contents, listing: Listing) -> None:
        if self._names.unknown and self._given is None:
            named = ", ".join(f"“{name}”" for name in sorted(self._names.unknown)[:5])
            listing.remarks.append(
                f"Who is in Confluence's groups {named} is not known in Teams and Slack, so that they open "
                f"no page. "
                f"Say it in the setting confluence_groups, as NAME=entra:group:ID or NAME=everyone."
            )
        closed = [one.title for one in listing.documents if one.readers == NOBODY]
        if contents.unknown:
            listing.remarks.append(
                f"The restrictions of {len(contents.unknown)} pages cannot be read, so that these and what "
                f"stands "
                f"below them are closed to everybody. The account of the token needs to see them."
            )
        elif closed and len(closed) < len(listing.documents):
            listing.remarks.append(
                f"{len(closed)} pages are closed to everybody, such as “{closed[0]}”: their restrictions "
                f"and those of "
                f"the space or of pages above them name different groups, and who is in both is not known."
            )


def _open_address(address: SpaceAddress, content: dict[str, Any]) -> str:
    """Return where people open a page: the link that the service gives, where it stays on its site."""
    number = find_text(content, "id")
    plain = f"{address.base}/pages/viewpage.action?pageId={number}"
    link = find_text(content, "_links", "webui")
    if not link.startswith("/"):
        return plain
    try:
        found = parse_address(join_url(address.base, address.base + link))
    except AddressRefused:
        return plain
    return found.url if (found.host, found.port) == (address.site.host, address.site.port) else plain

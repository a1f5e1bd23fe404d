"""Notion as a source: the pages that an integration may see, all of them or those below one page.

    notion+https://www.notion.so/#readers=everyone
    notion+https://www.notion.so/example/Handbook-0123456789abcdef0123456789abcdef#readers=entra:group:ID

Notion's API tells nobody who may read a page: without `readers=` the pages are closed to everybody. A page's
mark is the time of its last change, by the minute.

Source: developers.notion.com: search, block children, request limits, errors.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from core.readers import NOBODY, Readers
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import parse_address
from pages.fetched import AddressRefused, Fetched, PageUnreachable, PageUnreadable
from pages.sources.foreign import find, find_objects, find_text
from pages.sources.ledger import Ledger
from pages.sources.notion.blocks import NOT_TEXT, Block, build_html, read_title
from pages.sources.plug import Document, Listing, SourceAccess
from pages.sources.plugged import MOST_DOCUMENTS
from pages.sources.rest import ApiRefused, RestClient
from pages.sources.words import SourceWord

API = "https://api.notion.com"
VERSION = "2022-06-28"
MOST_BLOCKS = 5_000
"""Most blocks of one page."""
DEEPEST = 8
MOST_CHECKED = 100
"""Pages that are looked at one by one because they are not listed any more."""
_NOT_OURS = frozenset({403, 404})
_HOSTS = ("notion.so", "notion.com", "notion.site")
_PAGE_ID = re.compile(r"[0-9a-f]{32}")
CLOSED = (
    "Its pages are closed to everybody: Notion tells nobody who may read them. Say it with "
    "#readers=everyone or "
    "#readers=entra:group:ID behind the source."
)


@asynccontextmanager
async def open_source(
    word: SourceWord, access: SourceAccess, fetcher: Fetcher
) -> AsyncGenerator[NotionSource]:
    """Open what an integration sees; nothing is asked yet. Raises AddressRefused."""
    address = parse_address(word.address)
    if not _is_notion(address.host):
        raise AddressRefused("A Notion source begins with notion+https://www.notion.so/.")
    if not access.notion_token:
        raise AddressRefused(
            "There is no token for Notion: put an integration's into the setting notion_token."
        )
    top = _PAGE_ID.findall(address.path_and_query.partition("?")[0].replace("-", "").lower())
    headers = {"Authorization": f"Bearer {access.notion_token}", "Notion-Version": VERSION}

    async def authorize(_: bool) -> Mapping[str, str]:
        return headers

    rest = RestClient(fetcher, access.notion_url or API, authorize, _explain)
    yield NotionSource(rest, top[-1] if top else "", word.readers)


class NotionSource:
    """See the module. `top` is the page that is read with those below it, "" for all."""

    def __init__(self, rest: RestClient, top: str, given: Readers | None) -> None:
        self._rest = rest
        self._top = top
        self._given = given

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return the pages that the integration sees."""
        found: dict[str, dict[str, Any]] = {}
        asked: dict[str, Any] = {"filter": {"property": "object", "value": "page"}, "page_size": 100}
        listing = Listing(remarks=[] if self._given is not None else [CLOSED])
        been: set[str] = set()
        while True:
            reply = await self._rest.post_json("/v1/search", asked)
            found.update((_bare(find_text(one, "id")), one) for one in find_objects(reply, "results"))
            cursor = find_text(reply, "next_cursor")
            if find(reply, "has_more") is not True or not cursor:
                break
            if len(found) > MOST_DOCUMENTS or cursor in been:
                listing.failure = PageUnreadable(
                    f"Notion lists more than {MOST_DOCUMENTS:,} pages; name one of them."
                )
                break
            been.add(cursor)
            asked["start_cursor"] = cursor
        if listing.failure is None:
            await self._check_missing(found, ledger, listing)
        wanted = [one for number, one in found.items() if self._is_wanted(number, found)]
        listing.documents = [self._describe(one) for one in wanted if _is_shown(one)]
        return listing

    async def read_document(self, document: Document) -> Fetched:
        """Return the text of a page, as HTML."""
        left = [MOST_BLOCKS]
        html = build_html(document.title, await self._read_blocks(document.id, left, 0))
        return Fetched(document.url, html.encode(), document.media_type, "utf-8")

    async def _check_missing(
        self, found: Mapping[str, Mapping[str, Any]], ledger: Ledger, listing: Listing
    ) -> None:
        """Look at some pages that are not listed any more: Notion's search leaves some out at times."""
        before: list[str] = ledger.notes.setdefault("listed", [])
        for number in [one for one in before if one not in found][:MOST_CHECKED]:
            try:
                is_there = _is_shown(await self._rest.get_json(f"/v1/pages/{number}"))
            except ApiRefused as refused:
                if refused.status not in _NOT_OURS:
                    raise
                continue
            if is_there:
                listing.failure = PageUnreachable(
                    f"Notion's list is not whole: the page {number} is there and not listed. What is "
                    f"missing is "
                    f"kept until the next refresh."
                )
                return
        ledger.notes["listed"] = list(found)

    def _is_wanted(self, number: str, found: Mapping[str, Mapping[str, Any]]) -> bool:
        """Tell whether a page is the one that is named, or stands below it."""
        for _ in range(100):
            if not self._top or number == self._top:
                return True
            parent = find_text(found.get(number), "parent", "page_id")
            if not parent:
                return False
            number = _bare(parent)
        return False

    def _describe(self, page: Mapping[str, Any]) -> Document:
        number = _bare(find_text(page, "id"))
        return Document(
            id=number,
            url=_check_url(find_text(page, "url"), number),
            title=read_title(page) or number,
            media_type="text/html",
            mark=find_text(page, "last_edited_time"),
            readers=self._given or NOBODY,
        )

    async def _read_blocks(self, number: str, left: list[int], depth: int) -> list[Block]:
        """Return the blocks of a page or block; `left` counts down those that one page may have."""
        blocks: list[Block] = []
        cursor = ""
        while True:
            more = f"&start_cursor={cursor}" if cursor else ""
            reply = await self._rest.get_json(f"/v1/blocks/{number}/children?page_size=100{more}")
            for one in find_objects(reply, "results"):
                left[0] -= 1
                if left[0] < 0:
                    raise PageUnreadable(f"That page has more than {MOST_BLOCKS:,} blocks; please split it.")
                block = Block(one)
                blocks.append(block)
                if find(one, "has_children") is True and block.kind not in NOT_TEXT and depth < DEEPEST:
                    block.below = await self._read_blocks(_bare(find_text(one, "id")), left, depth + 1)
            following = find_text(reply, "next_cursor")
            if find(reply, "has_more") is not True or not following or following == cursor:
                return blocks
            cursor = _bare(following)


def _bare(number: str) -> str:
    """Return an id as addresses have it, without dashes. Raises PageUnreachable where it is none."""
    bare = number.replace("-", "").lower()
    if not _PAGE_ID.fullmatch(bare):
        raise PageUnreachable(
            "Notion answered in a way that I cannot read; it is asked again at the next refresh."
        )
    return bare


def _is_shown(page: Mapping[str, Any]) -> bool:
    return not (find(page, "archived") is True or find(page, "in_trash") is True)


def _is_notion(host: str) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in _HOSTS)


def _check_url(url: str, number: str) -> str:
    try:
        address = parse_address(url)
    except AddressRefused:
        return f"https://www.notion.so/{number}"
    on_site = address.scheme == "https" and _is_notion(address.host)
    return address.url if on_site else f"https://www.notion.so/{number}"


def _explain(status: int, _: str) -> str:
    if status == 401:  # noqa: PLR2004 - Unauthorized
        return "Notion does not take the token in notion_token: make an integration, and use its secret."
    if status == 403:  # noqa: PLR2004 - Forbidden
        return "Notion does not let the integration read: it needs the capability “Read content”."
    if status == 404:  # noqa: PLR2004 - Not Found
        return "Notion has no such page for the integration: connect the page to it (••• → Connections)."
    return f"Notion answered with error {status}; it is asked again at the next refresh."

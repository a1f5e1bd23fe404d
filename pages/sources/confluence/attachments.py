"""Files that are attached to pages of Confluence: which of them are read, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pages.fetch.ssrf import join_url, parse_address
from pages.fetched import AddressRefused
from pages.kinds import choose_kind
from pages.sources.confluence.address import SpaceAddress
from pages.sources.foreign import find, find_text

ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a kind that is read. `page` is the id of the page that it is attached to, `link` a path."""

    id: str
    page: str
    title: str
    media_type: str
    version: str
    link: str
    size: int | None


def read_attachment(content: Mapping[str, Any]) -> Attachment | None:
    """Return a file as the service describes it; None for a kind that is not read, or without a page."""
    title, page = find_text(content, "title"), find_text(content, "container", "id")
    link = find_text(content, "_links", "download")
    kind = choose_kind(title, find_text(content, "extensions", "mediaType"))
    if not (kind and page and link.startswith("/")) or link.startswith("//"):
        return None
    size = find(content, "extensions", "fileSize")
    return Attachment(
        find_text(content, "id"),
        page,
        title,
        kind,
        find_text(content, "version", "number"),
        link,
        size if isinstance(size, int) else None,
    )


def open_address(address: SpaceAddress, attachment: Attachment) -> str:
    """Return where people open a file: without the version in it, which changes. Raises AddressRefused."""
    found = parse_address(join_url(address.base, address.base + attachment.link.partition("?")[0]))
    if (found.host, found.port) != (address.site.host, address.site.port):
        raise AddressRefused(f"{attachment.title} lies on another host, which is not read.")
    return found.url

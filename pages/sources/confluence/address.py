"""The address of a Confluence space, as a browser shows it: its site, its key, a page in it.

https://example.atlassian.net/wiki/spaces/HR
https://wiki.example.com/display/HR
https://example.com/confluence/spaces/HR/pages/12345/Leave      that page and what stands below it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from pages.fetch.ssrf import Address, parse_address
from pages.fetched import AddressRefused

_CLOUD = ".atlassian.net"
_SPACE = re.compile(
    r"(?P<context>(?:/[A-Za-z0-9_-]{1,60}){0,3}?)/(?:display|spaces)/(?P<space>[^/]{1,255})"
    r"(?:/pages/(?P<page>[0-9]{1,20}))?(?:/.*)?"
)
_OVERVIEW = re.compile(r"(?P<context>(?:/[A-Za-z0-9_-]{1,60}){0,3}?)/(?:spaces|pages)/view\w+\.action")
_KEY = re.compile(r"~?[A-Za-z0-9._@-]{1,255}")


@dataclass(frozen=True, slots=True)
class SpaceAddress:
    """A space; `base` is what the paths of the API stand behind, `page` "" is the whole space."""

    site: Address
    base: str
    space: str
    page: str

    @property
    def is_cloud(self) -> bool:
        """Whether Atlassian runs it: its API differs from that of Data Center."""
        return self.site.host.endswith(_CLOUD)


def parse_space_address(address: str) -> SpaceAddress:
    """Take the address of a space apart. Raises AddressRefused."""
    site = parse_address(address)
    path, query = urlsplit(site.url).path, parse_qs(urlsplit(site.url).query)
    page = ""
    if found := _OVERVIEW.fullmatch(path):
        key = "".join(query.get("key", [])[:1])
    elif found := _SPACE.fullmatch(path):
        key, page = unquote(found["space"]), found["page"] or ""
    else:
        key = ""
    if found is None or not _KEY.fullmatch(key):
        raise AddressRefused(
            "A Confluence source is the address of a space with confluence+ before it, such as "
            "confluence+https://example.atlassian.net/wiki/spaces/HR."
        )
    return SpaceAddress(site, f"{site.scheme}://{site.site}{found['context']}", key, page)

"""Sitemaps (sitemaps.org 0.9): XML → the pages and further sitemaps that it names. Plain or gzipped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from pages.fetched import Fetched, PageUnreadable
from pages.parse.inflate import inflate
from pages.visibility.html_tree import parse_xml

MOST_NAMED = 20_000
"""Addresses of one sitemap that are looked at, twice the pages that a source may have."""

_XML = frozenset({"application/xml", "text/xml", "application/gzip", "application/x-gzip"})
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Sitemap:
    """What one sitemap file names, in its order: addresses as they are written there, not yet checked."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def is_sitemap(fetched: Fetched) -> bool:
    """Say whether what arrived is to be read as a sitemap rather than as a page."""
    path = fetched.url.partition("?")[0].lower()
    return fetched.content_type in _XML or path.endswith((".xml", ".xml.gz"))


def read_sitemap(fetched: Fetched, max_bytes: int) -> Sitemap:
    """Read a sitemap; raises PageUnreadable when it is something else."""
    body = fetched.body
    if body.startswith(_GZIP):
        body = inflate(body, max_bytes, fetched.url)
    root = parse_xml(body)
    if root is None:
        raise PageUnreadable(
            f"{fetched.url} is not a sitemap: it is no well-formed XML. Please check the address."
        )
    kind = str(root.tag).rpartition("}")[2]
    if kind not in {"urlset", "sitemapindex"}:
        raise PageUnreadable(
            f"{fetched.url} is XML, but no sitemap; please send the address of a page or a sitemap."
        )
    locations = (
        (location.text or "").strip()
        for entry in root.iterchildren()
        for location in entry.iterchildren()
        if str(location.tag).rpartition("}")[2] == "loc" and (location.text or "").strip()
    )
    named = tuple(islice(locations, MOST_NAMED))
    return Sitemap(pages=named) if kind == "urlset" else Sitemap(sitemaps=named)

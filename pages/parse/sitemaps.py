"""Bytes of a sitemap or a feed → the addresses of pages that it names.

Sitemaps (sitemaps.org 0.9, plain or gzipped) name pages and further sitemaps. Feeds (RSS 0.9 to 2.0, Atom)
name the newest pages only: what is not in one any more is not known to be gone. White space before the XML
declaration is left out, and of a file that is cut off, the addresses before the cut are taken (`is_cut`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from core.phrases import mark
from pages.fetched import Fetched, PageUnreadable, inflate
from pages.visibility.html_tree import Element, parse_cut_xml, parse_xml

MOST_NAMED = 20_000
"""Addresses of one sitemap that are looked at, twice the pages that a source may have."""

_FEEDS = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml"})
_XML = frozenset({"application/xml", "text/xml", "application/gzip", "application/x-gzip"}) | _FEEDS
_GZIP = b"\x1f\x8b"
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ITEMS = frozenset({"item", "entry"})


@dataclass(frozen=True, slots=True)
class Sitemap:
    """The addresses of one file, in its order, as they are written there: not yet checked."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    is_feed: bool = False
    is_cut: bool = False


def is_sitemap(fetched: Fetched) -> bool:
    """Tell whether what arrived is to be read as a sitemap or a feed rather than as a page."""
    path = fetched.url.partition("?")[0].lower()
    return fetched.content_type in _XML or path.endswith((".xml", ".xml.gz", ".rss", ".atom"))


def read_sitemap(fetched: Fetched, max_bytes: int) -> Sitemap:
    """Read a sitemap or a feed; raises PageUnreadable when it is something else."""
    body = fetched.body
    if body.startswith(_GZIP):
        body = inflate(body, max_bytes, fetched.url)
    body = body.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    root, is_cut = parse_xml(body), False
    if root is None:
        root, is_cut = parse_cut_xml(body), True
    kind = "" if root is None else _name(root)
    if root is None or (is_cut and not _KINDS.get(kind)):
        raise PageUnreadable(
            mark("{url} is not a sitemap: it is not well-formed XML. Please check the address."),
            url=fetched.url,
        )
    if kind not in _KINDS:
        raise PageUnreadable(
            mark(
                "{url} is XML, but neither a sitemap nor a feed; please send the address of a "
                "page or a sitemap."
            ),
            url=fetched.url,
        )
    named = tuple(islice(_KINDS[kind](root), MOST_NAMED))
    if is_cut and body.rfind(b"<loc") > body.rfind(b"</loc>"):  # the last address is cut, too
        named = named[:-1]
    if is_cut and not named:
        raise PageUnreadable(
            mark("{url} is cut off before its first address; please try again."), url=fetched.url
        )
    if kind == "sitemapindex":
        return Sitemap(sitemaps=named, is_cut=is_cut)
    return Sitemap(pages=named, is_feed=kind != "urlset", is_cut=is_cut)


def _locations(root: Element) -> Iterator[str]:
    """Yield what the entries of a sitemap name."""
    for entry in root.iterchildren():
        for location in entry.iterchildren():
            if _name(location) == "loc" and (location.text or "").strip():
                yield (location.text or "").strip()


def _links(root: Element) -> Iterator[str]:
    """Yield the page of every item of a feed: its link, in Atom the one for people."""
    for item in root.iterdescendants():
        if _name(item) in _ITEMS:
            links = [one for one in map(_link, item.iterchildren()) if one]
            if links:
                yield links[0]


def _link(element: Element) -> str:
    if _name(element) != "link" or (element.get("rel") or "alternate") != "alternate":
        return ""
    if (element.get("type") or "text/html") not in {"text/html", "application/xhtml+xml"}:
        return ""
    return (element.get("href") or element.text or "").strip()


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


_KINDS = {"urlset": _locations, "sitemapindex": _locations, "rss": _links, "feed": _links, "RDF": _links}

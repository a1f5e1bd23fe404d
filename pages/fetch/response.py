"""What a site's response says: its status, the kind and version of its page, and where it redirects to.

Here the response is read and refused in words for people; `client.py` sends the requests.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import aiohttp

from core.phrases import Phrase, mark
from pages.fetch.ssrf import (
    Address,
    join_url,
    parse_address,
)
from pages.fetched import (
    PageGone,
    PageUnreachable,
    PageUnreadable,
    SignInNeeded,
)
from pages.kinds import DOCUMENTS, READABLE, refine_type

CONTENT_TYPES = DOCUMENTS | {
    "text/html",
    "application/xhtml+xml",
    "text/plain",
    "text/markdown",
    "application/xml",
    "text/xml",
    "application/gzip",
    "application/x-gzip",
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
}
"""What may arrive. XML and gzip are for sitemaps and feeds; as pages, `pages.parse.extract` refuses them."""

_TYPE_OF_SUFFIX = {".xml": "application/xml", ".gz": "application/gzip"}
_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
_PLAIN_TYPE = re.compile(r"[a-z0-9.+-]{1,30}/[a-z0-9.+-]{1,60}")


def refuse_as_private(address: Address) -> SignInNeeded:
    """Return the refusal of a page that its site shows only to people who sign in."""
    return SignInNeeded(
        mark("{site} shows that page only to people who sign in, so I cannot read it."), site=address.site
    )


def make_condition(validator: str) -> dict[str, str]:
    """Return the header that asks for a page only if it has changed since it was sent with this validator."""
    if _ETAG.fullmatch(validator):
        return {"If-None-Match": validator}
    return {"If-Modified-Since": validator} if _DATE.fullmatch(validator) else {}


def read_validator(response: aiohttp.ClientResponse) -> str | None:
    """Return what names this version of a page, None where nothing does for certain."""
    etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    if _ETAG.fullmatch(etag):
        return etag
    # one that changed in the second in which it was sent may have changed again within it
    stands = _DATE.fullmatch(modified) and modified != response.headers.get("Date")
    return modified if stands else None


def varies_by_language(response: aiohttp.ClientResponse) -> bool:
    """Tell whether a site says that it has a page in several languages, or in which one it sends it."""
    vary = ",".join(response.headers.getall("Vary", [])).lower()
    return "accept-language" in vary or "Content-Language" in response.headers


def read_redirect(address: Address, response: aiohttp.ClientResponse) -> Address:
    """Return where a response redirects to. Raises PageUnreachable, and what `parse_address` raises."""
    target = response.headers.get("Location")
    if not target:
        raise PageUnreachable(
            mark("{site} redirects without saying where to; please try the page in a browser."),
            site=address.site,
        )
    return parse_address(join_url(address.url, target))


def check_status(address: Address, status: int) -> None:
    """Refuse a status with which no page comes. Raises PageGone, SignInNeeded and PageUnreachable."""
    if status in {200, 203}:
        return
    if status in {404, 410}:
        raise PageGone(mark("There is no such page at {site}; please check the address."), site=address.site)
    if status in {401, 403, 407}:
        raise refuse_as_private(address)
    if status in {429, 502, 503, 504}:
        raise PageUnreachable(
            mark("{site} is busy right now; please try again in a few minutes."), site=address.site
        )
    raise PageUnreachable(
        mark("{site} answered with error {status} instead of the page; please try again later."),
        site=address.site,
        status=str(status),
    )


def read_content_type(address: Address, response: aiohttp.ClientResponse) -> str:
    """Return what the page is; where the server does not say, the end of its path decides."""
    declared = (
        response.content_type.lower() if "Content-Type" in response.headers else "application/octet-stream"
    )
    path = address.path_and_query.partition("?")[0]
    if declared in {"application/octet-stream", "binary/octet-stream"}:
        declared = _TYPE_OF_SUFFIX.get(PurePosixPath(path).suffix.lower(), declared)
    declared = refine_type(declared, path)
    if declared not in CONTENT_TYPES:
        if not _PLAIN_TYPE.fullmatch(declared):
            raise PageUnreadable(
                mark("What lies there is not a page; I can read {kinds}."), kinds=Phrase(READABLE)
            )
        raise PageUnreadable(
            mark("What lies there is not a page but {kind}; I can read {kinds}."),
            kind=declared,
            kinds=Phrase(READABLE),
        )
    return declared


def explain_error(error: Exception, address: Address) -> PageUnreachable:
    """Return what is said of a connection that failed."""
    if isinstance(error, aiohttp.ClientSSLError):
        return PageUnreachable(
            mark(
                "The secure connection to {site} failed: its certificate cannot be trusted. Please "
                "tell its owner."
            ),
            site=address.site,
        )
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionError):
        return PageUnreachable(mark("{site} cannot be reached; please try again later."), site=address.site)
    return PageUnreachable(
        mark("{site} answered in a way that I cannot read; please try the page in a browser."),
        site=address.site,
    )

"""An address → the page that people find there: fetched, read, and taken at its word about itself.

    found = await read_page(fetcher, url, known, now)      a Page, or NotModified

- A meta refresh is followed like a redirect: every hop passes all checks of `pages.fetch.client`.
- A form to sign in, an error page sent with status 200 and a page that a script puts together are refused
  with a sentence that says which.
- The address that a page calls its own becomes its address, so that two addresses are one page: on the same
  site only, never the home page for another one, and only while what is known there is the same text.
- What did not change is not read again: the server says so by the validator that it sent, else the bytes do.
  What an older version of `pages.parse` read is read again, and what was asked for in other languages: a
  site has a version of the page for each. The number and the languages stand before the validator, and
  whether the site has several (`speaks_several`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from core.phrases import mark
from core.records import Page
from pages.fetch.client import Fetcher, refuse_sign_in
from pages.fetch.response import refuse_as_private
from pages.fetch.ssrf import Address, join_url, parse_address
from pages.fetched import Fetched, NotModified, PageGone, PageRefused, PageUnreachable, PageUnreadable
from pages.index.base import PageEntry
from pages.parse.extract import RECIPE
from pages.parse.landing import PageSigns

Known = Callable[[str], PageEntry | None]
"""What is known of the page under a URL. Called in threads."""

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_INDEX = ("index.html", "index.htm", "index.php", "default.aspx", "default.htm")
_SEVERAL = ",*"
BY_SCRIPT = mark(
    "The text of that page is put together by a program in the browser, so that I find none of it. Please "
    "send another address of it, such as one for printing, or the text as a file."
)
ROUTE = mark(
    "What stands behind the # of that address is a place in a program that runs in the browser, so that I "
    "cannot read it. Please send an address that opens the page by itself."
)


async def read_page(
    fetcher: Fetcher,
    start: str | Fetched,
    known: Known,
    now: datetime,
    *,
    timeout_s: float | None = None,
    language: str = "",
) -> Page | NotModified:
    """Return the page at an address, or of what was fetched there. Raises PageRefused.

    `timeout_s` is for reading it, once it is there. `language` is that of whoever asks; it is asked for
    before those of the settings.
    """
    recipe = name_recipe(fetcher, language)
    refuse_route(start if isinstance(start, str) else start.url)
    been: list[str] = []
    while True:
        found = await fetch_new(fetcher, start, known, language) if isinstance(start, str) else start
        if isinstance(found, NotModified):
            return found
        kept = replace(found, etag=await asyncio.to_thread(_name_version, found, recipe))
        if found.etag is None and await _is_as_before(kept, known):
            return NotModified(found.url)
        if found.content_type not in _HTML:
            return await fetcher.sandbox.extract(kept, now, timeout_s=timeout_s)
        signs, page = await fetcher.sandbox.land(kept, now, timeout_s=timeout_s)
        if not signs.refresh:
            return await _judge(parse_address(found.url), signs, page, known)
        been.append(found.url)
        start = _go_on(been, signs.refresh, fetcher.limits.max_redirects)


def _go_on(been: Sequence[str], refresh: str, most: int) -> str:
    """Return where a page sends its readers. Raises PageRefused where that leads to no page."""
    here, target = parse_address(been[-1]), parse_address(join_url(been[-1], refresh))
    refuse_sign_in(here, target)
    if target.url in been or len(been) > most:
        raise PageUnreachable(
            mark("{site} sends its readers on and on; please send the address at which the page ends up."),
            site=here.site,
        )
    return target.url


async def _judge(address: Address, signs: PageSigns, page: Page | None, known: Known) -> Page:
    """Return the page under its own address, or refuse what is none."""
    if signs.sign_in:
        raise refuse_as_private(address)
    if signs.not_found:
        raise PageGone(
            mark("There is no such page at {site}: it says so. Please check the address."), site=address.site
        )
    if page is None:
        raise PageUnreadable(BY_SCRIPT)
    own = _find_own_address(address, signs.canonical)
    if own is None:
        return page
    entry = await asyncio.to_thread(known, own)
    return page if entry is not None and entry.page_hash != page.page_hash else replace(page, url=own)


def refuse_route(url: str) -> None:
    """Raise PageUnreadable for an address whose fragment names a place in a program: `#/route`, `#!route`."""
    if url.partition("#")[2].startswith(("/", "!")):
        raise PageUnreadable(ROUTE)


async def fetch_new(fetcher: Fetcher, url: str, known: Known, language: str = "") -> Fetched | NotModified:
    """Fetch what is new at an address, or where its redirects end. Raises PageRefused."""
    recipe = name_recipe(fetcher, language)
    asked = _list_languages(fetcher, language)
    return await fetcher.follow(url, lambda at: _validator(known(at), recipe), asked)


def name_recipe(fetcher: Fetcher, language: str = "") -> str:
    """Return the name of how pages are asked for and read now, for whoever speaks a language."""
    pictures = (f"ocr:{one}" for one in fetcher.limits.ocr_languages)
    return ",".join((str(RECIPE), *_list_languages(fetcher, language), *pictures))


def is_read_by(etag: str | None, recipe: str) -> bool:
    """Tell whether a page with this validator was asked for and read in this way."""
    return (etag or "").partition(" ")[0].removesuffix(_SEVERAL) == recipe


def speaks_several(etag: str | None) -> bool:
    """Tell whether the site of a page with this validator may have it in other languages."""
    return (etag or "").partition(" ")[0].endswith(_SEVERAL)


def _list_languages(fetcher: Fetcher, language: str) -> tuple[str, ...]:
    """Return the languages that are asked for, the best one first: "de-AT" is content with "de"."""
    wider = language.partition("-")[0]
    return tuple(dict.fromkeys(filter(None, (language, wider, *fetcher.limits.page_languages))))


def _validator(entry: PageEntry | None, recipe: str) -> str | None:
    """Return what to ask the server with, if what is known was asked for and read as pages are now."""
    etag = entry.etag if entry else None
    return (etag or "").partition(" ")[2] if is_read_by(etag, recipe) else None


def _name_version(found: Fetched, recipe: str) -> str:
    """Return what is kept of a page's version: the server's validator, else the digest of its bytes."""
    several = _SEVERAL if found.varies else ""
    return f"{recipe}{several} {found.etag or hashlib.sha256(found.body).hexdigest()}"


async def _is_as_before(found: Fetched, known: Known) -> bool:
    """Tell whether a page has the bytes that it had."""
    entry = await asyncio.to_thread(known, found.url)
    return entry is not None and entry.etag == found.etag


def _find_own_address(here: Address, canonical: str) -> str | None:
    """Return the address that a page calls its own where it may: on its site, and not the home page's."""
    if not canonical:
        return None
    try:
        own = parse_address(join_url(here.url, canonical))
    except PageRefused:
        return None
    if own.url == here.url or own.bare_host != here.bare_host or own.port != here.port:
        return None
    return own.url if _is_home(here.path_and_query) or not _is_home(own.path_and_query) else None


def _is_home(path_and_query: str) -> bool:
    path = path_and_query.partition("?")[0]
    return path == "/" or path.lower().removeprefix("/") in _INDEX

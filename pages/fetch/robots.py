"""Asks a site's robots.txt what may be crawled, and how fast (RFC 9309 and Crawl-delay).

Asked for the pages that a sitemap or a feed names, not for a page that somebody named or pasted: that is read
for a person. A site without a robots.txt allows everything, one whose robots.txt cannot be had right now
nothing. The rules are matched in the sandbox, for their patterns are foreign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.phrases import mark
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import is_site_allowed, parse_address
from pages.fetched import AddressRefused, PageGone, PageUnreachable, PageUnreadable, SignInNeeded

AGENT = "askpage"
LONGEST_DELAY_S = 30.0
"""More than this between two requests is asked by mistake, or to keep robots away, which Disallow is for."""


@dataclass(frozen=True, slots=True)
class Robots:
    """What a site says: addresses that are closed to us, and the seconds between two requests."""

    closed: frozenset[str] = frozenset()
    delay_s: float = 0.0


async def ask_robots(fetcher: Fetcher, site_of: str, urls: Sequence[str]) -> Robots:
    """Return what the site of an address says of addresses there.

    Raises PageUnreachable where nobody can tell now.
    """
    address = parse_address(site_of)
    if is_site_allowed(address, fetcher.limits.own_sites):
        return Robots()
    try:
        fetched = await fetcher.fetch(f"{address.scheme}://{address.site}/robots.txt")
        if fetched is None:
            return Robots()
        closed, delay_s = await fetcher.sandbox.robots(fetched, AGENT, urls)
    except (PageGone, SignInNeeded, PageUnreadable, AddressRefused):
        return Robots()
    except PageUnreachable as error:
        raise PageUnreachable(
            mark("I could not get the robots.txt of {site}, so its pages stay as they are: {why}"),
            site=address.site,
            why=error.sentence,
        ) from None
    return Robots(closed, min(delay_s, LONGEST_DELAY_S))


def say_closed(site_of: str) -> str:
    """Say why a page was not read, and what its owner can do."""
    site = parse_address(site_of).site
    return (
        f"The robots.txt of {site} keeps robots from this page. If the site is your own, name it in the "
        f"setting own_sites."
    )

"""What the numbers mean: every figure as a pure function over records, explained where it is computed."""

from __future__ import annotations

from urllib.parse import urlsplit

from records import Answer

OWN_PAGES, NO_PAGE = "own pages", "no page"


def site_of(answer: Answer) -> str:
    """Return the host of the page that an answer stands on; OWN_PAGES for the bot's own, NO_PAGE where it has none."""
    urls = [citation.url for citation in answer.citations] + [passage.url for passage in answer.passages]
    return (urlsplit(urls[0]).hostname or OWN_PAGES) if urls else NO_PAGE

"""Who wrote a page, as its source says: asked for when somebody has to know, and not kept with the page."""

from __future__ import annotations

from pages.fetch.client import Fetcher
from pages.sources.plug import NamesAuthors, SourceAccess
from pages.sources.registry import find_plug
from pages.sources.words import parse_word


async def find_author(source: str, url: str, access: SourceAccess, fetcher: Fetcher) -> str:
    """Return the directory's id of a page's author, "" where its source names nobody. Raises PageRefused."""
    plug = find_plug(source)
    if plug is None:
        return ""
    async with plug.load()(parse_word(source, plug.options), access, fetcher) as service:
        return await service.find_author(url) if isinstance(service, NamesAuthors) else ""

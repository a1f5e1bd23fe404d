"""The services behind a sign-in that pages come from, one line each.

To add one: a module with `open_source` (`pages.sources.plug`), a line here, its settings, a section in
docs/pages.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from pages.fetch.client import Fetcher
from pages.fetched import AddressRefused
from pages.sources.plug import NamesAuthors, OpenSource, SourceAccess
from pages.sources.words import kind_of, parse_word


@dataclass(frozen=True, slots=True)
class SourcePlug:
    """A service: its module, imported where a source of it is read, and the options of its source words."""

    module: str
    options: frozenset[str] = frozenset()

    def load(self) -> OpenSource:
        """Import the module."""
        opened: OpenSource = import_module(self.module).open_source
        return opened


PLUGS: Mapping[str, SourcePlug] = {
    "git": SourcePlug("pages.sources.git.source", frozenset({"subdirectory", "published", "files_at"})),
    "confluence": SourcePlug("pages.sources.confluence.source"),
    "googledrive": SourcePlug("pages.sources.googledrive.source"),
    "notion": SourcePlug("pages.sources.notion.source"),
    "sharepoint": SourcePlug("pages.sources.sharepoint.source"),
}
"""By the kind of their source words."""


def find_plug(source: str) -> SourcePlug | None:
    """Return the service that a source word names, None for a folder, a file or a site.

    Raises AddressRefused where there is no such service.
    """
    kind = kind_of(source)
    if kind and kind not in PLUGS:
        raise AddressRefused(f"There is no kind of source called {kind}; there are {', '.join(PLUGS)}.")
    return PLUGS.get(kind)


async def find_author(source: str, url: str, access: SourceAccess, fetcher: Fetcher) -> str:
    """Return the directory's id of a page's author, "" where its source names nobody. Raises PageRefused.

    It is asked for when somebody has to know, and not kept with the page.
    """
    plug = find_plug(source)
    if plug is None:
        return ""
    async with plug.load()(parse_word(source, plug.options), access, fetcher) as service:
        return await service.find_author(url) if isinstance(service, NamesAuthors) else ""

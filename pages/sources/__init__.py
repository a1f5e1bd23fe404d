"""Sources of pages: folders, files, sites and feeds (`named`), and services behind a sign-in (`registry`)."""

from __future__ import annotations

from pages.sources.added import add_source, drop_source, read_added_sources
from pages.sources.items import AT_ONCE, Expect, Item, NewReaders, Problem, Remark, Removed, Unchanged
from pages.sources.named import PageFolder, count_pages, list_hosts, read_source
from pages.sources.plug import SourceAccess

__all__ = [
    "AT_ONCE",
    "Expect",
    "Item",
    "NewReaders",
    "PageFolder",
    "Problem",
    "Remark",
    "Removed",
    "SourceAccess",
    "Unchanged",
    "add_source",
    "count_pages",
    "drop_source",
    "list_hosts",
    "read_added_sources",
    "read_source",
]

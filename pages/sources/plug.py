"""The seam of sources behind a sign-in: what a service has to tell, and what it gets.

A service is a module with `open_source` (`OpenSource`), and a line in `pages.sources.registry`. It lists the
documents that there are, each with a mark that changes with its bytes; which of them are to be read again
is found out by `pages.sources.plugged` from the index. So nothing is lost or doubled when a process is killed
between the list and the last page: the index says what was read, and the list is kept in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from core.readers import Readers
from pages.fetch.client import Fetcher
from pages.fetch.page_reader import Known
from pages.fetched import Fetched, PageRefused
from pages.sources.items import Expect, Problem
from pages.sources.ledger import Ledger
from pages.sources.words import SourceWord


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a service, without its bytes.

    `id` is the service's, `url` where people open it; `mark` differs when its bytes do; `size` in bytes,
    where it is known.
    """

    id: str
    url: str
    title: str
    media_type: str
    mark: str
    readers: Readers
    size: int | None = None


@dataclass(slots=True)
class Listing:
    """All documents of a source. With a `failure` some are missing: what is not there is not gone."""

    documents: list[Document] = field(default_factory=list[Document])
    problems: list[Problem] = field(default_factory=list[Problem])
    remarks: list[str] = field(default_factory=list[str])
    failure: PageRefused | None = None


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """What gets into services, from the settings; `folder` is where sources keep what they must remember.

    `git_tokens` and `confluence_tokens` are as `pages.sources.credentials` reads them. No secret is shown
    when this is printed.
    """

    folder: Path
    git_tokens: str = field(default="", repr=False)
    git_folders: tuple[str, ...] = ()
    git_ssh_key: str = ""
    git_known_hosts: str = ""
    confluence_tokens: str = field(default="", repr=False)
    confluence_groups: tuple[str, ...] = ()
    sharepoint_tenant_id: str = ""
    sharepoint_client_id: str = ""
    sharepoint_client_secret: str = field(default="", repr=False)
    sharepoint_groups: tuple[str, ...] = ()
    notion_token: str = field(default="", repr=False)
    notion_url: str = ""
    google_drive_key: str = field(default="", repr=False)
    google_drive_subject: str = ""
    google_drive_groups: tuple[str, ...] = ()
    google_drive_url: str = ""
    google_login_url: str = ""
    graph_url: str = ""
    login_url: str = ""


class Source(Protocol):
    """A service, opened."""

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return what there is now. Raises PageRefused where nothing can be told."""
        ...

    async def read_document(self, document: Document) -> Fetched:
        """Return the bytes of a document. Raises PageRefused."""
        ...


@runtime_checkable
class NamesAuthors(Protocol):
    """A service that says who wrote a document."""

    async def find_author(self, url: str) -> str:
        """Return the directory's id of whoever changed a document last, "" for nobody. Raises PageRefused."""
        ...


OpenSource = Callable[[SourceWord, SourceAccess, Fetcher], AbstractAsyncContextManager[Source]]


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source is read with: see `pages.sources.named.read_source`."""

    fetcher: Fetcher
    known: Known
    listed: Callable[[], Sequence[str]]
    expect: Expect
    access: SourceAccess | None = None

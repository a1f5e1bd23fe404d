"""A source word of the settings → the pages that it names, one after the other.

    docs                            a folder of pages (`pages.kinds`), with its folders
    docs=https://example.com/help   the same, published below that URL
    handbook/leave.md               one file
    https://example.com/leave       one page, of any of these kinds
    https://example.com/sitemap.xml every page that the sitemap names on that host
    https://example.com/feed.atom   every page that the feed (RSS, Atom) names there, now and before
    git+https://…, confluence+https://…, sharepoint+https://…     see `pages.sources.registry`

One bad page is a `Problem` and never stops the others. When a part of the source itself cannot be read (no
such folder, a sitemap that is gone), the rest is still given, and then PageRefused is raised: what did not
come is not known to be gone.

A page of a published folder (FOLDER=URL) is known under its public address: `guide/leave.md` →
URL/guide/leave/, `index.md` → the folder's own address; other kinds keep their names, and a `permalink` in
the front matter wins. An unpublished one is known under a root-relative address that the bot serves itself:
`docs/asking.md` → /site/docs/asking.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from core.records import Page
from pages.fetch.client import Fetcher
from pages.fetch.page_reader import Known, fetch_new, read_page, refuse_route
from pages.fetch.robots import ask_robots, say_closed
from pages.fetch.ssrf import join_url, parse_address
from pages.fetched import Fetched, NotModified, PageGone, PageRefused, PageUnreadable
from pages.kinds import TYPE_OF_SUFFIX
from pages.parse.extract import RECIPE
from pages.parse.sandbox import SOURCE_TIMEOUT_S
from pages.parse.sitemaps import Sitemap, is_sitemap
from pages.sources.items import Expect, Item, Problem, Unchanged, read_several
from pages.sources.plug import SourceAccess, SourceContext
from pages.sources.plugged import read_plugged
from pages.sources.registry import find_plug
from pages.sources.words import kind_of

_MARKDOWN = frozenset({".md", ".markdown"})
NOT_PAGES = frozenset({"node_modules", "bower_components", "__pycache__", "venv", "site-packages"})
_PERMALINK = re.compile(r"/?(?:[^/:{}?#\\\s][^:{}?#\\\s]*)?")


@dataclass(frozen=True, slots=True)
class PageFolder:
    """A folder of pages: `root` on disk, and `base`, the URL where people open it (None: we serve it)."""

    root: Path
    base: str | None = None

    def address(self, file: Path) -> str:
        """Return the URL under which a file below the root is known."""
        relative = PurePosixPath(file.relative_to(self.root).as_posix())
        bare = relative.with_suffix("") if relative.suffix.lower() in _MARKDOWN else relative
        if self.base is None:
            return quote(f"/site/{self.root.name}/{bare}")
        base = self.base.rstrip("/") + "/"
        if bare == relative:
            return base + quote(str(bare))
        folder = bare.parent if bare.name == "index" else bare
        return base if folder == PurePosixPath() else f"{base}{quote(str(folder))}/"

    def permalink(self, written: object) -> str | None:
        """Return the address that a front matter's `permalink` names, when it is a plain path below ours."""
        if self.base is None or not isinstance(written, str) or not _PERMALINK.fullmatch(written):
            return None
        if not written or ".." in written.split("/"):
            return None
        return self.base.rstrip("/") + "/" + quote(written.lstrip("/"))


def find_files(root: Path) -> Iterator[Path]:
    """Yield the page files below a folder in a stable order.

    Hidden ones and other people's packages are left out.

    Raises OSError at the end when a part of the folder could not be listed.
    """
    failures: list[OSError] = []
    for here, folders, files in os.walk(root, onerror=failures.append):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in NOT_PAGES)
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in TYPE_OF_SUFFIX:
                yield Path(here, name)
    if failures:
        raise failures[0]


def read_file(folder: PageFolder, file: Path, max_bytes: int) -> bytes:
    """Return what is in a file. Raises PageUnreadable."""
    if not file.resolve().is_relative_to(folder.root.resolve()):
        raise PageUnreadable(
            f"{file} is a link to a file outside of its folder; please put the file itself there."
        )
    return _read(file, max_bytes)


def has_front_matter(file: Path, body: bytes) -> bool:
    """Tell whether a file's own words may say under which address it is published."""
    return file.suffix.lower() in _MARKDOWN and body.startswith((b"---", b"\xef\xbb\xbf---"))


def to_fetched(file: Path, url: str, body: bytes) -> Fetched:
    """Return what is in a file as if it had been fetched from its address.

    The validator of a local page is the digest of its bytes together with the recipe that made text of them.
    """
    etag = f'"{RECIPE}-{hashlib.sha256(body).hexdigest()}"'
    return Fetched(url, body, TYPE_OF_SUFFIX[file.suffix.lower()], etag=etag)


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        if not file.is_file():  # a named pipe would block for ever
            raise PageUnreadable(f"{file} is not a regular file.")
        with file.open("rb") as opened:
            body = opened.read(max_bytes + 1)
    except OSError as error:
        raise PageUnreadable(f"{file} cannot be read: {error.strerror or error}.") from None
    if len(body) > max_bytes:
        raise PageUnreadable(f"{file} is larger than {max_bytes / 1_000_000:g} MB; please split it.")
    return body


MOST_PAGES = 10_000
MOST_SITEMAPS = 50

_URL = re.compile(r"https?://", re.IGNORECASE)
_PUBLISHED = re.compile(r"(?P<folder>.+?)=(?P<base>https?://.+)", re.IGNORECASE)


def count_pages(source: str) -> int:
    """Return how many pages a folder or file has, 0 for an address: its pages are known once it is read.

    Waits for the disk.
    """
    path, _ = split_local(source)
    if path is None:
        return 0
    return 1 if path.is_file() else min(len(_list_files(path.absolute())[0]), MOST_PAGES)


def list_hosts(sources: Iterable[str]) -> list[str]:
    """Return the hosts on which people open the pages of these sources, each once."""
    hosts: dict[str, None] = {}
    for source in sources:
        path, base = split_local(source)
        address = base if path is not None else source
        if address:
            try:
                hosts[parse_address(address).host] = None
            except PageRefused:
                continue
    return list(hosts)


async def read_source(
    source: str,
    *,
    fetcher: Fetcher,
    known: Known,
    listed: Callable[[], Sequence[str]] = tuple,
    expect: Expect = lambda _: None,
    access: SourceAccess | None = None,
) -> AsyncGenerator[Item, None]:
    """Yield what a source names. Raises PageRefused for the source itself; see above.

    `listed` gives the pages that the source has named before, in a thread. `access` is what a source behind
    a sign-in needs.
    """
    plug = find_plug(source)
    path, base = split_local(source)
    if plug is not None:
        items = read_plugged(source, plug, SourceContext(fetcher, known, listed, expect, access))
    elif path is None:
        items = _read_url(source, _Site(fetcher, known, listed, expect))
    else:
        items = _read_folder(path, parse_address(base).url if base else None, fetcher, known)
    async with aclosing(items):
        async for item in items:
            yield item


def split_local(source: str) -> tuple[Path | None, str | None]:
    """Return the folder or file of a source, None for an address or a service, and where it is published."""
    if kind_of(source) or _URL.match(source):
        return None, None
    published = _PUBLISHED.fullmatch(source)
    return (Path(published["folder"]), published["base"]) if published else (Path(source), None)


async def _read_folder(
    path: Path, base: str | None, fetcher: Fetcher, known: Known
) -> AsyncGenerator[Item, None]:
    path = Path(await asyncio.to_thread(os.path.abspath, path))
    if await asyncio.to_thread(path.is_file):
        if path.suffix.lower() not in TYPE_OF_SUFFIX:
            raise PageUnreadable(f"{path} is of no kind that I can read: {', '.join(TYPE_OF_SUFFIX)}.")
        folder = PageFolder(path.parent, base)
        yield await _read_local(folder, path, base or folder.address(path), fetcher, known)
        return
    if not await asyncio.to_thread(path.is_dir):
        raise PageUnreadable(f"There is no file or folder {path}; please check the name.")
    folder = PageFolder(path, base)
    files, failure = await asyncio.to_thread(_list_files, path)
    seen: set[str] = set()
    for file in files[:MOST_PAGES]:
        item = await _read_local(folder, file, folder.address(file), fetcher, known)
        if item.url in seen:
            item = Problem(folder.address(file), f"{file} has the same address as another file: {item.url}.")
        seen.add(item.url)
        yield item
    if len(files) > MOST_PAGES:
        raise PageUnreadable(f"{path} has more than {MOST_PAGES:,} pages; please name a folder inside it.")
    if failure:
        raise PageUnreadable(f"A part of {path} cannot be listed: {failure}.")


def _list_files(path: Path) -> tuple[list[Path], str]:
    files: list[Path] = []
    try:
        files.extend(islice(find_files(path), MOST_PAGES + 1))
    except OSError as error:
        return files, str(error)
    return files, ""


async def _read_local(folder: PageFolder, file: Path, url: str, fetcher: Fetcher, known: Known) -> Item:
    try:
        body = await asyncio.to_thread(read_file, folder, file, fetcher.limits.max_bytes)
        if folder.base is not None and has_front_matter(file, body):
            url = folder.permalink(await fetcher.sandbox.permalink(body)) or url
        return await _extract(to_fetched(file, url, body), fetcher, known)
    except PageRefused as refused:
        return Problem(url, _about(str(file), refused))


async def _extract(file: Fetched, fetcher: Fetcher, known: Known) -> Page | Unchanged:
    before = await asyncio.to_thread(known, file.url)
    if before is not None and before.etag == file.etag:
        return Unchanged(file.url)
    return await fetcher.sandbox.extract(file, datetime.now(UTC), timeout_s=SOURCE_TIMEOUT_S)


def _about(name: str, refused: PageRefused) -> str:
    return str(refused) if name in str(refused) else f"{name}: {refused}"


@dataclass(frozen=True, slots=True)
class _Site:
    """How the pages of a site are read: `listed` are those that its source has named before."""

    fetcher: Fetcher
    known: Known
    listed: Callable[[], Sequence[str]]
    expect: Expect

    async def read(self, url: str) -> Item:
        """Read a page."""
        return await self.take(url, url)

    async def take(self, url: str, start: str | Fetched) -> Item:
        """Read a page from its address, or from what was fetched there."""
        now = datetime.now(UTC)
        try:
            page = await read_page(self.fetcher, start, self.known, now, timeout_s=SOURCE_TIMEOUT_S)
        except PageRefused as refused:
            return Problem(url, str(refused), gone=isinstance(refused, PageGone))
        if isinstance(page, NotModified):
            return Unchanged(page.url)
        before = await asyncio.to_thread(self.known, page.url)
        same = before is not None and (before.page_hash, before.etag) == (page.page_hash, page.etag)
        return Unchanged(page.url) if same else page


async def _read_url(source: str, site: _Site) -> AsyncGenerator[Item, None]:
    refuse_route(source)
    url = parse_address(source).url
    fetched = await fetch_new(site.fetcher, url, site.known)
    if isinstance(fetched, NotModified):
        yield Unchanged(fetched.url)
        return
    if not is_sitemap(fetched):
        yield await site.take(url, fetched)
        return
    named = await _read_sitemaps(fetched, site.fetcher)
    if named.is_feed:  # it names the newest only
        named.pages.update(dict.fromkeys(await asyncio.to_thread(site.listed)))
    site.expect(len(named.pages))
    for problem in named.problems:
        yield problem
    if named.pages:
        async with aclosing(_crawl(fetched.url, list(named.pages), site)) as items:
            async for item in items:
                yield item
    if named.failure is not None:
        raise named.failure


async def _crawl(start: str, urls: Sequence[str], site: _Site) -> AsyncGenerator[Item, None]:
    """Read the pages of a site as its robots.txt wants it."""
    robots = await ask_robots(site.fetcher, start, urls)
    for url in urls:
        if url in robots.closed:
            yield Problem(url, say_closed(url))
    open_urls = [url for url in urls if url not in robots.closed]
    async with aclosing(read_several(open_urls, site.read, robots.delay_s)) as items:
        async for item in items:
            yield item


@dataclass(slots=True)
class _Named:
    """Addresses of a sitemap or feed and those below it: pages in order, refused ones, unread ones."""

    pages: dict[str, None] = field(default_factory=dict[str, None])
    problems: list[Problem] = field(default_factory=list[Problem])
    failure: PageRefused | None = None
    is_feed: bool = False


async def _read_sitemaps(first: Fetched, fetcher: Fetcher) -> _Named:
    """Read a sitemap and the ones it names.

    Pages on other hosts are left out: a sitemap speaks for its own host.
    """
    named = _Named()
    host = parse_address(first.url).bare_host
    waiting: deque[str | Fetched] = deque([first])
    asked = {first.url}
    while waiting:
        following = waiting.popleft()
        try:
            fetched = await fetcher.fetch(following) if isinstance(following, str) else following
            sitemap = await _read_sitemap(fetched, fetcher)
        except PageRefused as refused:
            named.failure = refused
            continue
        base = fetched.url if fetched else first.url
        named.is_feed |= sitemap.is_feed
        if sitemap.is_cut:
            named.failure = PageUnreadable(f"{base} is cut off; what it names before the cut is read.")
        for url in await asyncio.to_thread(_on_host, host, base, sitemap.sitemaps, named.problems):
            if url not in asked and len(asked) < MOST_SITEMAPS:
                asked.add(url)
                waiting.append(url)
        pages = await asyncio.to_thread(_on_host, host, base, sitemap.pages, named.problems)
        named.pages.update(dict.fromkeys(pages))
        if len(named.pages) > MOST_PAGES:
            named.pages = dict.fromkeys(islice(named.pages, MOST_PAGES))
            named.failure = PageUnreadable(
                f"{first.url} names more than {MOST_PAGES:,} pages; the others are left out."
            )
            break
    return named


async def _read_sitemap(fetched: Fetched | None, fetcher: Fetcher) -> Sitemap:
    return await fetcher.sandbox.sitemap(fetched, fetcher.limits.max_bytes) if fetched else Sitemap()


def _on_host(host: str, base: str, links: Iterable[str], problems: list[Problem]) -> list[str]:
    here: list[str] = []
    elsewhere: list[str] = []
    for link in links:
        try:
            address = parse_address(join_url(base, link))
        except PageRefused as refused:
            problems.append(Problem(link, str(refused)))
            continue
        if address.bare_host == host:
            here.append(address.url)
        else:
            elsewhere.append(address.url)
    if elsewhere:
        problems.append(
            Problem(
                base,
                f"{len(elsewhere)} addresses in it lie on other hosts and are left out, such as "
                f"{elsewhere[0]}.",
            )
        )
    return here

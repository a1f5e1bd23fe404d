"""The file behind a page: of folders and files that the settings name, as they lie on this machine.

Pages of other sources (sites, git repositories, wikis) have no file here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pages.fetched import PageRefused
from pages.parse.markdown import front_matter
from pages.sources.named import MOST_PAGES, PageFolder, find_files, has_front_matter, read_file, split_local

MARKDOWN = frozenset({".md", ".markdown"})
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class PageFile:
    """A page's file. `root` is its repository, else its source's folder: patches are applied from there."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        """The file as a patch and CODEOWNERS name it."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def is_markdown(self) -> bool:
        """Whether a sentence can be put into it."""
        return self.path.suffix.lower() in MARKDOWN

    def read(self) -> str:
        """Return its text, line ends as they are. Raises PageRefused, and UnicodeDecodeError."""
        return read_file(PageFolder(self.root), self.path, _MOST_BYTES).decode("utf-8")

    def read_values(self) -> dict[str, Any]:
        """Return its front matter; nothing where there is none, or the file cannot be read."""
        try:
            return front_matter(self.read())[0] if self.is_markdown else {}
        except (PageRefused, UnicodeDecodeError):
            return {}


def find_page_file(source: str, url: str) -> PageFile | None:
    """Return the file that a page was read from, None where it is not here. Waits for the disk."""
    path, base = split_local(source)
    if path is None:
        return None
    path = path.absolute()
    if path.is_file():
        folder = PageFolder(path.parent, base)
        found = path if url in (base, folder.address(path)) else None
    else:
        folder = PageFolder(path, base)
        found = next((file for file in _list_files(path) if _is_page(folder, file, url)), None)
    return PageFile(_find_root(found, folder.root), found) if found is not None else None


def _list_files(folder: Path) -> Iterator[Path]:
    try:
        yield from islice(find_files(folder), MOST_PAGES)
    except OSError:  # a part of it cannot be listed: the page is not there
        return


def _is_page(folder: PageFolder, file: Path, url: str) -> bool:
    if folder.address(file) == url:
        return True
    if folder.base is None or file.suffix.lower() not in MARKDOWN:
        return False
    try:
        body = read_file(folder, file, _MOST_BYTES)
        values = front_matter(body.decode("utf-8"))[0] if has_front_matter(file, body) else {}
    except (PageRefused, UnicodeDecodeError):
        return False
    return folder.permalink(values.get("permalink")) == url


def _find_root(file: Path, folder: Path) -> Path:
    """Return the repository that a file is in, else the folder of its source."""
    return next((one for one in file.parents if (one / ".git").exists()), folder)

"""A folder of pages on this machine: its files, the addresses they are known under, and their content.

Published (FOLDER=URL), a page is known under its public address: `guide/leave.md` → URL/guide/leave/, `index.md` →
the folder's own address, other kinds keep their names, and a `permalink` in the front matter wins. Unpublished, it is
known under a root-relative one that the bot serves itself: `docs/asking.md` → /site/docs/asking.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from pages.fetched import Fetched, PageUnreadable
from pages.parse.extract import RECIPE

CONTENT_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
    ".pdf": "application/pdf",
}
_MARKDOWN = frozenset({".md", ".markdown"})
_NOT_PAGES = frozenset({"node_modules", "bower_components", "__pycache__", "venv", "site-packages"})
_PERMALINK = re.compile(r"/?(?:[^/:{}?#\\\s][^:{}?#\\\s]*)?")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where pages lie (`root`), and where people open them: `base` is a URL, or None when we serve them."""

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
    """Yield the page files below a folder in a stable order; hidden ones and other people's packages are left out.

    Raises OSError at the end when a part of the folder could not be listed.
    """
    failures: list[OSError] = []
    for here, folders, files in os.walk(root, onerror=failures.append):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_PAGES)
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in CONTENT_TYPES:
                yield Path(here, name)
    if failures:
        raise failures[0]


def read_file(folder: Folder, file: Path, max_bytes: int) -> bytes:
    """Return what is in a file. Raises PageUnreadable."""
    if not file.resolve().is_relative_to(folder.root.resolve()):
        raise PageUnreadable(
            f"{file} is a link to a file outside of its folder; please put the file itself there."
        )
    return _read(file, max_bytes)


def has_front_matter(file: Path, body: bytes) -> bool:
    """Tell whether a file's own words may say under which address it is published."""
    return file.suffix.lower() in _MARKDOWN and body.startswith((b"---", b"\xef\xbb\xbf---"))


def fetched_from(file: Path, url: str, body: bytes) -> Fetched:
    """Return what is in a file as if it had been fetched from its address.

    The validator of a local page is the digest of its bytes together with the recipe that made text of them.
    """
    etag = f'"{RECIPE}-{hashlib.sha256(body).hexdigest()}"'
    return Fetched(url, body, CONTENT_TYPES[file.suffix.lower()], etag=etag)


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

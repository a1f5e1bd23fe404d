"""What arrived from an address, or was read from a file: bytes that nobody has looked at yet.

Why a page is not read. The message of every one of these is a sentence for the person who asked.

    PageRefused
    ├── AddressRefused    the address itself: misspelt, a site or a network that this bot may not open
    ├── PageUnreachable   the site did not give the page: no such name, no answer, too slow, an error; may pass
    │   └── PageGone      it says that there is none
    └── PageUnreadable    the page arrived, and cannot be read: too large, too slow, of another kind, broken, without text

Each says what is wrong and what to do. Nothing else leaves `pages.fetch.client`, `pages.parse.extract` and `pages.parse.sandbox`, whatever arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

TOO_MUCH_MEMORY = "That page takes more memory to read than one page may; please send a smaller part of it."


class PageRefused(Exception):
    """A page cannot be read; the message is a sentence for the asker."""


class AddressRefused(PageRefused):
    """An address that this bot does not open."""


class PageUnreachable(PageRefused):
    """The site did not give the page; trying again later may help."""


class PageGone(PageUnreachable):
    """The site says that there is no such page (any more)."""


class PageUnreadable(PageRefused):
    """The page arrived, but it is nothing that can be answered from."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived. `url` is where the redirects ended, without a fragment; `content_type` is lower-case, bare.

    `etag` is the server's validator: its ETag, or the date of the last change where it sends no other.
    """

    url: str
    body: bytes
    content_type: str
    charset: str | None = None
    etag: str | None = None

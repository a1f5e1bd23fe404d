"""Bytes from an address or a file that nobody has looked at yet, and the refusals of pages.

The message of every refusal is a sentence for the person who asked; it says what is wrong and what to do. It
is made in English, and said in the asker's language where it is shown (`core.phrases`).

    PageRefused
    ├── AddressRefused    the address itself: misspelt, a site or a network that this bot may not open
    ├── PageUnreachable   the site did not give the page: no such name, no answer, too slow, an error; may
    │   │                 pass
    │   ├── PageGone      it says that there is none
    │   └── SignInNeeded  it shows the page only to people who sign in
    └── PageUnreadable    the page arrived, and cannot be read: too large, too slow, of another kind, broken,
                          without text

Nothing else leaves `pages.fetch.client`, `pages.parse.extract` and `pages.parse.sandbox`, whatever arrives.

Packed bytes (gzip) are unpacked as they come: bounded before anything is unpacked, in time that grows with
what is sent and with nothing else.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from core.phrases import Phrase, mark

TOO_MUCH_MEMORY = mark("Reading that page takes too much memory; please send a smaller part of it.")


class PageRefused(Exception):
    """A page cannot be read; `sentence` is for the asker, and its text in English is the message."""

    def __init__(self, sentence: str, /, **values: object) -> None:
        """`sentence` is a text for the catalogues (`mark`) with {names} for the values, or a phrase."""
        self.sentence = sentence if isinstance(sentence, Phrase) else Phrase(sentence, **values)
        super().__init__(str(self.sentence))


class AddressRefused(PageRefused):
    """An address that this bot does not open."""


class PageUnreachable(PageRefused):
    """The site did not give the page; trying again later may help."""


class PageGone(PageUnreachable):
    """The site says that there is no such page (any more)."""


class SignInNeeded(PageUnreachable):
    """The site shows the page only to people who sign in."""


class PageUnreadable(PageRefused):
    """The page arrived, but it is nothing that can be answered from."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived.

    `url` is where the redirects ended, without a fragment; `content_type` is lower-case, bare.

    `etag` is the server's validator: its ETag, or the date of the last change where it sends no other.
    `varies`: the site may send it in another language to whoever asks for one.
    """

    url: str
    body: bytes
    content_type: str
    charset: str | None = None
    etag: str | None = None
    varies: bool = False


@dataclass(frozen=True, slots=True)
class NotModified:
    """The page at `url` is as it was when it was read before."""

    url: str


STEP = 8 * 1024
"""Packed bytes that are unpacked in one go: of a body of tiny members what is left is copied at each of
them."""


class Inflater:
    """Unpacks one body, at most `limit` bytes of it.

    `name` says whose it is in the sentences of PageUnreadable.
    """

    def __init__(self, limit: int, name: str) -> None:
        self.body = bytearray()
        self._limit = limit
        self._name = name
        self._member = _member()
        self._between = True  # two members, or before the first
        self._members = 0
        self._ended = False  # other bytes stand behind the last member

    def feed(self, packed: bytes) -> None:
        """Unpack what came; takes some milliseconds for 64 KiB, whatever they are. Raises PageUnreadable."""
        for start in range(0, len(packed), STEP):
            self._step(packed[start : start + STEP])

    def finish(self) -> bytes:
        """Return all that was unpacked. Raises PageUnreadable where the end is missing."""
        if not self._between:
            raise PageUnreadable(
                mark("{site} sent compressed data without its end; please try again."), site=self._name
            )
        return bytes(self.body)

    def _step(self, packed: bytes) -> None:
        while packed and not self._ended:
            if self._between and self._members:  # zeros may stand behind a member, up to the end of a block
                packed = packed.lstrip(b"\0")
                if not packed.startswith(b"\x1f"):  # what is no further member is nothing of the page
                    self._ended = self._ended or bool(packed)
                    return
            self._between = False
            began = len(self.body)
            try:
                self.body += self._member.decompress(packed, self._limit + 1 - len(self.body))
            except zlib.error:
                if self._members and len(self.body) == began:
                    self._between = self._ended = True
                    return
                raise PageUnreadable(
                    mark("{site} sent compressed data that is damaged."), site=self._name
                ) from None
            if len(self.body) > self._limit:
                raise refuse_too_large(self._name, self._limit)
            if not self._member.eof:
                return
            packed = self._member.unused_data
            self._member, self._between = _member(), True
            self._members += 1


def inflate(packed: bytes, limit: int, name: str) -> bytes:
    """Unpack gzip, at most `limit` bytes of it. Raises PageUnreadable beyond, or if it is broken."""
    inflater = Inflater(limit, name)
    inflater.feed(packed)
    return inflater.finish()


def refuse_too_large(name: str, limit: int) -> PageUnreadable:
    """Return the refusal of a body that is larger than it may be."""
    return PageUnreadable(
        mark("The page from {site} is larger than {size} MB; please send a smaller part of it."),
        site=name,
        size=limit / 1_000_000,
    )


def _member() -> zlib._Decompress:  # pyright: ignore[reportPrivateUsage] # it has no other name
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

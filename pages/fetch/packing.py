"""Bodies as servers pack them → the bytes that were meant: gzip, deflate, br, whatever the header says of it.

Servers pack what nobody asked them to, forget the header, name one packing and use another, or name one and
use none. Browsers show such pages, so the bytes decide: gzip is known by how it begins; where a named packing
does not fit and the body reads as text, it is taken as it came. Everything is bounded by `limit`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli

from core.phrases import mark
from pages.fetched import PageUnreadable, inflate, refuse_too_large

_GZIP = b"\x1f\x8b\x08"
_MOST_CODINGS = 3
_TEXT_BYTES = 512
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")
_STEP = 64 * 1024


def unpack(body: bytes, declared: str, limit: int, name: str, *, is_text: bool = True) -> bytes:
    """Return a body without its packings, at most `limit` bytes; `declared` is its Content-Encoding.

    `is_text`: gzip without a header is unpacked, too, since no text begins so. Raises PageUnreadable.
    """
    codings = [one.strip().lower() for one in declared.split(",")]
    for coding in reversed([one for one in codings if one not in {"", "identity"}][:_MOST_CODINGS]):
        unpack_one = _UNPACK.get(coding)
        if unpack_one is None:
            raise PageUnreadable(
                mark("{site} compresses its page in a way that I did not ask for and cannot read."), site=name
            )
        body = unpack_one(body, limit, name)
    for _ in range(_MOST_CODINGS):
        if not is_text or not body.startswith(_GZIP):
            break
        body = inflate(body, limit, name)
    return body


def _unpack_gzip(body: bytes, limit: int, name: str) -> bytes:
    if body.startswith(_GZIP) or not _looks_like_text(body):
        return inflate(body, limit, name)
    return body


def _unpack_deflate(body: bytes, limit: int, name: str) -> bytes:
    """Unpack zlib's format, which "deflate" means, or bare deflate, which some servers send for it."""
    for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        packed = zlib.decompressobj(wbits=bits)
        try:
            unpacked = packed.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(unpacked) > limit:
            raise refuse_too_large(name, limit)
        if packed.eof:
            return unpacked
        if bits > 0:  # it began as such, and its end is missing
            raise _refuse_broken(name)
    return _as_it_came(body, name)


def _unpack_brotli(body: bytes, limit: int, name: str) -> bytes:
    packed = brotli.Decompressor()
    unpacked = bytearray()
    try:
        piece = packed.process(body, output_buffer_limit=_STEP)
        while piece:
            unpacked += piece
            if len(unpacked) > limit:
                raise refuse_too_large(name, limit)
            piece = b"" if packed.is_finished() else packed.process(b"", output_buffer_limit=_STEP)
    except brotli.error:
        return _as_it_came(body, name)
    return bytes(unpacked) if packed.is_finished() else _as_it_came(body, name)


def _as_it_came(body: bytes, name: str) -> bytes:
    """Return a body that is not packed as it says; raises PageUnreadable where it is no text either."""
    if not _looks_like_text(body):
        raise _refuse_broken(name)
    return body


def _refuse_broken(name: str) -> PageUnreadable:
    return PageUnreadable(mark("{site} sent compressed data that is damaged."), site=name)


def _looks_like_text(body: bytes) -> bool:
    return not _CONTROLS.intersection(body[:_TEXT_BYTES])


_UNPACK: dict[str, Callable[[bytes, int, str], bytes]] = {
    "gzip": _unpack_gzip,
    "x-gzip": _unpack_gzip,
    "deflate": _unpack_deflate,
    "br": _unpack_brotli,
}

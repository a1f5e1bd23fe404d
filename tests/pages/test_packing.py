"""Packed bodies are unpacked as browsers do it, whatever their header says, and never without bound."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest

from pages.fetch.packing import unpack
from pages.fetched import PageUnreadable, inflate

TEXT = b"<p>Everyone gets 26 days of leave.</p>" * 20
RAW = zlib.compress(TEXT)[2:-4]
BR: bytes = brotli.compress(TEXT)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT)),
        ("", gzip.compress(TEXT)),
        ("identity", gzip.compress(TEXT)),
        ("gzip", TEXT),
        ("gzip", gzip.compress(gzip.compress(TEXT))),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("gzip", gzip.compress(TEXT) + b"\0\0\0"),
        ("gzip", gzip.compress(TEXT) + b"trailing bytes"),
        ("gzip", gzip.compress(TEXT) + b"\x1f\x8bnothing"),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW),
        ("deflate", TEXT),
        ("deflate", gzip.compress(TEXT)[10:-8]),
        ("br", BR),
        ("br", TEXT),
        ("br, gzip", gzip.compress(BR)),
    ],
)
def test_a_body_comes_out_as_it_was_meant(declared: str, body: bytes) -> None:
    assert unpack(body, declared, 10_000, "site.test") == TEXT


@pytest.mark.parametrize(
    ("declared", "body", "words"),
    [
        ("zstd", TEXT, "did not ask for"),
        ("gzip", gzip.compress(TEXT)[:60], "without its end"),
        ("gzip", b"\x1f\x8b" + b"\xff" * 100, "is damaged"),
        ("deflate", zlib.compress(TEXT)[:20], "is damaged"),
        ("br", BR[:20], "is damaged"),
        ("br", b"\x00\x01\x02" * 50, "is damaged"),
        ("gzip", gzip.compress(bytes(20_000)), "larger"),
        ("deflate", zlib.compress(bytes(20_000)), "larger"),
        ("br", brotli.compress(bytes(20_000)), "larger"),  # type: ignore[attr-defined]
        ("", gzip.compress(gzip.compress(bytes(20_000))), "larger"),
    ],
)
def test_what_cannot_be_unpacked_is_refused_with_a_sentence(declared: str, body: bytes, words: str) -> None:
    with pytest.raises(PageUnreadable, match=words):
        unpack(body, declared, 10_000, "site.test")


def test_a_file_that_is_meant_to_be_packed_stays_so() -> None:
    packed = gzip.compress(TEXT)
    assert unpack(packed, "", 10_000, "site.test", is_text=False) == packed
    assert inflate(packed, 10_000, "site.test") == TEXT

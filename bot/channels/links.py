"""Web addresses in what people write: which page a question is about, and what a wrapped link leads to."""

from __future__ import annotations

import base64
import re
import string
import unicodedata
from collections.abc import Callable
from itertools import islice
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

ABOUT_THE_PAGE = "What is this page about?"

_QUOTES = "“”„‟‘‚‛«»‹›「」『』｢｣＂＇″"
_BRACKETS = "（）［］｛｝〔〕【】〖〗〘〙《》〈〉⟨⟩⟦⟧❨❩｟｠"
_STOPS = "。、，；：！？…．｡､‥⋯—؟؛،۔।॥"
_UNSEEN = "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffc"
_NOT_IN_ADDRESSES = rf"\s<>\"'`|\\^{{}}{_QUOTES}{_BRACKETS}{_STOPS}{_UNSEEN}"
"""What ends an address in a text; an apostrophe does where no letter follows, or only the s of a genitive."""
_ADDRESS = rf"(?:[^{_NOT_IN_ADDRESSES}’]|’(?=\w)(?!s(?![\w-])))+"
_ENDINGS = (
    "com|org|net|edu|gov|info|int|io|dev|app|cloud|eu|de|fr|es|it|nl|be|at|ch|uk|us|ca|au|nz|jp|cn|br|mx|ie"
    "|pt|pl|se|no|dk|fi"
)
"""Of hosts that are taken for one where nothing else says so: no ending of files is among them."""
_HOST = rf"(?:[a-z][a-z0-9-]{{0,62}}\.){{1,5}}(?:{_ENDINGS})"
_URL = re.compile(
    rf"https?://{_ADDRESS}|(?<![\w@/.-])(?:www\.[\w-]+\.{_ADDRESS}|{_HOST}(?::\d{{2,5}})?/(?=[\w~]){_ADDRESS})",
    re.IGNORECASE,
)
_TITLED_BY_ADDRESS = re.compile(
    r"\[(?:https?://|www\.)[^\[\]\s]{1,2000}\]\((https?://[^\s()]{1,4000})\)", re.IGNORECASE
)
"""A link in Markdown whose title is an address: what it leads to counts."""
_TITLE = re.compile(r"\[([^][]{0,300})\]\($")
_CLOSED = re.compile(r"""\s{0,9}(?:"[^"\n]{0,300}"|'[^'\n]{0,300}')?\)""")
"""The end of a link in Markdown, which may have a text for the pointer."""
_WORDS = re.compile(r"\w")
_MOST_WRAPPERS = 4
MOST_ADDRESSES = 5
"""Of one text."""


def split_page(text: str) -> tuple[str, str | None]:
    """Cut the first web address out of a question; an address alone asks what its page is about.

    Of a link in Markdown the title stays where it is part of a sentence. A link that a mail or chat program
    wrapped is returned as it was before (`unwrap_link`).

    >>> split_page("How long is parental leave in https://example.org/leave?")
    ('How long is parental leave in?', 'https://example.org/leave')
    """
    text = _TITLED_BY_ADDRESS.sub(r"\1", text)
    found = find_address(text)
    if found is None:
        return text, None
    begin, end = found
    url = text[begin:end]
    before, after = text[:begin], text[end:]
    title, closed = _TITLE.search(before), _CLOSED.match(after)
    if title and closed:
        before, after = _keep_title(before[: title.start()], title[1], after[closed.end() :])
    rest = re.sub(r" (?=[?!.,;:)])", "", " ".join(f"{before} {after}".split()))
    return (rest if _WORDS.search(rest) else ABOUT_THE_PAGE), unwrap_link(url)


def find_address(text: str) -> tuple[int, int] | None:
    """Return where the first web address in a text begins and ends, without the stops behind it."""
    found = _URL.search(text)
    if found is None:
        return None
    url = _drop_stops(found.group()).rstrip(".,;:!?*_~]")
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = _drop_stops(url[:-1]).rstrip(".,;:!?")
    return found.start(), found.start() + len(url)


def _drop_stops(url: str) -> str:
    """Return an address without what no script ends a word with, such as a dash or a middle dot."""
    end = len(url)
    while end and not url[end - 1].isascii() and unicodedata.category(url[end - 1])[0] in "PZC":
        end -= 1
    return url[:end]


def list_addresses(text: str) -> list[str]:
    """Return the first web addresses in a text, unwrapped, each once; HTML's own are among them.

    >>> list_addresses('<a href="https://example.org/a">a</a> and https://example.org/b.')
    ['https://example.org/a', 'https://example.org/b']
    """
    found: dict[str, None] = {}
    while (place := find_address(text)) is not None and len(found) < MOST_ADDRESSES:
        found[unwrap_link(text[place[0] : place[1]])] = None
        text = text[place[1] :]
    return list(found)


def _keep_title(before: str, title: str, after: str) -> tuple[str, str]:
    """Return what stands around a link, with its title where the sentence goes on through it."""
    inside = _WORDS.search(before) and before.rstrip()[-1] not in ".?!:"
    return (f"{before}{title}", after) if inside else (before, after)


def unwrap_link(url: str) -> str:
    """Return the address that a mail or chat program wrapped into one of its own, without asking anybody.

    The wrapped one tells the wrapper's servers who reads it. Known are Microsoft's Safe Links, Proofpoint's
    URL Defense, Barracuda, Cisco, FireEye, Fortinet, Sophos, Symantec, Trend Micro, GMX and web.de, and
    the ways out of Google, YouTube, Facebook, Instagram, LinkedIn, DuckDuckGo, Reddit and Slack. Those that
    hide the address (Mimecast, t.co) stay as they are.
    """
    if not url.lower().startswith("http"):
        url = f"https://{url}"
    for _ in range(_MOST_WRAPPERS):
        inner = _unwrap_once(url)
        if inner is None:
            return url
        url = inner
    return url


def _unwrap_once(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        place = f"{(parts.hostname or '').lower()}{parts.path}"
    except ValueError:
        return None
    for places, read in _WRAPPERS:
        if places.match(place):
            inner = read(parts)
            return inner if inner and re.match(r"https?://[^/\s]", inner, re.IGNORECASE) else None
    return None


def _parameter(*names: str) -> Callable[[SplitResult], str | None]:
    """Return what reads an address from the first of these parameters that is there."""

    def read(parts: SplitResult) -> str | None:
        given = parse_qs(parts.query)
        return next((given[name][0] for name in names if name in given), None)

    return read


def _read_url_defense(parts: SplitResult) -> str | None:
    """Read Proofpoint's: v1 has the address as it is, v2 with its own escapes, v3 between underscores."""
    if parts.path.startswith("/v3/__"):
        return _read_url_defense_3(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    given = parse_qs(parts.query).get("u", [""])[0]
    return unquote(given.translate(str.maketrans("-_", "%/"))) if parts.path.startswith("/v2/") else given


def _read_url_defense_3(path: str) -> str:
    """Read an address in which a star is a character of the list behind it, `**A` two, `**B` three of them.

    Source: Proofpoint's own decoder, https://help.proofpoint.com (URL Defense, "URL Decoder").
    """
    address, _, behind = path.removeprefix("/v3/__").partition("__;")
    listed = behind.partition("!")[0]
    try:
        characters = base64.urlsafe_b64decode(listed + "=" * (-len(listed) % 4)).decode()
    except ValueError:
        characters = ""
    left = iter(characters)

    def put_back(star: re.Match[str]) -> str:
        count = _RUNS.index(star[1]) + 2 if star[1] else 1
        return "".join(islice(left, count)) or star[0]

    return re.sub(r"^(https?:/)(?=[^/])", r"\1/", _STAR.sub(put_back, address), flags=re.IGNORECASE)


_STAR = re.compile(r"\*(?:\*([A-Za-z0-9_-]))?")
_RUNS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def _read_last_of_path(parts: SplitResult) -> str | None:
    """Read an escaped address at the end of the path (Cisco)."""
    at = parts.path.lower().find("/http")
    return unquote(parts.path[at + 1 :]) if at >= 0 else None


def _read_sophos(parts: SplitResult) -> str | None:
    """Read an address in Base64."""
    given = parse_qs(parts.query).get("u", [""])[0]
    try:
        return base64.b64decode(given + "=" * (-len(given) % 4), validate=True).decode()
    except ValueError:
        return None


_WRAPPERS: tuple[tuple[re.Pattern[str], Callable[[SplitResult], str | None]], ...] = tuple(
    (re.compile(place), read)
    for place, read in (
        (r"(\w{1,20}\.)?safelinks\.protection\.(outlook\.com|office365\.us|outlook\.cn)/", _parameter("url")),
        (r"statics\.teams\.(cdn\.office\.net|microsoft\.com)/.*safelinks", _parameter("url")),
        (r"urldefense(\.proofpoint)?\.(com|us)/v\d/", _read_url_defense),
        (r"linkprotect\.cudasvc\.com/url", _parameter("a")),
        (r"secure-web\.cisco\.com/", _read_last_of_path),
        (r"[\w-]{1,40}\.protection\.sophos\.com/", _read_sophos),
        (r"([\w-]{1,40}\.){1,4}trendmicro\.com/wis/clicktime/", _parameter("url")),
        (r"(www\.)?google\.[a-z.]{2,6}/url", _parameter("q", "url")),
        (r"lm?\.facebook\.com/l\.php", _parameter("u")),
        (r"(www\.)?youtube\.com/redirect", _parameter("q")),
        (r"l\.instagram\.com/", _parameter("u")),
        (r"(www\.)?linkedin\.com/(redir/redirect|safety/go)", _parameter("url")),
        (r"out\.reddit\.com/", _parameter("url")),
        (r"(html\.)?duckduckgo\.com/l/", _parameter("uddg")),
        (r"deref-(gmx|web-02|web|mail|1und1-02)\.(net|com|de)/", _parameter("redirectUrl")),
        (r"protect\d?\.fireeye\.com/(v\d/)?url", _parameter("u")),
        (r"clicktime\.symantec\.com/", _parameter("u")),
        (r"[\w.-]{1,200}/fmlurlsvc/", _parameter("url")),
        (r"slack-redir\.net/link", _parameter("url")),
    )
)
"""Whose links are unwrapped, by the beginning of host and path, and how."""

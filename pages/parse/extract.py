"""Bytes of a page → `Page`: its title, and its main text in sections with headings and anchors.

Bytes of a sitemap → `Sitemap`.

Where the main text of HTML lies is found in `pages.parse.html_sections`; Markdown, PDF and Office files are
own.
Only text that a reader sees comes out: no scripts, no comments, nothing hidden (`pages.visibility.hidden`).
Sitemaps (sitemaps.org 0.9, plain or gzipped) name pages and further sitemaps. Whatever arrives gives a Page,
a Sitemap or a PageRefused, in bounded time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import webencodings

from core.records import Page, Section
from pages import kinds
from pages.fetched import Fetched, PageUnreadable, inflate
from pages.parse.documents import is_document, read_document
from pages.parse.extracted import Extracted
from pages.parse.html_sections import main_part, mark_anchors, split_sections
from pages.parse.markdown import to_html
from pages.visibility.hidden import drop_unseen
from pages.visibility.html_tree import Element, parse_html, parse_xml, to_one_line, visible

RECIPE = 5
"""Counts up when the same bytes give other text than before: local pages are then read again."""

MOST_TEXT = 3_000_000
"""Most text of one page, characters."""

MOST_SECTIONS = 20_000
LONGEST_SECTION = 100_000
"""Characters of a section, a chapter of 50 pages: whatever cuts, searches or shows it holds the interpreter
no longer."""

_Text = tuple[str, tuple[Section, ...], int]
"""Title, sections, and how many pieces of text were left out because readers may not see them."""

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MARKDOWN = frozenset({"text/markdown", "text/x-markdown"})
_LONGEST_TITLE = 300
_CHARSET_IN_HTML = re.compile(
    rb"<meta[^>]{0,200}?charset\s*+=\s*+[\"']?\s*+([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE
)
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_NO_TEXT = "There is no text on that page that I could read; it may be drawn by a program in the browser."


def page_hash(title: str, sections: Iterable[Section]) -> str:
    """Return the SHA-256, in hex, of a page's title and sections."""
    everything = [title, [[section.heading, section.anchor, section.text] for section in sections]]
    return hashlib.sha256(json.dumps(everything, ensure_ascii=True).encode()).hexdigest()


def extract(
    body: bytes,
    *,
    url: str,
    content_type: str,
    charset: str | None = None,
    etag: str | None = None,
    fetched_at: datetime,
) -> Page:
    """Return the page that `body` is; `url` gives a title where the page has none.

    Raises PageUnreadable (a PageRefused) for anything that has no readable text. Takes the time of the
    caller's thread: seconds for the largest pages.
    """
    if is_document(content_type):
        found = read_document(body, content_type)
    elif content_type == kinds.MAIL:
        found = _from_mail(body)
    elif content_type == kinds.CSV:
        found = _from_csv(visible(_decode(body, charset, content_type)))
    else:
        found = Extracted(*_extract_text(visible(_decode(body, charset, content_type)), content_type))
    title, sections = found.title, found.sections
    if not sections:
        raise PageUnreadable(_NO_TEXT)
    if sum(len(section.text) for section in sections) > MOST_TEXT:
        raise PageUnreadable(
            f"That page has more than {MOST_TEXT:,} characters of text; please send a part of it."
        )
    sections = tuple(part for section in sections for part in _parts(section))
    if len(sections) > MOST_SECTIONS:
        raise PageUnreadable(f"That page has more than {MOST_SECTIONS:,} headings; please send a part of it.")
    title = to_one_line(title)[:_LONGEST_TITLE].strip() or _title_of_url(url)
    return Page(
        url,
        title,
        sections,
        page_hash(title, sections),
        fetched_at,
        etag,
        doubtful=found.doubtful,
        left_out=found.left_out,
        unread=found.unread,
    )


def _parts(section: Section) -> Iterator[Section]:
    """Yield a section, a very long one in parts: cut between lines, else words, else anywhere."""
    rest = section.text
    while len(rest) > LONGEST_SECTION:
        half = LONGEST_SECTION // 2
        line = rest.rfind("\n", half, LONGEST_SECTION)
        word = rest.rfind(" ", half, LONGEST_SECTION) if line < 0 else line
        end = LONGEST_SECTION if word < 0 else word
        yield replace(section, text=rest[:end].rstrip())
        rest = rest[end:].lstrip("\n" if line >= 0 else None)
    if rest.strip():
        yield replace(section, text=rest)


def _extract_text(text: str, content_type: str) -> _Text:
    if content_type in _HTML:
        return _from_html(text)
    if content_type in _MARKDOWN:
        return _from_markdown(text)
    if content_type == "text/plain":
        return *_from_plain(text), 0
    raise PageUnreadable(f"I cannot read pages of the kind {content_type}; I can read {kinds.READABLE}.")


def _from_csv(text: str) -> Extracted:
    from pages.parse.office.sheets import read_csv  # noqa: PLC0415 - memory that other pages need not pay

    return read_csv(text)


def _from_mail(body: bytes) -> Extracted:
    from pages.parse.office.mail import read_mail  # noqa: PLC0415 - memory that other pages need not pay

    mail = read_mail(body)
    if mail.is_html:
        title, sections, doubtful = _from_html(mail.body)
    else:
        title, sections, doubtful = *_from_plain(visible(mail.body)), 0
    head = _from_html(mail.head)[1] if mail.head else ()
    return Extracted(mail.subject or title, (*head, *sections), doubtful, mail.left_out)


def _from_markdown(text: str) -> _Text:
    title, html = to_html(text)
    root = parse_html(f"<html><body>{html}</body></html>")
    if root is None:
        return title, (), 0
    doubtful = drop_unseen(root)
    title = _as_read(title) or _first_heading(root)
    mark_anchors(root)
    return title, split_sections(root), doubtful


def _as_read(title: str) -> str:
    """Return a title of front matter as the page shows it: "R&amp;D <em>only</em>" is "R&D only"."""
    root = parse_html(f"<p>{title}</p>") if title else None
    return title if root is None else "".join(root.itertext())


def _from_plain(text: str) -> tuple[str, tuple[Section, ...]]:
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    return "", (Section("", "", text),) if text else ()


def _from_html(text: str) -> _Text:
    root = parse_html(text)
    if root is None:
        return "", (), 0
    title = _html_title(root)
    doubtful = drop_unseen(root)
    title = title or _first_heading(root)
    mark_anchors(root)
    return title, split_sections(main_part(root)), doubtful


def _html_title(root: Element) -> str:
    title = root.find(".//title")
    written = "".join(title.itertext()) if title is not None else ""
    if written.strip():
        return written
    named = root.find(".//meta[@property='og:title']")
    return (named.get("content") or "") if named is not None else ""


def _first_heading(root: Element) -> str:
    heading = next(root.iter("h1"), None)
    return "" if heading is None else "".join(str(text) for text in heading.itertext())


def _title_of_url(url: str) -> str:
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    stem = re.sub(
        r"\.(html?|md|markdown|txt|pdf|docx|pptx|xlsx|od[tsp]|rtf|[ct]sv|eml)$", "", name, flags=re.IGNORECASE
    )
    return to_one_line(re.sub(r"[-_]+", " ", stem))[:_LONGEST_TITLE] or parts.netloc or "Untitled"


def _decode(body: bytes, charset: str | None, content_type: str) -> str:
    """Decode as browsers do: byte order mark, the server's charset, the page's, UTF-8, cp1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    declared = charset or ""
    if not declared and content_type in _HTML:
        found = _CHARSET_IN_HTML.search(body[:4096])
        declared = found[1].decode("ascii") if found else ""
    encoding = webencodings.lookup(declared)  # by the names that the web knows: iso-8859-1 is windows-1252
    if encoding is not None and not (encoding.name.startswith("utf") and charset is None):
        return encoding.codec_info.decode(body, "replace")[0]
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("cp1252", errors="replace")
    return text


MOST_NAMED = 20_000
"""Addresses of one sitemap that are looked at, twice the pages that a source may have."""

_XML = frozenset({"application/xml", "text/xml", "application/gzip", "application/x-gzip"})
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Sitemap:
    """The addresses of one sitemap file, in its order, as they are written there: not yet checked."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def is_sitemap(fetched: Fetched) -> bool:
    """Tell whether what arrived is to be read as a sitemap rather than as a page."""
    path = fetched.url.partition("?")[0].lower()
    return fetched.content_type in _XML or path.endswith((".xml", ".xml.gz"))


def read_sitemap(fetched: Fetched, max_bytes: int) -> Sitemap:
    """Read a sitemap; raises PageUnreadable when it is something else."""
    body = fetched.body
    if body.startswith(_GZIP):
        body = inflate(body, max_bytes, fetched.url)
    root = parse_xml(body)
    if root is None:
        raise PageUnreadable(
            f"{fetched.url} is not a sitemap: it is no well-formed XML. Please check the address."
        )
    kind = str(root.tag).rpartition("}")[2]
    if kind not in {"urlset", "sitemapindex"}:
        raise PageUnreadable(
            f"{fetched.url} is XML, but no sitemap; please send the address of a page or a sitemap."
        )
    locations = (
        (location.text or "").strip()
        for entry in root.iterchildren()
        for location in entry.iterchildren()
        if str(location.tag).rpartition("}")[2] == "loc" and (location.text or "").strip()
    )
    named = tuple(islice(locations, MOST_NAMED))
    return Sitemap(pages=named) if kind == "urlset" else Sitemap(sitemaps=named)

"""Bytes of a page → `Page`: its title, and its main text in sections with headings and anchors.

Where HTML's main text lies is found in `pages.parse.main_text.main_part`; Markdown, PDF and Office files are
their own main text. Only text that a reader sees comes out: no scripts, no comments, nothing hidden
(`pages.visibility.hidden`). Whatever arrives gives a Page or a PageRefused, in bounded time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from core.phrases import Phrase, mark
from core.records import Page, Section
from pages import kinds
from pages.fetched import PageUnreadable
from pages.parse.decoding import decode
from pages.parse.documents import is_document, read_document
from pages.parse.elements.anchors import mark_anchors
from pages.parse.elements.code_blocks import prepare_code
from pages.parse.elements.plain_elements import write_plain_elements
from pages.parse.elements.roles import write_roles
from pages.parse.extracted import Extracted
from pages.parse.html_sections import split_sections
from pages.parse.main_text.main_part import main_part
from pages.parse.markdown import front_matter, read_readers, to_html
from pages.parse.plain_text import looks_like_markdown, read_plain
from pages.parse.sensitivity import find_label, read_file_label
from pages.parse.shells import has_more, is_shell, open_noscript, read_json_ld, refuse_frames
from pages.visibility.hidden import drop_unseen
from pages.visibility.html_tree import Element, parse_html, to_one_line, visible

RECIPE = 8
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
_NO_TEXT = mark("I found no text on that page; a program in the browser may draw it.")


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
        found = replace(found, label=read_file_label(body, content_type))
    elif content_type == kinds.MAIL:
        found = _from_mail(body, url)
    elif content_type == kinds.CSV:
        found = _from_csv(visible(decode(body, charset, declares=False)))
    else:
        text = visible(decode(body, charset, declares=content_type in _HTML))
        found = _with_readers(Extracted(*_extract_text(text, content_type, url)), text, content_type)
    title, sections = found.title, found.sections
    if not sections:
        raise PageUnreadable(_NO_TEXT)
    if sum(len(section.text) for section in sections) > MOST_TEXT:
        raise PageUnreadable(
            mark("That page has more than {most} characters of text; please send a part of it."),
            most=MOST_TEXT,
        )
    sections = tuple(part for section in sections for part in _parts(section))
    if len(sections) > MOST_SECTIONS:
        raise PageUnreadable(
            mark("That page has more than {most} headings; please send a part of it."), most=MOST_SECTIONS
        )
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
        readers=found.readers,
        label=found.label,
    )


def _with_readers(found: Extracted, text: str, content_type: str) -> Extracted:
    """Add who may read it and its label, which a text with front matter says, whatever it is sent as."""
    if content_type in _HTML:
        return found
    readers, problem = read_readers(text)
    found = replace(found, label=find_label(front_matter(text)[0]))
    return replace(found, readers=readers, unread=(*found.unread, *([problem] if problem else ())))


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


def _extract_text(text: str, content_type: str, url: str) -> _Text:
    if content_type in _HTML:
        return _from_html(text, url)
    if content_type in _MARKDOWN or (content_type == "text/plain" and _is_markdown(url, text)):
        return _from_markdown(text)
    if content_type == "text/plain":
        return "", read_plain(text), 0
    raise PageUnreadable(
        mark("I cannot read pages of the kind {kind}; I can read {kinds}."),
        kind=content_type,
        kinds=Phrase(kinds.READABLE),
    )


def _from_csv(text: str) -> Extracted:
    from pages.parse.office.sheets import read_csv  # noqa: PLC0415 - memory that other pages need not pay

    return read_csv(text)


def _from_mail(body: bytes, url: str) -> Extracted:
    from pages.parse.office.mail import read_mail  # noqa: PLC0415 - memory that other pages need not pay

    mail = read_mail(body)
    if mail.is_html:
        title, sections, doubtful = _from_html(mail.body, url)
    else:
        title, sections, doubtful = "", read_plain(visible(mail.body)), 0
    head = _from_html(mail.head, url)[1] if mail.head else ()
    return Extracted(mail.subject or title, (*head, *sections), doubtful, mail.left_out)


def _from_markdown(text: str) -> _Text:
    title, html = to_html(text)
    root = parse_html(f"<html><body>{html}</body></html>")
    if root is None:
        return title, (), 0
    write_plain_elements(root)
    doubtful = drop_unseen(root)
    title = _as_read(title) or _first_heading(root)
    mark_anchors(root)
    return title, split_sections(root), doubtful


def _is_markdown(url: str, text: str) -> bool:
    return looks_like_markdown(unquote(urlsplit(url).path), text)


def _as_read(title: str) -> str:
    """Return a title of front matter as the page shows it: "R&amp;D <em>only</em>" is "R&D only"."""
    root = parse_html(f"<p>{title}</p>") if title else None
    return title if root is None else "".join(root.itertext())


def _from_html(text: str, url: str) -> _Text:
    """Read a page of HTML; one with hardly a word once more, as readers without scripts see it."""
    title, sections, doubtful = _read_html(text, url, bare=False)
    if has_more(text) and is_shell(sections):
        other = _read_html(text, url, bare=True)
        if other[1]:
            return other
    return title, sections, doubtful


def _read_html(text: str, url: str, *, bare: bool) -> _Text:
    root = parse_html(text)
    if root is None:
        return "", (), 0
    refuse_frames(root, url)
    title = _html_title(root)
    told: tuple[Section, ...] = ()
    if bare:
        told = read_json_ld(root)
        open_noscript(root)
    write_plain_elements(root)
    doubtful = drop_unseen(root)
    title = title or _first_heading(root)
    write_roles(root)
    prepare_code(root)
    mark_anchors(root)
    return title, (*split_sections(main_part(root)), *told), doubtful


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

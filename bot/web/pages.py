"""The pages that the bot knows, as web pages: what a citation of a page without an address of its own opens.

`/site/` lists them, `/site/PATH` shows one with an id at every section, and `?quote=WORDS` marks the words in
it. `/about/` has two of the project's own. The text of a page was written by others: all of it is escaped,
and the pages run no script.

Here, too: the way from an answer's card to its source by a redirect of the bot's, which counts what people
open.

It leads to nothing but the citations of a stored answer: nobody can be sent elsewhere with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin, urlsplit, urlunsplit

from aiohttp import web

from bot.page_language import list_tags
from bot.web.access import Handler, RefusedError, check_peer
from bot.web.chat_page import STATIC
from bot.web.chats import with_quote
from core.records import Answer, Page, Section
from core.text import absolute
from core.translation import get_language, mark, say, set_language
from feedback.store.base import FeedbackStore, StoreUnavailable
from model.text.languages import OTHER, detect_language
from pages.parse.extract import extract

log = logging.getLogger(__name__)

PATH = "/open/{answer}/{number}"
SOURCE_GONE = mark("This source is no longer available: its question was deleted.")

Opened = Callable[[Answer, int], Awaitable[None]]


def open_route(
    store: FeedbackStore,
    opened: Opened,
    site_url: str,
    is_restricted: Callable[[Answer], bool] = lambda _: False,
) -> web.RouteDef:
    """Return the route; `opened` hears which citation of which answer, from 1.

    Who follows it is not known, so it takes no words along of an answer that `is_restricted`.
    """

    async def lead(request: web.Request) -> web.StreamResponse:
        place = int(request.match_info["number"])
        answer = await store.answer(request.match_info["answer"])
        citations = answer.citations if answer else ()
        cited = citations[place - 1] if 1 <= place <= len(citations) else None
        words = cited.quote if cited and answer and not is_restricted(answer) else ""
        url = with_quote(absolute(cited.url, site_url), words) if cited else ""
        if answer is None or not url:
            set_language(*list_tags(request))
            return web.Response(status=404, text=say(SOURCE_GONE))
        try:
            await opened(answer, place)
        except StoreUnavailable:
            log.warning("it was not counted that a source was opened")
        raise web.HTTPFound(url)

    return web.get(PATH.replace("{number}", "{number:[0-9]{1,3}}"), lead, allow_head=False)


QUOTE_LIMIT = 2000
"""Longest quote that is looked for, characters."""

CLOSED = mark(
    "The pages are not shown here. The operator can open them to everyone with the setting site_for_everyone."
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {"palette.css": "text/css", "site.css": "text/css", "logo.svg": "image/svg+xml"}
_SPACES = re.compile(r"\s+")
_LINE = re.compile(r"^.*$", re.MULTILINE)
_ITEM = re.compile(r"[ \t]*(?:[-*•]|(?P<number>[0-9]{1,3})[.)])(?:[ \t]+|$)")

_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"]{4,500}")
_REL = 'rel="noopener noreferrer nofollow"'
_PAGES = "/site/"
_LOOKED_AT = 2_000
"""Characters of a page from which its language is told."""
_HIGHEST = 2
"""The page's title is the only heading above this level."""

ABOUT = ("privacy", "asking")
"""Pages of the docs that the Teams package leads to."""
PageOf = Callable[[str], Awaitable[Page | None]]
PageList = Callable[[], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph ("p") or a list's item ("ul", "ol" with its number): the span [start, end) of the text."""

    tag: str
    start: int
    end: int
    number: int = 0


def site_routes(
    page: PageOf, pages: PageList, *, everyone: bool = False, local: bool = True
) -> list[web.RouteDef]:
    """Return the routes of the viewer.

    `page` finds a page by its root-relative URL ("/site/docs/asking"), `pages` lists (url, title) of those
    there are. Without `everyone` they are shown to browsers on this machine only, and without `local` to
    nobody: a bot that Teams reaches from the internet must not hand out a company's pages to whoever asks.
    """

    async def show_list(request: web.Request) -> web.StreamResponse:
        rows = "".join(
            f'<li><a href="{escape(url)}">{escape(title or url)}</a></li>' for url, title in pages() if url
        )
        body = (
            f'<ul class="pages">{rows}</ul>' if rows else f"<p>{escape(say('No page is indexed yet.'))}</p>"
        )
        return _response(request, say("Pages"), f"<h1>{escape(say('Pages'))}</h1>{body}")

    async def show_page(request: web.Request) -> web.StreamResponse:
        found = await page(request.path) or await page(request.rel_url.raw_path)
        if found is None:
            return _refuse(
                request,
                say("Not here"),
                say("There is no such page, or it was removed since it was cited."),
                404,
            )
        quote = request.query.get("quote", "")[:QUOTE_LIMIT]
        return _response(request, found.title, await asyncio.to_thread(article, found, quote))

    async def show_file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        return web.FileResponse(STATIC / name, headers={**HEADERS, "Content-Type": _FILES[name]})

    shown = partial(_restrict, everyone, local)
    return [
        web.get("/site", shown(show_list)),
        web.get("/site/", shown(show_list)),
        web.get("/site-files/{name:" + "|".join(map(re.escape, _FILES)) + "}", show_file),
        web.get("/site/{path:.+}", shown(show_page)),
    ]


def about_routes(docs: Path) -> list[web.RouteDef]:
    """Return the pages about the bot itself, which everybody may read: `/about/privacy`, `/about/asking`.

    `docs` is the folder of the project's own docs, which tell nothing of an organisation's pages.
    """

    async def show_about(request: web.Request) -> web.StreamResponse:
        set_language(*list_tags(request))
        name = request.match_info["name"]
        body = await asyncio.to_thread((docs / f"{name}.md").read_bytes)
        page = extract(body, url=request.path, content_type="text/markdown", fetched_at=datetime.now(UTC))
        return _response(request, page.title, article(page))

    return [web.get(f"/about/{{name:{'|'.join(ABOUT)}}}", show_about)]


def _restrict(everyone: bool, local: bool, show: Handler) -> Handler:
    check = _nobody if not (everyone or local) else _anybody if everyone else check_peer

    async def show_if_allowed(request: web.Request) -> web.StreamResponse:
        set_language(*list_tags(request))
        try:
            check(request)
        except RefusedError as refusal:
            return _refuse(request, say("Not for you"), str(refusal), refusal.status)
        return await show(request)

    return show_if_allowed


def _nobody(_: web.Request) -> None:
    raise RefusedError(403, say(CLOSED))


def _anybody(_: web.Request) -> None:
    pass


def article(page: Page, quote: str = "") -> str:
    """Return a page as HTML, with every section's anchor as an id, and `quote` marked where it stands."""
    parts = [f"<h1>{escape(page.title)}</h1>"]
    if page.url.startswith(("http://", "https://")):
        link = f'<a href="{escape(page.url)}" rel="noopener noreferrer">{escape(page.url)}</a>'
        origin = escape(say("Read from {address}", address="\0")).replace("\0", link)
        parts.append(f'<p class="origin">{origin}</p>')
    used: set[str] = set()
    marked, level = False, 1
    for section in page.sections:
        span = None if marked else find_quote(section.text, quote)
        marked = marked or span is not None
        identity = "" if section.anchor in used or not section.anchor else f' id="{escape(section.anchor)}"'
        used.add(section.anchor)
        heading, level = _heading(section, page, level)
        body = "".join(_body(section.text, span, find_links(section, page.url)))
        parts.append(f"<section{identity}>{heading}{body}</section>")
    language = detect_language(" ".join(one.text for one in page.sections)[:_LOOKED_AT])
    lang = "" if language in {"", OTHER} else f' lang="{language}"'
    return f"<article{lang}>" + "".join(parts) + "</article>"


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Return where the words of a quote stand in a text, whatever white space is between them."""
    words = quote.rstrip("….").split() if quote.endswith(("…", "...")) else quote.split()
    if not words:
        return None
    wanted = " ".join(words)
    at = " ".join(text.split()).find(wanted)  # linear, however often the quote nearly stands there
    if at < 0:
        return None
    at += len(text) - len(text.lstrip())
    return _place(text, at), _place(text, at + len(wanted) - 1) + 1


def _place(text: str, at: int) -> int:
    """Return the index in a text of a place that was counted with every white space as one character."""
    for space in _SPACES.finditer(text, len(text) - len(text.lstrip())):
        if space.start() >= at:
            break
        at += len(space[0]) - 1
    return at


def blocks(text: str) -> Iterator[Block]:
    """Cut a section into paragraphs and list items; a mark alone on its line belongs to the next one."""
    kind, number, start, end = "p", 0, -1, -1
    for line in _LINE.finditer(text):
        item = _ITEM.match(line[0])
        if start >= 0 and (item or not line[0].strip()):
            yield Block(kind, start, end, number)
            kind, number, start = "p", 0, -1
        if item:
            kind, number = ("ol", int(item["number"])) if item["number"] else ("ul", 0)
        first = line.start() + (item.end() if item else 0)
        words = text[first : line.end()].rstrip()
        if words.strip():
            start, end = (first if start < 0 else start), first + len(words)
    if start >= 0:
        yield Block(kind, start, end, number)


def _heading(section: Section, page: Page, above: int) -> tuple[str, int]:
    """Return a heading and its level: at most one below the last (`above`), whatever the page has."""
    heading = section.heading.strip()
    if not heading or heading == page.title.strip():
        return "", above
    level = max(_HIGHEST, min(section.level, above + 1))
    return f"<h{level}>{escape(heading)}</h{level}>", level


def _body(text: str, span: tuple[int, int] | None, links: Sequence[Link]) -> Iterator[str]:
    around = "p"
    for block in blocks(text):
        if block.tag != around:
            yield (f"</{around}>" if around != "p" else "") + _opening(block)
            around = block.tag
        inner = "p" if block.tag == "p" else "li"
        yield f"<{inner}>{_mark_span(text, block, span, links)}</{inner}>"
    if around != "p":
        yield f"</{around}>"


def _opening(block: Block) -> str:
    if block.tag == "p":
        return ""
    return f'<ol start="{block.number}">' if block.tag == "ol" and block.number != 1 else f"<{block.tag}>"


def _mark_span(text: str, block: Block, span: tuple[int, int] | None, links: Sequence[Link]) -> str:
    """Return a block as HTML: what is quoted is marked, what is a link on the page can be opened."""
    start, end = block.start, block.end
    low, high = (max(start, span[0]), min(end, span[1])) if span else (end, end)
    edges = sorted({start, end, *(at for at in (low, high) if start <= at <= end)})
    here = [one for one in links if one.start < end and one.end > start]
    parts: list[str] = []
    for begin, stop in pairwise(edges):
        shown = "".join(_write_links(text, begin, stop, here))
        parts.append(f"<mark>{shown}</mark>" if low <= begin < high else shown)
    return "".join(parts)


def _write_links(text: str, start: int, end: int, links: Sequence[Link]) -> Iterator[str]:
    for link in links:
        low, high = max(start, link.start), min(end, link.end)
        if low < high:
            yield escape(text[start:low])
            shown = "" if text[low:high] == link.address else f' title="{escape(link.address)}"'
            yield f'<a href="{escape(link.address)}" {_REL}{shown}>'
            yield f"{escape(text[low:high])}</a>"
            start = high
    yield escape(text[start:end])


@dataclass(frozen=True, slots=True)
class Link:
    """A part of a section's text, from `start` to `end`, that leads to an address."""

    start: int
    end: int
    address: str


def find_links(section: Section, url: str) -> list[Link]:
    """Return the links of a section in their order: its words that were links, and addresses in its text.

    `url` is the page's own. Only pages can be opened: nothing that runs, and of the bot its pages alone.
    """
    found: list[Link] = []
    at = 0
    for words, href in section.links:
        begin = section.text.find(words, at)
        address = _resolve(href, url)
        if begin >= 0 and address:
            at = begin + len(words)
            found.append(Link(begin, at, address))
    for one in _ADDRESS.finditer(section.text):
        address = one[0].rstrip(".,;:!?)]}'’”")
        found.append(Link(one.start(), one.start() + len(address), address))
    return sorted(found, key=lambda link: (link.start, -link.end))


def _resolve(href: str, url: str) -> str:
    """Return where a link of a page leads, "" where that is no page."""
    try:
        address = urljoin(url, href)
        parts = urlsplit(address)
    except ValueError:
        return ""
    if not parts.scheme and not parts.netloc and parts.path.startswith(_PAGES):
        path = re.sub(r"\.(?:md|markdown)$", "", parts.path)
        return urlunsplit(("", "", path, parts.query, parts.fragment))
    return address if parts.scheme in {"http", "https"} and parts.netloc else ""


def _refuse(request: web.Request, title: str, sentence: str, status: int) -> web.Response:
    body = f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p>"
    return _response(request, title, body, status=status)


def _response(request: web.Request, title: str, body: str, *, status: int = 200) -> web.Response:
    theme = request.cookies.get("askpage-theme", "")
    theme = theme if theme in ("light", "dark") else "system"
    html = (
        f'<!doctype html><html lang="{get_language()}" data-theme="{theme}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · askpage</title>"
        '<link rel="icon" href="/site-files/logo.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/site-files/palette.css">'
        '<link rel="stylesheet" href="/site-files/site.css"></head><body>'
        '<header><a href="/site/"><img src="/site-files/logo.svg" alt="" width="24" height="24">'
        f"{escape(say('All pages'))}</a></header>"
        f"<main>{body}</main></body></html>"
    )
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)

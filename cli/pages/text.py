"""`askpage pages text`: what the bot reads of a known page, a file or a URL, and what it leaves out.

The first look when an answer is missing: what does not stand here cannot be found.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.bootstrap import open_pages
from cli.console import Json, out, with_settings
from core.records import Page, Section
from core.sentences import pieces
from core.settings import Settings
from pages.fetch.client import Fetcher, FetchLimits
from pages.fetched import PageUnreadable
from pages.parse.extracted import count_of
from pages.sources import Problem, read_source

_ADDRESSES = ("http://", "https://", "/site/")


@with_settings
def page_text_command(
    settings: Settings,
    source: Annotated[str, typer.Argument(help="A known page, a file, or a URL.")],
    again: Annotated[
        bool, typer.Option("--again", help="Read it again, even if it is in the index.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what the bot reads from a page: sections, anchors, tables, and what is left out and why."""
    page, is_known = asyncio.run(_read(settings, source, again=again))
    if as_json:
        print(json.dumps(describe_page(page, is_known=is_known), ensure_ascii=False))  # noqa: T201
        return
    for line in _lines(page, is_known=is_known):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


async def _read(settings: Settings, source: str, *, again: bool) -> tuple[Page, bool]:
    """Return a page, and whether it is as the index has it. Raises PageRefused."""
    if source.startswith(_ADDRESSES) and not again:
        known = await _known_page(settings, source)
        if known is not None:
            return known, True
    if source.startswith("/site/"):
        raise PageUnreadable(
            f"There is no known page {source}; `askpage pages list` shows all. To read a file, name it."
        )
    async with Fetcher(FetchLimits(**settings.fetch.values())) as fetcher:
        return await read_one(source, fetcher), False


async def _known_page(settings: Settings, url: str) -> Page | None:
    bare = url.partition("#")[0]
    async with open_pages(settings) as page_services:
        for spelling in (bare, bare.removesuffix("/") if bare.endswith("/") else f"{bare}/"):
            page = await page_services.index.page(spelling)
            if page is not None:
                return page
    return None


async def read_one(source: str, fetcher: Fetcher) -> Page:
    """Read a source that is one page, as an index would. Raises PageRefused."""
    if await asyncio.to_thread(Path(source).is_dir):
        raise PageUnreadable(f"{source} is a folder; please name one of its files.")
    async with aclosing(read_source(source, fetcher=fetcher, known=lambda _: None)) as items:
        async for item in items:
            if isinstance(item, Page):
                return item
            if isinstance(item, Problem):
                raise PageUnreadable(item.sentence)
    raise PageUnreadable(f"{source} names no page.")


def describe_page(page: Page, *, is_known: bool) -> dict[str, Any]:
    """Return a page as JSON tells it."""
    return {
        "url": page.url,
        "title": page.title,
        "fetched_at": page.fetched_at.isoformat(),
        "known": is_known,
        "readers": page.readers.to_list(),
        "sections": [_describe_section(section) for section in page.sections],
        "unread": list(page.unread),
        "left_out": list(_left_out(page)),
    }


def _describe_section(section: Section) -> dict[str, Any]:
    """Return a section, and the tables in it as the search reads them: rows with their header row."""
    tables: list[dict[str, Any]] = []
    header = ""
    for piece in pieces(section.text):
        said = section.text[piece.start : piece.end]
        if piece.kind == "header":
            header = said
        elif piece.kind == "row":
            if not tables or tables[-1]["header"] != piece.header:
                tables.append({"header": piece.header, "rows": []})
            tables[-1]["rows"].append(said)
    if header and not tables:
        tables.append({"header": header, "rows": []})
    return {"heading": section.heading, "anchor": section.anchor, "text": section.text, "tables": tables}


def _left_out(page: Page) -> Iterator[str]:
    if page.doubtful:
        yield f"{count_of(page.doubtful, 'piece')} of text that readers do not see, or may not see."
    yield from page.left_out


def _lines(page: Page, *, is_known: bool) -> Iterator[str]:
    characters = sum(len(section.text) for section in page.sections)
    yield page.title
    yield f"{page.url} · {count_of(len(page.sections), 'section')} · {count_of(characters, 'character')}"
    yield f"Readers: {page.readers}" + ("" if is_known else ", and as the rules of page_readers say")
    for section in page.sections:
        yield ""
        if section.heading or section.anchor:
            yield f"## {section.heading}" + (f"  #{section.anchor}" if section.anchor else "")
        yield section.text
    if is_known:
        yield ""
        yield f"Read at {page.fetched_at:%Y-%m-%d %H:%M} UTC; --again reads it now and says what is left out."
    for title, sentences in (("Not read:", page.unread), ("Left out:", tuple(_left_out(page)))):
        if sentences:
            yield ""
            yield title
            yield from (f"- {sentence}" for sentence in sentences)

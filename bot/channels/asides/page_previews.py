"""Known pages outside of answers: what an address that somebody posts leads to, and what the search finds.

Only pages that a source named are shown, never one that somebody pasted or sent. Nothing is fetched and
nothing is kept; whoever asks was authenticated by their channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.cards.elements import Card, LinkButton, line, name_place, small_print, title
from bot.channels.links import unwrap_link
from core.records import Citation, Hit, Page, Section
from core.text import absolute, clip_text
from core.translation import mark, say
from pages.index.base import IndexUnavailable

TITLE = mark("Ask about this page")
NO_LINK = mark("There is no link in that message, so I do not know which page is meant.")
EMPTY = mark("Please write a question first.")
NOT_NOW = mark("I cannot answer just now. Please try again in a minute.")
MOST_FOUND = 5
LONGEST_QUESTION = 500
SHOWN_CHARACTERS = 300
HEADINGS = 5


class ListedPages(Protocol):
    """The pages that sources named (`pages.library.Library`)."""

    async def find_listed(self, url: str) -> Page | None: ...
    async def search(self, question: str, limit: int, page_url: str | None = None) -> list[Hit]: ...


@dataclass(frozen=True, slots=True)
class Preview:
    """A page, or a place on one: its name, its first words, where it opens, and all of that as a card."""

    name: str
    words: str
    url: str
    card: Card


class PagePreviews:
    """One per process; without `pages` there is nothing to show."""

    def __init__(self, pages: ListedPages | None, site_url: str) -> None:
        self._pages = pages
        self._site_url = site_url

    async def find(self, url: str) -> Preview | None:
        """Return the page at an address, None where none is known."""
        if self._pages is None:
            return None
        try:
            page = await self._pages.find_listed(unwrap_link(url))
        except IndexUnavailable:
            return None
        return self._draw_page(page) if page is not None else None

    async def choose(self, addresses: Sequence[str]) -> tuple[str, Preview | None]:
        """Return one of some addresses with its page: the first, or the first that is known."""
        known = [(url, await self.find(url)) for url in addresses]
        return next((one for one in known if one[1] is not None), known[0])

    async def look_up(self, question: str) -> list[Preview]:
        """Return the places that are nearest to a question."""
        asked = question.strip()[:LONGEST_QUESTION]
        if self._pages is None or not asked:
            return []
        try:
            hits = await self._pages.search(asked, MOST_FOUND)
        except IndexUnavailable:
            return []
        return [self._draw_hit(hit) for hit in hits]

    def _draw_page(self, page: Page) -> Preview:
        words = " ".join(next((one.text for one in page.sections if one.text.strip()), "").split())
        shown = [title(page.title), line(clip_text(words, SHOWN_CHARACTERS))]
        if headings := _list_headings(page.sections, page.title):
            shown.append(small_print(" · ".join(headings)))
        url = absolute(page.url, self._site_url)
        actions = (LinkButton(say("Open"), url),) if url else ()
        card = Card(tuple(shown), actions, page.title)
        return Preview(page.title, clip_text(words, SHOWN_CHARACTERS), url, card)

    def _draw_hit(self, hit: Hit) -> Preview:
        passage = hit.passage
        name = name_place(Citation(passage.url, passage.title, passage.heading, ""))
        words = clip_text(" ".join(passage.text.split()), SHOWN_CHARACTERS)
        url = absolute(passage.url, self._site_url)
        actions = (LinkButton(say("Open"), url),) if url else ()
        return Preview(name, words, url, Card((title(name), line(words)), actions, name))


def _list_headings(sections: Sequence[Section], name: str) -> list[str]:
    headings = dict.fromkeys(one.heading for one in sections if one.heading and one.heading != name)
    return [clip_text(one, 60) for one in list(headings)[:HEADINGS]]

"""What can be asked after an answer: the other sections of the page that it stands on, by their own headings.

A model's words are no source of questions (it may have read instructions), and other people's verified
questions are not shown to strangers: their words may be personal. A heading is what the page's owner wrote
for everybody to read. It is offered where it finds its own section: of those that do not, next to none was
answered from there (LOG.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urldefrag

from core.records import Answer, Hit, Page, Section
from core.text import calm, clipped

TITLE_CHARACTERS = 60
LOOKED_AT = 2
"""So many sections are looked up for each one that may be offered."""
PageOf = Callable[[str], Awaitable[Page | None]]
Search = Callable[[str, int, str | None], Awaitable[Sequence[Hit]]]
"""(question, how many, page URL or None for all pages) → hits, best first."""


class FollowUps:
    """Finds them. `page` finds a page by its address without fragment; `most` are offered."""

    def __init__(self, page: PageOf, search: Search, most: int) -> None:
        self._page = page
        self._search = search
        self._most = most

    async def offers(self, answer: Answer) -> Sequence[tuple[str, str]]:
        """Return (title, words) of the sections nearest to the cited one, or with it if the bot declined."""
        cited = next(iter(answer.citations), None)
        if cited is None or not self._most:
            return ()
        url, anchor = urldefrag(cited.url)
        page = await self._page(url)
        if page is None:
            return ()
        pasted = answer.question.page_url
        offered: list[tuple[str, str]] = []
        for section in _candidates(page, anchor, with_cited=answer.abstained)[: self._most * LOOKED_AT]:
            title = _shown(section.heading)
            hits = await self._search(title, 1, pasted)
            if hits and urldefrag(hits[0].passage.url) == (page.url, section.anchor):
                offered.append((title, clipped(f"{title} {pasted}", 2_000) if pasted else title))
        return offered[: self._most]


def _candidates(page: Page, anchor: str, *, with_cited: bool) -> list[Section]:
    """Return the sections with headings to show, each heading once, by distance from the cited section."""
    here = next((place for place, one in enumerate(page.sections) if one.anchor == anchor), 0)
    found: list[Section] = []
    known = {page.title.lower(), ""}
    for section in _outwards(page.sections, here):
        heading = _shown(section.heading).lower()
        if heading not in known and (with_cited or section is not page.sections[here]):
            found.append(section)
        known.add(heading)
    return found


def _outwards(sections: Sequence[Section], here: int) -> list[Section]:
    """Return sections by their distance, what comes after before what comes before."""
    places = sorted(range(len(sections)), key=lambda place: (abs(place - here), place < here))
    return [sections[place] for place in places]


def _shown(heading: str) -> str:
    """Return a heading as it can be shown, "" for one that is too long for a button."""
    heading = " ".join(calm(heading, keep_urls=()).split())
    return heading if len(heading) <= TITLE_CHARACTERS else ""

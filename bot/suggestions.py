"""First questions for people who do not know yet what to ask: made of the pages, and tried before.

A question is one that a sentence or heading of a page answers by a rule of English form
(`model/training/page_questions.py`). It is kept only where the search finds it: where that very sentence
stands in what the bot would quote, and the bot is sure enough. No model writes anything for that. It is done
again whenever the pages were read, in pauses, and steps aside while somebody asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.bootstrap import PageServices
from core.records import Channel, Page, Passage, Question, Section
from core.text import normalise_text
from model.answering.chain import Answering
from model.training.page_questions import PageQuestion, ask_of_passage
from pages.index.base import IndexUnavailable

log = logging.getLogger(__name__)

MOST = 3
MOST_PAGES = 12
MOST_TRIED = 24
LEAST_LIKELY = 0.6
LONGEST = 90
PAUSE_S = 0.2
_MOST_PAUSES = 300
_SECTION_CHARACTERS = 3_000


@dataclass(slots=True)
class Suggestions:
    """One per process. `busy` tells whether somebody waits for an answer."""

    page_services: PageServices
    answering: Answering
    busy: Callable[[], bool] = lambda: False
    questions: list[str] = field(default_factory=list[str])

    async def find(self) -> None:
        """Look for questions over the pages as they are now; those of before stay until there are others."""
        try:
            found = await self._find()
        except IndexUnavailable as error:
            log.info("no first questions are found: %s", error)
            return
        if found:
            self.questions = found

    async def _find(self) -> list[str]:
        found: list[str] = []
        tried = 0
        for url in _spread([url for url, _ in self.page_services.public_pages()], MOST_PAGES):
            page = await self.page_services.index.page(url)
            for made in await asyncio.to_thread(_ask, page) if page else ():
                tried += 1
                if tried > MOST_TRIED or len(found) == MOST:
                    return found
                if await self._is_answered(made):
                    found.append(made.text)
                    break
        return found

    async def _step_aside(self) -> None:
        """Pause, and for as long as somebody waits for an answer, but not for ever."""
        for _ in range(_MOST_PAUSES):
            await asyncio.sleep(PAUSE_S)
            if not self.busy():
                return

    async def _is_answered(self, made: PageQuestion) -> bool:
        await self._step_aside()
        asked = Question("suggestion", made.text, "", "suggestions", Channel.COMMAND_LINE, datetime.now(UTC))
        outcome = await self.answering.find(asked, ())
        if outcome.quote is None or outcome.likely < LEAST_LIKELY:
            return False
        return normalise_text(made.answer.removeprefix("Yes. ")) in normalise_text(outcome.quote.text)


def _spread(urls: Sequence[str], most: int) -> Sequence[str]:
    """Return at most so many, from all over the list."""
    step = max(1, len(urls) // most)
    return urls[::step][:most]


def _ask(page: Page) -> list[PageQuestion]:
    """Return what a page may be asked: questions that read like somebody's, headings that are some first."""
    passages = [_to_passage(page, section) for section in page.sections]
    made = [one for passage in passages for one in ask_of_passage(passage)]
    good = [one for one in made if one.text.endswith("?") and len(one.text) <= LONGEST and not one.short]
    return sorted(good, key=lambda one: one.text.casefold() != one.passage.heading.casefold())[:4]


def _to_passage(page: Page, section: Section) -> Passage:
    text = section.text[:_SECTION_CHARACTERS]
    return Passage(page.url, page.title, section.heading, text, page.page_hash, page.fetched_at)

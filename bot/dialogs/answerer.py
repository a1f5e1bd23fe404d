"""Answers from the verified answers first, then from the page that a question names, or all known ones.

`FollowUps` are what can be asked next: the other sections of the page that an answer stands on, by their own
headings. A model's words are no source of questions (it may have read instructions), and other people's
verified questions are not shown to strangers: their words may be personal. A heading is what the page's owner
wrote for everybody to read. It is offered where it finds its own section: of those that do not, next to none
was answered from there (LOG.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urldefrag

from bot.dialogs.ask import StillReading
from bot.dialogs.rate import Forms
from bot.dialogs.talk import ReadFile
from bot.dialogs.verified_answers import VerifiedAnswers, select_untrusted
from bot.readers.access import PageAccess
from core import telemetry
from core.readers import current_audience
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Hit,
    Page,
    Question,
    Section,
    Timings,
    VerifiedAnswer,
    derive_answer_id,
)
from core.text import calm, clip_text
from core.translation import mark, say
from feedback.analytics import events
from feedback.store.base import StoreUnavailable
from model.answering.chain import Answering, StopWriting
from pages.library import Library

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
            title = _clean_heading(section.heading)
            hits = await self._search(title, 1, pasted)
            if hits and urldefrag(hits[0].passage.url) == (page.url, section.anchor):
                offered.append((title, _name_page(title, answer.question)))
        return offered[: self._most]


def _name_page(title: str, question: Question) -> str:
    """Return what a press on a heading says: with the page or the file that was asked about."""
    if question.about_file:
        return say("{title} in this file", title=title)
    return clip_text(f"{title} {question.page_url}", 2_000) if question.page_url else title


def _candidates(page: Page, anchor: str, *, with_cited: bool) -> list[Section]:
    """Return the sections with headings to show, each heading once, by distance from the cited section."""
    here = next((place for place, one in enumerate(page.sections) if one.anchor == anchor), 0)
    found: list[Section] = []
    known = {page.title.lower(), ""}
    for section in _outwards(page.sections, here):
        heading = _clean_heading(section.heading).lower()
        if heading not in known and (with_cited or section is not page.sections[here]):
            found.append(section)
        known.add(heading)
    return found


def _outwards(sections: Sequence[Section], here: int) -> list[Section]:
    """Return sections by their distance, what comes after before what comes before."""
    places = sorted(range(len(sections)), key=lambda place: (abs(place - here), place < here))
    return [sections[place] for place in places]


def _clean_heading(heading: str) -> str:
    """Return a heading as it can be shown, "" for one that is too long for a button."""
    heading = " ".join(calm(heading, keep_urls=()).split())
    return heading if len(heading) <= TITLE_CHARACTERS else ""


NOTHING_YET = mark(
    "I found nothing about this in the pages that I have read. {reading} Please ask again in a few minutes."
)
VERIFIED = "verified"
"""The model version of an answer that no model wrote."""
_LOOKED_AT = 2


@dataclass(frozen=True, slots=True)
class Verified:
    """The verified answers, and whether one still stands on what its pages say.

    `kept` looks up what holds in the store: another process may have changed it a moment ago. What
    `local_reviewers` have verified, on the chat page, is served on the chat page only; they are pseudonyms.
    `offers_similar`: verified answers of similar questions are offered below an answer. `access` says which
    ones whoever reads may see.
    """

    known: VerifiedAnswers
    fresh: Callable[[VerifiedAnswer], bool]
    kept: Callable[[str], Awaitable[VerifiedAnswer | None]]
    local_reviewers: frozenset[str] = frozenset()
    offers_similar: bool = True
    access: PageAccess = field(default_factory=PageAccess)


class PageAnswerer:
    """A `bot.dialogs.ask.Answerer`."""

    def __init__(
        self,
        library: Library,
        answering: Answering,
        verified: Verified | None = None,
        forms: Forms | None = None,
        reading: Callable[[], str | None] = lambda: None,
        read_file: ReadFile | None = None,
    ) -> None:
        """`reading` says how far the pages are read, None where none are missing; `read_file` reads files."""
        self._reading = reading
        self._read_file = read_file
        self._library = library
        self._answering = answering
        self._verified = verified
        self._forms = forms or Forms()

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        """See `bot.dialogs.ask.Answerer`; raises PageRefused when the named page cannot be read.

        Raises StillReading when nothing is found while pages are missing.
        """
        started = time.perf_counter()
        if question.page_url:
            with telemetry.span("fetch"):
                await self._ensure_page(question, question.page_url)
        async with aclosing(self.stream_read(question, history, started)) as stream:
            async for item in stream:
                try:
                    yield item
                except StopWriting as enough:
                    yield await stream.athrow(enough)

    async def stream_read(
        self, question: Question, history: Sequence[Answer], started: float
    ) -> AsyncGenerator[str | Answer]:
        """Do as `stream` does, where the page that the question names is read already."""
        verified = await self._find(question)
        if verified is not None:
            served = self._with_form(_build_answer(verified, question, time.perf_counter() - started))
            telemetry.link(verified.trace)
            if question.channel is not Channel.COMMAND_LINE:  # what nobody kept is in no figure
                events.verified_served(served, verified)
            yield served
            return
        async with aclosing(self._answering.stream(question, history)) as stream:
            async for item in stream:
                try:
                    yield await self._pass_on(item)
                except StopWriting as enough:
                    yield await self._pass_on(await stream.athrow(enough))

    async def _ensure_page(self, question: Question, url: str) -> None:
        if question.about_file and self._read_file is not None:
            await self._read_file(question)
        else:
            await self._library.ensure(url)

    async def _pass_on(self, item: str | Answer) -> str | Answer:
        if not isinstance(item, Answer):
            return item
        reading = self._reading()
        if item.abstained and reading is not None and item.question.page_url is None:
            raise StillReading(say(NOTHING_YET, reading=reading))
        return replace(self._with_form(item), similar=await self._find_similar(item))

    async def _find_similar(self, answer: Answer) -> tuple[str, ...]:
        """Return the answers whose verified forms are offered below this one.

        What people say of an offer counts for everybody's next questions, so strangers get none.
        """
        offers = self._verified is not None and self._verified.offers_similar
        by_strangers = answer.question.channel is Channel.WIDGET
        if self._verified is None or not offers or by_strangers or answer.stopped or answer.from_file:
            return ()
        untrusted = select_untrusted(answer.question, self._verified.local_reviewers)
        offered = await asyncio.to_thread(self._verified.known.find_similar, answer, untrusted)
        standing = await asyncio.gather(*(self._look_up(one) for one in offered if self._verified.fresh(one)))
        return tuple(one.answer_id for one in standing if one is not None)

    def _with_form(self, answer: Answer) -> Answer:
        return replace(answer, form=self._forms.choose_form(answer))

    async def _find(self, question: Question) -> VerifiedAnswer | None:
        if self._verified is None:
            return None
        with telemetry.span("verified"):
            untrusted = select_untrusted(question, self._verified.local_reviewers)
            found = await asyncio.to_thread(self._verified.known.find, question, untrusted)
            found = await self._look_up(found) if found is not None else None
            if found is None or not self._verified.fresh(found):
                return None
            return found if not found.abstained or await self._still_nowhere(question, found) else None

    async def _look_up(self, found: VerifiedAnswer) -> VerifiedAnswer | None:
        """Return a verified answer as it stands in the store, None where it is not served any more."""
        assert self._verified is not None  # noqa: S101
        try:
            kept = await self._verified.kept(found.answer_id)
        except StoreUnavailable:  # better what was verified a moment ago than nothing
            kept = found
        if kept is None or kept.stale_at is not None:
            return None
        return kept if self._verified.access.may_see_verified(current_audience(), kept) else None

    async def _still_nowhere(self, question: Question, found: VerifiedAnswer) -> bool:
        """Tell whether «not on the page» can still be so: a page that is new since then may tell."""
        hits = await self._library.search(question.text, _LOOKED_AT, question.page_url)
        known = {url for url, _ in found.pages}
        return all(urldefrag(hit.passage.url).url in known for hit in hits)


def is_fresh(verified: VerifiedAnswer, page_hash: Callable[[str], str | None]) -> bool:
    """Tell whether every page behind a verified answer is unchanged. `page_hash` is None for an unknown page.

    A page that somebody pasted leaves the index after a while: unknown then, not changed.
    """
    hashes = [(page_hash(url), then) for url, then in verified.pages]
    return all(now == then or (now is None and verified.page_url is not None) for now, then in hashes)


def _build_answer(verified: VerifiedAnswer, question: Question, took_s: float) -> Answer:
    return Answer(
        id=derive_answer_id(question.id),
        question=question,
        text=verified.text,
        passages=verified.passages,
        citations=verified.citations,
        model_version=VERIFIED,
        kind=AnswerKind.DECLINED if verified.abstained else AnswerKind.ANSWERED,
        timings=Timings(search_s=took_s, total_s=took_s),
        answered_at=datetime.now(UTC),
        verified_by=verified.verified_by,
        verified_at=verified.verified_at,
        written_on=verified.written_on,
        reviewed=verified.answer_id,
    )

"""Answers a question that stands in no conversation, as the command line asks it. Nothing of it is kept.

It is the answer of a chat: verified ones first. It counts in no figure and nobody reviews it. What only some
people may read is not found: nobody has signed in.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.answers.reply import DirectReply
from bot.bootstrap import PageServices
from bot.dialogs.answerer import PageAnswerer
from bot.dialogs.talk import Talking
from core.records import Answer, Channel, Page, Question
from core.translation import ENGLISH, set_language
from model.onnx_infer import EngineFailed
from pages.fetch.client import Fetcher, FetchLimits, PageRefused
from pages.sources import Problem, read_source


def make_question(text: str, page_url: str | None) -> Question:
    """Return a question from the command line."""
    return Question(
        id=uuid.uuid4().hex,
        text=text,
        asker="cli",
        conversation="cli",
        channel=Channel.COMMAND_LINE,
        asked_at=datetime.now(UTC),
        page_url=page_url,
    )


@dataclass(frozen=True, slots=True)
class DirectAnswers:
    """Answers questions. `site` as in `DirectReply`, `preparing` as in `open_bot`."""

    page_services: PageServices
    answerer: PageAnswerer
    talking: Talking
    site: str
    preparing: Callable[[], str | None] = lambda: None

    async def reply_to(self, text: str, page: str = "") -> DirectReply:
        """Answer a question, from one page where it names one: an address, or the path of a file.

        Raises PageRefused, StillReading and EngineFailed with a sentence for whoever asks.
        """
        set_language(ENGLISH)
        started = time.perf_counter()
        question = make_question(text, None)
        talk = None if page else await self.talking.reply_to(question)
        if talk is not None:
            return DirectReply(talk=talk, site=self.site)
        if page:
            question = replace(question, page_url=await _read_page(self.page_services, page))
        answer, failure = await self._answer(question, started)
        return DirectReply(answer, site=self.site, note=failure or self.preparing() or "")

    async def _answer(self, question: Question, started: float) -> tuple[Answer, str]:
        """Return the answer; where the model failed, what was quoted before is it, as in a chat, and why."""
        best: Answer | None = None
        try:
            async with aclosing(self.answerer.stream_read(question, (), started)) as stream:
                async for item in stream:
                    best = item if isinstance(item, Answer) else best
        except EngineFailed as error:
            if best is None:
                raise
            return best, str(error)
        if best is None:
            raise RuntimeError("the chain ended without an answer")
        return best, ""


async def _read_page(page_services: PageServices, page: str) -> str:
    """Read a page that the command line names; a file's path is allowed here, and nowhere in chat."""
    path = Path(page)
    if not await asyncio.to_thread(path.is_file):
        if "://" not in page:
            raise PageRefused(f"There is no file {page}. Name a file, or a web address with https://.")
        return (await page_services.library.ensure(page)).url
    async with Fetcher(FetchLimits()) as fetcher:
        async for item in read_source(str(path), fetcher=fetcher, known=lambda _: None):
            if isinstance(item, Page):
                known = page_services.index.entry(item.url)
                if known is None or known.page_hash != item.page_hash:
                    await page_services.index.add(item, source=known.source if known else None)
                return item.url
            if isinstance(item, Problem):
                raise PageRefused(item.sentence)
    raise PageRefused(f"{page} holds no page.")

"""Files that people send: a real library that reads them, and an answerer that says what it finds in them."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bot.dialogs.answerer import PageAnswerer
from core.records import Answer, AnswerKind, Citation, Question
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from tests.builders.world import an_answer

HERE = "127.0.0.1"


def a_picture(*lines: str, kind: str = "PNG") -> bytes:
    """Return a picture with lines of text, as large as a screen shows them."""
    picture = Image.new("L", (900, 80 + 38 * len(lines)), 255)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((40, 40 + 38 * number), line, fill=0, font=ImageFont.load_default(28))
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def a_fetcher(url: str) -> Fetcher:
    """Return one that opens a server of the test's own, and nothing else."""
    site = url.partition("://")[2]
    return Fetcher(FetchLimits(allowed_sites=(site,)), is_allowed_address=HERE.__eq__)


@asynccontextmanager
async def a_library(folder: Path, *ocr_languages: str) -> AsyncGenerator[Library]:
    """Open a library without sources, whose sandbox is the real one; it reads pictures in these languages."""
    index = await FileIndex.open(folder / "index", HashedEmbedder())
    limits = FetchLimits(max_bytes=1_000_000, extract_timeout_s=60.0, ocr_languages=ocr_languages)
    async with Fetcher(limits) as fetcher:
        library = Library(index, fetcher)
        try:
            yield library
        finally:
            await library.close()
            await index.close()


class Searching:
    """Says the nearest passage of the page that a question is about: no model, the search is the real one."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.asked: list[Question] = []

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        self.asked.append(question)
        hits = await self._library.search(question.text, 2, question.page_url)
        if not hits:
            yield an_answer(question, "", kind=AnswerKind.DECLINED, passages=(), citations=())
            return
        passages = tuple(hit.passage for hit in hits)
        best = passages[0]
        cited = Citation(best.url, best.title, best.heading, best.text[:80])
        yield an_answer(question, f"{best.text} [1]", passages=passages, citations=(cited,))


def answering_from(
    library: Library, read_file: Callable[[Question], Awaitable[Sequence[str]]]
) -> PageAnswerer:
    """Return the bot's answerer over a library, with its search in place of a model."""
    return PageAnswerer(library, Searching(library), read_file=read_file)  # type: ignore[arg-type]

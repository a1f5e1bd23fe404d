"""The model by itself: it reads the passages that were found, whole, and whatever it writes is its answer.

Everything that the bot does around it is left out (one sentence to answer from, the least nearness, the checks of what
it says): what a replay learns is measured against this, too.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bot.parts import Shelf, model_choice
from model import prompt, wording
from model.loading import open_version
from model.versions import find_version
from model.writing import declines
from records import Answer, AnswerKind, Question, Timings, answer_id_of
from settings import Settings

Ask = Callable[[Question], Awaitable[Answer]]

_PASSAGES = 2
"""The nearest ones, which are read whole."""


@asynccontextmanager
async def open_alone(settings: Settings, shelf: Shelf, version: str) -> AsyncGenerator[Ask]:
    """Open a version, and yield what asks it. Raises VersionError and EngineError."""
    opened = await open_version(find_version(settings.models_dir, version), model_choice(settings))

    async def ask(question: Question) -> Answer:
        began = time.perf_counter()
        hits = await shelf.library.search(question.text, _PASSAGES, question.page_url)
        passages = tuple(hit.passage for hit in hits)
        searched_s = time.perf_counter() - began
        messages = prompt.messages(question.text, passages)
        written = await opened.chat.ainvoke([(one["role"], one["content"]) for one in messages])
        text = wording.plain(str(written.text))
        return Answer(
            id=answer_id_of(question.id),
            question=question,
            text=text,
            passages=passages,
            citations=(),
            model_version=version,
            kind=AnswerKind.DECLINED if declines(text) else AnswerKind.ANSWERED,
            timings=Timings(searched_s, None, time.perf_counter() - began),
            answered_at=datetime.now(UTC),
        )

    try:
        yield ask
    finally:
        await opened.close()

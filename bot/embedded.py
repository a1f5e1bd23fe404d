"""askpage inside another program: its answers and its search as LangChain's Runnables.

    with open_askpage(Settings(data_dir=Path("data"))) as askpage:
        askpage.answers.invoke("How many days of leave do I get?")
        askpage.retriever.invoke("leave")

    async with open_askpage_here(Settings()) as askpage:       # on the program's own event loop
        await askpage.answers.ainvoke("…")

Nothing is kept of these questions, and no verified answers are given: those belong to the bot's people. The
pages must have been indexed (`askpage setup`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from bot.bootstrap import open_parts
from core.settings import Settings
from model.answering.runnables import AnswerChain, PageRetriever


@dataclass(frozen=True, slots=True)
class EmbeddedAskpage:
    """What another program uses."""

    answers: AnswerChain
    retriever: PageRetriever


@asynccontextmanager
async def open_askpage_here(settings: Settings) -> AsyncGenerator[EmbeddedAskpage]:
    """Open it on the running event loop. Raises ModelMissing with what to run, EngineFailed."""
    async with open_parts(settings) as parts:
        yield EmbeddedAskpage(AnswerChain(parts.answering), PageRetriever(parts.page_services.library.search))


@contextmanager
def open_askpage(settings: Settings) -> Generator[EmbeddedAskpage]:
    """Open it on an event loop in a thread of its own, for programs without one. Raises as the other one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="askpage", daemon=True)
    thread.start()
    opening = open_askpage_here(settings)

    async def open_it() -> EmbeddedAskpage:
        return await opening.__aenter__()

    async def close_it() -> None:
        await opening.__aexit__(None, None, None)

    try:
        askpage = asyncio.run_coroutine_threadsafe(open_it(), loop).result()
        try:
            yield askpage
        finally:
            asyncio.run_coroutine_threadsafe(close_it(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

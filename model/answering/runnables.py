"""The answering chain and the page retriever as LangChain's Runnables, for other people's programs.

    answers.invoke("How many days of leave do I get?")              → Answer
    answers.batch([{"question": "…", "page_url": "…"}, …])          → [Answer, …]
    async for shown in answers.astream("…"): …                      Answer (the quotation), Draft, …, Answer
    retriever.invoke("leave")                                       → [Document, …]
    {"pages": retriever, "answer": answers} | …

Index and model live on the event loop on which these are made. A program with that loop awaits `ainvoke`,
`abatch` and `astream`; threads without a loop, and other loops, call whatever they like: the work is done on
the right one. `bot/embedded.py` opens all of it for either kind of program.
"""

from __future__ import annotations

import asyncio
import queue
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import PrivateAttr

from core.records import Answer, Channel, Hit, Question
from model.answering.chain import Answering, Search

T = TypeVar("T")
Asked = str | Mapping[str, Any] | Question
"""A question: its words, {"question", "page_url", "conversation"} with the first one at least, a record."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model has written so far and its checks have passed, with markers; the next one has more."""

    text: str


class OwnLoop:
    """Runs coroutines on one event loop, for callers on it and elsewhere."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work, from a thread without this loop."""
        return self.begin(work).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work, from a thread without this loop. Raises RuntimeError on the loop's own thread."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            work.close()
            raise RuntimeError("this would wait for itself: await ainvoke, abatch or astream instead")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work, from this loop or another one."""
        if self.is_here():
            return await work
        return await asyncio.wrap_future(self.begin(work))

    def is_here(self) -> bool:
        """Whether the caller runs on this loop."""
        return asyncio.get_running_loop() is self._loop


class AnswerChain(Runnable[Asked, Answer | Draft]):
    """Answers questions as the bot does: searched, quoted, written, checked. Make it on the event loop."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._own = OwnLoop()

    def invoke(self, input: Asked, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:  # noqa: A002
        """Return the answer. Raises EngineError, PageRefused."""
        return self._own.run(self._answer(input))

    async def ainvoke(self, input: Asked, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:  # noqa: A002
        """Return the answer. Raises EngineError, PageRefused."""
        return await self._own.arun(self._answer(input))

    def stream(
        self,
        input: Asked,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Answer | Draft]:
        """Yield what can be shown, ever better; the last Answer counts."""
        events: queue.SimpleQueue[Answer | Draft | None] = queue.SimpleQueue()

        async def pump() -> None:
            try:
                async with aclosing(self._show(input)) as shown:
                    async for one in shown:
                        events.put(one)
            finally:
                events.put(None)

        pumping = self._own.begin(pump())
        try:
            while (one := events.get()) is not None:
                yield one
            pumping.result()
        finally:
            pumping.cancel()

    async def astream(
        self,
        input: Asked,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Answer | Draft]:
        """Do as `stream` does. Whoever leaves it stops the model."""
        if self._own.is_here():
            async with aclosing(self._show(input)) as shown:
                async for one in shown:
                    yield one
            return
        there = self.stream(input)
        while (one := await asyncio.to_thread(next, there, None)) is not None:
            yield one

    async def _answer(self, asked: Asked) -> Answer:
        return await self._answering.answer(_read_question(asked))

    async def _show(self, asked: Asked) -> AsyncGenerator[Answer | Draft]:
        async with aclosing(self._answering.stream(_read_question(asked))) as stream:
            async for item in stream:
                yield item if isinstance(item, Answer) else Draft(item)


class PageRetriever(BaseRetriever):
    """Finds passages of the indexed pages, best first. Make it on the event loop.

    `limit` is how many; `page_url` looks on one page only. A document has its passage's text, and of
    metadata `source` (its address), `title`, `heading`, `page_hash`, `fetched_at`, `score`, `similarity`.
    """

    limit: int = 4
    page_url: str | None = None
    _search: Search = PrivateAttr()
    _own: OwnLoop = PrivateAttr()

    def __init__(self, search: Search, **fields: Any) -> None:
        super().__init__(**fields)
        self._search = search
        self._own = OwnLoop()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return _to_documents(self._own.run(self._find(query)))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        return _to_documents(await self._own.arun(self._find(query)))

    async def _find(self, query: str) -> Sequence[Hit]:
        return await self._search(query, self.limit, self.page_url)


def _to_documents(hits: Sequence[Hit]) -> list[Document]:
    return [
        Document(
            page_content=hit.passage.text,
            metadata={
                "source": hit.passage.url,
                "title": hit.passage.title,
                "heading": hit.passage.heading,
                "page_hash": hit.passage.page_hash,
                "fetched_at": hit.passage.fetched_at.isoformat(),
                "score": hit.score,
                "similarity": hit.similarity,
            },
        )
        for hit in hits
    ]


def _read_question(asked: Asked) -> Question:
    """Return a question's record. Raises ValueError for what has no words."""
    if isinstance(asked, Question):
        return asked
    given = cast("Mapping[str, Any]", {"question": asked} if isinstance(asked, str) else asked)
    text, page = str(given.get("question") or "").strip(), given.get("page_url")
    if not text:
        raise ValueError('a question has words: a text, or {"question": …}')
    name = uuid.uuid4().hex
    return Question(
        id=name,
        text=text,
        asker="program",
        conversation=str(given.get("conversation") or name),
        channel=Channel.COMMAND_LINE,
        asked_at=datetime.now(UTC),
        page_url=None if page is None else str(page),
    )

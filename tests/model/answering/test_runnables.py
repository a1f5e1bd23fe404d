"""The public Runnables work as LangChain's programs use them: from their own loop, from others, from none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda, RunnableParallel

from core.records import Answer, AnswerKind, Hit, Passage
from model.answering.chain import Answering, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.runnables import AnswerChain, Draft, PageRetriever

PAGE = "New parents get ten days of paid leave. Hotels cost 180 dollars."
LINE = "New parents get ten days of paid leave."
ASKED = "How many days of paid leave do new parents get?"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
asked_for: list[tuple[str, int, str | None]] = []


async def search(question: str, limit: int, page_url: str | None) -> list[Hit]:
    await asyncio.sleep(0)
    asked_for.append((question, limit, page_url))
    return [Hit(Passage("/site/leave", "Leave", "Parents", PAGE, "h", NOW), 4.0, 0.9)]


def chain_of(*lines: str, delay_s: float = 0.0) -> AnswerChain:
    chat = CannedChatModel(list(lines), delay_s=delay_s)
    return AnswerChain(Answering(always_acquire(chat, "canned"), search))


async def elsewhere(work: Callable[[], Any]) -> Any:
    """Do it in a thread, which has no event loop."""
    return await asyncio.to_thread(work)


@pytest.mark.parametrize("asked", [ASKED, {"question": ASKED, "page_url": "/site/leave"}])
async def test_a_question_is_answered_from_its_loop_from_another_one_and_from_none(asked: Any) -> None:
    answers = chain_of(LINE)
    found = [
        await answers.ainvoke(asked),
        await elsewhere(lambda: answers.invoke(asked)),
        await elsewhere(lambda: asyncio.run(answers.ainvoke(asked))),
        *await answers.abatch([asked, asked]),
        *await elsewhere(lambda: answers.batch([asked, asked])),
    ]
    for one in found:
        assert isinstance(one, Answer)
        assert LINE in one.text
    if isinstance(asked, dict):
        assert asked_for[-1][2] == "/site/leave"


async def test_what_is_shown_gets_better_and_the_last_one_is_the_answer() -> None:
    answers = chain_of(f"{LINE} Hotels cost 180 dollars.")
    here = [one async for one in answers.astream(ASKED)]
    there = await elsewhere(lambda: list(answers.stream(ASKED)))

    async def gather() -> list[Answer | Draft]:
        return [one async for one in answers.astream(ASKED)]

    other = await elsewhere(lambda: asyncio.run(gather()))
    for shown in (here, there, other):
        first, *drafts, last = shown
        assert first.kind is AnswerKind.QUOTED
        assert [type(one) for one in drafts] == [Draft] * len(drafts)
        assert isinstance(last, Answer)
    assert [type(one) for one in here] == [type(one) for one in there] == [type(one) for one in other]


async def test_an_error_reaches_whoever_asked_and_waiting_for_oneself_is_refused() -> None:
    answers = chain_of(LINE)
    for wrong in ("", "  ", {"page_url": "x"}):
        with pytest.raises(ValueError, match="has words"):
            await answers.ainvoke(wrong)
        with pytest.raises(ValueError, match="has words"):
            await elsewhere(lambda wrong=wrong: list(answers.stream(wrong)))
    with pytest.raises(RuntimeError, match="await ainvoke"):
        answers.invoke(ASKED)


async def test_whoever_leaves_a_stream_stops_the_model() -> None:
    answers = chain_of(" ".join([LINE] * 300), delay_s=0.01)

    def leave() -> None:
        stream = answers.stream(ASKED)
        next(stream)
        stream.close()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator

    await elsewhere(leave)
    await asyncio.sleep(0.05)
    assert [task for task in asyncio.all_tasks() if "pump" in repr(task)] == []


async def test_the_retriever_and_the_chain_stand_in_somebody_elses_chain() -> None:
    retriever = PageRetriever(search, limit=2)
    both = RunnableParallel[Any](pages=retriever, answer=chain_of(LINE)) | RunnableLambda[Any, str](
        lambda found: f"{found['answer'].text} ({found['pages'][0].metadata['source']})"
    )
    mails = await both.abatch([ASKED]) + await elsewhere(lambda: both.batch([ASKED]))
    for mail in mails:
        assert LINE in mail
        assert mail.endswith("(/site/leave)")
    found = await retriever.ainvoke("leave")
    assert asked_for[-1] == ("leave", 2, None)
    assert found == await elsewhere(lambda: retriever.invoke("leave"))
    assert found == [
        Document(
            page_content=PAGE,
            metadata={
                "source": "/site/leave",
                "title": "Leave",
                "heading": "Parents",
                "page_hash": "h",
                "fetched_at": NOW.isoformat(),
                "score": 4.0,
                "similarity": 0.9,
            },
        )
    ]

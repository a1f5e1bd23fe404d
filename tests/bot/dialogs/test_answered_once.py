"""One question that two bots hear is answered once, unless neither reaches the store all the time.

Each bot has a way of its own to the Cosmos protocol server, which fails for it alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.dialogs.ask import Asking
from core.records import Question
from feedback.store.base import ProcessLease
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.rows import every_row
from feedback.store.sqlite import SqliteStore
from tests.builders.asking import ReplyRecorder, Scripted, question
from tests.doubles.cosmos import Fault, Front, a_cosmos, cosmos_front

HOLD_S = 1.0
FOR_EVER = 1_000_000


@dataclass
class OneBot:
    """A bot with a spool, its way to the store, and what askers got from it."""

    far: CosmosStore
    store: OfflineStore
    front: Front
    answerer: Scripted = field(default_factory=lambda: Scripted("Te", held=True))
    reply: ReplyRecorder = field(default_factory=ReplyRecorder)

    def __post_init__(self) -> None:
        self.asking = Asking(self.store, self.answerer)

    async def hear(self, asked: Question) -> bool:
        return await self.asking.receive(asked, self.reply)

    async def finish(self) -> list[str]:
        """Let it answer; return what the asker got."""
        self.answerer.released.set()
        assert await self.asking.drain(20) == 0
        return self.reply.said


@asynccontextmanager
async def a_bot(name: str, front: Front, config: CosmosConfig, folder: Path) -> AsyncIterator[OneBot]:
    hold = ProcessLease(name, HOLD_S)
    near = SqliteStore.open(folder / f"{name}.sqlite3", hold=hold)
    far = CosmosStore(replace(config, endpoint=front.url), hold=hold)
    bot = OneBot(far, OfflineStore(far, OfflineQueue(near, most=100)), front)
    await bot.store.spool.load()
    yield bot
    await bot.store.close()


Two = tuple[OneBot, OneBot]


@pytest.fixture
async def two(cosmos_url: str, tmp_path: Path) -> AsyncIterator[Two]:
    async with AsyncExitStack() as closing:
        front, config = await closing.enter_async_context(a_cosmos(cosmos_url))
        other = await closing.enter_async_context(cosmos_front(cosmos_url))
        first = await closing.enter_async_context(a_bot("first", front, config, tmp_path))
        yield first, await closing.enter_async_context(a_bot("second", other, config, tmp_path))


def away_once() -> Fault:
    return Fault("status", 1, 503)


async def both_hear(two: Two) -> None:
    assert await two[0].hear(question())
    await asyncio.wait_for(two[0].answerer.began.wait(), 20)
    assert await two[1].hear(question()), "it could not ask"
    assert two[1].store.waiting.records == 1


async def test_a_bot_that_holds_a_question_for_sure_asks_nobody(two: Two) -> None:
    first, second = two
    assert await first.hear(question())
    await asyncio.wait_for(first.answerer.began.wait(), 20)
    before = len(first.front.requests)
    assert await first.store.hold_question(question())
    assert len(first.front.requests) == before
    assert not await second.store.hold_question(question())
    assert await first.finish() == ["Ten."]


async def test_a_bot_whose_one_call_was_lost_asks_again_before_anything_is_shown(two: Two) -> None:
    first, second = two
    second.front.faults.append(away_once())
    await both_hear(two)
    assert await second.finish() == []
    assert second.reply.drafts == []
    assert not second.answerer.began.is_set()
    assert await first.finish() == ["Ten."]
    assert second.store.waiting.records == 0


async def test_a_bot_that_was_cut_off_until_it_had_an_answer_gives_its_half_message_up(two: Two) -> None:
    first, second = two
    second.front.gone = True
    await both_hear(two)
    await asyncio.wait_for(second.answerer.began.wait(), 20)
    second.front.gone = False
    assert await second.finish() == []
    assert (second.reply.drafts, second.reply.abandoned) == (["Te"], True)
    assert await first.finish() == ["Ten."]


async def test_of_two_that_lost_the_store_at_the_same_moment_the_first_that_reaches_it_answers(
    two: Two,
) -> None:
    for bot in two:
        bot.front.faults.append(away_once())
        assert await bot.hear(question())
    said = await asyncio.gather(*(bot.finish() for bot in two))
    assert sorted(said) == [[], ["Ten."]]
    for bot in two:
        bot.far.end_pause()
        await bot.store.drain()
        assert bot.store.waiting.records == 0


async def test_a_write_that_arrived_and_was_not_heard_of_is_this_bots_own(two: Two) -> None:
    first, second = two
    first.front.faults.append(Fault("drop after", FOR_EVER))
    assert await first.hear(question())
    first.front.heal()
    assert not await second.hear(question()), "the first one's write has arrived"
    assert first.store.waiting.records == 1
    assert await first.finish() == ["Ten."]


async def test_a_bot_that_stood_still_for_longer_than_it_holds_leaves_the_answer_to_who_took_over(
    two: Two,
) -> None:
    first, second = two
    assert await first.hear(question())
    await asyncio.wait_for(first.answerer.began.wait(), 20)
    await asyncio.sleep(HOLD_S + 0.2)
    assert await second.asking.resume(lambda _: second.reply) == 1
    assert await second.finish() == ["Ten."]
    assert await first.finish() == []
    assert first.reply.abandoned


async def test_bots_of_which_none_reaches_the_store_both_answer_and_one_record_is_kept(two: Two) -> None:
    """Better twice than never: there is nobody who could say which of them it is."""
    for bot in two:
        bot.front.gone = True
        assert await bot.hear(question())
    assert [await bot.finish() for bot in two] == [["Ten."], ["Ten."]]
    for bot in two:
        bot.front.gone = False
        bot.far.end_pause()
        await bot.store.drain()
    rows = [row.fields["id"] async for row in every_row(two[0].store, "answer")]
    assert rows == [f"a-{question().id}"]

"""A question that was acknowledged is answered, or its asker is told why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.channel import Undeliverable
from bot.dialogs.ask import BUSY, TOO_LONG, TOO_SLOW, WENT_WRONG, Asking
from core.records import Answer, AnswerKind, Question, Timings
from feedback.store.base import Undelivered
from feedback.store.sqlite import SqliteStore
from model.answering.chain import StopWriting
from model.onnx_infer import EngineBusy, EngineFailed, PromptTooLong
from pages.fetch.client import PageRefused
from tests.builders.asking import NOW, ReplyRecorder, Scripted, question


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


async def test_a_question_is_on_disk_before_it_is_acknowledged_and_answered_after(store: SqliteStore) -> None:
    answerer, reply = Scripted("Te", held=True), ReplyRecorder()
    asking = Asking(store, answerer)
    assert await asking.receive(question(), reply)
    assert [open_.question.id for open_ in await store.take_undelivered()] == ["q1"]
    answerer.released.set()
    assert await asking.drain(5) == 0
    assert reply.drafts == ["Te"]
    assert reply.said == ["Ten."]
    assert await store.take_undelivered() == []
    assert await store.find_message("q1") == "m1"


async def test_a_redelivered_question_is_answered_once(store: SqliteStore) -> None:
    answerer, reply = Scripted(), ReplyRecorder()
    asking = Asking(store, answerer)
    assert [await asking.receive(question(), reply) for _ in range(3)] == [True, False, False]
    await asking.drain(5)
    assert not await asking.receive(question(), reply)
    assert reply.said == ["Ten."]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EngineBusy(7.4), BUSY.format(seconds=7)),
        (PromptTooLong(9000, 96, 2048), TOO_LONG),
        (PageRefused("This address is not public."), "This address is not public."),
        (ValueError("a bug"), WENT_WRONG),
    ],
)
async def test_whatever_goes_wrong_the_asker_hears_a_sentence(
    store: SqliteStore, error: Exception, sentence: str
) -> None:
    reply = ReplyRecorder()
    asking = Asking(store, Scripted(error=error))
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert reply.said == [sentence]
    assert await store.take_undelivered() == []


async def test_an_answer_that_takes_too_long_ends_with_a_sentence(store: SqliteStore) -> None:
    reply = ReplyRecorder()
    asking = Asking(store, Scripted(held=True), timeout_s=0.05)
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert reply.said == [TOO_SLOW]


QUOTED = Answer(
    "a-q1", question(), "Ten days.", (), (), "v", Timings(total_s=0.1), NOW, AnswerKind.QUOTED, confidence=0.4
)


async def test_a_quotation_is_shown_first_and_the_last_answer_counts(store: SqliteStore) -> None:
    reply = ReplyRecorder()
    asking = Asking(store, Scripted(QUOTED, "Te"))
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert (reply.previews, reply.drafts, reply.said) == (["Ten days."], ["Te"], ["Ten."])
    kept = await store.answer("a-q1")
    assert kept
    assert (kept.text, kept.kind) == ("Ten.", AnswerKind.ANSWERED)


async def test_a_quotation_that_nothing_better_follows_is_the_answer(store: SqliteStore) -> None:
    reply = ReplyRecorder()
    asking = Asking(store, Scripted(QUOTED, "Te", last=False))
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert reply.said == ["Ten days."]
    kept = await store.answer("a-q1")
    assert kept
    assert (kept.kind, kept.confidence) == (AnswerKind.QUOTED, 0.4)


@pytest.mark.parametrize(
    "error", [EngineBusy(7), PromptTooLong(9000, 96, 2048), EngineFailed("it died"), TimeoutError()]
)
async def test_a_quotation_is_the_answer_where_the_model_fails_after_it(
    store: SqliteStore, error: Exception
) -> None:
    reply = ReplyRecorder()
    held = isinstance(error, TimeoutError)
    asking = Asking(store, Scripted(QUOTED, error=error, held=held), timeout_s=0.05 if held else 60)
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert reply.said == ["Ten days."]


async def test_who_stops_at_a_quotation_keeps_it(store: SqliteStore) -> None:
    reply = ReplyRecorder()
    reply.stops_at = "Te"
    asking = Asking(store, Scripted(QUOTED, "Te"))
    await asking.receive(question(), reply)
    await asking.drain(5)
    kept = await store.answer("a-q1")
    assert kept
    assert (kept.text, kept.kind, kept.stopped) == ("Ten days.", AnswerKind.QUOTED, True)
    assert not reply.said


async def test_who_stops_while_the_model_writes_keeps_what_it_has_written(store: SqliteStore) -> None:
    class Writer:
        async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
            try:
                yield "Te"
            except StopWriting:
                yield replace(QUOTED, text="Te", kind=AnswerKind.ANSWERED, stopped=True)

    reply = ReplyRecorder()
    reply.stops_at = "Te"
    asking = Asking(store, Writer())  # type: ignore[arg-type]
    await asking.receive(question(), reply)
    await asking.drain(5)
    kept = await store.answer("a-q1")
    assert kept
    assert (kept.text, kept.stopped) == ("Te", True)


async def test_what_a_stop_left_open_is_answered_at_the_next_start(store: SqliteStore) -> None:
    held = Scripted(held=True)
    before = Asking(store, held)
    await before.receive(question(), ReplyRecorder())
    await held.began.wait()
    assert await before.drain(0.01) == 1
    reply, after = ReplyRecorder(), Asking(store, Scripted())
    assert await after.resume(lambda _: reply) == 1
    await after.drain(5)
    assert reply.said == ["Ten."]
    assert await after.resume(lambda _: reply) == 0


async def test_an_answer_that_was_written_but_not_delivered_is_sent_again_without_the_model(
    store: SqliteStore,
) -> None:
    first = Scripted()
    asking = Asking(store, first)
    await asking.receive(question(), ReplyRecorder(ConnectionError("the network is away")))
    await asking.drain(5)
    assert first.answered == 1
    reply, second = ReplyRecorder(), Scripted()
    after = Asking(store, second)
    assert await after.resume(lambda _: reply) == 1
    await after.drain(5)
    assert reply.said == ["Ten."]
    assert second.answered == 0


async def test_a_question_of_a_channel_that_is_not_served_now_waits_for_a_later_start(
    store: SqliteStore,
) -> None:
    await store.add_question(question())
    asking = Asking(store, Scripted())
    assert await asking.resume(lambda _: None) == 0
    assert len(await store.take_undelivered()) == 1


async def test_an_undeliverable_answer_closes_its_question(store: SqliteStore) -> None:
    asking = Asking(store, Scripted())
    await asking.receive(question(), ReplyRecorder(Undeliverable("the bot was removed")))
    await asking.drain(5)
    assert await store.take_undelivered() == []


async def test_a_deleted_question_stops_its_answer_and_is_forgotten(store: SqliteStore) -> None:
    answerer, reply = Scripted(held=True), ReplyRecorder()
    asking = Asking(store, answerer)
    await asking.receive(question(), reply)
    await answerer.began.wait()
    assert await asking.forget("q1") is None
    assert reply.said == []
    assert await store.take_undelivered() == []
    assert asking.under_way == 0


async def test_deleting_an_answered_question_names_the_message_to_take_back(store: SqliteStore) -> None:
    asking = Asking(store, Scripted())
    await asking.receive(question(), ReplyRecorder())
    await asking.drain(5)
    assert await asking.forget("q1") == "m1"
    assert await store.answer("a-q1") is None


async def test_twenty_questions_at_once_are_all_answered(store: SqliteStore) -> None:
    asking, replies = Asking(store, Scripted()), [ReplyRecorder() for _ in range(20)]
    await asyncio.gather(*(asking.receive(question(n), reply) for n, reply in enumerate(replies)))
    await asking.drain(5)
    assert [reply.said for reply in replies] == [["Ten."]] * 20


class SlowToLook(SqliteStore):
    """A store that is slow to tell what is open."""

    looked: asyncio.Event
    told: asyncio.Event

    async def take_undelivered(self) -> Sequence[Undelivered]:
        found = await super().take_undelivered()
        self.looked.set()
        await self.told.wait()
        return found


async def test_a_question_that_is_answered_while_the_store_is_asked_what_is_open_is_not_answered_again(
    tmp_path: Path,
) -> None:
    slow = SlowToLook.open(tmp_path / "slow.sqlite3")
    assert isinstance(slow, SlowToLook)
    slow.looked, slow.told = asyncio.Event(), asyncio.Event()
    answerer, reply = Scripted(held=True), ReplyRecorder()
    asking = Asking(slow, answerer)
    await asking.receive(question(), reply)
    resuming = asyncio.create_task(asking.resume(lambda _: reply))
    await slow.looked.wait()
    answerer.released.set()
    assert await asking.drain(5) == 0
    slow.told.set()
    assert await resuming == 0
    assert await asking.drain(5) == 0
    assert reply.said == ["Ten."]
    assert await asking.resume(lambda _: reply) == 0
    await slow.close()


class SlowToKeep(SqliteStore):
    """A store that keeps a question and is slow to say so."""

    kept: asyncio.Event
    told: asyncio.Event

    async def add_question(self, question: Question) -> bool:
        added = await super().add_question(question)
        self.kept.set()
        await self.told.wait()
        return added


async def test_a_question_that_is_just_being_kept_is_not_taken_for_one_that_was_left_open(
    tmp_path: Path,
) -> None:
    slow = SlowToKeep.open(tmp_path / "slow.sqlite3")
    assert isinstance(slow, SlowToKeep)
    slow.kept, slow.told = asyncio.Event(), asyncio.Event()
    reply = ReplyRecorder()
    asking = Asking(slow, Scripted())
    receiving = asyncio.create_task(asking.receive(question(), reply))
    await slow.kept.wait()
    assert await asking.resume(lambda _: reply) == 0
    slow.told.set()
    assert await receiving
    assert await asking.drain(5) == 0
    assert reply.said == ["Ten."]
    await slow.close()

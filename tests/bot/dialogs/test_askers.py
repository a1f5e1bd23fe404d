"""People take turns: whoever asks much waits for themselves, and is told when it is too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.dialogs.ask import Asking
from bot.dialogs.askers import TOO_FAST, TOO_MANY, WAIT, AskerLimits, Askers
from bot.dialogs.talk import Talking
from core.records import Answer, Channel, Question, Timings
from core.translation import say_count
from feedback.store.sqlite import SqliteStore
from model.onnx_infer import Engine, EngineOptions
from tests.builders.asking import ReplyRecorder
from tests.builders.slack_world import BOB, a_slack_world
from tests.builders.world import ScriptedAnswerer, a_world

pytest_plugins = ["tests.builders.model_folders"]

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
PER_MINUTE = AskerLimits(waiting=10, per_minute=20, burst=10)
TOLD = f"{say_count(*TOO_FAST, 10)} {say_count(*WAIT, 3)}"


def ask(
    asker: str, number: int, conversation: str = "", channel: Channel = Channel.TEAMS, text: str = "How long?"
) -> Question:
    place = conversation or f"chat of {asker}"
    return Question(f"{asker} {place} {number}", text, asker, place, channel, NOW, reply_to='{"id": "c"}')


def answer_to(question: Question) -> Answer:
    return Answer(f"a-{question.id}", question, "Ten.", (), (), "v", Timings(total_s=0.1), NOW)


class OneAtATime:
    """An answerer with one seat, given as the engine gives its own; `order` is who got an answer."""

    def __init__(self) -> None:
        self.order: list[Question] = []
        self._seat = asyncio.Lock()

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        async with self._seat:
            await asyncio.sleep(0.001)
            self.order.append(question)
        yield answer_to(question)


class Never:
    """An answerer that is killed before it says anything."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        await asyncio.Event().wait()
        yield "never"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


async def test_five_people_are_answered_after_one_or_two_answers_of_somebody_who_asks_thirty_questions(
    store: SqliteStore,
) -> None:
    answerer = OneAtATime()
    asking = Asking(store, answerer)
    for number in range(30):
        await asking.receive(ask("flooder", number, f"chat {number % 2}"), ReplyRecorder())
    channels = [Channel.TEAMS, Channel.SLACK, Channel.LOCAL, Channel.TEAMS, Channel.SLACK]
    for number, channel in enumerate(channels):
        await asking.receive(ask(f"person {number}", 1, channel=channel), ReplyRecorder())
    done_before = len(answerer.order)
    await asking.drain(30)
    order = [question.asker for question in answerer.order]
    assert len(order) == 35
    last = max(order.index(f"person {number}") for number in range(5))
    assert order[done_before:last].count("flooder") <= 2


async def test_of_two_who_ask_much_each_gets_every_second_answer(store: SqliteStore) -> None:
    answerer = OneAtATime()
    asking = Asking(store, answerer)
    for asker in ("ada", "bob"):
        for number in range(10):
            await asking.receive(ask(asker, number), ReplyRecorder())
    await asking.drain(30)
    order = [question.asker for question in answerer.order]
    begun = order.index("bob")
    assert order[begun : begun + 8] in (["bob", "ada"] * 4, ["ada", "bob"] * 4)


async def test_conversations_of_a_person_take_turns_and_each_keeps_its_order(store: SqliteStore) -> None:
    answerer = OneAtATime()
    asking = Asking(store, answerer)
    questions = [ask("ada", number, conversation) for conversation in ("one", "two") for number in range(4)]
    await asyncio.gather(*(asking.receive(question, ReplyRecorder()) for question in questions))
    await asking.drain(30)
    for conversation in ("one", "two"):
        mine = [question for question in questions if question.conversation == conversation]
        assert [question for question in answerer.order if question.conversation == conversation] == mine
    assert {question.conversation for question in answerer.order[1:3]} == {"one", "two"}


async def test_a_question_that_is_deleted_while_it_waits_holds_up_nobody(store: SqliteStore) -> None:
    answerer = OneAtATime()
    asking = Asking(store, answerer)
    first, second, third = (ask("ada", number) for number in range(3))
    for question in (first, second, third):
        await asking.receive(question, ReplyRecorder())
    await asking.forget(second.id)
    await asking.drain(30)
    assert answerer.order == [first, third]


@pytest.mark.model
async def test_many_questions_of_one_person_take_one_place_in_the_queue_of_the_model(
    store: SqliteStore, echoes: Path
) -> None:
    engine = await asyncio.to_thread(
        Engine.load, echoes / "lower-int8", EngineOptions(concurrent=1, queue_limit=5, threads=1)
    )
    order: list[str] = []

    class FromEngine:
        async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
            async for piece in engine.generate("How do you go on?", max_new_tokens=4):
                yield piece
            order.append(question.asker)
            yield answer_to(question)

    try:
        asking = Asking(store, FromEngine())  # type: ignore[arg-type]
        replies = [ReplyRecorder() for _ in range(35)]
        for number in range(30):
            await asking.receive(ask("flooder", number), replies[number])
        for number in range(5):
            await asking.receive(ask(f"person {number}", 1), replies[30 + number])
        done_before = len(order)
        await asking.drain(60)
        assert [reply.said for reply in replies] == [["Ten."]] * 35
        last = max(order.index(f"person {number}") for number in range(5))
        assert order[done_before:last].count("flooder") <= 2
        assert engine.stats().refused == 0
    finally:
        await engine.close()


async def test_who_asks_too_much_hears_one_sentence_and_what_was_accepted_is_answered(
    store: SqliteStore,
) -> None:
    answerer = OneAtATime()
    asking, replies = Asking(store, answerer, limits=PER_MINUTE), [ReplyRecorder() for _ in range(30)]
    for number, reply in enumerate(replies):
        await asking.receive(ask("ada", number, f"chat {number % 2}"), reply)
    await asking.drain(30)
    assert [reply.said for reply in replies] == [["Ten."]] * 10 + [[TOLD]] + [[]] * 19
    assert await store.take_undelivered() == []


async def test_a_question_that_comes_twice_counts_once(store: SqliteStore) -> None:
    asking = Asking(store, OneAtATime(), limits=AskerLimits(per_minute=20, burst=2))
    replies = [ReplyRecorder(), ReplyRecorder()]
    for _ in range(5):
        await asking.receive(ask("ada", 0), replies[0])
    await asking.receive(ask("ada", 1), replies[1])
    await asking.drain(30)
    assert [reply.said for reply in replies] == [["Ten."], ["Ten."]]


async def test_small_talk_counts_for_nothing_and_waits_for_nobody(store: SqliteStore) -> None:
    asking = Asking(store, Never(), talking=Talking(list), limits=AskerLimits(per_minute=20, burst=1))  # type: ignore[arg-type]
    await asking.receive(ask("ada", 0), ReplyRecorder())
    talk = [ReplyRecorder() for _ in range(12)]
    for number, reply in enumerate(talk):
        await asking.receive(ask("ada", 1 + number, text="thanks!"), reply)
    async with asyncio.timeout(10):
        for reply in talk:
            await reply.done.wait()
    assert all("in the last minute" not in reply.said[0] for reply in talk)
    await asking.drain(0)


async def test_what_was_accepted_is_answered_after_a_restart_and_what_was_refused_is_not(
    store: SqliteStore,
) -> None:
    before, told = Asking(store, Never(), limits=PER_MINUTE), ReplyRecorder()  # type: ignore[arg-type]
    for number in range(30):
        await before.receive(ask("ada", number), told)
    await told.done.wait()
    assert await before.drain(0.1) == 10
    assert told.said == [TOLD]
    answerer, replies = OneAtATime(), dict[str, ReplyRecorder]()
    after = Asking(store, answerer, limits=PER_MINUTE)
    assert await after.resume(lambda question: replies.setdefault(question.id, ReplyRecorder())) == 10
    await after.drain(30)
    assert answerer.order == [ask("ada", number) for number in range(10)]
    assert [reply.said for reply in replies.values()] == [["Ten."]] * 10


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refusals(askers: Askers, asker: str, count: int) -> list[str | None]:
    made = [askers.refuse(ask(asker, number)) for number in range(count)]
    return [None if refusal is None else refusal.sentence for refusal in made]


def test_the_bucket_fills_again_and_the_sentence_is_said_once_a_burst() -> None:
    clock = Clock()
    askers = Askers(PER_MINUTE, clock)
    assert refusals(askers, "ada", 12) == [None] * 10 + [TOLD, ""]
    clock.now = 2.0
    assert refusals(askers, "ada", 1) == [""]
    clock.now = 3.0
    told = f"{say_count(*TOO_FAST, 11)} {say_count(*WAIT, 3)}"
    assert refusals(askers, "ada", 2) == [None, told]
    clock.now = 60.0
    assert refusals(askers, "ada", 11)[:10] == [None] * 10
    assert refusals(askers, "bob", 1) == [None]


def test_who_waits_for_many_answers_is_told_to_wait_for_one_of_them() -> None:
    askers = Askers(AskerLimits(waiting=2))

    async def fill() -> None:
        places = [askers.queue(ask("ada", number)) for number in range(3)]
        assert refusals(askers, "ada", 2) == [say_count(*TOO_MANY, 2), ""]
        assert refusals(askers, "bob", 1) == [None]
        places[0].leave()
        assert places[1].turn.is_set()
        assert refusals(askers, "ada", 1) == [None]

    asyncio.run(fill())


def test_whoever_has_not_asked_for_a_while_is_forgotten() -> None:
    clock = Clock()
    askers = Askers(PER_MINUTE, clock)
    for number in range(1000):
        askers.refuse(ask(f"person {number}", 1))
    clock.now = 61.0
    askers.refuse(ask("ada", 1))
    assert len(askers) == 1


async def test_in_teams_the_flooder_hears_it_once_and_others_get_their_answers() -> None:
    async with a_world(limits=PER_MINUTE) as world:
        world.answerer = ScriptedAnswerer()
        for number in range(30):
            chat = {"id": f"a:chat {number % 2}", "conversationType": "personal", "tenantId": "t1"}
            await world.ask("How much leave?", id=str(number), conversation=chat)
        for number in range(5):
            who = {"id": f"29:{number}", "name": "Bob", "aadObjectId": f"aad-{number}"}
            chat = {"id": f"a:{number}", "conversationType": "personal", "tenantId": "t1"}
            await world.ask("How much leave?", id=f"o{number}", conversation=chat, **{"from": who})
        await world.settled()
        shown = [one.get("text", "") for one in world.connector.shown.values()]
        assert sum("You get 16 weeks" in text for text in shown) == 15
        assert [text for text in shown if "in the last minute" in text] == [TOLD]
        await world.post(world.activity(text="help", id="help"))  # a command is none of them
        await world.settled()
        assert len(world.connector.shown) == 17


async def test_in_slack_the_flooder_hears_it_once_and_others_get_their_answers() -> None:
    async with a_slack_world(limits=PER_MINUTE) as world:
        for _ in range(30):
            assert await world.event(world.dm("How much leave?")) == 200
        assert await world.event(world.dm("How much leave?", user=BOB, channel="D2")) == 200
        await world.settled()
        said = [str(message.blocks) + message.text for message in world.slack.messages("D1")]
        assert sum("16 weeks" in text for text in said) == 10
        assert sum(TOLD in text for text in said) == 1
        assert len(said) == 11
        assert len(world.slack.messages("D2")) == 1

"""A question arrives, is kept, is acknowledged, and is answered afterwards, whatever happens in between.

`Asking.receive` returns once the question is on disk: from then on it is answered, or its asker is told why
not, even when the process is killed. The work itself runs in a task of its own, so the channel's few seconds
for an acknowledgement never depend on the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bot.channel import Reply, Stopped, Undeliverable
from bot.dialogs.askers import AskerLimits, Askers, Place, Refusal
from bot.dialogs.talk import Talking
from bot.page_refusals import explain_refusal
from bot.readers.access import PageAccess
from core import telemetry
from core.readers import Audience, current_audience, reading_as
from core.records import Answer, AnswerKind, Question
from core.translation import mark, say, set_language
from feedback.analytics import events
from feedback.store.base import FeedbackStore, StoreUnavailable
from model.answering.chain import StopWriting
from model.onnx_infer import EngineBusy, EngineFailed, PromptTooLong
from pages.fetch.client import PageRefused

log = logging.getLogger(__name__)

BUSY = mark("I am busy with other questions. Please ask again in about {seconds} seconds.")
TOO_LONG = mark("That is more text than I can read at once. Please ask a shorter question.")
TOO_SLOW = mark("Sorry, this took too long. Please ask again, perhaps a little later.")
WENT_WRONG = mark(
    "Sorry, something went wrong while I was answering. Your question is not lost: please ask it again."
)
CLOSED = mark("I may no longer show here what I found for this. Please ask your question again.")
_HISTORY = 3
"""How many answers of the conversation are shown to the answerer."""


class AnsweredElsewhere(Exception):
    """Another process answers the question, or has."""


class StillReading(Exception):
    """Nothing was found in the pages that are read so far; the message says so, and how far that is."""


class AfterDelivery(Protocol):
    """What happens with an answer once its asker has it (`bot/dialogs/after_delivery.py`)."""

    async def on_delivered(self, question: Question, message_id: str) -> None:
        """Note that this message shows the answer to this question, or a sentence in its place."""
        ...

    async def on_stopped(self, question: Question) -> None:
        """Take note of a question whose asker pressed stop."""
        ...


class Answerer(Protocol):
    """Turns a question into an answer (`model/answering/chain.py`, wired to the pages in `bot/app.py`)."""

    def stream(self, question: Question, history: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        """Yield cumulative drafts, and Answers that each improve on the one before; the last one counts.

        A quoted Answer may come long before the model has written one. `history` is the conversation's last
        answers, oldest first. Raises EngineBusy, EngineFailed, PromptTooLong, PageRefused and
        StillReading. `StopWriting` may be thrown in at a draft: the Answer is next then, with what is
        written.
        """
        ...


FindAudience = Callable[[Question], Awaitable[Audience]]
"""Finds who reads the answer to a question, as principals that pages may name."""


async def find_nobody(_: Question) -> Audience:
    """Know nobody who reads: only pages that everyone may read are found."""
    return frozenset()


class Asking:
    """The questions under way. One per process.

    `find_audience` says for whom pages are found, `access` what of earlier answers these people may see.
    """

    def __init__(
        self,
        store: FeedbackStore,
        answerer: Answerer,
        afterwards: AfterDelivery | None = None,
        *,
        timeout_s: float = 60.0,
        talking: Talking | None = None,
        limits: AskerLimits | None = None,
    ) -> None:
        """The answerer gets `timeout_s` for one answer, once its turn has come.

        `talking` answers small talk; without it, everything is a question. `limits` are what one person may
        ask.
        """
        self._askers = Askers(limits)
        self._talking = talking
        self._afterwards = afterwards
        self._store = store
        self._answerer = answerer
        self._timeout_s = timeout_s
        self.on_failed: Callable[[Question, str], Awaitable[None]] = _tell_nobody
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._questions: dict[str, Question] = {}
        self._arrivals: set[str] = set()
        self._ended_meanwhile: set[str] = set()
        self.find_audience: FindAudience = find_nobody
        self.access = PageAccess()

    async def receive(self, question: Question, reply: Reply) -> bool:
        """Keep the question and begin to answer it; False when it was here already (a redelivery).

        One that its asker may not ask now is kept, too, and closed with a sentence. Raises StoreUnavailable:
        then nothing was acknowledged.
        """
        with self._arriving(question.id):
            with telemetry.span("store"):
                fresh = await self._store.add_question(question)
            if fresh:
                self._begin_fresh(question, reply)
        return fresh

    def _begin_fresh(self, question: Question, reply: Reply) -> None:
        work = self._take_up(question, reply)
        if not work.is_talk:
            events.question_asked(question)
        if question.about_file or not work.is_talk:
            work.refusal = self._askers.refuse(question)
        self._begin(work, None)

    @contextlib.contextmanager
    def _arriving(self, question_id: str) -> Generator[None]:
        """Keep a question from being taken for one that was left open, while it is being kept."""
        self._arrivals.add(question_id)
        try:
            yield
        finally:
            self._arrivals.discard(question_id)

    async def deliver(self, question: Question, reply: Reply, answer: Answer) -> bool:
        """Keep a question with its answer, which is there already, and send it; False for a redelivery.

        Raises StoreUnavailable.
        """
        with self._arriving(question.id):
            if not await self._store.add_question(question):
                return False
            events.question_asked(question)
            self._begin(self._take_up(question, reply), await self._store.add_answer(answer))
        return True

    async def forget(self, question_id: str) -> str | None:
        """The asker deleted the question: stop answering, forget it; return the message that answered it."""
        await self.stop(question_id)
        return await forget_question(self._store, question_id)

    async def stop(self, question_id: str) -> None:
        """Answer this question no more; one that is not being answered is no error."""
        task = self._tasks.get(question_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def list_under_way(self, asker: str, until: datetime) -> Sequence[str]:
        """Return the ids of one person's questions that are being answered and came no later than `until`."""
        return [
            question.id
            for question in self._questions.values()
            if question.asker == asker and question.asked_at <= until
        ]

    async def resume(self, restore_reply: Callable[[Question], Reply | None]) -> int:
        """Answer what a crash left open; return how many questions that was.

        `restore_reply` returns None where a channel is not served now: its question stays for a later start.
        What has ended here since the store was asked is left alone: it was open then, and may be answered.
        """
        resumed = 0
        self._ended_meanwhile.clear()
        for open_question in await self._store.take_undelivered():
            question = open_question.question
            reply = restore_reply(question)
            if reply is not None and not self._is_known(question.id):
                self._begin(self._take_up(question, reply, resumed=True), open_question.answer)
                resumed += 1
        return resumed

    def _is_known(self, question_id: str) -> bool:
        """Tell whether a question that was open a moment ago is arriving, under way, or has ended since."""
        return (
            question_id in self._arrivals
            or question_id in self._tasks
            or question_id in self._ended_meanwhile
        )

    async def drain(self, timeout_s: float) -> int:
        """Wait for the questions under way; leave unfinished ones to the next start, and count them."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks.values(), timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)

    @property
    def answerer(self) -> Answerer:
        """What answers: whoever asks it leaves no trace of a question."""
        return self._answerer

    @property
    def under_way(self) -> int:
        """How many questions are being answered now."""
        return len(self._tasks)

    def _take_up(self, question: Question, reply: Reply, *, resumed: bool = False) -> _Work:
        is_talk = self._talking is not None and self._talking.is_small_talk(question)
        return _Work(question, reply, is_talk=is_talk, resumed=resumed)

    def _begin(self, work: _Work, answer: Answer | None) -> None:
        question = work.question
        if work.refusal is None and not work.is_talk:
            work.place = self._askers.queue(question)
        task = asyncio.create_task(self._run(work, answer), name=f"ask {question.id}")
        self._tasks[question.id] = task
        self._questions[question.id] = question

        def on_done(_: asyncio.Task[None]) -> None:
            self._tasks.pop(question.id, None)
            self._ended_meanwhile.add(question.id)
            self._questions.pop(question.id, None)
            if work.place is not None:
                work.place.leave()

        task.add_done_callback(on_done)

    async def _run(self, work: _Work, answer: Answer | None) -> None:
        question = work.question
        set_language(question.language)
        if work.place is not None:
            await work.place.turn.wait()
        with telemetry.span("question", parent=question.trace):
            message_id = await self._try_to_respond(work, answer)
        if message_id is None:
            return
        try:
            await self._store.mark_delivered(question.id, message_id)
        except StoreUnavailable:
            log.exception("delivered, but not marked so: the asker may see the answer twice")
            return
        await self._note_delivered(question, message_id)

    async def _try_to_respond(self, work: _Work, answer: Answer | None) -> str | None:
        """Return the message that the asker has, "" where none is due; None to try again at a next start."""
        question = work.question
        message_id: str | None = ""
        try:
            await self._check_held(question)
            with reading_as(await self.find_audience(question)):
                if answer is None and await self._talk(work):
                    return ""  # what was said is no answer: neither to be judged, nor a question that failed
                return await self._respond(work, answer)
        except AnsweredElsewhere:
            await _leave_to_others(work.reply)
            message_id = None
        except Stopped as stopped:
            log.info("the asker stopped an answer")
            await self._note_failed(question, "stopped")
            await self._note_stopped(question)
            return stopped.message_id
        except Undeliverable as gone:
            log.warning("answer not deliverable, question closed: %s", gone)
            await self._note_failed(question, "undeliverable")
        except OSError:
            log.exception("answer not delivered; it is kept and tried again at the next start")
            await self._note_failed(question, "not_delivered")
            message_id = None
        except Exception as error:
            log.exception("a question failed")
            telemetry.record_error(error)
            await self._note_failed(question, "error")
            message_id = await self._apologise(work)
        return message_id

    async def _apologise(self, work: _Work) -> str | None:
        """Say that something went wrong, unless another process answers; return as `_try_to_respond`."""
        try:
            await self._check_held(work.question)
            return await work.reply.say(say(WENT_WRONG))
        except AnsweredElsewhere:
            await _leave_to_others(work.reply)
            return None
        except Exception:
            log.exception("the asker could not be told")
            return ""

    async def _check_held(self, question: Question) -> None:
        """Raise AnsweredElsewhere where this question is another process's now."""
        try:
            held = await self._store.hold_question(question)
        except StoreUnavailable as error:  # what is written next says so
            log.info("it is not known who else answers a question: %s", error)
            return
        if not held:
            raise AnsweredElsewhere

    async def _note_failed(self, question: Question, why: str) -> None:
        events.answer_failed(question, why)
        await self.on_failed(question, why)

    async def _note_delivered(self, question: Question, message_id: str) -> None:
        if self._afterwards is None or not message_id:
            return
        try:
            await self._afterwards.on_delivered(question, message_id)
        except Exception:
            log.exception("an answer was delivered, but not looked at")

    async def _note_stopped(self, question: Question) -> None:
        if self._afterwards is None:
            return
        try:
            await self._afterwards.on_stopped(question)
        except StoreUnavailable:
            log.exception("it was not kept that an answer was stopped")

    async def _talk(self, work: _Work) -> bool:
        """Answer small talk; False for a question."""
        if self._talking is None or work.refusal is not None:
            return False
        if work.question.about_file and work.is_talk:
            await work.reply.typing()  # reading a file takes its time
        said = await self._talking.reply_to(work.question)
        if said is None:
            return False
        with telemetry.span("send"):
            await work.reply.talk(said)
        return True

    async def _respond(self, work: _Work, answer: Answer | None) -> str:
        if work.refusal is not None:
            await self._note_failed(work.question, work.refusal.reason)
            return await work.say(work.refusal.sentence)
        if answer is None:
            excuse = await self._write(work)
            await self._check_held(work.question)
            if work.best is None:
                why, sentence = excuse
                await self._note_failed(work.question, why)
                return await work.say(sentence)
            with telemetry.span("store"):
                answer = await self._store.add_answer(work.best)  # the one on record is the one to send
        if answer.stopped:  # what was on screen when this process ended
            return ""
        if not self.access.may_see(current_audience(), answer):
            await self._note_failed(work.question, "closed")
            return await work.say(say(CLOSED))
        with telemetry.span("send"):
            message_id = await work.reply.answer(answer)
        events.answer_sent(answer, work.before, resumed=work.resumed)
        return message_id

    async def _write(self, work: _Work) -> tuple[str, str]:
        """Let the answerer find `work.best`; return why it could not go on, and the sentence that says so.

        What was quoted before something went wrong with the model is an answer all the same.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._follow(work)
        except EngineBusy as busy:
            return "busy", say(BUSY, seconds=max(1, round(busy.retry_after_s)))
        except PromptTooLong:
            return "too_long", say(TOO_LONG)
        except TimeoutError:
            log.warning("a question took longer than %.0f s", self._timeout_s)
            return "too_slow", say(TOO_SLOW)
        except PageRefused as refused:
            return "page_refused", explain_refusal(refused)
        except StillReading as reading:
            work.best = None
            return "reading", str(reading)
        except EngineFailed:
            if work.best is None:
                raise
            log.exception("the model failed; what was quoted before is the answer")
        return "", ""

    async def _follow(self, work: _Work) -> None:
        """Show what the answerer yields, and keep the best answer of it."""
        question = work.question
        await work.reply.typing()
        recent = await self._store.recent_answers(question.conversation, _HISTORY)
        history = [one for one in recent if self.access.may_see(current_audience(), one)]
        mine = [answer for answer in history if answer.question.asker == question.asker]
        work.before = mine[-1] if mine else None
        stream = self._answerer.stream(question, history)
        async with aclosing(stream):
            async for item in stream:
                try:
                    await work.show(item)
                except Stopped:
                    await self._keep_written(work, stream)
                    raise
        if work.best is None:
            raise RuntimeError(f"the answerer ended without an answer to {question.id}")

    async def _keep_written(self, work: _Work, stream: AsyncGenerator[str | Answer]) -> None:
        """Stop an answerer, and keep what is on screen: the quotation, else what was written."""
        written: str | Answer | None = replace(work.best, stopped=True) if work.best else None
        if written is None:
            with contextlib.suppress(StopWriting, StopAsyncIteration):
                written = await stream.athrow(StopWriting())
        if isinstance(written, Answer):
            try:
                await self._store.add_answer(written)
            except StoreUnavailable:
                log.exception("what was written before the asker pressed stop is not kept")


@dataclass(slots=True)
class _Work:
    """A question that is being answered, or small talk (`is_talk`); `resumed` after a crash.

    `best` is the best answer so far, `before` the same person's answer before in this conversation. It waits
    for its turn at its `place` (small talk has none), unless it is a `refusal` that is to be said.
    """

    question: Question
    reply: Reply
    is_talk: bool
    resumed: bool
    refusal: Refusal | None = None
    place: Place | None = None
    best: Answer | None = None
    before: Answer | None = None

    async def show(self, item: str | Answer) -> None:
        """Show a draft or a quotation; any other answer is shown once it is the last. Raises Stopped."""
        if isinstance(item, str):
            await self.reply.draft(item)
            return
        self.best = item
        if item.kind is AnswerKind.QUOTED:
            await self.reply.preview(item)

    async def say(self, sentence: str) -> str:
        """Say something in place of an answer; nothing for a sentence of ""."""
        return await self.reply.say(sentence) if sentence else ""


async def _tell_nobody(_: Question, __: str) -> None: ...


async def forget_question(store: FeedbackStore, question_id: str) -> str | None:
    """Forget a question whose asker deleted it, with its answer; return the message that answered it."""
    message_id = await store.find_message(question_id)
    answer = await store.answer_to_question(question_id) if telemetry.is_on() else None
    await store.forget_question(question_id)
    if answer is not None:
        events.question_forgotten(answer)
    return message_id


async def _leave_to_others(reply: Reply) -> None:
    """End what is on screen of an answer that another process gives."""
    log.info("another process answers a question that was heard here, too")
    await reply.abandon()

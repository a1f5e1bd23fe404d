"""A question and an answerer that says what it is told to, for tests of the dialogs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from bot.channel import Stopped, TalkReply
from core.records import Answer, Channel, Question, Timings

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)


def question(number: int = 1) -> Question:
    return Question(f"q{number}", "How long?", "someone", "c", Channel.LOCAL, NOW, reply_to='{"id": "c"}')


class Scripted:
    """An answerer that yields its drafts and then an answer, or raises; it can be held until released."""

    def __init__(
        self, *drafts: str | Answer, error: Exception | None = None, held: bool = False, last: bool = True
    ) -> None:
        self.last = last
        self.drafts = drafts
        self.error = error
        self.began = asyncio.Event()
        self.released = asyncio.Event()
        self.answered = 0
        if not held:
            self.released.set()

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        self.began.set()
        for draft in self.drafts:
            yield draft
        await self.released.wait()
        if self.error is not None:
            raise self.error
        if not self.last:
            return
        self.answered += 1
        yield Answer(f"a-{question.id}", question, "Ten.", (), (), "v", Timings(total_s=0.1), NOW)


class ReplyRecorder:
    """A Reply that keeps what reached the asker; `errors` are raised by its sends, first one first."""

    def __init__(self, *errors: Exception) -> None:
        self.said: list[str] = []
        self.drafts: list[str] = []
        self.previews: list[str] = []
        self.stops_at = ""
        self.abandoned = False
        self.errors = list(errors)
        self.done = asyncio.Event()

    async def typing(self) -> None: ...

    async def draft(self, text: str) -> None:
        self.drafts.append(text)
        if text == self.stops_at:
            raise Stopped("the asker stopped the answer", "m1")

    async def preview(self, answer: Answer) -> None:
        self.previews.append(answer.text)

    async def answer(self, answer: Answer) -> str:
        return await self.say(answer.text)

    async def abandon(self) -> str:
        self.abandoned = True
        return ""

    async def talk(self, said: TalkReply) -> str:
        return await self.say(said.text)

    async def say(self, text: str) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.said.append(text)
        self.done.set()
        return f"m{len(self.said)}"

"""A round: questions are asked, rated and reviewed through the bot's own dialogs, on a real store.

What has happened is found in the store, so a round that was killed goes on with its first open step.

The model by itself: it reads the passages that were found, whole, and whatever it writes is its answer.

Everything that the bot does around it is left out (one sentence to answer from, the least nearness, the checks of what
it says): what a replay learns is measured against this, too.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from bot.bootstrap import Shelf, model_choice, open_answering, open_shelf
from bot.channel import TalkReply
from bot.dialogs.answerer import PageAnswerer, Verified, is_fresh
from bot.dialogs.ask import Asking
from bot.dialogs.rate import Said
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.services import FeedbackParts, Surroundings, rules_of
from bot.stores import Store, open_store
from bot.wiring import forms_of
from core.records import Answer, AnswerKind, Channel, Question, Timings, answer_id_of
from core.settings import Settings
from demo.questions import Asked
from demo.simulated_users import People
from feedback.privacy.keys import keys_of
from feedback.reviews.repository import Desk
from model.answering.writing import declines
from model.evaluation.metrics import Judged, judge
from model.registry.loading import open_version
from model.registry.versions import find_version
from model.text import output_text, prompt

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
        messages = prompt.build_messages(question.text, passages)
        written = await opened.chat.ainvoke([(one["role"], one["content"]) for one in messages])
        text = output_text.to_plain_text(str(written.text))
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


class Unanswered(Exception):
    """The bot said a sentence in place of an answer; the message is that sentence."""


class _Ear:
    """The front end of one question (`bot.dialogs.ask.Reply`): it hears the answer, or the sentence in its place."""

    def __init__(self) -> None:
        self.answer_heard: Answer | None = None
        self.sentence = ""

    async def typing(self) -> None: ...

    async def draft(self, text: str) -> None: ...

    async def preview(self, answer: Answer) -> None: ...

    async def answer(self, answer: Answer) -> str:
        self.answer_heard = answer
        return f"message-{answer.id}"

    async def say(self, text: str) -> str:
        self.sentence = text
        return ""

    async def talk(self, said: TalkReply) -> str:
        return await self.say(said.text)


@dataclass(frozen=True, slots=True)
class Stage:
    """The bot's parts as the replay uses them, and the people."""

    store: Store
    parts: FeedbackParts
    asking: Asking
    people: People
    pseudonym: Callable[[str], str]
    round_number: int
    patience_s: float

    async def play(self, asked: Asked) -> Judged:
        """Let one question be asked, rated and reviewed; what was done before is not done again. Raises Unanswered."""
        answer = await self._ask(asked)
        judged = judge(asked.item, answer)
        await self._rate(asked, judged)
        await self._review(asked, judged)
        return judged

    async def _ask(self, asked: Asked) -> Answer:
        name = self._id(asked)
        known = await self.store.answer_to_question(name)
        if known is not None and await self.store.message_of(name):
            return known
        question, ear = self._question(asked), _Ear()
        if not await self.asking.receive(question, ear):  # asked before, and killed before it was delivered
            await self.asking.resume(lambda open_question: ear if open_question.id == name else None)
        await self.asking.drain(self.patience_s)
        answer = ear.answer_heard or await self.store.answer_to_question(name)
        if answer is None:
            raise Unanswered(ear.sentence or "a question had no answer in time: run it again to go on")
        return answer

    async def _rate(self, asked: Asked, judged: Judged) -> None:
        word = self.people.word(asked, judged)
        if word is not None:
            said = Said(self._asker(asked), f"{self._id(asked)}|word", datetime.now(UTC))
            await self.parts.rating.give(judged.answer, word, said)

    async def _review(self, asked: Asked, judged: Judged) -> None:
        review = await self.parts.desk.review(judged.answer.id)
        if review is None or review.settled_at is not None:
            return
        verdict = self.people.verdict(asked, judged)
        reviewing = self.parts.reviewing
        await reviewing.claim(review.answer_id, review.round, verdict.reviewer, verdict.reviewer_name)
        await reviewing.rule(review.answer_id, review.round, verdict)

    def _question(self, asked: Asked) -> Question:
        asker = self._asker(asked)
        return Question(
            id=self._id(asked),
            text=asked.item.question,
            asker=asker,
            conversation=f"replay/{self.round_number}/{asked.id}",
            channel=Channel.LOCAL,
            asked_at=datetime.now(UTC),
            page_url=asked.page_url,
            language="en",
        )

    def _asker(self, asked: Asked) -> str:
        return self.pseudonym(self.people.asker(asked))

    def _id(self, asked: Asked) -> str:
        return f"replay/{self.round_number}/{asked.id}"


@asynccontextmanager
async def open_stage(settings: Settings, people: People, round_number: int) -> AsyncGenerator[Stage]:
    """Open the bot's parts on the replay's own data folder, with the live version. Raises StoreError, VersionError."""
    async with (
        open_shelf(settings) as shelf,
        open_answering(settings, shelf) as answering,
        open_store(settings) as store,
    ):
        keys = keys_of(settings)
        desk = Desk(store.documents)
        known = VerifiedAnswers(shelf.embedder)
        fresh = partial(is_fresh, page_hash=shelf.page_hash)
        around = Surroundings(known, shelf.look_again, fresh, lambda _: None, site_url="http://localhost")
        parts = FeedbackParts(store, desk, keys.now, around, rules_of(settings))
        verified = Verified(known, fresh, desk.verified)
        answerer = PageAnswerer(shelf.library, answering, verified, forms_of(settings))
        asking = Asking(store, answerer, parts.looking, timeout_s=settings.answer_timeout_s)
        await parts.reviewing.catch_up()
        patience_s = settings.answer_timeout_s + settings.drain_timeout_s
        yield Stage(store, parts, asking, people, keys.pseudonym, round_number, patience_s)
        await parts.privacy.close()


async def play_round(
    settings: Settings, people: People, number: int, asked: Sequence[Asked], tell: Callable[[int], None]
) -> list[Judged]:
    """Play all questions of a round; `tell` hears how many more are done."""
    judged: list[Judged] = []
    async with open_stage(settings, people, number) as stage:
        for one in asked:
            judged.append(await stage.play(one))
            tell(1)
    return judged

"""A round of questions through the bot's own parts, and the score of a version on held-out questions.

In a round, questions are asked, rated and reviewed on a real store. A score keeps every answer as it comes:

FOLDER/VERSION.jsonl     {"asked": id, "answer": the answer as JSON} a line; a killed run goes on behind it
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bot.answers.wiring import read_forms
from bot.bootstrap import PageServices, model_choice, open_answering, open_pages
from bot.channel import TalkReply
from bot.dialogs.answerer import PageAnswerer, Verified, is_fresh
from bot.dialogs.ask import Asking
from bot.dialogs.rate import Said
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.services import ServiceDependencies, Services, read_rules
from bot.stores import Store, open_store, read_keys
from core.files import add_line, read_lines
from core.records import Answer, AnswerKind, Channel, Question, Timings, derive_answer_id
from core.settings import Settings
from demo.questions import Asked
from demo.simulated_users import People
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore
from feedback.store.serialization import parse_answer, to_json
from model.answering.writing import declines
from model.evaluation.metrics import Judged, judge, score
from model.registry.loading import open_version
from model.registry.versions import find_version
from model.text import output_text, prompt

Ask = Callable[[Question], Awaitable[Answer]]

_PASSAGES = 2
"""The nearest ones, which are read whole."""


@asynccontextmanager
async def open_alone(settings: Settings, page_services: PageServices, version: str) -> AsyncGenerator[Ask]:
    """Open a version, and yield what asks it. Raises VersionError and EngineError."""
    opened = await open_version(find_version(settings.models_dir, version), model_choice(settings))

    async def ask(question: Question) -> Answer:
        began = time.perf_counter()
        hits = await page_services.library.search(question.text, _PASSAGES, question.page_url)
        passages = tuple(hit.passage for hit in hits)
        searched_s = time.perf_counter() - began
        messages = prompt.build_messages(question.text, passages)
        written = await opened.chat.ainvoke([(one["role"], one["content"]) for one in messages])
        text = output_text.to_plain_text(str(written.text))
        return Answer(
            id=derive_answer_id(question.id),
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


class ReplyCollector:
    """The front end of one question (`bot.channel.Reply`): it hears the answer, or the sentence instead."""

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

    async def abandon(self) -> str:
        return ""


async def ask_once(store: FeedbackStore, asking: Asking, question: Question, patience_s: float) -> Answer:
    """Ask through the bot's dialogs; what was answered before is not asked again. Raises Unanswered."""
    known = await store.answer_to_question(question.id)
    if known is not None and await store.find_message(question.id):
        return known
    ear = ReplyCollector()
    if not await asking.receive(question, ear):  # asked before, and killed before it was delivered
        await asking.resume(lambda open_question: ear if open_question.id == question.id else None)
    await asking.drain(patience_s)
    answer = ear.answer_heard or await store.answer_to_question(question.id)
    if answer is None:
        raise Unanswered(ear.sentence or "a question had no answer in time: run it again to go on")
    return answer


@dataclass(frozen=True, slots=True)
class Stage:
    """The bot's parts as the replay uses them, and the people."""

    store: Store
    parts: Services
    asking: Asking
    people: People
    pseudonym: Callable[[str], str]
    round_number: int
    patience_s: float

    async def play(self, asked: Asked) -> Judged:
        """Let one question be asked, rated and reviewed; what was done before is not done again.

        Raises Unanswered.
        """
        answer = await self._ask(asked)
        judged = judge(asked.item, answer)
        await self._rate(asked, judged)
        await self._review(asked, judged)
        return judged

    async def _ask(self, asked: Asked) -> Answer:
        return await ask_once(self.store, self.asking, self._question(asked), self.patience_s)

    async def _rate(self, asked: Asked, judged: Judged) -> None:
        word = self.people.word(asked, judged)
        if word is not None:
            said = Said(self._asker(asked), f"{self._id(asked)}|word", datetime.now(UTC))
            await self.parts.rating.give(judged.answer, word, said)

    async def _review(self, asked: Asked, judged: Judged) -> None:
        review = await self.parts.repository.review(judged.answer.id)
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
    """Open the bot's parts on the replay's own data folder, with the live version.

    Raises StoreError, VersionError.
    """
    async with (
        open_pages(settings) as page_services,
        open_answering(settings, page_services) as answering,
        open_store(settings) as store,
    ):
        keys = read_keys(settings)
        repository = ReviewRepository(store.documents)
        known = VerifiedAnswers(page_services.embedder, least_similarity=settings.verified.least_similarity)
        fresh = partial(is_fresh, page_hash=page_services.page_hash)
        dependencies = ServiceDependencies(
            known, page_services.look_again, fresh, lambda _: None, site_url="http://localhost"
        )
        parts = Services(store, repository, keys.now, dependencies, read_rules(settings))
        verified = Verified(known, fresh, repository.read_verified)
        answerer = PageAnswerer(page_services.library, answering, verified, read_forms(settings))
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


Figures = Mapping[str, float | int | None]
Opens = Callable[[Settings, PageServices, str], AbstractAsyncContextManager[Ask]]
"""Opens a version, to be asked."""


@asynccontextmanager
async def open_bot(settings: Settings, page_services: PageServices, version: str) -> AsyncGenerator[Ask]:
    """Open a version with everything that the bot does around it. Raises VersionError and EngineError."""
    async with open_answering(settings, page_services, version) as answering:
        yield answering.answer


async def ask_all(
    settings: Settings,
    version: str,
    opens: Opens,
    asked: Sequence[Asked],
    kept: Path,
    tell: Callable[[int], None],
) -> list[Judged]:
    """Ask every question that was not asked yet, and judge all answers."""
    answers = _read(kept, asked)
    tell(len(answers))
    missing = [one for one in asked if one.id not in answers]
    if missing:
        async with open_pages(settings) as page_services, opens(settings, page_services, version) as ask:
            for one in missing:
                answers[one.id] = await ask(_question(one))
                add_line(kept, {"asked": one.id, "answer": to_json(answers[one.id])})
                tell(1)
    return [judge(one.item, answers[one.id]) for one in asked]


def figures_of(people: People, asked: Sequence[Asked], judged: Sequence[Judged]) -> Figures:
    """Return the measures of `model/evaluation/metrics.py`, and the mean of the stars that people give."""
    stars = [people.stars(one, found) for one, found in zip(asked, judged, strict=True)]
    return score(judged).as_dict() | {"satisfaction": round(sum(stars) / len(stars), 4)}


def _question(asked: Asked) -> Question:
    """Return a question as it was: the same fields whenever its answer is read again, but for the time."""
    return Question(
        id=f"measure/{asked.id}",
        text=asked.item.question,
        asker="measure",
        conversation=f"measure/{asked.id}",
        channel=Channel.COMMAND_LINE,
        asked_at=datetime.now(UTC),
        page_url=asked.page_url,
    )


def _read(kept: Path, asked: Sequence[Asked]) -> dict[str, Answer]:
    """Return the answers that are kept."""
    known = {one.id: one for one in asked}
    answers: dict[str, Answer] = {}
    for found in read_lines(kept):
        if found["asked"] in known:
            answers[found["asked"]] = parse_answer(found["answer"], _question(known[found["asked"]]))
    return answers

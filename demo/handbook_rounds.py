"""A round on a folder of pages: people ask the bot, and reviewers who know the evidence rule.

The bot is the one that `askpage serve` wires (bot/app.py), with no port and no network: what learns from
rulings there takes part here. Whoever reviews sees what a card offers. A place that the card does not offer
is given with the ruling all the same, since a reviewer knows the pages.

Nothing is done twice: answers, rulings and the seconds until a ruling is served (FOLDER/lags.jsonl) are kept
as they come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from bot.app import Bot, open_bot
from bot.bootstrap import PageServices, open_answering, open_pages
from bot.cards.answer_text import render_shown_text
from bot.cards.places import spans
from bot.cards.review_actions import to_reviewed
from bot.channels.review_actions import Presser, ReviewAction
from bot.dialogs.ask import Answerer
from bot.dialogs.rate import Said
from core.files import add_line, read_lines
from core.records import Answer, AnswerKind, Channel, Question, Review, Ruling, Verdict, derive_answer_id
from core.settings import Settings
from demo.handbook import HandbookQuestion
from demo.rounds import Unanswered, ask_once
from demo.simulated_users import REVIEWERS, Correction, People, References
from model.answering.chain import Answering
from model.evaluation.metrics import Judged
from model.evaluation.question_sets import is_right, strip_markers
from model.text.question import is_follow_up

log = logging.getLogger(__name__)

LOOKS, LOOK_EVERY_S = 5, 0.5
"""How often, and how far apart, a ruling is looked for that is not served yet."""
_VERBS = {
    Ruling.APPROVED: "review.approve",
    Ruling.CORRECTED: "review.correct",
    Ruling.NOT_ON_PAGE: "review.not_on_page",
}
READER = Presser({}, "")
"""The handbook is for everyone, so nobody asks who its reviewers are."""


@dataclass(frozen=True, slots=True)
class HandbookStage:
    """A running bot with its pages, and the people. `answering` is what it answers from pages with."""

    bot: Bot
    page_services: PageServices
    answering: Answering
    people: People
    patience_s: float

    @property
    def answerer(self) -> Answerer:
        """What answers as the bot does, and learns nothing from being asked."""
        return self.bot.asking.answerer

    async def play(self, question: HandbookQuestion, number: int, lags: Path) -> Ruling | None:
        """Let a question of a round be asked, rated and reviewed; return the ruling.

        None for a question that got a sentence in place of an answer: nobody can rule on that.
        """
        if question.before:
            await self._ask(question, number, question.before, "/before")
        answer = await self._ask(question, number, question.text)
        if answer is None:
            return None
        await self._rate(question, answer)
        review = await self.bot.services.repository.review(answer.id)
        if review is None or review.ruling is not None:
            return review.ruling.ruling if review and review.ruling else None
        return await self._review(question, answer, review, lags)

    async def _ask(self, question: HandbookQuestion, number: int, text: str, part: str = "") -> Answer | None:
        name = name_question(number, question.id)
        asker = self.bot.services.pseudonym(self.people.asker(question.asked))
        asked = Question(name + part, text, asker, name, Channel.LOCAL, datetime.now(UTC), language="en")
        try:
            store = self.bot.services.review_actions.store
            return await ask_once(store, self.bot.asking, asked, self.patience_s)
        except Unanswered as said:
            log.info("no answer to %s: %s", asked.id, said)
            return None

    async def _rate(self, question: HandbookQuestion, answer: Answer) -> None:
        right = judge_shown(question, answer)
        judged = Judged(question.asked.item, answer, float(right), right, right, right)
        word = self.people.word(question.asked, judged)
        if word is not None:
            said = Said(answer.question.asker, f"{answer.question.id}|word", datetime.now(UTC))
            await self.bot.services.rating.give(answer, word, said)

    async def _review(self, question: HandbookQuestion, answer: Answer, review: Review, lags: Path) -> Ruling:
        ruling, correction = await self._choose_ruling(question, answer)
        reviewer = REVIEWERS[int(answer.id, 16) % len(REVIEWERS)]
        span = self._find_span(answer, review, correction)
        wish = ReviewAction(
            verb="review.claim",
            answer_id=answer.id,
            round=review.round,
            person=reviewer,
            name=reviewer.title(),
            at=datetime.now(UTC).isoformat(),
            source=f"{answer.question.id}|ruling",
            place="",
            text=correction.text if correction else "",
            span=span,
            channel=Channel.LOCAL,
        )
        actions = self.bot.services.review_actions
        await actions.perform(wish, READER)
        began = time.perf_counter()
        if correction and correction.place and not span:
            verdict = Verdict(
                wish.person,
                wish.name,
                ruling,
                datetime.fromisoformat(wish.at),
                text=wish.text,
                citation=correction.place,
                source=wish.source,
                channel=wish.channel,
            )
            await self.bot.services.reviewing.rule(answer.id, review.round, verdict)
        else:
            await actions.perform(replace(wish, verb=_VERBS[ruling]), READER)
        if ruling is Ruling.CORRECTED and not is_follow_up(question.text):
            seconds = await self._wait_until_served(question.text, answer.id, began)
            add_line(lags, {"id": answer.question.id, "seconds": seconds})
        return ruling

    async def _choose_ruling(
        self, question: HandbookQuestion, answer: Answer
    ) -> tuple[Ruling, Correction | None]:
        known = question.known
        if known is not None and judge_kept(question, answer):
            return Ruling.APPROVED, None
        if known is not None and known.is_absent:
            return Ruling.NOT_ON_PAGE, None
        references = References(self.page_services.index, self.page_services.embedder)
        return Ruling.CORRECTED, await references.write_correction(question)

    def _find_span(self, answer: Answer, review: Review, correction: Correction | None) -> str:
        """Return which place that the card offers holds the correction's, "" for none."""
        place = correction.place if correction else None
        offered = spans(to_reviewed(answer, review.passages)) if place else ()
        return next(
            (value for value, one in offered if place and place.url == one.url and place.quote in one.quote),
            "",
        )

    async def _wait_until_served(self, text: str, answer_id: str, began: float) -> float | None:
        """Return the seconds from the ruling to the first answer that has it; None if none had it."""
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_EVERY_S)
            if await self.is_served(text, answer_id):
                return round(time.perf_counter() - began, 4)
        return None

    async def is_served(self, text: str, answer_id: str) -> bool:
        """Tell whether the next asker of a question gets what was ruled on an answer."""
        first = await self.ask_first(text)
        kept = await self.bot.services.repository.read_verified(answer_id)
        return first is not None and kept is not None and is_from(first, kept.text, kept.verified_at)

    async def ask_first(self, text: str) -> Answer | None:
        """Return the first Answer that comes; None where a model writes first: that is not awaited."""
        stream = self.answerer.stream(make_measuring_question(text), ())
        async with aclosing(stream):
            async for item in stream:
                return item if isinstance(item, Answer) else None
        return None

    async def ask_to_end(self, text: str) -> Answer | None:
        """Return the Answer that stands in the end, with what is offered below it."""
        stands: Answer | None = None
        async for item in self.answerer.stream(make_measuring_question(text), ()):
            stands = item if isinstance(item, Answer) else stands
        return stands


@asynccontextmanager
async def open_handbook_stage(settings: Settings, people: People) -> AsyncGenerator[HandbookStage]:
    """Open the bot on the replay's own data folder. Raises StoreError, VersionError."""
    async with (
        open_pages(settings) as page_services,
        open_answering(settings, page_services) as answering,
        open_bot(settings, page_services, answering, port=settings.port) as bot,
    ):
        patience_s = settings.answer_timeout_s + settings.drain_timeout_s
        yield HandbookStage(bot, page_services, answering, people, patience_s)


async def play_handbook_round(
    stage: HandbookStage,
    number: int,
    asked: Sequence[HandbookQuestion],
    lags: Path,
    tell: Callable[[int], None],
) -> dict[str, int]:
    """Play all questions of a round; return how many got which ruling."""
    counts = {ruling.value: 0 for ruling in _VERBS}
    for question in asked:
        ruling = await stage.play(question, number, lags)
        if ruling is not None:
            counts[ruling] += 1
        tell(1)
    return counts


def read_lags(lags: Path, number: int) -> list[float | None]:
    """Return the seconds until the rulings of a round were served; None for each that was not."""
    found = {str(row["id"]): row["seconds"] for row in read_lines(lags)}
    return [seconds for name, seconds in found.items() if name.startswith(name_question(number, ""))]


def name_question(number: int, question_id: str) -> str:
    """Return the id of a question in a round."""
    return f"replay/{number}/{question_id}"


def name_answer(number: int, question_id: str) -> str:
    """Return the id of the answer to a question of a round."""
    return derive_answer_id(name_question(number, question_id))


def is_from(answer: Answer, text: str, verified_at: datetime) -> bool:
    """Tell whether an answer is that verified one."""
    return answer.verified_by is not None and (answer.text, answer.verified_at) == (text, verified_at)


def judge_shown(question: HandbookQuestion, answer: Answer) -> bool:
    """Judge what a person sees; of a question of the paraphrases nobody knows."""
    if question.known is None:
        return False
    shown = strip_markers(render_shown_text(answer), answer)
    return is_right(question.known, shown, declined=answer.kind is AnswerKind.DECLINED)


def judge_kept(question: HandbookQuestion, answer: Answer) -> bool:
    """Judge what an approval lets stand: of a quotation its own words, without the other places below it."""
    kept = replace(answer, citations=answer.citations[:1]) if answer.kind is AnswerKind.QUOTED else answer
    return judge_shown(question, kept)


def make_measuring_question(text: str) -> Question:
    """Return a question that only measures, in a conversation of its own."""
    name = f"measure/{uuid4().hex}"
    return Question(name, text, "measure", name, Channel.COMMAND_LINE, datetime.now(UTC))

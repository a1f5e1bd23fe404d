"""My overview: what a person sees of themselves on a page of their own, such as a tab or an app's home.

    overviews = services.make_overviews(context.pages)
    mine = await overviews.read(person, directory_id, conversation)

It has their latest questions with the answers that they may still see, what changed because of them, the
pages that they may read, and whether something is learned from them. Who may read a page is asked at that
moment, for the person alone: nobody else sees the page. Nothing is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cards.answer_text import render_words
from bot.channel import TalkReply
from bot.dialogs.privacy import Privacy
from bot.dialogs.talk import listing
from bot.readers.access import PageAccess
from bot.readers.audiences import Audiences
from core.readers import Audience, reading_as
from core.records import Answer, Citation, Question, Ruling, Verdict
from core.translation import mark, say
from feedback.privacy.opt_out import Choice
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore
from feedback.store.rows import WholeStore, every_page
from feedback.store.serialization import parse_question

MOST_QUESTIONS = 20
CLOSED = mark("You may no longer read the pages of this answer. Ask again to get the current answer.")
WAITING = mark("It has not been answered yet.")
NOT_THERE = mark("A reviewer checked: it is not on the page.")

Change = tuple[Answer, Verdict]
"""An answer, and what a reviewer decided about it."""
PageList = Callable[[], Sequence[tuple[str, str]]]
"""Returns (URL, title) of the pages that may be read by whom it is told (`core.readers.reading_as`)."""


@dataclass(frozen=True, slots=True)
class MyQuestion:
    """A question, with its answer where there is one that its asker may see; `closed`: they may not.

    `verdict` is what a reviewer decided about the answer, None where nobody did: a correction holds in its
    place.
    """

    question: Question
    answer: Answer | None = None
    closed: bool = False
    verdict: Verdict | None = None

    @property
    def ruling(self) -> Ruling | None:
        """What a reviewer decided, None where nobody did."""
        return self.verdict.ruling if self.verdict else None

    @property
    def is_checked(self) -> bool:
        """Whether a reviewer stands for what holds now."""
        decided = self.ruling not in (None, Ruling.REJECTED)
        return decided or bool(self.answer and self.answer.verified_by)

    def say_now(self) -> tuple[str, Sequence[Citation]]:
        """Return what holds now, and where it stands: what a reviewer wrote, else the answer."""
        answer, verdict = self.answer, self.verdict
        if answer is None:
            return say(CLOSED if self.closed else WAITING), ()
        if verdict is not None and verdict.ruling is Ruling.CORRECTED:
            return verdict.text, (verdict.citation,) if verdict.citation else ()
        if verdict is not None and verdict.ruling is Ruling.NOT_ON_PAGE:
            return say(NOT_THERE), ()
        return render_words(answer), answer.citations


@dataclass(frozen=True, slots=True)
class MyOverview:
    """All of it, the newest first. `questions` are the latest of `asked`; `pages` lists as the bot does."""

    questions: tuple[MyQuestion, ...]
    asked: int
    changes: tuple[Change, ...]
    pages: TalkReply
    learning: Choice


class MyOverviews:
    """Reads overviews. One per channel; `list_pages` are the pages that sources named."""

    def __init__(
        self,
        store: WholeStore,
        repository: ReviewRepository,
        audiences: Audiences,
        privacy: Privacy,
        list_pages: PageList,
    ) -> None:
        self._store = store
        self._repository = repository
        self._audiences = audiences
        self._privacy = privacy
        self._list_pages = list_pages

    async def read(self, person: str, directory_id: str, conversation: Mapping[str, Any]) -> MyOverview:
        """Return a person's overview. Raises StoreError.

        `person` is the pseudonym, `directory_id` the directory's id of whom the channel vouches for ("":
        for nobody), `conversation` their personal chat, or what stands for one: `channelId`, `id`, and
        `conversationType` "personal".
        """
        audience = await self._audiences.find(conversation, directory_id)
        access = self._audiences.access.freeze()
        asked, latest = await self._find_latest(person)
        questions = [await self._find_answer(one, access, audience) for one in latest]
        changes = await read_changes(self._store, self._repository, access, person, audience)
        with reading_as(audience):
            pages = listing(self._list_pages())
        choice = await self._privacy.choice(person)
        return MyOverview(tuple(questions), asked, tuple(changes), pages, choice)

    async def _find_latest(self, person: str) -> tuple[int, list[Question]]:
        """Return how many questions a person asked, and the latest: ids tell no time across chats."""
        count, latest = 0, list[tuple[str, str, str]]()
        async for page in every_page(self._store, "question", person=person):
            count += len(page)
            rows = ((row.fields["asked_at"], row.key, row.fields["record"]) for row in page)
            latest = heapq.nlargest(MOST_QUESTIONS, [*latest, *rows])
        return count, [parse_question(record) for _, _, record in latest]

    async def _find_answer(self, question: Question, access: PageAccess, audience: Audience) -> MyQuestion:
        answer = await self._store.answer_to_question(question.id)
        if answer is None:
            return MyQuestion(question)
        review = await self._repository.review(answer.id)
        if not access.may_see(audience, answer, review):
            return MyQuestion(question, closed=True)
        return MyQuestion(question, answer, verdict=review.ruling if review else None)


async def read_changes(
    store: FeedbackStore, repository: ReviewRepository, access: PageAccess, person: str, audience: Audience
) -> list[Change]:
    """Return what changed because of somebody that an audience may see, the newest change first.

    Raises StoreError.
    """
    changes: list[Change] = []
    told = dict.fromkeys(notice.answer_id for notice in reversed(await repository.notices_to(person)))
    for answer_id in told:
        answer, review = await store.answer(answer_id), await repository.review(answer_id)
        verdict = (review.ruling or review.earlier) if review else None
        if answer is not None and verdict is not None and access.may_see(audience, answer, review):
            changes.append((answer, verdict))
    return changes

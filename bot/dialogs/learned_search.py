"""What reviewers and people taught the search: lessons of verified and of rated answers, for the chain.

    learned = LearnedSearch(known, store, page_hash, untrusted)
    answering.recall = learned.recall
    reviewing.learn = learned.catch_up       at the start, after every ruling, every look at other processes'
    ratings = LearnedRatings(known, store, page_hash, scale)
    rating.learn_rating = ratings.learn      after every thumb, star and reaction

A lesson lasts as long as its verified answer: deleted, stale or overruled, it counts no more at the next
question. Nothing is learned from the questions and rulings of people who do not want it, nor of those whose
data is being deleted. What the chat page's own reviewer ruled counts on the chat page, as with verified
answers.

What people think of an answer is a weak lesson about the place that it cites (`learned_places.WEAK`), until a
reviewer has ruled on it. It is computed anew from their words, and kept in memory only. Sources that somebody
opened teach nothing: who it was is not known, so nobody could be left out, and nobody's share be bounded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.dialogs.verified_answers import VerifiedAnswers, select_untrusted
from core.records import Answer, Channel, Question, VerifiedAnswer, derive_answer_id
from feedback.privacy.deletion_log import Deletion, list_excluded
from feedback.reviews.ratings import Opinion, RatedAnswers, Scale, list_opinions
from feedback.reviews.repository import ReviewRepository
from feedback.store.rows import WholeStore, every_page
from model.answering.chain import Recall
from model.answering.learned_places import LearnedPlaces, Lesson, Recalled, read_lesson, read_opinion
from pages.index.embeddings import Vectors

RATINGS_EVERY_S = 60.0
"""How soon other processes know what people rated here, seconds."""
RATED_FOR = timedelta(days=90)
MOST_RATED = 1_000
"""Rated answers that count, those that were rated last."""
MOST_A_PERSON = 20
"""Answers about which one person's opinion counts, the last ones."""
_APART = frozenset({Channel.TEAMS, Channel.SLACK})
"""Channels on which nothing counts that was said on the chat page: who is there is told by nobody."""


class LearnedSearch:
    """One per process.

    `page_hash` is that of a page as it is now, None for one that is gone, or that only its asker knows.
    """

    def __init__(
        self,
        known: VerifiedAnswers,
        store: WholeStore,
        page_hash: Callable[[str], str | None],
        untrusted: Collection[str] = (),
    ) -> None:
        self._known = known
        self._store = store
        self._page_hash = page_hash
        self._untrusted = frozenset(untrusted)
        self._places = LearnedPlaces()
        self._looked_at: tuple[Sequence[VerifiedAnswer], Set[str]] = ((), frozenset())

    async def catch_up(self) -> None:
        """Learn what is served now, from those who want it. Raises StoreError."""
        served = self._known.list_with_vectors()
        excluded = frozenset(await list_excluded(self._store.documents) if served else ())
        looked_at = ([one for one, _ in served], excluded)
        if looked_at == self._looked_at:
            return
        answers = await self._list_answers(excluded)
        wanted = [
            (one, vector)
            for one, vector in served
            if one.answer_id not in answers and one.verified_by not in excluded
        ]
        self._places = await asyncio.to_thread(_build_places, wanted)
        self._looked_at = looked_at

    async def recall(self, query: str, question: Question) -> Sequence[Recalled]:
        """Return what was taught about questions like this one (`model.answering.chain.Recall`)."""
        places = self._places
        if not places.lessons:
            return ()
        vector = await asyncio.to_thread(self._known.vector, query)
        return [one for one in places.recall(vector) if self._counts(one.lesson, question)]

    def _counts(self, lesson: Lesson, question: Question) -> bool:
        trusted = lesson.teacher not in select_untrusted(question, self._untrusted)
        in_scope = lesson.page_url in (None, question.page_url)
        return trusted and in_scope and self._known.has(lesson.answer_id) and self._is_fresh(lesson)

    def _is_fresh(self, lesson: Lesson) -> bool:
        """Tell whether every page behind a lesson is there, and as it was."""
        return all(self._page_hash(url) == then for url, then in lesson.pages)

    async def _list_answers(self, people: Set[str]) -> Set[str]:
        """Return the answers to what these people asked."""
        return {
            derive_answer_id(row.fields["id"])
            for person in people
            async for page in every_page(self._store, "question", person=person)
            for row in page
        }


def _build_places(wanted: Sequence[tuple[VerifiedAnswer, Vectors]]) -> LearnedPlaces:
    taught = [(lesson, vector) for one, vector in wanted if (lesson := read_lesson(one))]
    vectors = np.stack([vector for _, vector in taught]) if taught else None
    return LearnedPlaces(tuple(lesson for lesson, _ in taught), vectors)


@dataclass(frozen=True, slots=True)
class _Rated:
    """A rated answer with what people think of it. `marked` is when it was looked at, as it is marked."""

    answer: Answer
    opinions: tuple[Opinion, ...]
    marked: str = ""


class LearnedRatings:
    """One per process; `page_hash` as in `LearnedSearch`, `scale` says what stars and reactions mean.

    `places` are the lessons, of all people who want it.
    """

    def __init__(
        self,
        known: VerifiedAnswers,
        store: WholeStore,
        page_hash: Callable[[str], str | None],
        scale: Scale,
    ) -> None:
        self._known = known
        self._store = store
        self._page_hash = page_hash
        self._scale = scale
        self._marks = RatedAnswers(store.documents)
        self._repository = ReviewRepository(store.documents)
        self._rated: dict[str, _Rated] = {}
        self._excluded: Set[str] = frozenset()
        self._said: Sequence[tuple[Opinion, Answer]] = ()
        self.places = LearnedPlaces()

    async def learn(self, answer: Answer) -> None:
        """Somebody rated an answer, or took that back. Raises StoreError."""
        await self._marks.mark(answer)
        self._excluded = await list_excluded(self._store.documents)
        await self._look_at(answer.id, "")
        await self._rebuild()

    async def catch_up(self) -> None:
        """Know what was rated anywhere, and forget what is gone. Raises StoreError."""
        marked = await self._marks.list_marked(datetime.now(UTC) - RATED_FOR)
        newest = dict(list(marked.items())[-MOST_RATED:])
        self._rated = {name: one for name, one in self._rated.items() if name in newest}
        for name, when in newest.items():
            if name not in self._rated or self._rated[name].marked != when:
                await self._look_at(name, when)
        self._excluded = await list_excluded(self._store.documents) if self._rated else frozenset()
        await self._rebuild()

    async def recall(self, query: str, question: Question) -> Sequence[Recalled]:
        """Return what was thought of the answers to questions like this one."""
        places = self.places
        if not places.lessons:
            return ()
        vector = await asyncio.to_thread(self._known.vector, query)
        return [one for one in places.recall(vector) if self._counts(one.lesson, question)]

    def forget(self, answer_id: str) -> None:
        """Forget what was thought of an answer: its question was deleted."""
        self._rated.pop(answer_id, None)

    async def forget_person(self, deletion: Deletion) -> None:
        """Forget a person's questions and opinions, whose data is deleted."""
        person = deletion.person
        self._rated = {
            name: replace(one, opinions=tuple(said for said in one.opinions if said.giver != person))
            for name, one in self._rated.items()
            if one.answer.question.asker != person
        }
        await self._rebuild()

    async def _look_at(self, answer_id: str, marked: str) -> None:
        """Read what people think of an answer; of one that a reviewer ruled on, that counts instead."""
        answer = await self._store.answer(answer_id)
        review = await self._repository.review(answer_id)
        if answer is None or (review is not None and review.settled_at is not None):
            self._rated.pop(answer_id, None)
            return
        opinions = list_opinions(await self._store.feedback_on(answer_id), self._scale)
        self._rated[answer_id] = _Rated(answer, tuple(opinions), marked)

    async def _rebuild(self) -> None:
        said = [
            (opinion, one.answer)
            for one in self._rated.values()
            for opinion in one.opinions
            if not {opinion.giver, one.answer.question.asker} & self._excluded
        ]
        said.sort(key=lambda one: one[0].given_at, reverse=True)
        if said == self._said:  # most looks find nothing new
            return
        self.places = await asyncio.to_thread(self._build, said)
        self._said = said

    def _build(self, said: Sequence[tuple[Opinion, Answer]]) -> LearnedPlaces:
        """Build the lessons of opinions, the newest first."""
        counts: Counter[str] = Counter()
        taught: list[tuple[Lesson, Vectors]] = []
        for opinion, answer in said:
            lesson = read_opinion(answer, opinion.giver, opinion.good)
            counts[opinion.giver] += lesson is not None
            if lesson is not None and counts[opinion.giver] <= MOST_A_PERSON:
                taught.append((lesson, self._known.vector(answer.question.text)))
        vectors = np.stack([vector for _, vector in taught]) if taught else None
        return LearnedPlaces(tuple(lesson for lesson, _ in taught), vectors)

    def _counts(self, lesson: Lesson, question: Question) -> bool:
        rated = self._rated.get(lesson.answer_id)
        if rated is None or self._known.has(lesson.answer_id):
            return False
        apart = question.channel in _APART and rated.answer.question.channel not in _APART
        in_scope = lesson.page_url in (None, question.page_url)
        return not apart and in_scope and all(self._page_hash(url) == then for url, then in lesson.pages)


def join_recalls(recalls: Sequence[Recall]) -> Recall:
    """Return what recalls all that these do."""

    async def recall(query: str, question: Question) -> Sequence[Recalled]:
        return [one for each in recalls for one in await each(query, question)]

    return recall

"""What reviewers taught the search: the lessons of the verified answers, for the chain that answers.

    learned = LearnedSearch(known, store, page_hash, untrusted)
    answering.recall = learned.recall
    reviewing.learn = learned.catch_up       at the start, after every ruling, every look at other processes'

A lesson lasts as long as its verified answer: deleted, stale or overruled, it counts no more at the next
question. Nothing is learned from the questions and rulings of people who do not want it, nor of those whose
data is being deleted. What the chat page's own reviewer ruled counts on the chat page, as with verified
answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence, Set

import numpy as np

from bot.dialogs.verified_answers import VerifiedAnswers, select_untrusted
from core.records import Question, VerifiedAnswer, derive_answer_id
from feedback.privacy.deletion_log import list_excluded
from feedback.store.rows import WholeStore, every_page
from model.answering.learned_places import LearnedPlaces, Lesson, Recalled, read_lesson
from pages.index.embeddings import Vectors


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

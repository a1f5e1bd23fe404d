"""Follows up an answer on screen: ties early words to it, shows doubts to reviewers, reads silence.

A follow-up question, an opened source and a stopped answer say something too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from bot.dialogs.rate import Rating, Said, Word, unbound
from bot.dialogs.review import Reviewing
from core.records import Answer, FeedbackKind, Question
from feedback.reviews.served import keep_served
from feedback.store.base import DeferredActions, FeedbackStore
from model.text.question import is_follow_up

FOLLOW_UP, OPENED, ABANDONED = "follow_up", "opened", "abandoned"
DELIVERED, STOPPED = "look at delivered", "note stopped"
"""What waits while the store is away."""
_SOON = timedelta(minutes=30)


class Looking:
    """A `bot.dialogs.ask.AfterDelivery`. What the store cannot take now is looked at later."""

    def __init__(
        self, store: FeedbackStore, rating: Rating, reviewing: Reviewing, later: DeferredActions
    ) -> None:
        self._store = store
        self._rating = rating
        self._reviewing = reviewing
        self._later = later
        later.register(DELIVERED, lambda entry: self._handle_delivered(**entry))
        later.register(STOPPED, lambda entry: self._handle_stopped(**entry))

    async def on_delivered(self, question: Question, message_id: str) -> None:
        """Tie words that came before the answer, note a follow-up, and let reviewers see what they should."""
        entry = {"question_id": question.id, "message_id": message_id}
        await self._later.attempt(partial(self._handle_delivered, **entry), DELIVERED, entry)

    async def on_stopped(self, question: Question) -> None:
        """Note that the asker did not wait for the end; where no answer was written, it is kept apart."""
        entry = {
            "question_id": question.id,
            "asker": question.asker,
            "conversation": question.conversation,
            "at": datetime.now(UTC).isoformat(),
        }
        await self._later.attempt(partial(self._handle_stopped, **entry), STOPPED, entry)

    async def _handle_delivered(self, question_id: str, message_id: str) -> None:
        answer = await self._store.answer_to_question(question_id)
        if answer is None:  # a sentence in its place, or forgotten meanwhile
            return
        if not await self._reviewing.repository.is_considered(answer.id):
            await self.look_at(answer, message_id)

    async def look_at(self, answer: Answer, message_id: str) -> None:
        """Do what follows from a delivery. The mark comes last: without it a job does this again."""
        await self._rating.tie(answer, message_id)
        await keep_served(self._reviewing.repository.documents, answer)
        if answer.stopped:  # nobody can judge a half answer
            return
        await self._note_follow_up(answer)
        await self._reviewing.consider(answer)
        await self._reviewing.repository.mark_considered(answer)

    async def _handle_stopped(self, question_id: str, asker: str, conversation: str, at: str) -> None:
        answer = await self._store.answer_to_question(question_id)
        said = Said(asker, f"{question_id}|{ABANDONED}", datetime.fromisoformat(at))
        word = Word(FeedbackKind.IMPLICIT, ABANDONED)
        if answer is not None:
            await self._rating.give(answer, word, said)
        else:
            await self._rating.keep_unmatched(conversation, "", unbound(word, said))

    async def on_opened(self, answer: Answer, number: int) -> None:
        """Note that somebody opened a source of an answer; who it was is not known."""
        word, said = _signal(OPENED, "", f"{answer.id}|{OPENED} {number}")
        await self._rating.give(answer, word, said)

    async def _note_follow_up(self, answer: Answer) -> None:
        question = answer.question
        if not is_follow_up(question.text):
            return
        *_, before = [None, *await self._store.recent_answers(question.conversation, 2)][:-1]
        if before is None or before.question.asker != question.asker:
            return
        if question.asked_at - before.answered_at <= _SOON:
            word, said = _signal(FOLLOW_UP, question.asker, f"{question.id}|{FOLLOW_UP}")
            await self._rating.give(before, word, said)


def _signal(value: str, giver: str, source: str) -> tuple[Word, Said]:
    return Word(FeedbackKind.IMPLICIT, value), Said(giver, source, datetime.now(UTC))

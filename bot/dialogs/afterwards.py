"""What happens with an answer once it is on screen: early words find it, doubts go to reviewers, silence is read.

A question that follows on an answer, a source that is opened, an answer that is stopped: they say something too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.dialogs.rate import Rating, Said, Word
from bot.dialogs.review import Reviewing
from feedback.store import FeedbackStore
from model.answering import follows
from records import Answer, FeedbackKind, Question

FOLLOW_UP, OPENED, ABANDONED = "follow_up", "opened", "abandoned"
_SOON = timedelta(minutes=30)


class Looking:
    """A `bot.dialogs.ask.Afterwards`."""

    def __init__(self, store: FeedbackStore, rating: Rating, reviewing: Reviewing) -> None:
        self._store = store
        self._rating = rating
        self._reviewing = reviewing

    async def delivered(self, answer: Answer, message_id: str) -> None:
        """Tie what was said before the answer was known, note a follow-up, and let reviewers see what they should."""
        await self._rating.tie(answer, message_id)
        await self._note_follow_up(answer)
        await self._reviewing.consider(answer)

    async def stopped(self, question: Question) -> None:
        """Note that the asker did not wait for the end; where no answer was written, it is kept apart."""
        answer = await self._store.answer_to_question(question.id)
        word, said = _signal(ABANDONED, question.asker, f"{question.id}|{ABANDONED}")
        if answer is not None:
            await self._rating.give(answer, word, said)
        else:
            await self._rating.keep_untied(question.conversation, "", word, said)

    async def opened(self, answer: Answer, number: int) -> None:
        """Note that somebody opened a source of an answer; who it was is not known."""
        word, said = _signal(OPENED, "", f"{answer.id}|{OPENED} {number}")
        await self._rating.give(answer, word, said)

    async def _note_follow_up(self, answer: Answer) -> None:
        question = answer.question
        if not follows(question.text):
            return
        *_, before = [None, *await self._store.recent_answers(question.conversation, 2)][:-1]
        if before is None or before.question.asker != question.asker:
            return
        if question.asked_at - before.answered_at <= _SOON:
            word, said = _signal(FOLLOW_UP, question.asker, f"{question.id}|{FOLLOW_UP}")
            await self._rating.give(before, word, said)


def _signal(value: str, giver: str, source: str) -> tuple[Word, Said]:
    return Word(FeedbackKind.IMPLICIT, value), Said(giver, source, datetime.now(UTC))

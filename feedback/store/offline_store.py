"""The store while Cosmos DB is away: questions go on being answered from a file, and nothing said is lost.

The far store answers while it is there; in its absence an SQLite file of this process does, which the queue
(feedback/store/offline_queue.py) moves over later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from core import telemetry
from core.records import Answer, Feedback, Question
from feedback.store.base import Entry, FeedbackStore, RecordInvalid, StoreUnavailable, Undelivered
from feedback.store.offline_queue import DELIVERED, OfflineQueue, QueueState
from feedback.store.rows import PAGE, Row, Table, WholeStore

T = TypeVar("T")
log = logging.getLogger(__name__)

_JUST_S = 10.0
"""A store that has been away for less is asked at once who answers a question, whatever failed before."""


class RemoteStore(WholeStore, Protocol):
    """The store that may be away; it makes no calls for a while after one that failed."""

    def end_pause(self) -> None:
        """Make the next call all the same."""
        ...


class OfflineStore:
    """A FeedbackStore: the far store, and where that is away, the queue's own file.

    `documents` are the far ones.

    A question that several processes hear is answered by the one that holds it in the far store. One that
    could not ask there keeps the question here, asks again before anything is shown, and once more before
    the answer is: only processes of which none reaches the store all that time answer the same question.
    """

    def __init__(self, far: RemoteStore, spool: OfflineQueue) -> None:
        self._far = far
        self._held_until: dict[str, float] = {}
        self._near = spool.near
        self.spool = spool
        self.documents = far.documents
        self._away_since: float | None = None
        spool.register(DELIVERED, self._deliver)

    @property
    def waiting(self) -> QueueState:
        """How things stand."""
        away_s = None if self._away_since is None else time.monotonic() - self._away_since
        return QueueState(self.spool.records, away_s, self.spool.full, self.spool.failed)

    async def drain(self) -> int:
        """Carry over what waits; return how much. Raises StoreUnavailable while the far store is away."""
        try:
            done = await self.spool.drain(self._far)
            await self._far.answer("is it there?")
        except StoreUnavailable as error:
            self._note_away(error)
            raise
        if self._away_since is not None:
            log.warning("the store is back; %d records were carried over", done)
            telemetry.event("store_back", seconds=time.monotonic() - self._away_since, count=done)
            self._away_since = None
        return done

    async def add_question(self, question: Question) -> bool:
        if self.spool.has(question.id):
            return False
        began = time.monotonic()
        try:
            added = await self._far.add_question(question)
        except StoreUnavailable as error:
            self._note_away(error)
            return await self.spool.keep_question(question)
        if added:
            self._note_held(began, question.id)
        return added

    async def add_answer(self, answer: Answer) -> Answer:
        if not self.spool.has(answer.question.id):
            try:
                return await self._far.add_answer(answer)
            except StoreUnavailable as error:
                self._note_away(error)
                await self.spool.keep_question(answer.question)
        return await self._near.add_answer(answer)

    async def hold_question(self, question: Question) -> bool:
        if time.monotonic() < self._held_until.get(question.id, 0.0):
            return True
        began, waits_here = time.monotonic(), self.spool.has(question.id)
        try:
            if waits_here and self._is_just_away():
                self._far.end_pause()
            held = waits_here and await self._far.add_question(question)
            held = held or await self._far.hold_question(question)
        except StoreUnavailable as error:
            self._note_away(error)
            return True
        if held:
            self._note_held(began, question.id)
        elif waits_here:
            await self.spool.drop_question(question.id)
        return held

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        self._held_until.pop(question_id, None)
        if self.spool.has(question_id):
            await self._near.mark_delivered(question_id, message_id)
            return
        try:
            await self._far.mark_delivered(question_id, message_id)
        except StoreUnavailable as error:
            self._note_away(error)
            self.spool.closed.add(question_id)
            await self.spool.keep(DELIVERED, {"question_id": question_id, "message_id": message_id})

    async def take_undelivered(self) -> Sequence[Undelivered]:
        near, began = list(await self._near.take_undelivered()), time.monotonic()
        try:
            taken = await self._far.take_undelivered()
            self._held_until = {id_: until for id_, until in self._held_until.items() if until > began}
            self._note_held(began, *(left.question.id for left in taken))
            far = [
                left
                for left in taken
                if not self.spool.has(left.question.id) and left.question.id not in self.spool.closed
            ]
        except StoreUnavailable as error:
            self._note_away(error)
            far = []
        return sorted(near + far, key=lambda left: left.question.asked_at)

    async def answer(self, answer_id: str) -> Answer | None:
        return await self._first(lambda store: store.answer(answer_id))

    async def answer_to_question(self, question_id: str) -> Answer | None:
        return await self._first(lambda store: store.answer_to_question(question_id))

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        return await self._first(lambda store: store.answer_in_message(conversation, message_id))

    async def find_message(self, question_id: str) -> str | None:
        return await self._first(lambda store: store.find_message(question_id))

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        """Return the answers at hand: a follow-up is better answered without its history than not at all."""
        near = list(await self._near.recent_answers(conversation, limit)) if self.spool.records else []
        try:
            far = list(await self._far.recent_answers(conversation, limit))
        except StoreUnavailable as error:
            self._note_away(error)
            far = []
        known = {answer.id: answer for answer in far + near}
        return sorted(known.values(), key=lambda answer: answer.answered_at)[-limit:] if limit > 0 else []

    async def answers_after(self, after: tuple[str, str], limit: int) -> Sequence[Answer]:
        return await self._far.answers_after(after, limit)

    async def forget_question(self, question_id: str) -> None:
        self._held_until.pop(question_id, None)
        await self.spool.drop_question(question_id)
        await self._far.forget_question(question_id)

    async def put_feedback(self, feedback: Feedback) -> None:
        """Keep a word in the far store. Raises StoreUnavailable also while its answer is not there yet."""
        try:
            await self._far.put_feedback(feedback)
        except RecordInvalid:
            if await self._near.answer(feedback.answer_id) is None:
                raise
            raise StoreUnavailable("The answer is still on its way to the store.") from None

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        return await self._far.feedback_on(answer_id)

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        return await self._far.rows(table, after, limit, person)

    async def put_rows(self, rows: Sequence[Row]) -> None:
        await self._far.put_rows(rows)

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        await self._far.drop_rows(rows)

    async def count(self, table: Table) -> int:
        return await self._far.count(table)

    async def overwrite(self, *, whole: bool = False) -> None:
        await self._far.overwrite(whole=whole)
        await self._near.overwrite(whole=whole)

    async def close(self) -> None:
        await self._far.close()
        await self._near.close()

    async def _deliver(self, entry: Entry) -> None:
        await self._far.mark_delivered(entry["question_id"], entry["message_id"])
        self.spool.closed.discard(entry["question_id"])

    async def _first(self, find: Callable[[FeedbackStore], Awaitable[T | None]]) -> T | None:
        """Return what is found here, or there. Raises StoreUnavailable when there is nobody to ask there."""
        found = await find(self._near) if self.spool.records else None
        return found if found is not None else await find(self._far)

    def _note_held(self, began: float, *question_ids: str) -> None:
        """Take note that the far store gave these to this process, asked at a time of the monotonic clock."""
        until = began + self._near.hold.hold_s
        self._held_until |= dict.fromkeys(question_ids, until)

    def _is_just_away(self) -> bool:
        return self._away_since is None or time.monotonic() - self._away_since < _JUST_S

    def _note_away(self, why: StoreUnavailable) -> None:
        if self._away_since is None:
            log.warning("the store is away, and what is said is kept here until it is back: %s", why)
            telemetry.event("store_away")
            self._away_since = time.monotonic()

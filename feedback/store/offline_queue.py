"""The store while Cosmos DB is away: questions go on being answered from a file, and nothing said is lost.

    OfflineStore   a FeedbackStore: the far store, and in its absence an SQLite file of this process
    OfflineQueue   DeferredActions: what cannot be done now, in order, until `drain` does it

What waits is moved to the far store once it is back, one thing after the other. Being stopped in between, at
any moment, changes nothing: every step may be done twice. The queue is bounded: when it is full, or its disk,
people are told that nothing can be kept (StoreUnavailable), as if there were no queue.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from core import telemetry
from core.records import Answer, Feedback, Question
from feedback.store.base import (
    Do,
    Entry,
    FeedbackStore,
    RecordInvalid,
    StoreUnavailable,
    Undelivered,
    moment,
)
from feedback.store.documents import Document, Wanted, every_document
from feedback.store.rows import PAGE, TABLES, Row, Table, WholeStore, every_page, every_row
from feedback.store.serialization import parse_question
from feedback.store.sqlite import SqliteStore

T = TypeVar("T")
log = logging.getLogger(__name__)

_ENTRY, _FAILED = "entry", "failed"
DELIVERED = "delivered"
"""An entry that closes a question of the far store."""
_JUST_S = 10.0
"""A store that has been away for less is asked at once who answers a question, whatever failed before."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much waits for the store, and since when it is away (None: it is there).

    `failed` entries could not be done when the store was back; they stay in the file.
    """

    records: int
    away_since_s: float | None
    full: bool = False
    failed: int = 0


class OfflineQueue:
    """The entries of one process, in a file that survives it."""

    def __init__(self, near: SqliteStore, *, most: int) -> None:
        """`most` records are kept, questions and entries together.

        `closed` has the questions of the far store that their askers have answers to, which it has not heard
        yet; `failed` is how many entries could not be done.
        """
        self.near = near
        self.most = most
        self._entries = 0
        self._questions: set[str] = set()
        self.closed: set[str] = set()
        self.failed = 0
        self._last = 0
        self._told_full = False
        self._actions: dict[str, Do] = {}

    async def load(self) -> None:
        """Count what an earlier process left."""
        entries = await self._all(_ENTRY)
        self._entries = len(entries)
        self.closed = {entry["question_id"] for what, entry in map(_read, entries) if what == DELIVERED}
        self.failed = len(await self._all(_FAILED))
        self._questions.clear()
        async for row in every_row(self.near, "question"):
            self._questions.add(row.fields["id"])

    async def take_over(self, left: SqliteStore) -> None:
        """Take what another process left; it may be stopped in between and done again."""
        for table in TABLES:
            async for page in every_page(left, table):
                await self.near.put_rows(page)
        for table in reversed(TABLES):  # a question's answer goes with it
            async for page in every_page(left, table):
                await left.drop_rows(page)
        await self.load()

    def register(self, what: str, do: Do) -> None:
        """Say what is done with entries of a kind."""
        self._actions[what] = do

    @property
    def records(self) -> int:
        """How many records wait."""
        return self._entries + len(self._questions)

    @property
    def is_waiting(self) -> bool:
        """Whether entries wait: what comes now goes behind them."""
        return self._entries > 0

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self.records >= self.most

    def has(self, question_id: str) -> bool:
        """Tell whether this question is in the file."""
        return question_id in self._questions

    def check_room(self) -> None:
        """Raise StoreUnavailable when the queue is full."""
        if self.full and not self._told_full:
            telemetry.event("spool_full", count=self.records)
        self._told_full = self.full
        if self.full:
            raise StoreUnavailable(
                f"The store is away and {self.records:,} records wait for it, the most that are kept here:"
                " nothing more is taken until it is back (setting spool_records)."
            )

    async def attempt(self, do: Callable[[], Awaitable[T]], what: str, entry: Entry) -> T | None:
        """Do something now, unless something waits; None where it is kept (see `DeferredActions`)."""
        if not self.is_waiting:
            try:
                return await do()
            except StoreUnavailable as error:
                log.info("kept for later, since the store is away: %s", error)
        await self.keep(what, entry)
        return None

    async def keep(self, what: str, entry: Entry) -> None:
        """Keep something to be done when the store is back. Raises StoreUnavailable when there is no room."""
        self.check_room()
        self._last = max(self._last + 1, time.time_ns())
        body = json.dumps({"what": what, "entry": entry})
        await self.near.documents.add(Document(_ENTRY, f"{self._last:020}", body))
        self._entries += 1

    async def keep_question(self, question: Question) -> bool:
        """Keep a question here; False when it is here already."""
        self.check_room()
        added = await self.near.add_question(question)
        self._questions.add(question.id)
        return added

    async def drop_question(self, question_id: str) -> None:
        """Forget a question that is kept here."""
        if self.has(question_id):
            await self.near.forget_question(question_id)
            self._questions.discard(question_id)

    async def drain(self, far: WholeStore) -> int:
        """Do what waits, the questions first; return how much was done.

        Raises StoreUnavailable when it is still away.
        """
        delivered = [
            row async for row in every_row(self.near, "question") if row.fields["message_id"] is not None
        ]
        for row in delivered:  # those that are still open are being answered here
            await self._move(row, far)
        done = len(delivered)
        for document in await self._all(_ENTRY):
            await self._do(document)
            done += 1
        return done

    async def hand_over(self, far: WholeStore) -> int:
        """Carry over the open questions of a process that answers no more, for the next one to look."""
        left = await self.near.take_undelivered()
        for one in left:
            await far.add_question(one.question)
            if one.answer is not None:
                with contextlib.suppress(RecordInvalid):  # somebody has forgotten the question meanwhile
                    await far.add_answer(one.answer)
            await self.drop_question(one.question.id)
        return len(left)

    async def foreign(self) -> set[str]:
        """Return the kinds of entries that nobody here can do.

        Another version, or another part, left them.
        """
        return {what for what, _ in map(_read, await self._all(_ENTRY))} - self._actions.keys()

    async def forget(self, mentions: str) -> int:
        """Delete entries that have a text in them (a person's pseudonym or id); return how many."""
        found = [document for document in await self._all() if mentions in document.body]
        for document in found:
            await self.near.documents.remove(document.kind, document.id)
            self._entries -= document.kind == _ENTRY
        return len(found)

    async def forget_person(
        self, person: str, until: datetime, kept: Mapping[str, Callable[[Entry], Entry]]
    ) -> None:
        """Delete the questions of a person, and what else has the pseudonym in it, from before a time.

        Entries of the kinds in `kept` stay, as that changes them.
        """
        for document in await self._all():
            if person not in document.body or int(document.id) > until.timestamp() * 1e9:
                continue
            what, entry = _read(document)
            if what in kept:
                body = json.dumps({"what": what, "entry": kept[what](entry)})
                await self.near.documents.put(replace(document, body=body))
            else:
                await self.near.documents.remove(document.kind, document.id)
                self._entries -= document.kind == _ENTRY
        async for row in every_row(self.near, "question", person=person):
            if row.fields["asked_at"] <= moment(until):
                await self.drop_question(row.fields["id"])
        await self.near.overwrite(whole=True)

    async def _move(self, row: Row, far: WholeStore) -> None:
        """Carry an answered and delivered question over."""
        question = parse_question(row.fields["record"])
        answer = await self.near.answer_to_question(question.id)
        await far.add_question(question)
        if answer is not None:
            with contextlib.suppress(RecordInvalid):  # somebody has forgotten the question meanwhile
                await far.add_answer(answer)
        await far.mark_delivered(question.id, row.fields["message_id"])
        await self.near.forget_question(question.id)
        self._questions.discard(question.id)

    async def _do(self, document: Document) -> None:
        what, entry = _read(document)
        try:
            await self._actions[what](entry)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("something that waited for the store could not be done; it is kept as failed")
            await self.near.documents.add(Document(_FAILED, document.id, document.body))
            self.failed += 1
        await self.near.documents.remove(document.kind, document.id)
        self._entries -= 1

    async def _all(self, *kinds: str) -> list[Document]:
        return [
            document
            for kind in kinds or (_ENTRY, _FAILED)
            async for document in every_document(self.near.documents, Wanted(kind, limit=500))
        ]


class FarStore(WholeStore, Protocol):
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

    def __init__(self, far: FarStore, spool: OfflineQueue) -> None:
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


def _read(document: Document) -> tuple[str, Entry]:
    """Return what an entry is, and what it says."""
    kept = json.loads(document.body)
    return kept["what"], kept["entry"]

"""The queue of what waits for the store: `DeferredActions` in a file that survives its process.

What waits is moved to the far store once it is back, one thing after the other. Being stopped in between, at
any moment, changes nothing: every step may be done twice. The queue is bounded: when it is full, or its disk,
people are told that nothing can be kept (StoreUnavailable), as if there were no queue.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from core import telemetry
from core.records import Question
from feedback.store.base import (
    Do,
    Entry,
    RecordInvalid,
    StoreUnavailable,
    moment,
)
from feedback.store.documents import Document, Wanted, every_document
from feedback.store.rows import TABLES, Row, WholeStore, every_page, every_row
from feedback.store.serialization import parse_question
from feedback.store.sqlite import SqliteStore

T = TypeVar("T")
log = logging.getLogger(__name__)

_ENTRY, _FAILED = "entry", "failed"
DELIVERED = "delivered"
"""An entry that closes a question of the far store."""


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
    """The entries of one process, and its questions that the far store has not, until `drain` moves them."""

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


def _read(document: Document) -> tuple[str, Entry]:
    """Return what an entry is, and what it says."""
    kept = json.loads(document.body)
    return kept["what"], kept["entry"]

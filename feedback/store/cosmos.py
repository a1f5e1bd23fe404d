"""The store in Azure Cosmos DB for NoSQL, for several bots that answer together: a `FeedbackStore`.

    store = await CosmosStore.open(CosmosConfig("https://….documents.azure.com"))

`feedback/store/cosmos_schema.py` describes the container, `core/cosmos_client.py` speaks to it. Ids are
deterministic: a record that is written twice is one. The container is made by `askpage store init`, never by
this.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from core.cosmos_client import Charges, CosmosContainer, Item, translate_errors
from core.records import Answer, Feedback, Question, derive_answer_id
from feedback.store import cosmos_schema as as_item
from feedback.store.base import (
    ALONE,
    ProcessLease,
    RecordInvalid,
    StoreError,
    StoreUnavailable,
    Undelivered,
)
from feedback.store.cosmos_documents import CosmosDocuments
from feedback.store.cosmos_schema import ERRORS, CosmosConfig, sort_key
from feedback.store.rows import PAGE, Row, Table
from feedback.store.serialization import from_json, parse_answer, parse_question

_OPEN_AT_ONCE = 200


class CosmosStore:
    """A FeedbackStore in a container; `documents` are in the same one. One per process."""

    def __init__(self, config: CosmosConfig, *, hold: ProcessLease = ALONE) -> None:
        """Connects with the first call, and again with a later one where that did not work."""
        self._items = items = CosmosContainer(config, ERRORS)
        self._config = config
        self._hold = hold
        self._closed = False
        self._number = 0
        self.documents = CosmosDocuments(items, self._add_ttl)

    @classmethod
    async def open(cls, config: CosmosConfig, *, hold: ProcessLease = ALONE) -> CosmosStore:
        """Connect.

        Raises StoreUnavailable, also where the container is missing: `askpage store init` makes it.
        """
        store = cls(config, hold=hold)
        try:
            await store._items.open()
        except StoreError:
            await store.close()
            raise
        return store

    @property
    def charges(self) -> Charges:
        """What the operations have cost so far."""
        return self._items.charges

    async def add_question(self, question: Question) -> bool:
        """Keep a question; False when this id is known already."""
        self._must_be_open()
        with translate_errors(ERRORS, self._config.timeout_s):
            item = as_item.question_item(question, self._hold)
        return await self._items.create(self._add_ttl(item))

    async def add_answer(self, answer: Answer) -> Answer:
        """Keep an answer.

        Raises RecordInvalid when its question is not known (it may have been forgotten).
        """
        self._must_be_open()
        question = answer.question
        pk = derive_answer_id(question.id)
        asked = await self._items.read(pk, as_item.QUESTION)
        if asked is None:
            raise RecordInvalid(f"an answer to an unknown question: {question.id}")
        if not answer.id == asked["answer_id"] == pk:  # of copied ones; otherwise the writing finds it
            earlier = await self._answer_to(asked)
            if earlier is not None:
                return replace(earlier, question=question)
        if answer.id != pk:  # only a copied one
            await self._items.patch(pk, as_item.QUESTION, {"answer_id": answer.id})
        if not await self._items.create(self._add_ttl(as_item.answer_item(answer))):
            kept = await self.answer(answer.id)
            return replace(kept, question=question) if kept else answer
        if await self._items.read(pk, as_item.QUESTION) is None:  # forgotten in this moment
            await self._items.delete(answer.id, as_item.ANSWER)
            raise RecordInvalid(f"an answer to a forgotten question: {question.id}")
        return answer

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        """Close a question; an unknown id is no error."""
        self._must_be_open()
        await self._items.patch(
            derive_answer_id(question_id),
            as_item.QUESTION,
            {"message_id": message_id, "reply_to": "", "state": as_item.CLOSED},
        )

    async def take_undelivered(self) -> Sequence[Undelivered]:
        """Return and hold the open questions that nobody else holds, oldest first, each with its answer."""
        self._must_be_open()
        found = await self._items.query(
            f"SELECT TOP {_OPEN_AT_ONCE} * FROM c WHERE c.type = 'question' AND c.kind = 'question' AND"  # noqa: S608
            " c.state = 'open'"
            " AND (c.holder = @holder OR c.held_until < @now) ORDER BY c.kind, c.state, c.at, c.name",
            holder=self._hold.holder,
            now=self._hold.now(),
        )
        taken = await self._items.together([partial(self._take, item) for item in found])
        mine = [item for item, ours in zip(found, taken, strict=True) if ours]
        return [await self._read_undelivered(item) for item in mine]

    async def hold_question(self, question: Question) -> bool:
        """Hold a question on; False where another process holds it, or it is closed."""
        self._must_be_open()
        item = await self._items.read(derive_answer_id(question.id), as_item.QUESTION)
        if item is None:  # forgotten meanwhile
            return True
        if item["state"] != as_item.OPEN:
            return False
        if item["held_until"] >= self._hold.now():
            return item["holder"] == self._hold.holder
        return await self._take(item)

    def end_pause(self) -> None:
        """Let the next call be made, though one has failed a moment ago."""
        self._items.end_pause()

    async def answer(self, answer_id: str) -> Answer | None:
        """Return the answer with this id, or None."""
        self._must_be_open()
        item = await self._items.read(answer_id, as_item.ANSWER)
        return _read_answer(item) if item else None

    async def answer_to_question(self, question_id: str) -> Answer | None:
        """Return the answer to this question, or None."""
        self._must_be_open()
        pk = derive_answer_id(question_id)
        answer = await self.answer(pk)
        if answer is not None:
            return answer
        asked = await self._items.read(pk, as_item.QUESTION)
        return await self._answer_to(asked) if asked and asked["answer_id"] != pk else None

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        """Return the answer delivered as this message, or None; `conversation` may lack its thread."""
        self._must_be_open()
        if not message_id:
            return None
        where = "c.type = 'question' AND c.message_id = @message"
        for also, value in (
            ("c.conversation = @conversation", conversation),
            ("STARTSWITH(c.conversation, @conversation)", f"{conversation};messageid="),
        ):
            found = await self._items.query(
                f"SELECT TOP 1 * FROM c WHERE {where} AND {also}",  # noqa: S608 - our own words
                message=message_id,
                conversation=value,
            )
            if found:
                return await self._answer_to(found[0])
        return None

    async def find_message(self, question_id: str) -> str | None:
        """Return the message that answered this question; None before, and when it could not be delivered."""
        self._must_be_open()
        item = await self._items.read(derive_answer_id(question_id), as_item.QUESTION)
        return item["message_id"] or None if item else None

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        """Return the last answers of a conversation, oldest first."""
        self._must_be_open()
        found = await self._items.query(
            f"SELECT TOP {max(limit, 0)} * FROM c WHERE c.type = 'answer' AND c.kind = 'answer'"  # noqa: S608
            " AND c.conversation = @conversation"
            " ORDER BY c.kind DESC, c.conversation DESC, c.at DESC, c.name DESC",
            conversation=conversation,
        )
        return [_read_answer(item) for item in reversed(found)]

    async def answers_after(self, after: tuple[str, str], limit: int) -> Sequence[Answer]:
        """Return the answers after a place in (time, id), oldest first."""
        self._must_be_open()
        found = await self._items.query(
            f"SELECT TOP {max(limit, 0)} * FROM c WHERE c.type = 'answer' AND c.kind = 'answer'"  # noqa: S608
            " AND (c.at > @at OR (c.at = @at AND c.name > @name)) ORDER BY c.kind, c.at, c.name",
            at=after[0],
            name=after[1],
        )
        return [_read_answer(item) for item in found]

    async def forget_question(self, question_id: str) -> None:
        """Delete a question with all that goes with it.

        Cut off in the middle, it can be repeated: it goes last.
        """
        self._must_be_open()
        pk = derive_answer_id(question_id)
        asked = await self._items.read(pk, as_item.QUESTION)
        if asked is None:
            return
        for partition in {pk, asked["answer_id"]}:
            ids = await self._items.query("SELECT c.id FROM c WHERE c.pk = @pk", partition, pk=partition)
            names = [item["id"] for item in ids if item["id"] != as_item.QUESTION]
            await self._items.together([partial(self._items.delete, partition, name) for name in names])
        await self._items.delete(pk, as_item.QUESTION)

    async def put_feedback(self, feedback: Feedback) -> None:
        """Keep or replace one person's word. Raises RecordInvalid when its answer is not known."""
        self._must_be_open()
        answer_id = feedback.answer_id
        item = self._add_ttl(as_item.feedback_item(feedback, number=self._next_number()))
        await self._items.create(item)
        # looked at last, so that none is left by a forgetting
        if await self._items.read(answer_id, as_item.ANSWER) is None:
            await self._items.delete(answer_id, item["id"])
            raise RecordInvalid(f"feedback on an unknown answer: {answer_id}")

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        """Return the current feedback on an answer, withdrawn records included, oldest first."""
        self._must_be_open()
        found = await self._items.query(
            "SELECT * FROM c WHERE c.pk = @pk AND c.type = 'feedback'", answer_id, pk=answer_id
        )
        newest: dict[tuple[str, str, str], Item] = {}
        for item in sorted(found, key=lambda item: (item["changed_at"], item["number"])):
            newest[item["person"], item["word"], item["reaction"]] = item
        current = sorted(newest.values(), key=lambda item: (item["at"], item["number"]))
        return [from_json(Feedback, item["body"]) for item in current]

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        """Return rows in the order of their keys (feedback/store/rows.py)."""
        self._must_be_open()
        of_person, order = (" AND c.person = @person", "c.type, c.person, c.key")
        if person is None:
            of_person, order = "", "c.type, c.key"
        found = await self._items.query(
            f"SELECT TOP {max(limit, 0)} * FROM c WHERE c.type = @type{of_person} AND c.key > @key ORDER BY"  # noqa: S608
            f" {order}",
            type=table,
            key=sort_key(after),
            **({"person": person} if person is not None else {}),
        )
        return [as_item.to_row(item) for item in found]

    async def put_rows(self, rows: Sequence[Row]) -> None:
        """Keep rows as they are. A question that is there keeps its holder, and the way to its answer."""
        self._must_be_open()
        with translate_errors(ERRORS, self._config.timeout_s):
            items = [self._add_ttl(as_item.to_item(row)) for row in rows]
        await self._items.together([partial(self._put, item) for item in items])

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        """Delete rows."""
        self._must_be_open()
        items = [as_item.to_item(row) for row in rows]
        await self._items.together([partial(self._items.delete, item["pk"], item["id"]) for item in items])

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        self._must_be_open()
        found: list[Any] = await self._items.query(
            "SELECT VALUE COUNT(1) FROM c WHERE c.type = @type", type=table
        )
        return sum(found)

    async def overwrite(self, *, whole: bool = False) -> None:
        """Nothing is left over here: the service overwrites by itself."""

    async def changes(self, since: str = "") -> tuple[Sequence[Row], str]:
        """Return the rows that were written since a place in the change feed, and the next place.

        Each row comes once, as it is now; deletions do not come.
        """
        self._must_be_open()
        found, place = await self._items.changes(since)
        return [as_item.to_row(item) for item in found], place

    async def close(self) -> None:
        """Let go of the connections."""
        if not self._closed:
            self._closed = True
            await self._items.close()

    def _must_be_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("The store is closed.")

    def _add_ttl(self, item: Item) -> Item:
        return item | {"ttl": self._config.ttl_s(item["kind"])}

    def _next_number(self) -> int:
        """Return the time in microseconds, but never a number twice.

        Cosmos DB's numbers are exact up to 2**53.
        """
        self._number = max(self._number + 1, time.time_ns() // 1000)
        return self._number

    async def _put(self, item: Item) -> None:
        if item["type"] == "question":
            if not await self._items.create(item):
                changes = {name: item[name] for name in as_item.CHANGING}
                await self._items.patch(item["pk"], item["id"], changes)
            return
        await self._items.upsert(item)
        if item["type"] == "answer" and item["pk"] != derive_answer_id(item["question_id"]):  # an older one
            pk = derive_answer_id(item["question_id"])
            await self._items.patch(pk, as_item.QUESTION, {"answer_id": item["name"]})

    async def _take(self, item: Item) -> bool:
        held = {"holder": self._hold.holder, "held_until": self._hold.until()}
        return await self._items.patch(item["pk"], as_item.QUESTION, held, etag=item["_etag"]) is True

    async def _read_undelivered(self, item: Item) -> Undelivered:
        question = parse_question(item["body"], item["reply_to"])
        answer = await self._answer_to(item)
        return Undelivered(question, replace(answer, question=question) if answer else None)

    async def _answer_to(self, asked: Mapping[str, Any]) -> Answer | None:
        return await self.answer(asked["answer_id"])


def _read_answer(item: Item) -> Answer:
    return parse_answer(item["body"], parse_question(item["question"]))

"""Questions, answers, feedback and rows ↔ items of Azure Cosmos DB. The properties are those of cosmos_schema.py."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from feedback.cosmos_documents import document_item
from feedback.cosmos_items import Item
from feedback.cosmos_schema import sort_key
from feedback.documents import Document
from feedback.plain import reaction_of, to_json
from feedback.rows import Row, Table, key_of
from feedback.store import Hold, moment
from records import Answer, Feedback, Question, answer_id_of

QUESTION, ANSWER = "question", "answer"
"""The ids of these items; there is one of each in a partition."""
OPEN, CLOSED = "open", "closed"
CHANGING = ("person", "conversation", "at", "body", "reply_to", "message_id", "state", "ttl")
"""What a question's item takes over when its row is put again; one patch has ten operations at most."""

_NAMES: Mapping[Table, Mapping[str, str]] = {
    "question": {
        "id": "name",
        "conversation": "conversation",
        "asker": "person",
        "asked_at": "at",
        "record": "body",
        "reply_to": "reply_to",
        "message_id": "message_id",
    },
    "answer": {
        "id": "name",
        "question_id": "question_id",
        "conversation": "conversation",
        "answered_at": "at",
        "record": "body",
        "question": "question",
        "asker": "person",
    },
    "feedback": {
        "number": "number",
        "answer_id": "answer_id",
        "giver": "person",
        "kind": "word",
        "reaction": "reaction",
        "given_at": "at",
        "changed_at": "changed_at",
        "record": "body",
        "source": "source",
    },
    "document": {
        "kind": "kind",
        "id": "name",
        "body": "body",
        "answer_id": "answer_id",
        "person": "person",
        "state": "state",
        "place": "at",
        "version": "version",
    },
}
"""A row's fields and the items' properties that hold them."""


def question_item(question: Question, hold: Hold) -> Item:
    """Return an open question as an item that this process holds."""
    fields = {
        "id": question.id,
        "conversation": question.conversation,
        "asker": question.asker,
        "asked_at": moment(question.asked_at),
        "record": to_json(question),
        "reply_to": question.reply_to,
        "message_id": None,
    }
    held = {"holder": hold.holder, "held_until": hold.until()}
    return item_of(Row("question", question.id, fields)) | held


def answer_item(answer: Answer) -> Item:
    """Return an answer as an item; its question's record is in it."""
    fields = {
        "id": answer.id,
        "question_id": answer.question.id,
        "conversation": answer.question.conversation,
        "answered_at": moment(answer.answered_at),
        "record": to_json(answer),
        "question": to_json(answer.question),
        "asker": answer.question.asker,
    }
    return item_of(Row("answer", answer.id, fields))


def feedback_item(feedback: Feedback, number: int) -> Item:
    """Return a word as an item; of words that were said at the same time the higher `number` came later."""
    fields = {
        "number": number,
        "answer_id": feedback.answer_id,
        "giver": feedback.giver,
        "kind": feedback.kind.value,
        "reaction": reaction_of(feedback),
        "given_at": moment(feedback.given_at),
        "changed_at": moment(feedback.withdrawn_at or feedback.given_at),
        "record": to_json(feedback),
        "source": feedback.source,
    }
    return item_of(Row("feedback", key_of("feedback", fields), fields))


def item_of(row: Row) -> Item:
    """Return a row as an item."""
    fields = row.fields
    if row.table == "document":
        named = {name: fields[name] for name in ("kind", "id", "body", "answer_id", "person", "state")}
        document = Document(**named, order=fields["place"])
        return document_item(document, version=fields["version"])
    pk, id_ = _place_of(row.table, fields)
    item = {name: fields[field] for field, name in _NAMES[row.table].items()}
    item |= {"id": id_, "pk": pk, "type": row.table, "key": sort_key(row.key), "kind": row.table}
    if row.table == "question":
        closed = fields["message_id"] is not None
        item |= {"state": CLOSED if closed else OPEN, "answer_id": pk, "holder": "", "held_until": ""}
    return item


def row_in(item: Item) -> Row:
    """Return an item as a row."""
    table: Table = item["type"]
    fields = {field: item[name] for field, name in _NAMES[table].items()}
    return Row(table, key_of(table, fields), fields)


def _place_of(table: Table, fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the partition and the item id of what is no document."""
    match table:
        case "question":
            return answer_id_of(fields["id"]), QUESTION
        case "answer":
            return fields["id"], ANSWER
        case _:
            told = fields["source"] or fields["record"]
            name = " ".join((fields["giver"], fields["kind"], fields["reaction"], told))
            return fields["answer_id"], f"word-{hashlib.sha256(name.encode()).hexdigest()[:32]}"

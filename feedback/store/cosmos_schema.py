"""The one container of the store in Azure Cosmos DB for NoSQL: how it is partitioned, indexed and aged.

Everything that goes with one answer lies in one partition: its question, the answer, the words on it, its
review and the cards on screen. The partition key `pk` is the answer's id, which follows from the question's;
records that go with no answer are spread by a hash of their name.

| property | of | what |
|---|---|---|
| `type` | all | question, answer, feedback or document (`feedback/store/rows.py`) |
| `key` | all | the row's key as `sort_key` writes it; exports go along it |
| `kind` | all | the type, or a document's kind |
| `name` | all | the record's own id |
| `at` | all | the time or place that lists are sorted by |
| `person` | all | pseudonym of whom it is of: asker, giver, or the document's person |
| `state` | question, document | open or closed; what lists filter by |
| `conversation`, `message_id` | question, answer | where it was asked, and the message with the answer |
| `body` | all | the record as JSON text; never indexed |

Cosmos DB is asked for what it holds by (`kind`, …, `at`, `name`), which the composite indexes serve in order.

Records and rows become items with these properties here, and items records; `cosmos_documents.py` keeps the
small records that change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.cosmos_client import (
    PARTITION,
    ContainerConfig,
    ContainerPolicies,
    ErrorClasses,
    Item,
    create_container,
)
from core.records import Answer, Feedback, Question, derive_answer_id
from feedback.store.base import ProcessLease, RecordInvalid, StoreUnavailable, moment
from feedback.store.documents import Document
from feedback.store.rows import Row, Table, build_row_key
from feedback.store.serialization import derive_reaction, to_json

ERRORS = ErrorClasses(StoreUnavailable, RecordInvalid)
_SEARCHED = (
    *("type", "key", "kind", "name", "at", "person", "state", "conversation", "message_id", "answer_id"),
    *("holder", "held_until"),
)
_ORDERS = (
    ("kind", "at", "name"),
    ("kind", "state", "at", "name"),
    ("kind", "person", "at", "name"),
    ("type", "key"),
    ("type", "person", "key"),
)
_NEWEST_FIRST = (("kind", "conversation", "at", "name"),)


def indexing_policy() -> dict[str, Any]:
    """Return the container's indexing policy: what is searched is indexed, and nothing else."""
    orders = [(order, "ascending") for order in _ORDERS]
    orders += [(order, "descending") for order in _NEWEST_FIRST]
    return {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [{"path": f"/{name}/?"} for name in _SEARCHED],
        "excludedPaths": [{"path": "/*"}],
        "compositeIndexes": [
            [{"path": f"/{name}", "order": direction} for name in order] for order, direction in orders
        ],
    }


def sort_key(key: str) -> str:
    """Return a key in ASCII that sorts as the key does by code points.

    How Cosmos DB sorts characters beyond ASCII is not documented; the SDK, which joins what the partitions
    give, sorts by code points, other implementations of the protocol by UTF-16 units.
    """
    return _BEYOND_ASCII.sub(lambda found: f"~{ord(found[0]):06x}", key)


_BEYOND_ASCII = re.compile("[^\x00-\x7d]")  # the tilde introduces, so it is written like those above it

_DAY_S = 86_400
_LONGEST_TTL_S = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CosmosConfig(ContainerConfig):
    """Where the store is, and how it is reached.

    `keep_days` says how long Cosmos DB keeps records by their `kind` (and "" for all others); 0 is for ever.
    """

    keep_days: Mapping[str, int] = field(default_factory=dict[str, int])

    def ttl_s(self, kind: str) -> int:
        """Return how long a record of this kind is kept, seconds; -1 is for ever."""
        days = self.keep_days.get(kind, self.keep_days.get("", 0))
        return min(days * _DAY_S, _LONGEST_TTL_S) if days else -1


async def make_container(config: CosmosConfig) -> str:
    """Make database and container where they are missing (`askpage store init`).

    Return what was done, a sentence. Raises StoreUnavailable.
    """
    return await create_container(config, _policies(config), ERRORS)


def definition(config: CosmosConfig) -> dict[str, Any]:
    """Return the container as Azure's templates describe one, for operators who make it otherwise."""
    return _policies(config).definition(config)


def _policies(config: CosmosConfig) -> ContainerPolicies:
    policy = indexing_policy()

    def refuse(found: Mapping[str, Any]) -> None:
        keys = found.get("partitionKey", {}).get("paths")
        if keys != [PARTITION]:
            raise StoreUnavailable(
                f"The container {config.name} is partitioned by {keys}, not by {PARTITION}: it is not one of"
                " askpage. Name another one in cosmos_container."
            )

    def is_current(found: Mapping[str, Any]) -> bool:
        return _indexes(found.get("indexingPolicy", {})) == _indexes(policy)

    return ContainerPolicies({"indexingPolicy": policy}, refuse, is_current)


def _indexes(policy: Mapping[str, Any]) -> set[str | tuple[tuple[str, str], ...]]:
    """Return what matters of a policy.

    The service adds properties of its own, and has them in its own order.
    """
    single: set[str] = {index["path"] for index in policy.get("includedPaths") or ()}
    composite = {
        tuple((part["path"], part.get("order", "ascending")) for part in index)
        for index in policy.get("compositeIndexes") or ()
    }
    return {*single, *composite}


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


def question_item(question: Question, hold: ProcessLease) -> Item:
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
    return to_item(Row("question", question.id, fields)) | held


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
    return to_item(Row("answer", answer.id, fields))


def feedback_item(feedback: Feedback, number: int) -> Item:
    """Return a word as an item; of words that were said at the same time the higher `number` came later."""
    fields = {
        "number": number,
        "answer_id": feedback.answer_id,
        "giver": feedback.giver,
        "kind": feedback.kind.value,
        "reaction": derive_reaction(feedback),
        "given_at": moment(feedback.given_at),
        "changed_at": moment(feedback.withdrawn_at or feedback.given_at),
        "record": to_json(feedback),
        "source": feedback.source,
    }
    return to_item(Row("feedback", build_row_key("feedback", fields), fields))


def to_item(row: Row) -> Item:
    """Return a row as an item."""
    fields = row.fields
    if row.table == "document":
        named = {name: fields[name] for name in ("kind", "id", "body", "answer_id", "person", "state")}
        document = Document(**named, order=fields["place"])
        return document_item(document, version=fields["version"])
    pk, id_ = _locate_row(row.table, fields)
    item = {name: fields[field] for field, name in _NAMES[row.table].items()}
    item |= {"id": id_, "pk": pk, "type": row.table, "key": sort_key(row.key), "kind": row.table}
    if row.table == "question":
        closed = fields["message_id"] is not None
        item |= {"state": CLOSED if closed else OPEN, "answer_id": pk, "holder": "", "held_until": ""}
    return item


def to_row(item: Item) -> Row:
    """Return an item as a row."""
    table: Table = item["type"]
    fields = {field: item[name] for field, name in _NAMES[table].items()}
    return Row(table, build_row_key(table, fields), fields)


def _locate_row(table: Table, fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the partition and the item id of what is no document."""
    match table:
        case "question":
            return derive_answer_id(fields["id"]), QUESTION
        case "answer":
            return fields["id"], ANSWER
        case _:
            told = fields["source"] or fields["record"]
            name = " ".join((fields["giver"], fields["kind"], fields["reaction"], told))
            return fields["answer_id"], f"word-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def locate_document(kind: str, id_: str, answer_id: str) -> tuple[str, str]:
    """Return the partition and the item id of a document."""
    name = hashlib.sha256(f"{kind} {id_}".encode()).hexdigest()[:32]
    return answer_id or name, f"{kind}-{name}"


def document_item(document: Document, *, version: int) -> Item:
    """Return a document as an item."""
    pk, id_ = locate_document(document.kind, document.id, document.answer_id)
    return {
        "id": id_,
        "pk": pk,
        "type": "document",
        "key": sort_key(f"{document.kind} {document.id}"),
        "kind": document.kind,
        "name": document.id,
        **list_changes(document),
        "answer_id": document.answer_id,
        "version": version,
    }


def list_changes(document: Document) -> dict[str, str]:
    """Return the properties of a document that a change writes."""
    return {
        "body": document.body,
        "person": document.person,
        "state": document.state,
        "at": document.order,
    }

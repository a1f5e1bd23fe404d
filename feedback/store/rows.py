"""Rows: everything that a store holds, in one form for all stores, for copies, exports and personal data.

A row is what one table keeps of one record, in the field names of `FIELDS`. (`table`, `key`) names it; keys
sort as text, in the same order in every store. `every_row` and its siblings iterate over what stores give in
pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from core.records import Answer
from feedback.store.base import FeedbackStore, StoreError, moment
from feedback.store.documents import Documents

Table = Literal["question", "answer", "feedback", "document"]
TABLES: Sequence[Table] = ("question", "answer", "feedback", "document")

FIELDS: Mapping[Table, Sequence[str]] = {
    "question": ("id", "conversation", "asker", "asked_at", "record", "reply_to", "message_id"),
    "answer": ("id", "question_id", "conversation", "answered_at", "record", "question", "asker"),
    "feedback": (
        *("number", "answer_id", "giver", "kind", "reaction", "given_at", "changed_at", "record"),
        "source",
    ),
    "document": ("kind", "id", "body", "answer_id", "person", "state", "place", "version"),
}
TIMES: Mapping[Table, str] = {
    "question": "asked_at",
    "answer": "answered_at",
    "feedback": "given_at",
    "document": "place",
}
"""The field that says how old a row is."""
PAGE = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One record. `fields` has the names of `FIELDS[table]`; values are text, whole numbers or None.

    An answer's row has its question's record, too, so that it can be read alone.
    """

    table: Table
    key: str
    fields: Mapping[str, Any]


class Rows(Protocol):
    """A store that gives its rows and takes those of another one. Raises StoreError."""

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        """Return the rows whose keys come after a key, in order; of one person (a pseudonym) only, if given.

        A person's answers are those to their questions; their documents those that are about them.
        """
        ...

    async def put_rows(self, rows: Sequence[Row]) -> None:
        """Keep rows as they are, in the place of those with the same keys."""
        ...

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        """Delete rows; one that is gone is no error."""
        ...

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        ...


class WholeStore(FeedbackStore, Rows, Protocol):
    """A store with all that it keeps."""

    @property
    def documents(self) -> Documents:
        """Where its documents are."""
        ...

    async def overwrite(self, *, whole: bool = False) -> None:
        """Overwrite what was deleted or changed, where it still stands in a file.

        `whole` to the last piece of it.
        """
        ...


def build_row_key(table: Table, fields: Mapping[str, Any]) -> str:
    """Return the key of a row: of equal words on an answer, the order in which they came decides."""
    match table:
        case "feedback":
            return f"{fields['answer_id']} {fields['number']:020}"
        case "document":
            return f"{fields['kind']} {fields['id']}"
        case _:
            return fields["id"]


async def every_page(
    store: Rows, table: Table, after: str = "", person: str | None = None
) -> AsyncIterator[Sequence[Row]]:
    """Yield the rows of a table, or of a person in it, PAGE at a time, also while they are deleted.

    Raises StoreError. A page begins where the last one ended: a store that sorted otherwise would lose rows
    without a word.
    """
    while page := await store.rows(table, after, PAGE, person):
        for row in page:
            if row.key <= after:
                raise StoreError(
                    f"The store gives its {table} records out of order: {row.key!r} after {after!r}."
                )
            after = row.key
        yield page
        if len(page) < PAGE:
            return


async def every_row(
    store: Rows, table: Table, after: str = "", person: str | None = None
) -> AsyncIterator[Row]:
    """Yield the rows of a table one by one, as `every_page` does."""
    async for page in every_page(store, table, after, person):
        for row in page:
            yield row


_JSON_FIELDS = frozenset({"record", "body", "question", "reply_to"})


def to_line(row: Row) -> str:
    """Return a row as one line of JSON, the same for equal rows.

    Records within it are JSON, not text, where they are.
    """
    fields = {
        name: _parse_json(value) if name in _JSON_FIELDS else value for name, value in row.fields.items()
    }
    return json.dumps({"table": row.table, **fields}, sort_keys=True, separators=(",", ":"))


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def every_line(store: Rows, person: str | None = None) -> AsyncIterator[str]:
    """Yield everything that a store holds, or that is of one person, as lines of JSON."""
    for table in TABLES:
        async for row in every_row(store, table, person=person):
            yield to_line(row)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows a table has, and the SHA-256 of their lines, in hex."""

    count: int
    sha256: str


async def sum_table(store: Rows, table: Table) -> Sum:
    """Count and hash a table."""
    return await sum_rows(every_row(store, table))


async def sum_rows(rows: AsyncIterator[Row]) -> Sum:
    """Count and hash rows."""
    digest, count = hashlib.sha256(), 0
    async for row in rows:
        digest.update(to_line(row).encode() + b"\n")
        count += 1
    return Sum(count, digest.hexdigest())


RECORDS_AT_ONCE = 200
T = TypeVar("T")
Place = tuple[str, str]
"""Where to go on: (order, id) of the last one."""
Listed = Callable[[int, Place], Awaitable[tuple[Sequence[T], Place]]]
"""(how many, after which place) → some, and the place of the last of them."""

START: Place = ("", "")


async def every(listed: Listed[T], after: Place = START) -> AsyncIterator[T]:
    """Yield all that come after a place. Raises StoreError."""
    while True:
        page, after = await listed(RECORDS_AT_ONCE, after)
        for one in page:
            yield one
        if len(page) < RECORDS_AT_ONCE:
            return


_TOGETHER = 16


async def every_few(records: AsyncIterator[T]) -> AsyncIterator[Sequence[T]]:
    """Yield 16 at once: what belongs to them is fetched together, in one go from a store far away."""
    some: list[T] = []
    async for record in records:
        some.append(record)
        if len(some) == _TOGETHER:
            yield some
            some = []
    yield some


async def every_answer(store: FeedbackStore, after: Place = START) -> AsyncIterator[Answer]:
    """Yield the answers that were written after a place, oldest first. Raises StoreError."""
    while page := await store.answers_after(after, RECORDS_AT_ONCE):
        for answer in page:
            yield answer
        after = (moment(page[-1].answered_at), page[-1].id)

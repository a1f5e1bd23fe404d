"""Small records that change, in the embedded store's file: a `Documents` (feedback/store/documents.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from feedback.store.documents import Document, Wanted
from feedback.store.sqlite_connection import SqliteFile

DOCUMENT_TABLES = """
CREATE TABLE documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, answer_id TEXT NOT NULL, person TEXT NOT NULL,
    state TEXT NOT NULL, place TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX documents_state ON documents (kind, state, place, id);
CREATE INDEX documents_person ON documents (kind, person, place, id);
CREATE INDEX documents_answer ON documents (answer_id, kind)
"""
# The columns are the fields of Document, in their order; `order` is a word of SQL.


class SqliteDocuments:
    """The documents of one file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add(self, document: Document) -> bool:
        """Keep a new document; False when there is one of this kind and id already."""

        def add(connection: sqlite3.Connection) -> bool:
            added = connection.execute(
                "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, 1)", _values(document)
            )
            return added.rowcount == 1

        return await self._file.write(add)

    async def replace(self, document: Document) -> bool:
        """Keep a changed document; False when its `version` is not the kept one's."""

        def replace(connection: sqlite3.Connection) -> bool:
            replaced = connection.execute(
                "UPDATE documents SET body = ?, answer_id = ?, person = ?, state = ?, place = ?,"
                " version = version + 1 WHERE kind = ? AND id = ? AND version = ?",
                (*_values(document)[2:], document.kind, document.id, document.version),
            )
            return replaced.rowcount == 1

        return await self._file.write(replace)

    async def put(self, document: Document) -> None:
        """Keep a document, whatever was there."""

        def put(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (kind, id)"
                " DO UPDATE SET body = excluded.body, answer_id = excluded.answer_id, person ="
                " excluded.person, state = excluded.state, place = excluded.place, version = version + 1",
                _values(document),
            )

        await self._file.write(put)

    async def get(self, kind: str, id_: str, answer_id: str = "") -> Document | None:
        """Return a document, or None."""
        rows = await self._file.rows(
            "SELECT * FROM documents WHERE kind = ? AND id = ? AND answer_id = ?", kind, id_, answer_id
        )
        return Document(*rows[0]) if rows else None

    async def list_documents(self, wanted: Wanted) -> Sequence[Document]:
        """Return documents by (`order`, `id`), lowest first."""
        fields = {"answer_id": wanted.answer_id, "person": wanted.person, "state": wanted.state}
        given = {name: value for name, value in fields.items() if value is not None}
        also = "".join(f" AND {name} = ?" for name in given)
        rows = await self._file.rows(
            f"SELECT * FROM documents WHERE kind = ?{also}"  # noqa: S608 - our own field names
            " AND (place, id) > (?, ?) ORDER BY place, id LIMIT ?",
            *(wanted.kind, *given.values(), *wanted.after, max(wanted.limit, 0)),
        )
        return [Document(*row) for row in rows]

    async def count(self, kind: str, id_: str) -> int:
        """Count: return 1, then 2, …; one statement, so that nobody comes between."""

        def count(connection: sqlite3.Connection) -> int:
            [(number,)] = connection.execute(
                "INSERT INTO documents VALUES (?, ?, '', '', '', '', '', 1) ON CONFLICT (kind, id)"
                " DO UPDATE SET version = version + 1 RETURNING version",
                (kind, id_),
            ).fetchall()
            return int(number)

        return await self._file.write(count)

    async def remove(self, kind: str, id_: str, answer_id: str = "", *, version: int | None = None) -> bool:
        """Forget a document; False when there was none of this version."""

        def remove(connection: sqlite3.Connection) -> bool:
            removed = connection.execute(
                "DELETE FROM documents WHERE kind = ? AND id = ? AND answer_id = ?"
                " AND version = coalesce(?, version)",
                (kind, id_, answer_id, version),
            )
            return removed.rowcount == 1

        return await self._file.write(remove)


def _values(document: Document) -> tuple[str, ...]:
    return (
        document.kind,
        document.id,
        document.body,
        document.answer_id,
        document.person,
        document.state,
        document.order,
    )

"""The journal of a copy from one store into another, and the stores that a command line names.

    with Journal.open(path) as journal: …

A journal is a file beside the target, which survives being killed. Every row is written down here before it
is put. So a row of the target that stands here is the copy's own, which may be replaced and removed; one that
does not is somebody else's. Keys and records stand here as hashes.

A command line names a store as `sqlite:PATH` (or a path), `cosmos:` or `cosmos:DATABASE/CONTAINER`.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.files import make_private
from feedback.store.base import StoreError, StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.rows import Row, Table, to_line
from feedback.store.sqlite import SqliteStore

_TABLES = """
CREATE TABLE IF NOT EXISTS state (
    only INTEGER PRIMARY KEY CHECK (only = 1), source TEXT NOT NULL, tab TEXT, key TEXT, looked INTEGER);
CREATE TABLE IF NOT EXISTS carried (name BLOB PRIMARY KEY, now BLOB NOT NULL, before BLOB) WITHOUT ROWID
"""
_SHORT = 16


@dataclass(frozen=True, slots=True)
class CopyPosition:
    """Up to where both stores were compared: a table's key, after `looked` rows of the source in all."""

    table: Table
    key: str
    looked: int


@dataclass(frozen=True, slots=True)
class Intent:
    """`row` is about to be put in the place of `before` (a hash; None: of nothing)."""

    row: Row
    before: bytes | None = None


def hash_row(row: Row) -> bytes:
    """Return what tells a row from its other states."""
    return hashlib.sha256(to_line(row).encode()).digest()[:_SHORT]


class Journal:
    """An open journal; nobody else has it open.

    It is written with every batch, and blocks for that moment.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Generator[Journal]:
        """Open the file, or make it, readable to this user only. Raises StoreUnavailable."""
        with _explain_errors(path):
            make_private(path)
            connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        try:
            with _explain_errors(path):
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                yield cls(connection)
        finally:
            connection.close()

    @property
    def source(self) -> str:
        """The store that is copied; "" before a copy was begun."""
        found = self._connection.execute("SELECT source FROM state").fetchone()
        return found[0] if found else ""

    @property
    def place(self) -> CopyPosition | None:
        """Where a copy was interrupted; None where none is under way."""
        found = self._connection.execute(
            "SELECT tab, key, looked FROM state WHERE tab IS NOT NULL"
        ).fetchone()
        return CopyPosition(*found) if found else None

    def begin(self, source: str) -> None:
        """Forget everything: a new copy begins."""
        with self._begin_transaction():
            self._connection.execute("DELETE FROM carried")
            self._connection.execute(
                "INSERT OR REPLACE INTO state VALUES (1, ?, NULL, NULL, NULL)", (source,)
            )

    def is_ours(self, row: Row) -> bool:
        """Tell whether the target's row is one that was put there, and is unchanged since."""
        found = self._connection.execute("SELECT now, before FROM carried WHERE name = ?", (_name(row),))
        return hash_row(row) in (found.fetchone() or ())

    def intend(self, intents: Sequence[Intent]) -> None:
        """Write down what is about to be put."""
        if intents:
            with self._begin_transaction():
                self._connection.executemany(
                    "INSERT OR REPLACE INTO carried VALUES (?, ?, ?)",
                    [(_name(intent.row), hash_row(intent.row), intent.before) for intent in intents],
                )

    def reach(self, place: CopyPosition, dropped: Sequence[Row] = ()) -> None:
        """Everything up to a place is done; the dropped rows are gone."""
        with self._begin_transaction():
            self._connection.executemany(
                "DELETE FROM carried WHERE name = ?", [(_name(row),) for row in dropped]
            )
            self._connection.execute(
                "UPDATE state SET tab = ?, key = ?, looked = ?", (place.table, place.key, place.looked)
            )

    def finish(self) -> None:
        """The next copy looks at everything again."""
        with self._begin_transaction():
            self._connection.execute("UPDATE state SET tab = NULL, key = NULL, looked = NULL")

    @contextmanager
    def _begin_transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _name(row: Row) -> bytes:
    return hashlib.sha256(f"{row.table} {row.key}".encode()).digest()[:_SHORT]


@contextmanager
def _explain_errors(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreUnavailable(
                f"Another copy into this store is under way ({path} is in use)."
            ) from error
        raise StoreUnavailable(f"{path} cannot be used: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(
            f"{path} is no journal of a copy; remove it to begin anew: {error}."
        ) from error
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be used: {error.strerror or error}.") from error


_SQLITE, _COSMOS = "sqlite:", "cosmos:"


class StoreNameInvalid(StoreError):
    """A person named no store."""


@dataclass(frozen=True, slots=True)
class NamedStore:
    """A store that is not open yet: a file, or a container.

    `name` is what people are told, and what a copy remembers; `journal` is the file in which a copy into this
    store keeps how far it is.
    """

    name: str
    journal: Path
    path: Path | None = None
    config: CosmosConfig | None = None

    def is_same(self, other: NamedStore) -> bool:
        """Whether both are one store, also by two links to one file."""
        if self.path and other.path and self.path.exists() and other.path.exists():
            return self.path.samefile(other.path)
        return self.name == other.name

    @asynccontextmanager
    async def open_store(self, *, new: bool = False) -> AsyncGenerator[SqliteStore | CosmosStore]:
        """Open the store; a file may be `new`. Raises StoreError."""
        store = await self._open(new=new)
        try:
            yield store
        finally:
            await store.close()

    async def _open(self, *, new: bool) -> SqliteStore | CosmosStore:
        if self.config is not None:
            return await CosmosStore.open(self.config)
        path = self.path
        assert path is not None  # noqa: S101 - it is one or the other
        if not new and not await asyncio.to_thread(path.is_file):
            raise StoreNameInvalid(f"There is no file {path}.")
        return await asyncio.to_thread(SqliteStore.open, path)


@dataclass(frozen=True, slots=True)
class Known:
    """What names are short for: the settings' file and account (None: none), and the journals' folder."""

    file: Path
    cosmos: CosmosConfig | None
    journals: Path


def parse_store_name(name: str, known: Known) -> NamedStore:
    """Return the store of a name; "" is the one that the settings name. Raises StoreNameInvalid."""
    if name.startswith(_COSMOS) or (not name and known.cosmos):
        return _container(name.removeprefix(_COSMOS), known)
    path = Path(name.removeprefix(_SQLITE) or known.file).resolve()  # links to one file are the same store
    return NamedStore(f"{_SQLITE}{path}", path.with_name(path.name + ".copy"), path=path)


def _container(where: str, known: Known) -> NamedStore:
    config = known.cosmos
    if config is None:
        raise StoreNameInvalid(
            "No Cosmos DB account is named: set cosmos_endpoint to its address, https://…."
        )
    if where:
        database, slash, container = where.partition("/")
        if not (database and slash and container) or "/" in container:
            raise StoreNameInvalid(
                f"cosmos:{where} names no container: write cosmos:DATABASE/CONTAINER, or cosmos:."
            )
        config = replace(config, database=database, container=container)
    endpoint = config.endpoint.rstrip("/").removesuffix(":443").lower()
    name = f"{_COSMOS}{config.database}/{config.container} at {endpoint}"
    short = hashlib.sha256(name.encode()).hexdigest()[:16]
    return NamedStore(name, known.journals / f"{short}.copy", config=config)

"""The file of the page index of one machine: its tables, older versions of them, rows as pages, entries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from core.files import make_private
from core.readers import Readers
from core.records import Page
from pages.index.base import IndexUnavailable, PageEntry
from pages.sections import dump_section, load_sections

SCHEMA = 3
"""Version of the file, in its `user_version`."""
_CLOSED = "CREATE TABLE closed (url TEXT PRIMARY KEY, readers TEXT NOT NULL) WITHOUT ROWID"
_TABLES = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
    sections TEXT NOT NULL, page_hash TEXT NOT NULL, fetched_at TEXT NOT NULL, etag TEXT, source TEXT,
    readers TEXT, label TEXT NOT NULL DEFAULT '');
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, page_id INTEGER NOT NULL REFERENCES pages (id) ON DELETE CASCADE,
    url TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, searched TEXT NOT NULL,
    vector BLOB NOT NULL, sentences BLOB NOT NULL);
CREATE INDEX passages_page ON passages (page_id);
{_CLOSED};
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, and bring its tables to today's version. Raises IndexUnavailable."""
    make_private(path)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    with explain_errors():
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost pages, never the file
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # a page that somebody pasted goes for good
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
        if version == 1:  # without sentences: the pages stay, and their passages are made anew
            connection.execute("DELETE FROM passages")
            connection.execute("DELETE FROM facts WHERE name = 'recipe'")
            connection.execute("ALTER TABLE passages ADD COLUMN sentences BLOB NOT NULL DEFAULT x''")
        columns = {row["name"] for row in connection.execute("PRAGMA table_info(pages)")}
        if "readers" not in columns:  # before some pages had readers: everyone may read these
            connection.execute("ALTER TABLE pages ADD COLUMN readers TEXT")
            connection.execute(_CLOSED)
        if "label" not in columns:
            connection.execute("ALTER TABLE pages ADD COLUMN label TEXT NOT NULL DEFAULT ''")
        if version < SCHEMA:
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    if version > SCHEMA:
        raise IndexUnavailable(
            f"The page index {path} was written by a newer askpage. Use that one, or delete the file: the "
            f"pages are read again then."
        )


@contextmanager
def explain_errors() -> Generator[None]:
    """Raise IndexUnavailable for an error of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise IndexUnavailable(
            f"The page index cannot be used ({error}). If its disk is not full and no other program holds "
            f"it, delete its folder: the pages are read again then."
        ) from error


def parse_page(row: sqlite3.Row) -> Page:
    """Make a page of its row."""
    return Page(
        url=row["url"],
        title=row["title"],
        sections=load_sections(json.loads(row["sections"])),
        page_hash=row["page_hash"],
        fetched_at=datetime.fromisoformat(row["fetched_at"]),
        etag=row["etag"],
        readers=load_readers(row["readers"]),
        label=row["label"],
    )


def dump_sections(page: Page) -> str:
    """Return the sections of a page as JSON."""
    # one after the other: of three million characters at once nobody else would run for 50 ms
    return f"[{', '.join(json.dumps(dump_section(one)) for one in page.sections)}]"


def load_readers(kept: str | None) -> Readers:
    """Read who may read a page."""
    return Readers.from_list(json.loads(kept) if kept is not None else None)


def dump_readers(readers: Readers) -> str | None:
    """Return who may read a page as it is kept; None for everyone."""
    return json.dumps(readers.to_list()) if readers.restricted else None


def parse_entry(row: sqlite3.Row) -> PageEntry:
    """Make an entry of its row."""
    return PageEntry(
        url=row["url"],
        title=row["title"],
        page_hash=row["page_hash"],
        fetched_at=datetime.fromisoformat(row["fetched_at"]),
        passages=row["passages"],
        source=row["source"],
        etag=row["etag"],
        label=row["label"],
    )

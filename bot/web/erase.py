"""Finds words below a folder: every file byte by byte, packed ones unpacked, databases also row by row.

    search = FileSearch(Words({"the pseudonym": "3f…"}))
    search.look_through(folder)
    search.found, search.unread

Bytes show what a database has deleted and not yet overwritten; rows show a text that its pages cut in two.
What cannot be read is listed with the reason. Nothing of what stands around a match is kept.

What a person leaves on this machine beside the store: the files of the chat page and the widget, and the
spools.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
import os
import sqlite3
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import IO, cast

from bot.dialogs.privacy import forget_waiting
from bot.instance import open_abandoned
from bot.web.activities import name_sender
from bot.web.conversations import Conversations
from core.records import Channel
from feedback.privacy.deletion_log import Deletion
from feedback.store.base import StoreUnavailable
from feedback.store.offline_queue import OfflineQueue
from feedback.store.sqlite import SqliteStore

PAGE_FILES = {Channel.LOCAL: "local.sqlite3", Channel.WIDGET: "widget.sqlite3"}
"""Where our own pages keep what they show, by their channel."""

IsTheirs = Callable[[str], bool]
"""Tells by what a pseudonym is made of (`name_sender`) whether somebody of a page is the person."""


async def forget_shown(conversations: Conversations, deletion: Deletion, is_theirs: IsTheirs) -> None:
    """Erase what a page of ours shows of a person from before a deletion.

    The conversation in which they asked for it stays, empty, until they were told there what was deleted.
    """
    until = deletion.begun_at.astimezone(UTC).isoformat(timespec="milliseconds")
    for chat in conversations.all():
        if is_theirs(name_sender(chat)):
            await conversations.forget(chat, until, keep=chat.id in deletion.reply_to)
    await conversations.overwrite()


async def forget_here(data_dir: Path, deletion: Deletion, is_theirs: IsTheirs) -> None:
    """Erase what a person left in the files of our pages, and in the spools of processes that do not run.

    Those that run do it themselves (`bot/dialogs/privacy.py`).
    """
    for channel, name in PAGE_FILES.items():
        await _forget_in_file(data_dir / name, channel, deletion, is_theirs)
    if not await asyncio.to_thread((data_dir / "instances").is_dir):
        return
    with open_abandoned(data_dir) as instances:
        for instance in instances:
            near = await asyncio.to_thread(SqliteStore.open, instance.spool_path)
            try:
                spool = OfflineQueue(near, most=0)
                await spool.load()
                await forget_waiting(spool, deletion)
            finally:
                await near.close()


async def _forget_in_file(page: Path, channel: Channel, deletion: Deletion, is_theirs: IsTheirs) -> None:
    if not await asyncio.to_thread(page.exists):
        return
    conversations = Conversations(page, channel)
    try:
        await forget_shown(conversations, deletion, is_theirs)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{page}: {error}. Run this again in a minute.") from error
    finally:
        await conversations.close()


PIECE = 4 << 20
MOST_UNPACKED = 4 << 30
"""Bytes that one packed file may hold; a small one can be made to hold more than any disk."""
DEEPEST = 3
"""Packed files in packed files in a packed file are looked into, and no deeper."""
_HEAD = 16
_ZIP, _SQLITE = b"PK\x03\x04", b"SQLite format 3\x00"
_GZIP, _BZIP2, _XZ = _STREAMS = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00")
_CLOSED = (
    (b"\x28\xb5\x2f\xfd", "it is packed with Zstandard"),
    (b"\x04\x22\x4d\x18", "it is packed with LZ4"),
    (b"PAR1", "it is a Parquet file, whose columns are packed"),
    (b"7z\xbc\xaf\x27\x1c", "it is packed with 7-Zip"),
    (b"Rar!\x1a\x07", "it is packed with RAR"),
    (b"%PDF-", "it is a PDF, whose texts are packed"),
)
"""How files begin that nothing here can unpack."""
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
Counts = Counter[str]


class Unreadable(Exception):
    """A part of a file cannot be read; the message says why."""


def find_spellings(text: str) -> frozenset[bytes]:
    """Return every way in which a file may hold a text, its ASCII letters small.

    In UTF-8 and both UTF-16, composed and decomposed, and as JSON escapes it, also JSON within JSON. Letters
    beyond ASCII are small, capital, as given, or capital where a word begins.
    """
    cases = (text, text.lower(), text.upper(), text.title())
    told = {unicodedata.normalize(form, one) for form in ("NFC", "NFD") for one in cases}
    escaped = {json.dumps(one)[1:-1] for one in told}
    told |= escaped | {json.dumps(one)[1:-1] for one in escaped}
    codes = ("utf-8", "utf-16-le", "utf-16-be")
    return frozenset(one.encode(code, "surrogatepass").lower() for one in told for code in codes)


class Words:
    """What is looked for, by what it is called: the pseudonym, a name, any text."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """No text may be empty."""
        self.texts = dict(texts)
        self._forms = {name: find_spellings(text) for name, text in texts.items()}
        self.overlap = max(len(form) for forms in self._forms.values() for form in forms) - 1
        """How many bytes of one piece the next one has to begin with, so that no match is cut in two."""

    def count(self, data: bytes, known: int = 0) -> Counts:
        """Count what ends beyond the first `known` bytes, which were looked at before."""
        small = data.lower()
        return +Counter(
            {
                name: sum(small.count(form, max(0, known - len(form) + 1)) for form in forms)
                for name, forms in self._forms.items()
            }
        )

    def count_text(self, text: str) -> Counts:
        """Count it in a text."""
        return self.count(text.encode("utf-8", "surrogatepass"))


class FileSearch:
    """Looks through folders; `tell` hears how many bytes of files were read, as they are read."""

    def __init__(self, words: Words, tell: Callable[[int], None] = lambda _: None) -> None:
        self.found: dict[str, Counts] = {}
        self.unread: dict[str, str] = {}
        self._words = words
        self._tell = tell
        self._room = MOST_UNPACKED

    def look_through(self, folder: Path) -> None:
        """Search every file below a folder, and the names of files and folders."""
        for path in _everything(folder, self._refuse):
            counts = self._words.count_text(path.name)
            try:
                counts += self._in_entry(path, folder)
            except FileNotFoundError:  # a log of a database that was just emptied
                continue
            except OSError as error:
                self._refuse(error, path)
            if counts:
                self.found[str(path)] = counts

    def _in_entry(self, path: Path, folder: Path) -> Counts:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return self._in_file(path)
        if stat.S_ISLNK(mode):
            if not path.resolve().is_relative_to(folder.resolve()):
                self.unread[str(path)] = "it is a link out of the folder; what it leads to was not read"
        elif not stat.S_ISDIR(mode) and not stat.S_ISSOCK(mode):  # a socket keeps nothing
            self.unread[str(path)] = "it is no file: a pipe or a device"
        return Counter()

    def _refuse(self, error: OSError, path: Path | None = None) -> None:
        self.unread[str(path or error.filename)] = error.strerror or str(error)

    def _in_file(self, path: Path) -> Counts:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(0)
            counts: Counts = Counter()
            self._in_stream(file, counts, self._tell)
            self._room = MOST_UNPACKED
            try:
                self._unpack(file, head, counts)
            except Unreadable as reason:
                self.unread[str(path)] = str(reason)
            except _BROKEN as error:
                self.unread[str(path)] = (
                    f"it is damaged, encrypted, or packed in a way that is not known ({error})"
                )
        if head == _SQLITE:
            counts |= self._in_rows(path)  # of each the larger: most of it was found in the bytes, too
        return counts

    def _in_stream(self, stream: IO[bytes], counts: Counts, tell: Callable[[int], None]) -> None:
        rest = b""
        while piece := stream.read(PIECE):
            tell(len(piece))
            data = rest + piece
            counts.update(self._words.count(data, len(rest)))
            rest = data[-self._words.overlap :] if self._words.overlap else b""

    def _unpack(self, file: IO[bytes], head: bytes, counts: Counts, depth: int = 1) -> None:
        """Count, too, what a packed file holds. Raises Unreadable, and what damaged files raise."""
        for start, reason in _CLOSED:
            if head.startswith(start):
                raise Unreadable(reason)
        if not head.startswith((_ZIP, *_STREAMS)):
            return
        if depth > DEEPEST:
            raise Unreadable(f"it is packed more than {DEEPEST} times")
        file.seek(0)
        if not head.startswith(_ZIP):
            with _unpacking(file, head) as inner:
                self._count_unpacked(inner, counts, depth)
            return
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as inner:
                    self._count_unpacked(
                        inner, counts, depth, plain=member.compress_type == zipfile.ZIP_STORED
                    )

    def _count_unpacked(self, inner: IO[bytes], counts: Counts, depth: int, *, plain: bool = False) -> None:
        """Count in what comes out of a packed file; what stands there `plain` is counted already."""
        head = inner.read(_HEAD)
        if not plain:
            inner.seek(0)
            self._in_stream(inner, counts, self._take)
        self._unpack(inner, head, counts, depth + 1)

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise Unreadable(f"it unpacks to more than {MOST_UNPACKED >> 30} GB; the rest was not read")

    def _in_rows(self, path: Path) -> Counts:
        """Count in the values of a database; where its tables cannot be read, its bytes were."""
        counts: Counts = Counter()
        # A database that nobody has open is read without making the files that go with an open one.
        open_now = path.with_name(f"{path.name}-shm").exists()
        address = f"{path.absolute().as_uri()}?{'mode=ro' if open_now else 'immutable=1'}"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as connection:
                connection.text_factory = bytes
                for value in _values(connection):
                    counts += self._words.count(value)
        except sqlite3.Error as error:
            self.unread[str(path)] = f"its bytes were read, its tables could not be ({error})"
        return counts


def _unpacking(file: IO[bytes], head: bytes) -> IO[bytes]:
    """Return what comes out of a packed file, which begins as one of _STREAMS."""
    opener = gzip.open if head.startswith(_GZIP) else bz2.open if head.startswith(_BZIP2) else lzma.open
    return cast("IO[bytes]", opener(file))


def _values(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Yield every text and every blob of a database whose texts are handed out as bytes."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        name = table.decode().replace('"', '""')
        for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - quoted as SQL has it
            yield from (value for value in row if isinstance(value, bytes))


def _everything(folder: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield every file, folder and link below a folder; `refuse` hears of folders that cannot be listed."""
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        yield from (Path(where, name) for name in sorted((*folders, *files)))


def bytes_below(folder: Path) -> int:
    """Return how many bytes the files below a folder have, as far as they can be seen."""
    total = 0
    for path in _everything(folder, lambda _: None):
        try:
            found = path.lstat()
        except OSError:
            continue
        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total

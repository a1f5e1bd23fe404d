"""The key of the pseudonyms, and the one before it while people's records are moved over.

A pseudonym is HMAC-SHA256 of the channel's user id: the same person is recognised, and without the key nobody
can tell who it is, or try out ids. Losing the key makes every person a new one; deleting it anonymises what
is stored.

After the key has changed, all that stands under the old pseudonym of a person is kept anew under the new one.
A pseudonym has so many digits that it stands nowhere by accident, so it is replaced as text wherever it
stands. What is kept anew comes first, and what it takes the place of goes afterwards: it may be stopped in
between and done again. What the person has under the new pseudonym already stays as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import pwd
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bounded_dict import BoundedDict
from core.files import sync_folder, write_durably
from feedback.privacy import audit
from feedback.privacy.anonymise import change_answers, change_reviews, put_answers
from feedback.store.base import StoreError
from feedback.store.documents import Document
from feedback.store.rows import Row, Table, WholeStore, build_row_key, every_page, every_row

log = logging.getLogger(__name__)

REMEMBERED = 10_000
_SHORTEST = 16
"""Bytes of a key that are too few to keep anyone from trying all of them."""

Change = Callable[[str], str]
_TABLES: tuple[Table, ...] = ("question", "feedback", "document")


async def stands_for_somebody(store: WholeStore, person: str) -> bool:
    """Tell whether a store knows a pseudonym. Raises StoreError."""
    for table in _TABLES:
        if await store.rows(table, limit=1, person=person):
            return True
    return False


async def rename(store: WholeStore, old: str, new: str) -> None:
    """Keep what is one person's under another pseudonym. Raises StoreError."""

    def change(text: str) -> str:
        return text.replace(old, new)

    for table in ("answer", "question", "feedback"):
        await _rename_rows(store, table, old, change)
    await audit.change_reviewer(store.documents, old, change)
    async for row in every_row(store, "document", person=old):
        await _rename_inside(store, row, old, change)
        await _rename_document(store, row, change)
    await store.overwrite()


async def _rename_rows(store: WholeStore, table: Table, old: str, change: Change) -> None:
    after = ""
    async for page in every_page(store, table, person=old):
        renamed = [_rename_row(row, change) for row in page]
        if table == "answer":
            await put_answers(store, renamed)
        else:
            await store.put_rows(renamed)
        if table == "feedback":  # in one of the stores the pseudonym is part of a word's place
            left = await store.rows(table, after, len(page), old)
            await store.drop_rows([row for row in left if row in page])
        after = page[-1].key


async def _rename_inside(store: WholeStore, row: Row, old: str, change: Change) -> None:
    """Rename a reviewer where no index finds them."""
    if row.fields["kind"] == "reviewed":
        changes = {"review": change, "past_review": change, "verified": change}
        await change_reviews(store, row.fields["answer_id"], old, changes)
    if row.fields["kind"] == "reviewer":
        async for _ in change_answers(store, old, change):
            pass


async def _rename_document(store: WholeStore, row: Row, change: Change) -> None:
    renamed = _rename_row(row, change)
    if renamed.key == row.key:
        await store.put_rows([renamed])
        return
    fields = {name: value for name, value in renamed.fields.items() if name not in ("place", "version")}
    await store.documents.add(Document(**fields, order=renamed.fields["place"]))
    await store.drop_rows([row])


def _rename_row(row: Row, change: Change) -> Row:
    fields: dict[str, Any] = {
        name: change(value) if isinstance(value, str) else value for name, value in row.fields.items()
    }
    return Row(row.table, build_row_key(row.table, fields), fields)


@dataclass(frozen=True, slots=True)
class Keys:
    """`before` is b"" where no earlier key counts any more."""

    now: bytes
    before: bytes = b""

    def pseudonym(self, user_id: str) -> str:
        """Return what stands for a user."""
        return pseudonym(self.now, user_id)

    def earlier(self, user_id: str) -> str:
        """Return what stood for a user under the earlier key, "" where none counts."""
        return pseudonym(self.before, user_id) if self.before and self.before != self.now else ""


def key_path(data_dir: Path) -> Path:
    """Return where the key is, unless it is a setting."""
    return data_dir / "pseudonym.key"


def before_path(data_dir: Path) -> Path:
    """Return where the earlier key is, unless it is a setting."""
    path = key_path(data_dir)
    return path.with_name(f"{path.name}.before")


def load_keys(data_dir: Path, secret: str = "", before: str = "") -> Keys:
    """Return the keys: `secret` and the one `before` it, or where that is empty those of the data folder.

    One is made where there is none. Raises OSError, and ValueError for an unusable file.
    """
    if secret:
        return Keys(secret.encode(), before.encode())
    path = before_path(data_dir)
    return Keys(load_or_make_key(key_path(data_dir)), load_key(path) if path.exists() else before.encode())


def name_operator(keys: Keys) -> str:
    """Return how the audit trail names whoever runs this process; the environment cannot change that."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        user = str(os.getuid())
    return operator(keys.now, user)


class Recognising:
    """Moves people's records over to the new key, each time that somebody shows up for the first time."""

    def __init__(self, store: WholeStore, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._known: BoundedDict[str, None] = BoundedDict(REMEMBERED)

    async def __call__(self, user_id: str) -> None:
        """Let what was kept under somebody's earlier pseudonym be theirs.

        Where it cannot be now, the next time.
        """
        earlier = self._keys.earlier(user_id) if user_id else ""
        if not earlier or earlier in self._known:
            return
        try:
            if await stands_for_somebody(self._store, earlier):
                await rename(self._store, earlier, self._keys.pseudonym(user_id))
        except StoreError as error:
            log.warning("somebody's earlier records wait for the new key: %s", error)
            return
        self._known[earlier] = None


def rotate(data_dir: Path) -> None:
    """Put a new key in the place of the one in the data folder, and keep that as the earlier one.

    It may be stopped in between and run again. Raises FileExistsError while an earlier rotation is not
    finished, OSError, and ValueError for an unusable file.
    """
    path, before = key_path(data_dir), before_path(data_dir)
    key = load_or_make_key(path)
    if before.exists() and load_key(before) != key:
        raise FileExistsError(str(before))
    write_durably(before, f"{key.decode()}\n")
    write_durably(path, f"{fresh_key()}\n")


def finish(data_dir: Path) -> bool:
    """Forget the earlier key in the data folder; False where there is none."""
    before = before_path(data_dir)
    if not before.exists():
        return False
    with before.open("r+b") as file:  # in its own place: on most disks nothing is left of the key then
        file.write(b"0" * before.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    before.unlink()
    sync_folder(before.parent)
    return True


def pseudonym(key: bytes, user_id: str) -> str:
    """Return 64 hexadecimal digits that stand for this user."""
    return hmac.new(key, user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def load_or_make_key(path: Path) -> bytes:
    """Return the key in a file, or make one, readable to this user only; it is never half written.

    The key is the file's text without white space at its ends: pasted into the setting `pseudonym_key`, the
    same text gives the same pseudonyms. Of several processes that make it at once, one wins, and all use its
    key. Raises ValueError for a file without a usable key, and OSError.
    """
    if not path.exists():
        _make(path)
    return load_key(path)


def load_key(path: Path) -> bytes:
    """Return the key in a file. Raises ValueError for a file without a usable key, and OSError."""
    key = path.read_bytes().strip()
    if len(key) < _SHORTEST:
        raise ValueError(
            f"{path} holds no usable key: restore it from a backup, or delete it, and everyone counts as a"
            " new person."
        )
    return key


def fresh_key() -> str:
    """Return a key that nobody has had, as text."""
    return secrets.token_hex(32)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.unfinished")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(fresh_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)  # unlike a rename, never replaces a key that came first
        except FileExistsError:
            return
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)


def operator(key: bytes, user: str) -> str:
    """Return how the trail names an operator, who is a user of the machine."""
    return f"operator {pseudonym(key, f'operator {user}')[:16]}"

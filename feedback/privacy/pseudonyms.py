"""Pseudonyms: what stands for a person everywhere in the store, and its key.

A pseudonym is HMAC-SHA256 of the channel's user id: the same person is recognised, and without the key nobody
can tell who it is, or try out ids. Losing the key makes every person a new one; deleting it anonymises what
is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

_SHORTEST = 16
"""Bytes of a key that are too few to keep anyone from trying all of them."""


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
            f"{path} holds no usable key: restore it from a backup, or delete it, and everyone counts as a new person."
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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""The socket in the data folder by which programs of this user reach a running bot, and nobody else does.

    data/instances/0/askpage.sock      mode 0600 in folders of mode 0700

No browser, no web site and no other machine opens a file, and whoever can open this one could read the store,
too. A socket that nobody listens at any more refuses, so what a killed process left is as good as none.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

NAME = "askpage.sock"
_WAITING = 8
_PEER = struct.Struct("3i")
"""Process, user and group of who connected, as Linux tells them (SO_PEERCRED)."""


@contextmanager
def listen_in(folder: Path) -> Generator[socket.socket | None]:
    """Listen in a folder that is this process's alone, until the block ends.

    None where that does not work: on a disk that keeps no sockets, or in a folder whose path is too long.
    """
    path = folder / NAME
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            path.unlink(missing_ok=True)
            with _name_shortly(path) as name:
                listening.bind(name)
            path.chmod(0o600)
            listening.listen(_WAITING)
        except OSError as error:
            log.info("the command line cannot ask this process (%s)", error)
            yield None
            return
        try:
            yield listening
        finally:
            with suppress(OSError):
                path.unlink()


def connect_to_any(data_dir: Path) -> Iterator[socket.socket]:
    """Yield a connection to each process that listens in a data folder; they are the caller's to close."""
    for path in sorted((data_dir / "instances").glob(f"*/{NAME}")):
        connecting = socket.socket(socket.AF_UNIX)
        try:
            with _name_shortly(path) as name:
                connecting.connect(name)
        except OSError:
            connecting.close()
            continue
        yield connecting


def is_ours(connection: socket.socket) -> bool:
    """Tell whether who connected is this process's user, or root; where no system tells, the mode does."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(told)
    return user in {os.geteuid(), 0}


@contextmanager
def _name_shortly(path: Path) -> Generator[str]:
    """Yield a name of a path that fits into a socket's 100 bytes: by its open folder, on Linux."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{folder}"
        yield f"{short}/{path.name}" if os.path.isdir(short) else str(path)
    finally:
        os.close(folder)

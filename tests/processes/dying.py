"""Kills itself once SQLite's file was written so often: python -c "from tests.processes.dying import …"."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from feedback.store.sqlite_connection import SqliteFile


def die_after(writes: int) -> None:
    """Let this process live for so many more writes, of whichever file."""
    left = writes
    write = SqliteFile.write

    async def counted(self: SqliteFile, do: Callable[[Any], Any]) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await write(self, do)

    SqliteFile.write = counted  # type: ignore[method-assign]

"""Keeps looking, in a thread of its own, at what other machines did with the model versions.

It blocks nobody: while the other place is away, or a version comes slowly, what is loaded goes on answering. The log
says once that it is away, and once that it is there again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from model.versions import VersionError

log = logging.getLogger(__name__)

_TRY_AGAIN_S = 60.0
_END_S = 5.0


class _Looking:
    """Looks until it is stopped; `ready` once it has looked."""

    def __init__(
        self, look: Callable[[], None], stopping: threading.Event, every_s: tuple[float, float]
    ) -> None:
        self.ready = threading.Event()
        self._look = look
        self._stopping = stopping
        self._poll_s, self._again_s = every_s
        self._said = ""

    def run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self._poll_s if self._looked() else self._again_s
            self.ready.set()

    def _looked(self) -> bool:
        try:
            self._look()
        except (VersionError, OSError) as error:
            self._failed(str(error))
        except Exception as error:
            log.exception("looking at models_url failed; the next look goes on")
            self._said = str(error)
        else:
            if self._said:
                log.info("models_url is followed again")
            self._said = ""
            return True
        return False

    def _failed(self, why: str) -> None:
        if not self._said and not self._stopping.is_set():
            log.warning("models_url is not followed, what is loaded goes on answering: %s", why)
        self._said = why


@asynccontextmanager
async def keeping_up(
    look: Callable[[], None],
    stopping: threading.Event,
    poll_s: float,
    *,
    wait: bool = False,
    again_s: float = _TRY_AGAIN_S,
) -> AsyncGenerator[None]:
    """Look every `poll_s` seconds, `again_s` seconds after a failure; `wait` for the first look.

    `stopping` is set in the end: it should end a look that takes long.
    """
    looking = _Looking(look, stopping, (poll_s, again_s))
    # No thread of the loop's own: a program would wait for its end, however long a server says nothing.
    thread = threading.Thread(target=looking.run, name="models-url", daemon=True)
    thread.start()
    try:
        while wait and not looking.ready.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.05)
        yield
    finally:
        stopping.set()
        await asyncio.to_thread(thread.join, _END_S)

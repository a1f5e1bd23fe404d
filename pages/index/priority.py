"""Low priority for indexing: between two steps it waits while somebody waits for an answer.

    with yielding_to(lambda: asking.under_way > 0):
        await library.refresh(sources)

Holds for everything that the block awaits, in threads, too; a page that an asker pasted is read in the
asker's own context, and waits for nobody. The wait before a step is bounded, so that a bot that is asked
without a pause comes to the end of its pages all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST_WAIT_S = 1.0
"""Most that one step waits: steps take about 50 ms, so an answer that takes long is slowed by a twentieth."""
_LOOK_EVERY_S = 0.02

SomebodyWaits = Callable[[], bool]
_somebody_waits: ContextVar[SomebodyWaits | None] = ContextVar("somebody waits for an answer")


@contextmanager
def yielding_to(somebody_waits: SomebodyWaits) -> Generator[None]:
    """Let the work of this block step aside while `somebody_waits`, which is called in threads."""
    before = _somebody_waits.set(somebody_waits)
    try:
        yield
    finally:
        _somebody_waits.reset(before)


def step_aside(longest_s: float = LONGEST_WAIT_S) -> None:
    """Wait here, between two steps, while somebody waits for an answer. Blocks its thread."""
    somebody_waits = _somebody_waits.get(None)
    if somebody_waits is None:
        return
    until = time.monotonic() + longest_s
    while somebody_waits() and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)

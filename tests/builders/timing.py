"""How long something keeps the processor busy, for tests that hold a bound."""

import gc
import time
from collections.abc import Callable


def least_seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of three runs in this thread, seconds.

    Garbage is not collected meanwhile: a suite's heap is large, and a collection that falls into a run takes
    longer than most runs.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return min(_seconds(work) for _ in range(3))
    finally:
        if collects:
            gc.enable()


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began

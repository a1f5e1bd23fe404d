"""What the memory of a training does: what tensors let go of is kept for the next ones.

Every step of a training needs gigabytes, in blocks that the C library (glibc) asks the system for one by one,
and gives back when a tensor is gone. They come back as pages that are cleared one after the other: on a
machine with two cores the kernel took more than half of the processor's time (LOG.md).
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""glibc's names of what can be set (malloc.h)."""
_NEVER = -1


def keep_freed_memory() -> None:
    """From now on, keep in this process what is freed; with another C library, change nothing."""
    try:
        set_to = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    set_to(_MMAP_MAX, 0)
    set_to(_TRIM_THRESHOLD, _NEVER)

"""How fast one conversation may be spoken to.

Teams lets a bot say 7 things in 1 s, 8 in 2 s, 60 in 30 s and 1,800 in an hour in one conversation (Microsoft's
page on rate limits for bots), and answers 429 to more. Messages of one conversation go out one after the other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

TEAMS_LIMITS: Sequence[tuple[int, float]] = ((7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0))
"""(messages, within seconds), all of which hold at once."""
MAX_CONVERSATIONS = 10_000
MAX_WAIT_S = 30.0


class Pace:
    """The turns of every conversation that was spoken to lately. One per process."""

    def __init__(self, limits: Sequence[tuple[int, float]] = TEAMS_LIMITS) -> None:
        self._limits = limits
        self._most = max(count for count, _ in limits)
        self._conversations: OrderedDict[str, tuple[asyncio.Lock, deque[float]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, conversation: str) -> AsyncGenerator[None]:
        """Wait until the conversation may be spoken to, and hold it while speaking."""
        lock, spoken = self._of(conversation)
        async with lock:
            wait_s = self._wait_s(spoken)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            spoken.append(time.monotonic())
            yield

    def _of(self, conversation: str) -> tuple[asyncio.Lock, deque[float]]:
        turns = self._conversations.get(conversation)
        if turns is None:
            turns = self._conversations[conversation] = (asyncio.Lock(), deque(maxlen=self._most))
        self._conversations.move_to_end(conversation)
        if len(self._conversations) > MAX_CONVERSATIONS:
            oldest = next(iter(self._conversations))
            if not self._conversations[oldest][0].locked():
                del self._conversations[oldest]
        return turns

    def _wait_s(self, spoken: deque[float]) -> float:
        now = time.monotonic()
        return max(
            (spoken[-count] + within_s - now for count, within_s in self._limits if len(spoken) >= count),
            default=0.0,
        )


def retry_wait_s(attempt: int, retry_after: str | None) -> float:
    """Return how long to wait before trying again: what the channel asked for, or 0.5 s doubled each time, with jitter.

    `attempt` counts from 0. Never more than MAX_WAIT_S.
    """
    try:
        asked_s = float(retry_after or "")
    except ValueError:  # none, or the rare form with a date
        asked_s = 0.5 * 2**attempt
    jitter = 1 + random.random() / 4  # noqa: S311 - spreads retries, protects nothing
    return min(max(asked_s, 0.0) * jitter, MAX_WAIT_S)

"""Rate limits of messages to Teams, in one conversation and in one tenant.

Teams lets a bot say 7 things in 1 s, 8 in 2 s, 60 in 30 s and 1,800 in an hour in one conversation, ask 50
things a second of one tenant (Microsoft's page on rate limits for bots), and answers 429 to more. What a bot
says counts when it arrives, which nobody here knows: between being sent and being answered. So a request is
counted from its start until as long after its end as the limit looks back; then no clock or slow network can
make too many of them. Messages of one conversation go out one after the other.

    async with pace.turn(conversation, tenant) as turn:   the conversation is ours
        async with turn.request(): ...                    one request, each try another one
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

TEAMS_LIMITS: Sequence[tuple[int, float]] = ((7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0))
"""(requests, within seconds) in one conversation, all of which hold at once."""
TENANT_LIMIT = (50, 1.0)
"""The same for all conversations of a tenant together."""
MAX_CONVERSATIONS = 10_000
MAX_TENANTS = 1_000


@dataclass(frozen=True, slots=True)
class _Conversation:
    """Whose turn it is, and when what was said lately was answered."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered: deque[float] = field(default_factory=deque[float])


class Turn:
    """The right to speak in one conversation."""

    def __init__(self, pace: Pace, conversation: _Conversation, tenant: asyncio.Semaphore) -> None:
        self._pace = pace
        self._conversation = conversation
        self._tenant = tenant

    @asynccontextmanager
    async def request(self) -> AsyncGenerator[None]:
        """Wait until one more request may be sent, and count it."""
        answered = self._conversation.answered
        wait_s = self._pace.wait_s(answered)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await self._tenant.acquire()
        try:
            yield
        finally:
            answered.append(time.monotonic())
            asyncio.get_running_loop().call_later(self._pace.tenant_within_s, self._tenant.release)


class Pace:
    """The turns of every conversation and tenant that was spoken to lately. One per process."""

    def __init__(
        self,
        limits: Sequence[tuple[int, float]] = TEAMS_LIMITS,
        tenant_limit: tuple[int, float] = TENANT_LIMIT,
    ) -> None:
        self._limits = limits
        self._most = max(count for count, _ in limits)
        self._tenant_most, self.tenant_within_s = tenant_limit
        self._conversations: OrderedDict[str, _Conversation] = OrderedDict()
        self._tenants: OrderedDict[str, asyncio.Semaphore] = OrderedDict()

    @asynccontextmanager
    async def turn(self, conversation: str, tenant: str = "") -> AsyncGenerator[Turn]:
        """Wait for the turn of a conversation, and hold it while speaking."""
        known = self._get_conversation(conversation)
        async with known.lock:
            yield Turn(self, known, self._of_tenant(tenant))

    def wait_s(self, answered: deque[float]) -> float:
        """Return how long to wait before one more request, where these were the ends of the ones before."""
        now = time.monotonic()
        return max(
            (answered[-count] + within_s - now for count, within_s in self._limits if len(answered) >= count),
            default=0.0,
        )

    def _get_conversation(self, conversation: str) -> _Conversation:
        known = self._conversations.get(conversation)
        if known is None:
            known = self._conversations[conversation] = _Conversation(answered=deque(maxlen=self._most))
        self._conversations.move_to_end(conversation)
        if len(self._conversations) > MAX_CONVERSATIONS:
            oldest = next(iter(self._conversations))
            if not self._conversations[oldest].lock.locked():
                del self._conversations[oldest]
        return known

    def _of_tenant(self, tenant: str) -> asyncio.Semaphore:
        known = self._tenants.get(tenant)
        if known is None:
            known = self._tenants[tenant] = asyncio.Semaphore(self._tenant_most)
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > MAX_TENANTS:
            self._tenants.popitem(last=False)
        return known

"""How fast Slack may be spoken to, and what to do when it says "too fast".

Slack counts per method and workspace (its tiers: so many calls a minute), and lets an app say one thing a second in one
channel. On 429 it says for how long that method is closed for that workspace: until then nobody here calls it, and
afterwards not all at once.

Source: Slack's documentation on rate limits of the Web API.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

TIER_2, TIER_3, TIER_4 = 20, 50, 100
PER_MINUTE: Mapping[str, int] = {
    "assistant.threads.setStatus": 600,
    "assistant.threads.setSuggestedPrompts": TIER_3,
    "auth.revoke": TIER_3,
    "auth.test": 200,
    "chat.appendStream": TIER_4,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": 300,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.update": TIER_3,
    "conversations.open": TIER_3,
    "usergroups.users.list": TIER_2,
    "views.open": TIER_4,
    "views.publish": TIER_4,
}
"""Calls a minute in one workspace. For posting Slack promises "several hundred"."""
SPOKEN = frozenset({"chat.postMessage", "chat.startStream"})
"""What puts a new message into a channel."""
LONGEST_S = 3_600.0
REMEMBERED = 10_000


class TooFast(Exception):
    """A call would have to wait longer than it is worth."""


@dataclass(frozen=True, slots=True)
class PaceRules:
    """`second_s` is how long Slack's second lasts (tests have a shorter one); `per_minute` as in PER_MINUTE."""

    second_s: float = 1.0
    per_minute: Mapping[str, int] = field(default_factory=lambda: PER_MINUTE)
    other: int = TIER_2


@dataclass(slots=True)
class _Call:
    """When a call may go out, and when it was answered, 0.0 before."""

    at: float
    answered: float = 0.0


class SlackPace:
    """The turns of every method and channel. One per process."""

    def __init__(self, rules: PaceRules | None = None) -> None:
        self._rules = rules or PaceRules()
        self._calls: dict[tuple[str, str], deque[_Call]] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._channels: OrderedDict[str, tuple[asyncio.Lock, list[float]]] = OrderedDict()

    @property
    def second_s(self) -> float:
        """How long a second of Slack's lasts."""
        return self._rules.second_s

    @asynccontextmanager
    async def turn(self, method: str, team: str, channel: str, most_s: float) -> AsyncGenerator[None]:
        """Wait until a method may be called, at most `most_s`. Raises TooFast."""
        async with self._channel(f"{team}:{channel}" if channel and method in SPOKEN else ""):
            call, before = self._reserve(method, team, most_s)
            try:
                while (wait_s := max(call.at, self._clear(before)) - time.monotonic()) > 0:  # noqa: ASYNC110 - a time, no event
                    await asyncio.sleep(wait_s)
                yield
            finally:
                call.answered = time.monotonic()

    def close(self, method: str, team: str, retry_after: str | None) -> None:
        """Slack said that a method is called too often: nobody calls it for as long as it said."""
        try:
            asked_s = min(max(0.0, float(retry_after or "")), LONGEST_S)
        except ValueError:
            asked_s = 1.0
        jitter = 1 + random.random() / 4  # noqa: S311 - spreads retries, protects nothing
        until = time.monotonic() + asked_s * self._rules.second_s * jitter
        self._closed[method, team] = max(until, self._closed.get((method, team), 0.0))

    def _reserve(self, method: str, team: str, most_s: float) -> tuple[_Call, _Call | None]:
        """Take the next free moment; return it, and the call that has to be over for a minute by then."""
        now = time.monotonic()
        limit = self._rules.per_minute.get(method, self._rules.other)
        calls = self._calls.setdefault((method, team), deque(maxlen=limit))
        before = calls[0] if len(calls) == limit else None
        at = max(now, self._closed.get((method, team), 0.0), self._clear(before))
        if at - now > most_s:
            raise TooFast(f"{method} may be called in {at - now:.0f} s again")
        call = _Call(at)
        calls.append(call)
        return call, before

    def _clear(self, before: _Call | None) -> float:
        """Return when a call no longer counts. When it arrived nobody here knows: at the latest when it was answered."""
        if before is None:
            return 0.0
        over = before.answered or max(before.at, time.monotonic())
        return over + 61 * self._rules.second_s

    @contextlib.asynccontextmanager
    async def _channel(self, name: str) -> AsyncGenerator[None]:
        """Hold a channel: the next one speaks a second after this one has been heard."""
        if not name:
            yield
            return
        lock, heard = self._channels.setdefault(name, (asyncio.Lock(), [-1e9]))
        self._channels.move_to_end(name)
        self._forget_oldest()
        async with lock:
            wait_s = heard[0] + self._rules.second_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            try:
                yield
            finally:
                heard[0] = time.monotonic()

    def _forget_oldest(self) -> None:
        if len(self._channels) > REMEMBERED:
            oldest = next(iter(self._channels))
            if not self._channels[oldest][0].locked():
                del self._channels[oldest]

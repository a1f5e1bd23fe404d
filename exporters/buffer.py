"""A bounded buffer of what is to be sent, and the thread that sends it: whoever puts in never waits.

What does not fit is dropped. What an endpoint does not take is sent again, later and later, and dropped after
a while; what it will never take is dropped at once. All of it is counted, and told once something arrives
again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from core import telemetry

T = TypeVar("T")
log = logging.getLogger(__name__)

FULL, REFUSED, UNSENT = "full", "refused", "unsent"
"""Why something was dropped: no room; the endpoint did not take it; the process ended before."""
_LAST_WAIT_S = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """How an outbox works.

    `room` items wait at most; `batch` of them are sent at a time, or what there is after `every_s`. What was
    not taken is sent again after `wait_s`, twice that, and so on up to `longest_wait_s`, `tries` times in
    all.
    """

    room: int = 2048
    batch: int = 100
    every_s: float = 2.0
    wait_s: float = 1.0
    longest_wait_s: float = 60.0
    tries: int = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint said to a batch: send `again` (after `wait_s`), or `never`, being too bad for it."""

    again: Sequence[Any] = ()
    never: int = 0
    wait_s: float = 0.0


@dataclass(slots=True)
class Counts:
    """How many items were taken, and how many were dropped for which reason."""

    sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])


class Outbox(Generic[T]):
    """One buffer and its thread. `send` may block and raise; what it raises counts as not taken.

    `prepare` makes of an item what is sent, in the thread; that is what is counted then.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[Sequence[Any]], Reply],
        pace: Pace | None = None,
        prepare: Callable[[T], Iterable[Any]] = lambda item: (item,),
    ) -> None:
        self.name = name
        self.counts = Counts()
        self._send = send
        self._prepare = prepare
        self._pace = pace or Pace()
        self._waiting: deque[T] = deque()
        self._reported: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._over = threading.Event()
        self._trouble = False
        self._flying = 0
        self._thread = threading.Thread(target=self._run, name=f"{name} outbox", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Let it be sent. Never waits, never raises."""
        with self._changed:
            if self._closing.is_set():
                self.counts.dropped[UNSENT] += 1
            elif len(self._waiting) >= self._pace.room:
                self.counts.dropped[FULL] += 1
            else:
                self._waiting.append(item)
                if len(self._waiting) >= self._pace.batch:
                    self._changed.notify()

    def close(self, within_s: float) -> None:
        """Send what waits, as far as the time allows; what is left is counted as dropped."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(within_s)
        self._over.set()
        with self._changed:  # a thread that still hangs is a daemon: it ends with the process
            left = len(self._waiting) + self._flying
            self._waiting.clear()
        self._drop(UNSENT, left)
        dropped = self.counts.dropped.total()
        if dropped:
            log.warning("%s: %d were not sent: %s", self.name, dropped, dict(self.counts.dropped))

    def _run(self) -> None:
        while batch := self._take():
            self._deliver([one for item in batch for one in self._try_prepare(item)])
            self._report()

    def _try_prepare(self, item: T) -> list[Any]:
        try:
            return list(self._prepare(item))
        except Exception:
            log.exception("%s: something could not be written", self.name)
            self._drop(REFUSED, 1)
            return []

    def _take(self) -> list[T]:
        """Wait for something to send; empty when there will be nothing more."""
        until = time.monotonic() + self._pace.every_s
        with self._changed:
            while not self._closing.is_set():
                left_s = until - time.monotonic()
                if len(self._waiting) >= self._pace.batch or (self._waiting and left_s <= 0):
                    break
                self._changed.wait(left_s if left_s > 0 else self._pace.every_s)
            count = min(self._pace.batch, len(self._waiting))
            return [self._waiting.popleft() for _ in range(count)]

    def _deliver(self, batch: Sequence[Any]) -> None:
        self._flying = len(batch)
        for attempt in range(self._pace.tries):
            reply = self._try(batch)
            self.counts.sent += len(batch) - len(reply.again) - reply.never
            self._drop(REFUSED, reply.never)
            if not reply.again:
                self._flying = 0
                return
            batch = reply.again
            self._flying = len(batch)
            backoff_s = min(self._pace.wait_s * 2**attempt, self._pace.longest_wait_s)
            wait_s = max(backoff_s * random.uniform(0.5, 1.0), reply.wait_s)  # noqa: S311 - no secret
            if not self._pause(wait_s):
                break
        self._flying = 0
        self._drop(UNSENT if self._closing.is_set() else REFUSED, len(batch))

    def _pause(self, wait_s: float) -> bool:
        """Wait before another try, not for long near the end; False when there is no time for one."""
        return not self._closing.wait(wait_s) or not self._over.wait(min(wait_s, _LAST_WAIT_S))

    def _try(self, batch: Sequence[Any]) -> Reply:
        try:
            reply = self._send(batch)
        except Exception as error:  # noqa: BLE001 - exporters raise of many families; none may end the thread
            if not self._trouble:
                log.warning("%s is not taken: %s: %s", self.name, type(error).__name__, error)
            reply = Reply(again=batch)
        self._trouble = bool(reply.again)
        return reply

    def _drop(self, why: str, count: int) -> None:
        if count:
            with self._changed:
                self.counts.dropped[why] += count

    def _report(self) -> None:
        """Tell what was lost, now that something arrives."""
        if self._trouble or self._closing.is_set():
            return
        with self._changed:
            lost = self.counts.dropped - self._reported
            self._reported = Counter(self.counts.dropped)
        for why, count in lost.items():
            log.warning("%s: %d were dropped (%s)", self.name, count, why)
            telemetry.event("telemetry_dropped", reason=why, count=count)

"""Rate limits of the widget: what the visitors of one site, and one visitor, may do in a minute.

Counted in token buckets and in memory, as for people who ask elsewhere (`bot/dialogs/askers.py`), whose
limits hold for every visitor, too. Somebody who clears their browser is a new visitor; so new visitors and
all questions of a site are counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.web.access import RefusedError
from core.bounded_dict import BoundedDict
from core.token_bucket import TokenBucket
from core.translation import mark, say

REMEMBERED = 10_000
ACTIONS_PER_MINUTE = 60
"""What one visitor may send: questions, ratings, presses, and how often they may begin to follow."""
WAIT = mark("Too many people are asking on this site just now. Please try again in {seconds} seconds.")
SLOW_DOWN = mark("That was too much at once. Please try again in {seconds} seconds.")


@dataclass(frozen=True, slots=True)
class WidgetLimits:
    """New visitors, and questions of all visitors, of one site in a minute."""

    visitors_per_minute: int = 60
    questions_per_minute: int = 120


class RateLimits:
    """One per process. Raises RefusedError (429) with the seconds to wait."""

    def __init__(self, limits: WidgetLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: BoundedDict[tuple[str, str], TokenBucket] = BoundedDict(REMEMBERED)

    def count_visitor(self, origin: str) -> None:
        """Count a new visitor of a site."""
        self._take(("visitors", origin), self._limits.visitors_per_minute, WAIT)

    def count_question(self, origin: str) -> None:
        """Count a question on a site."""
        self._take(("questions", origin), self._limits.questions_per_minute, WAIT)

    def count_action(self, visitor: str) -> None:
        """Count whatever a visitor sends."""
        self._take(("actions", visitor), ACTIONS_PER_MINUTE, SLOW_DOWN)

    def _take(self, name: tuple[str, str], per_minute: int, sentence: str) -> None:
        """Take one from a bucket that holds a minute's worth and fills evenly."""
        now = self._clock()
        bucket = self._buckets.get(name) or TokenBucket.full(per_minute, per_minute, now)
        self._buckets[name] = bucket
        bucket.fill(now)
        if not bucket.take():
            seconds = max(1, math.ceil(bucket.wait_s))
            raise RefusedError(429, say(sentence, seconds=seconds), "too_many")

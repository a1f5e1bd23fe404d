"""The people who ask: in what order their questions are answered, and how much one person may ask.

Of one person one question is answered at a time; the next one is the oldest of their next conversation in
turn. The model serves who comes first, so with one place for each who waits, people take turns: thirty
questions of one person delay another's by one answer, and fill one place of the model's queue. Small talk
takes no place and counts for nothing.

Counted in memory: where several processes serve, each of them counts for itself, and a new start begins at
nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.records import Question
from core.token_bucket import TokenBucket
from core.translation import mark_count, say_count

TOO_FAST = mark_count(
    "You have asked {count} question in the last minute.",
    "You have asked {count} questions in the last minute.",
)
WAIT = mark_count(
    "Please wait {count} second and ask again.",
    "Please wait {count} seconds and ask again.",
)
TOO_MANY = mark_count(
    "You have {count} question waiting for an answer; please wait until one is answered and ask again.",
    "You have {count} questions waiting for an answer; please wait until one is answered and ask again.",
)
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class AskerLimits:
    """What one person may ask; 0 is without limit.

    `waiting` questions may wait behind the one that is answered. Of `per_minute`, `burst` may come at once (a
    token bucket: it holds `burst`, and fills evenly).
    """

    waiting: int = 0
    per_minute: int = 0
    burst: int = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a question is not answered: `reason` for figures, `sentence` for the asker, "" if just told."""

    reason: str
    sentence: str


class Place:
    """A question's place among those of its asker. `turn` is set when it is to be answered."""

    def __init__(self, person: _Person, conversation: str) -> None:
        self.turn = asyncio.Event()
        self._person = person
        self._conversation = conversation
        person.add(self, conversation)

    def leave(self) -> None:
        """Make room for the asker's next question, answered or not."""
        self._person.drop(self, self._conversation)


@dataclass(slots=True)
class _Person:
    """An asker. `bucket` is of monotonic seconds; `asked` are times in a minute."""

    bucket: TokenBucket
    asked: deque[float] = field(default_factory=deque[float])
    told: bool = False
    answered: Place | None = None
    waiting: dict[str, deque[Place]] = field(default_factory=dict[str, deque[Place]])

    @property
    def count_waiting(self) -> int:
        return sum(map(len, self.waiting.values()))

    def add(self, place: Place, conversation: str) -> None:
        self.waiting.setdefault(conversation, deque()).append(place)
        self._go_on()

    def drop(self, place: Place, conversation: str) -> None:
        if place is self.answered:
            self.answered = None
            self._go_on()
            return
        self.waiting[conversation].remove(place)
        if not self.waiting[conversation]:
            del self.waiting[conversation]

    def _go_on(self) -> None:
        """Give the turn to the next conversation, which goes to the end of the line."""
        if self.answered is not None or not self.waiting:
            return
        conversation = next(iter(self.waiting))
        places = self.waiting.pop(conversation)
        self.answered = places.popleft()
        if places:
            self.waiting[conversation] = places
        self.answered.turn.set()


class Askers:
    """Everybody who asked a while ago or is being answered. One per process."""

    def __init__(
        self, limits: AskerLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits or AskerLimits()
        self._clock = clock
        self._people: dict[str, _Person] = {}  # who was seen last is last

    def __len__(self) -> int:
        return len(self._people)

    def refuse(self, question: Question) -> Refusal | None:
        """Count a question that has just come; return why it is not answered, None where it is."""
        person = self._person(question.asker)
        refusal = self._too_many(person) or self._too_fast(person)
        if refusal is None:
            person.told = False
            if self._limits.per_minute:
                person.asked.append(person.bucket.seen_at)
                person.bucket.take()
            return None
        told, person.told = person.told, True
        return replace(refusal, sentence="") if told else refusal

    def queue(self, question: Question) -> Place:
        """Give a question its place, to be left when it is done."""
        return Place(self._person(question.asker), question.conversation)

    def _too_many(self, person: _Person) -> Refusal | None:
        waiting = person.count_waiting
        if not self._limits.waiting or waiting < self._limits.waiting:
            return None
        return Refusal("too_many", say_count(*TOO_MANY, waiting))

    def _too_fast(self, person: _Person) -> Refusal | None:
        if not self._limits.per_minute or person.bucket.held >= 1:
            return None
        wait_s = math.ceil(person.bucket.wait_s)
        return Refusal("too_fast", f"{say_count(*TOO_FAST, len(person.asked))} {say_count(*WAIT, wait_s)}")

    def _person(self, asker: str) -> _Person:
        """Return who asks, with the bucket as full as it is now."""
        now, limits = self._clock(), self._limits
        self._forget_idle(now)
        person = self._people.pop(asker, None)
        person = person or _Person(TokenBucket.full(limits.burst, limits.per_minute, now))
        self._people[asker] = person
        person.bucket.fill(now)
        while person.asked and person.asked[0] <= now - _MINUTE_S:
            person.asked.popleft()
        return person

    def _forget_idle(self, now: float) -> None:
        """Forget who has no question here and a full bucket, as somebody new has."""
        limits = self._limits
        full_s = _MINUTE_S * max(1.0, limits.burst / limits.per_minute if limits.per_minute else 0.0)
        while self._people:
            asker, person = next(iter(self._people.items()))
            if person.bucket.seen_at > now - full_s or person.answered is not None:
                return
            del self._people[asker]

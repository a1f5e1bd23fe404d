"""Who asks what: people a day and a week, how many come back, and the questions that are asked most.

From the newest answers themselves, because people and equal questions do not add up over days: at most
MOST_READ of the last LOOK_BACK. What they cover is said beside the figures (`Asked.since`).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urldefrag

from core.readers import EVERYONE, Readers
from core.records import Answer, AnswerKind, Passage
from core.text import normalise_text
from feedback.metrics.daily import Group, Records
from feedback.metrics.timeline import Value, rate_share
from feedback.store.base import derive_site, moment
from feedback.store.rows import every_answer

LOOK_BACK = timedelta(days=90)
MOST_READ = 3_000
WEEK = timedelta(days=7)
RETURNING = timedelta(days=28)
"""Who asked on another day of so many has come back."""
TOP = 10
PageOfIt = tuple[str, Readers]
"""An address, and the readers that were kept with what was found there."""
AreClosed = Callable[[Collection[PageOfIt]], bool]
"""Tells of pages whether there is anybody who may not read one of them."""


def _are_open(_: Collection[PageOfIt]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Ask:
    """One question that was answered, without what was answered.

    `pages` are those behind its answer, each with the readers that were kept with it. What `from_file` is
    about is known to its conversation alone.
    """

    answer_id: str
    at: datetime
    asker: str
    text: str
    kind: AnswerKind
    group: Group
    pages: frozenset[PageOfIt] = frozenset()
    from_file: bool = False

    @property
    def day(self) -> date:
        """The day of its answer, in UTC."""
        return self.at.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was read, oldest first. `since`: nothing later is missing; `whole`: that is LOOK_BACK ago."""

    asks: Sequence[Ask]
    since: datetime
    whole: bool


@dataclass(frozen=True, slots=True)
class AskedOften:
    """One question, in the same words but for case and punctuation: how often, by whom, what came of it.

    `answer_id` is the newest answer to it. `is_closed`: these answers come from pages that not everyone may
    read; what was answered from others to the same words is counted apart.
    """

    text: str
    count: int
    people: int
    kinds: Mapping[str, int]
    answer_id: str
    last_at: datetime
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """How many people asked: on each day that was read whole, on the last day, and in the last seven days.

    `returning` is the share of the week's people who asked on another day of the last 28, too.
    """

    days: Mapping[date, int]
    today: int
    week: int
    returning: Value | None


async def read_asked(store: Records, now: datetime) -> Asked:
    """Read the newest answers. Raises StoreError."""
    days = 1
    while True:
        since = now - min(timedelta(days=days), LOOK_BACK)
        newest: deque[Ask] = deque(maxlen=MOST_READ)
        count = 0
        async for answer in every_answer(store, (moment(since), "")):
            newest.append(_describe(answer))
            count += 1
        if count >= MOST_READ or now - since >= LOOK_BACK:
            begin = newest[0].at if count > MOST_READ else since
            return Asked([*newest], begin, now - begin >= LOOK_BACK)
        days *= 10


def _describe(answer: Answer) -> Ask:
    question = answer.question
    group = Group(answer.model_version, str(question.channel), derive_site(answer))
    places = (*answer.passages, *answer.citations)
    pages = frozenset(
        (urldefrag(one.url).url, one.readers if isinstance(one, Passage) else EVERYONE) for one in places
    )
    return Ask(
        answer.id,
        answer.answered_at,
        question.asker,
        question.text,
        answer.kind,
        group,
        pages,
        answer.from_file,
    )


def count_people(asked: Asked, wanted: Callable[[Group], bool], now: datetime) -> People:
    """Count the people behind some of the answers."""
    asks = [one for one in asked.asks if wanted(one.group)]
    by_day: defaultdict[date, set[str]] = defaultdict(set)
    for one in asks:
        by_day[one.day].add(one.asker)
    first_whole = asked.since.astimezone(UTC).date() + timedelta(days=not _is_midnight(asked.since))
    week = {one.asker for one in asks if one.at > now - WEEK}
    days_of: Counter[str] = Counter()
    for day, people in by_day.items():
        if day > (now - RETURNING).astimezone(UTC).date():
            days_of.update(people & week)
    back = sum(count > 1 for count in days_of.values())
    return People(
        days={day: len(people) for day, people in sorted(by_day.items()) if day >= first_whole},
        today=len(by_day.get(now.astimezone(UTC).date(), ())),
        week=len(week),
        returning=rate_share(back / len(week), len(week)) if week else None,
    )


def _is_midnight(at: datetime) -> bool:
    return at == datetime.combine(at.date(), datetime.min.time(), UTC)


def list_top(asks: Iterable[Ask], are_closed: AreClosed = _are_open) -> list[AskedOften]:
    """Return the questions that were asked most, of equal ones the newest first."""
    return _rank(asks, lambda one: one.count, are_closed)


def list_unanswered(asks: Iterable[Ask], are_closed: AreClosed = _are_open) -> list[AskedOften]:
    """Return the questions that were declined most often."""
    declined = AnswerKind.DECLINED
    found = _rank(asks, lambda one: one.kinds.get(declined, 0), are_closed)
    return [one for one in found if one.kinds.get(declined)]


def _rank(asks: Iterable[Ask], weigh: Callable[[AskedOften], int], are_closed: AreClosed) -> list[AskedOften]:
    groups: defaultdict[tuple[str, bool], list[Ask]] = defaultdict(list)
    for one in asks:
        if not one.from_file:
            groups[normalise_text(one.text), are_closed(one.pages)].append(one)
    found = [_sum_up(group, is_closed=closed) for (_, closed), group in groups.items()]
    return sorted(found, key=lambda one: (weigh(one), one.last_at), reverse=True)[:TOP]


def _sum_up(asks: Sequence[Ask], *, is_closed: bool) -> AskedOften:
    newest = max(asks, key=lambda one: one.at)
    kinds = Counter(str(one.kind) for one in asks)
    people = len({one.asker for one in asks})
    return AskedOften(newest.text, len(asks), people, kinds, newest.answer_id, newest.at, is_closed)

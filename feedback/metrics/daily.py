"""The figures of each day, and the worst-rated answers of each day, kept as documents.

A day's document (kind `daily`) has the sums of each group of answers with one model version, channel and
site; any selection of groups and days adds up (`select`). It is computed from the records, as often as one
likes. Reading the store takes memory for one day's groups and the sessions of half an hour, however many
answers there are. `read_rollup_time` says when that was done last.

The answers that people liked least are noted by day (kind `worst`), so that those of months are found without
reading all. Thumbs count as stars, up as five and down as one. An answer is bad whose mean is below MIDDLE;
the lower the mean, the worse, and of equal ones the worse is that of which more people say so. Each day keeps
MOST of each model version. A note goes with its answer, and has nobody's words.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from core.bounded_dict import BoundedDict
from core.records import Answer, Feedback, FeedbackKind
from feedback.metrics.definitions import IDLE, Known, Sums, add_answer, add_turn, is_ignored
from feedback.metrics.statistics import QuantileSketch
from feedback.reviews.repository import WAITING, ReviewRepository
from feedback.store.base import FeedbackStore, derive_site, moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.rows import RECORDS_AT_ONCE, Rows, every, every_answer
from feedback.store.serialization import from_json, to_json

KIND = "daily"
_PLACE = "rolled_up"
_FORM = "2"
"""What the days' documents have, by number; 2: the reach of rulings, too."""
MOST_SITES = 100
"""So many sites of one day have figures of their own; pasted links may name any number of them."""
OTHER_SITES = "other"
RULINGS_AT_HAND = 2_000
"""The questions of so many rulings are remembered while days are summed up."""
_LOOK_BACK = IDLE + timedelta(minutes=10)
"""Earlier answers may be what a session of this day goes on from."""


class Records(FeedbackStore, Rows, Protocol):
    """A store whose rows can be read, too."""


class Group(NamedTuple):
    """Which answers are summed up together."""

    model_version: str
    channel: str
    site: str


Groups = dict[Group, Sums]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many reviews wait, and for how long: the oldest and the median one, seconds.

    As it was at `seen_at`.
    """

    waiting: int
    oldest_s: float
    median_s: float
    seen_at: str


@dataclass(slots=True)
class Day:
    """One day's sums by group; `backlog` as it was when the day was last looked at while it lasted."""

    day: date
    groups: Groups = field(default_factory=dict[Group, Sums])
    backlog: Backlog | None = None

    def find_sums(self, answer: Answer) -> Sums:
        """Return the sums that an answer belongs to."""
        return find_sums(self.groups, answer)


def find_sums(groups: Groups, answer: Answer) -> Sums:
    """Return the sums that an answer belongs to among those of a span of time.

    New ones where there are none yet.
    """
    site, known = derive_site(answer), {group.site for group in groups}
    if site not in known and len(known) >= MOST_SITES:
        site = OTHER_SITES
    group = Group(answer.model_version, str(answer.question.channel), site)
    return groups.setdefault(group, Sums())


def select(days: Sequence[Day], wanted: Callable[[Group], bool] = lambda _: True) -> Sums:
    """Return the sums of the wanted groups of these days."""
    total = Sums()
    for day in days:
        for group, sums in day.groups.items():
            if wanted(group):
                total.merge(sums)
    return total


async def sum_up(
    store: Records,
    repository: ReviewRepository,
    day: date,
    now: datetime,
    hear: Callable[[Known], None] = lambda _: None,
) -> Day:
    """Compute a day from the records; `hear` is told of each answer. Raises StoreError."""
    begin = datetime.combine(day, time(), UTC)
    summed = Day(day)
    async for known, before in read_known(store, repository, begin, begin + timedelta(days=1)):
        sums = summed.find_sums(known.answer)
        add_answer(sums, known, now)
        add_turn(sums, known.answer, before)
        hear(known)
    return summed


async def read_known(
    store: Records, repository: ReviewRepository, begin: datetime, end: datetime
) -> AsyncIterator[tuple[Known, datetime | None]]:
    """Yield what is known of the answers in a span, and the time of each asker's last answer before it."""
    last: dict[tuple[str, str], datetime] = {}
    rulings = _Rulings(store, repository)
    async for answer in answers_between(store, begin - _LOOK_BACK, end):
        who = (answer.question.conversation, answer.question.asker)
        if answer.answered_at >= begin:
            yield await _gather_known(store, repository, rulings, answer), last.get(who)
        last[who] = answer.answered_at
        if len(last) > RECORDS_AT_ONCE:
            over = answer.answered_at - _LOOK_BACK
            last = {name: at for name, at in last.items() if at >= over}


class _Rulings:
    """Finds the questions whose rulings were served, each once."""

    def __init__(self, store: FeedbackStore, repository: ReviewRepository) -> None:
        self._store = store
        self._repository = repository
        self._texts: BoundedDict[datetime, str | None] = BoundedDict(RULINGS_AT_HAND)

    async def find_text(self, ruled_at: datetime | None) -> str | None:
        """Return the question that was ruled on at a moment, None where it is not kept any more."""
        if ruled_at is None:
            return None
        if ruled_at not in self._texts:
            self._texts[ruled_at] = await find_reviewed_text(self._store, self._repository, ruled_at)
        return self._texts[ruled_at]


async def find_reviewed_text(
    store: FeedbackStore, repository: ReviewRepository, ruled_at: datetime
) -> str | None:
    """Return the question that was ruled on at a moment, None where it is not kept any more.

    A verified answer may be kept longer than the question that it came from, and has its words, too.
    """
    review = await repository.find_settled(ruled_at)
    if review is None:
        return None
    answer = await store.answer(review.answer_id)
    if answer is not None:
        return answer.question.text
    verified = await repository.read_verified(review.answer_id)
    return verified.question_text if verified else None


async def _gather_known(
    store: Records, repository: ReviewRepository, rulings: _Rulings, answer: Answer
) -> Known:
    words = await store.feedback_on(answer.id)
    late = bool(words) and is_ignored(answer, words)
    ever = await _every_word(store, answer.id) if late else words
    return Known(
        answer, words, ever, await repository.rounds(answer.id), await rulings.find_text(answer.verified_at)
    )


async def _every_word(store: Records, answer_id: str) -> list[Feedback]:
    """Return all that was ever said on an answer, also what a later word has replaced."""
    rows = await store.rows("feedback", f"{answer_id} ", RECORDS_AT_ONCE)
    return [from_json(Feedback, row.fields["record"]) for row in rows if row.fields["answer_id"] == answer_id]


async def answers_between(store: FeedbackStore, begin: datetime, end: datetime) -> AsyncIterator[Answer]:
    """Yield the answers that were written in a span of time, oldest first."""
    async for answer in every_answer(store, (moment(begin), "")):
        if answer.answered_at >= end:
            return
        yield answer


async def backlog(repository: ReviewRepository, now: datetime) -> Backlog:
    """Look at the reviews that wait now."""
    ages, oldest_s = QuantileSketch(), 0.0
    async for review in every(partial(repository.reviews, WAITING)):
        age_s = max(0.0, (now - review.opened_at).total_seconds())
        ages.add(age_s)
        oldest_s = max(oldest_s, age_s)
    return Backlog(ages.count, oldest_s, ages.percentile(0.5) or 0.0, moment(now))


# The documents


async def keep(documents: Documents, day: Day) -> None:
    """Keep a day, in the place of what was kept of it."""
    body: dict[str, Any] = {
        "groups": [{**group._asdict(), "sums": sums.dump()} for group, sums in sorted(day.groups.items())],
        "backlog": None if day.backlog is None else asdict(day.backlog),
    }
    name = day.day.isoformat()
    await documents.put(Document(KIND, name, json.dumps(body, sort_keys=True), order=name))


async def read_days(documents: Documents, first: date, last: date) -> list[Day]:
    """Return the days that are kept, of a span of days."""
    return [read(document) for document in await list_day_documents(documents, KIND, first, last)]


async def list_day_documents(documents: Documents, kind: str, first: date, last: date) -> list[Document]:
    """Return the documents of a kind whose order is a day, of a span of days."""
    found: list[Document] = []
    before = ((first - timedelta(days=1)).isoformat(), "~")
    async for document in every_document(documents, Wanted(kind, after=before, limit=RECORDS_AT_ONCE)):
        if document.order > last.isoformat():
            break
        found.append(document)
    return found


def read(document: Document) -> Day:
    """Read a document that `keep` wrote."""
    body: dict[str, Any] = json.loads(document.body)
    groups = {
        Group(one["model_version"], one["channel"], one["site"]): Sums.load(one["sums"])
        for one in body["groups"]
    }
    seen: Mapping[str, Any] | None = body["backlog"]
    return Day(date.fromisoformat(document.id), groups, Backlog(**seen) if seen else None)


async def mark_rolled_up(documents: Documents, at: datetime) -> None:
    """All days are as they were at this time. Written last: all is done."""
    await documents.put(Document(_PLACE, "last", _FORM, order=moment(at)))


async def read_complete_time(documents: Documents) -> datetime | None:
    """Return as of when the days have all that they have now; None where an older version summed them up."""
    last = await documents.get(_PLACE, "last")
    return datetime.fromisoformat(last.order) if last and last.body == _FORM else None


async def read_rollup_time(documents: Documents) -> datetime | None:
    """Return as of when the days are; None before the first time."""
    last = await documents.get(_PLACE, "last")
    return datetime.fromisoformat(last.order) if last else None


WORST = "worst"
MOST = 10
MIDDLE = 3.0
_UP, _DOWN = 5, 1


@dataclass(frozen=True, slots=True)
class Rated:
    """What people gave an answer, all together; `answered_at` is UTC ISO text."""

    answer_id: str
    answered_at: str
    group: Group
    stars: int = 0
    starred: int = 0
    likes: int = 0
    dislikes: int = 0

    @property
    def count(self) -> int:
        """Return how many people said something."""
        return self.starred + self.likes + self.dislikes

    @property
    def mean(self) -> float:
        """Return the mean, 1 to 5."""
        return (self.stars + _UP * self.likes + _DOWN * self.dislikes) / self.count


@dataclass(slots=True)
class Worst:
    """Hears of answers and keeps the bad ones."""

    rated: list[Rated] = field(default_factory=list[Rated])

    def hear(self, known: Known) -> None:
        """Look at what was said on an answer."""
        rated = rate_answer(known)
        if rated.count and rated.mean < MIDDLE:
            self.rated.append(rated)


def rate_answer(known: Known) -> Rated:
    """Add up everybody's last words on an answer."""
    said = [word for word in known.words if word.withdrawn_at is None]
    stars = [int(word.value) for word in said if word.kind is FeedbackKind.STARS]
    thumbs = [word.value for word in said if word.kind is FeedbackKind.THUMB]
    answer = known.answer
    return Rated(
        answer_id=answer.id,
        answered_at=moment(answer.answered_at),
        group=Group(answer.model_version, str(answer.question.channel), derive_site(answer)),
        stars=sum(stars),
        starred=len(stars),
        likes=thumbs.count("like"),
        dislikes=thumbs.count("dislike"),
    )


def select_worst(rated: Iterable[Rated]) -> list[Rated]:
    """Return the worst ones, the worst first; of equal ones the newest."""
    newest_first = sorted(rated, key=lambda one: one.answered_at, reverse=True)
    return sorted(newest_first, key=lambda one: (one.mean, -one.count))[:MOST]


async def keep_worst(documents: Documents, day: date, rated: Sequence[Rated]) -> None:
    """Note the worst of each version on a day, in the place of what was noted of it. Raises StoreError."""
    by_version: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in rated:
        by_version[one.group.model_version].append(one)
    noted = {one.answer_id: one for of_one in by_version.values() for one in select_worst(of_one)}
    for document in await list_day_documents(documents, WORST, day, day):
        if document.id not in noted:
            await documents.remove(WORST, document.id, document.answer_id)
    for name, one in noted.items():
        await documents.put(Document(WORST, name, to_json(one), name, order=day.isoformat()))


async def read_worst(documents: Documents, first: date, last: date) -> list[Rated]:
    """Return what is noted of a span of days. Raises StoreError."""
    found = await list_day_documents(documents, WORST, first, last)
    return [from_json(Rated, document.body) for document in found]


def without_days(rated: Iterable[Rated], days: Collection[date]) -> list[Rated]:
    """Leave out the answers of some days."""
    return [one for one in rated if _day(one) not in days]


def select_rated(rated: Iterable[Rated], wanted: Callable[[Group], bool]) -> list[Rated]:
    """Leave only the answers of wanted groups."""
    return [one for one in rated if wanted(one.group)]


def _day(one: Rated) -> date:
    return datetime.fromisoformat(one.answered_at).astimezone(UTC).date()

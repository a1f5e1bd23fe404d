"""The answers that people liked least.

Each day's are noted, so that those of months are found without reading all. Thumbs count as stars, up as five
and down as one. An answer is bad whose mean is below MIDDLE; the lower the mean, the worse, and of equal ones
the worse is that of which more people say so. Each day keeps MOST of each model version: a note (kind
`worst`) goes with its answer, and has nobody's words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from core.records import FeedbackKind
from feedback.metrics.daily import Group, listed_days
from feedback.metrics.definitions import Known
from feedback.store.base import moment, site_of
from feedback.store.documents import Document, Documents
from feedback.store.serialization import from_json, to_json

KIND = "worst"
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
        rated = rating_of(known)
        if rated.count and rated.mean < MIDDLE:
            self.rated.append(rated)


def rating_of(known: Known) -> Rated:
    """Add up everybody's last words on an answer."""
    said = [word for word in known.words if word.withdrawn_at is None]
    stars = [int(word.value) for word in said if word.kind is FeedbackKind.STARS]
    thumbs = [word.value for word in said if word.kind is FeedbackKind.THUMB]
    answer = known.answer
    return Rated(
        answer_id=answer.id,
        answered_at=moment(answer.answered_at),
        group=Group(answer.model_version, str(answer.question.channel), site_of(answer)),
        stars=sum(stars),
        starred=len(stars),
        likes=thumbs.count("like"),
        dislikes=thumbs.count("dislike"),
    )


def worst_of(rated: Iterable[Rated], most: int = MOST) -> list[Rated]:
    """Return the worst ones, the worst first; of equal ones the newest."""
    newest_first = sorted(rated, key=lambda one: one.answered_at, reverse=True)
    return sorted(newest_first, key=lambda one: (one.mean, -one.count))[:most]


async def keep(documents: Documents, day: date, rated: Sequence[Rated]) -> None:
    """Note the worst of each version on a day, in the place of what was noted of it. Raises StoreError."""
    by_version: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in rated:
        by_version[one.group.model_version].append(one)
    noted = {one.answer_id: one for of_one in by_version.values() for one in worst_of(of_one)}
    for document in await listed_days(documents, KIND, day, day):
        if document.id not in noted:
            await documents.remove(KIND, document.id, document.answer_id)
    for name, one in noted.items():
        await documents.put(Document(KIND, name, to_json(one), name, order=day.isoformat()))


async def noted(documents: Documents, first: date, last: date) -> list[Rated]:
    """Return what is noted of a span of days. Raises StoreError."""
    found = await listed_days(documents, KIND, first, last)
    return [from_json(Rated, document.body) for document in found]


def without_days(rated: Iterable[Rated], days: Collection[date]) -> list[Rated]:
    """Leave out the answers of some days."""
    return [one for one in rated if _day(one) not in days]


def chosen(rated: Iterable[Rated], wanted: Callable[[Group], bool]) -> list[Rated]:
    """Leave only the answers of wanted groups."""
    return [one for one in rated if wanted(one.group)]


def _day(one: Rated) -> date:
    return datetime.fromisoformat(one.answered_at).astimezone(UTC).date()

"""The store as an append-only event log (JSON Lines): answers, feedback, settled reviews and finished days.

A line is JSON with `timestamp`, `name`, `customDimensions` and `customMeasurements`, as telemetry's events
arrive (core/telemetry/vocabulary.py says what may be in it), and with

    record     what it is about: a hash, the same at every repetition, of no person
    revised    as of when it was written; of lines with the same record, the one revised last counts

`unsent` reads everything once, in sweeps: a sweep has all that changed from the last one's beginning until
its own, less `AGAIN`, since records may have waited elsewhere before they were kept; what the last sweep has
seen of that time is left out. A `ReadPosition` says how far it is; a process that goes on from a kept one
reads the same again, and nothing twice.

`Outgoing` keeps what waits to be sent: a folder with one file a batch, written before the batch is first
sent.

    000000042.json     the place that the log is read up to with this batch, and its lines; gone once accepted
    aside.jsonl        what cannot be sent, with the reason; kept for a person

So a batch that is sent again, by whichever process, is the same batch. Files are numbered on from the last
batch that was accepted: others belong to a past that another machine has gone on from, and are deleted. It
blocks for as long as the disk does.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from core import telemetry
from core.files import sync_folder
from core.records import Answer, Feedback, Review
from core.telemetry.vocabulary import NotAllowed
from feedback.analytics import events
from feedback.metrics import daily
from feedback.reviews.repository import SETTLED, ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Document, Documents
from feedback.store.rows import Listed, Row, every, every_answer, every_row
from feedback.store.serialization import from_json

AGAIN = timedelta(hours=24)
"""So much is looked through again: a word or an answer may have waited on disk until the store was back."""
_HASH = 12
"""Hex digits by which what was seen is remembered for a day."""


class Store(daily.Records, Protocol):
    """A store with all that it can do."""

    @property
    def documents(self) -> Documents:
        """Where its documents are."""
        ...


@dataclass(slots=True)
class ReadPosition:
    """How far everything is read.

    What is after `after` in the sweep's source, of what changed in [since, until). `seen` are those of the
    earlier sweep that this one meets again, `again` those that the next one will; `days` has the versions of
    the days that are told.
    """

    since: str = ""
    until: str = ""
    source: int = 0
    after: tuple[str, ...] = ()
    seen: set[str] = field(default_factory=set[str])
    again: set[str] = field(default_factory=set[str])
    days: dict[str, int] = field(default_factory=dict[str, int])

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(
            {
                **{name: getattr(self, name) for name in ("since", "until", "source", "after", "days")},
                "seen": sorted(self.seen),
                "again": sorted(self.again),
            }
        )

    @classmethod
    def load(cls, text: str) -> ReadPosition:
        """Read what `dump` wrote."""
        kept: dict[str, Any] = json.loads(text)
        sets: dict[str, Any] = {name: set(kept[name]) for name in ("seen", "again")}
        read: dict[str, Any] = {**kept, **sets, "after": tuple(kept["after"])}
        return cls(**read)


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `name` is the event's, `record` as above."""

    name: str
    record: str
    line: str


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """A record that cannot be told, and why; nothing of what stands in it."""

    name: str
    record: str
    reason: str


Told = Event | RejectedEvent


@dataclass(frozen=True, slots=True)
class _Found:
    """A record in a source: `place` to go on after it, when it changed, and how to make its lines."""

    name: str
    record: str
    place: tuple[str, ...]
    changed_at: str
    lines: Callable[[], Awaitable[Sequence[str]]]
    day: tuple[str, int] | None = None


class EventSource:
    """Everything of a store that is told.

    `directions` say which reactions are up and down (bot.dialogs.rate).
    """

    def __init__(self, store: Store, directions: Mapping[str, str]) -> None:
        self._store = store
        self._repository = ReviewRepository(store.documents)
        self._directions = directions
        self._all = (self._answers, self._words, self._reviews, self._past_reviews, self._days)

    async def unsent(self, place: ReadPosition, now: datetime) -> AsyncIterator[Sequence[Told]]:
        """Yield what is to be told of each record that is new, and move `place` on before each.

        Raises StoreError.
        """
        place.until = place.until or moment(now)
        overlap = moment(datetime.fromisoformat(place.until) - AGAIN)
        for number in range(place.source, len(self._all)):
            place.source = number
            async for found in self._all[number](place):
                place.after = found.place
                key = _short(f"{found.record} {found.changed_at} {found.day}")
                # a review may have moved to the past ones
                new = key not in place.seen and key not in place.again
                if found.changed_at >= overlap and found.day is None:
                    place.again.add(key)
                if found.day:
                    place.days[found.day[0]] = found.day[1]
                if new:
                    yield await _build_events(found)
            place.after = ()
        place.since, place.until, place.source = overlap, "", 0
        place.seen, place.again = place.again, set()

    async def _answers(self, place: ReadPosition) -> AsyncIterator[_Found]:
        begin, id_ = place.after or (place.since, "")
        async for answer in every_answer(self._store, (begin, id_)):
            written_at = moment(answer.answered_at)
            if written_at >= place.until:
                return
            record = telemetry.hash_answer_id(answer.id)
            lines = partial(_line_of_answer, answer, record)
            yield _Found("answer_sent", record, (written_at, answer.id), written_at, lines)

    async def _words(self, place: ReadPosition) -> AsyncIterator[_Found]:
        """Words have no order in time: all are looked at, as for the days' figures."""
        [after] = place.after or ("",)
        async for row in every_row(self._store, "feedback", after):
            changed_at = str(row.fields["changed_at"])
            if place.since <= changed_at < place.until:
                record = telemetry.hash_answer_id(f"word {row.key}")
                lines = partial(self._line_of_word, row, record)
                yield _Found("feedback_given", record, (row.key,), changed_at, lines)

    async def _reviews(self, place: ReadPosition) -> AsyncIterator[_Found]:
        listed = partial(self._repository.reviews, SETTLED)
        async for found in self._read_settled(place, listed, lambda review: review.answer_id):
            yield found

    async def _past_reviews(self, place: ReadPosition) -> AsyncIterator[_Found]:
        async for found in self._read_settled(
            place, self._repository.past_reviews, lambda review: f"{review.answer_id}|{review.round}"
        ):
            yield found

    async def _read_settled(
        self, place: ReadPosition, listed: Listed[Review], id_of: Callable[[Review], str]
    ) -> AsyncIterator[_Found]:
        """Read settled reviews.

        One that has begun again since is among the past ones, under the same record.
        """
        begin, id_ = place.after or (place.since, "")
        async for review in every(listed, (begin, id_)):
            settled_at = moment(review.settled_at or review.opened_at)
            if settled_at >= place.until:
                return
            record = telemetry.hash_answer_id(f"review {review.answer_id} {review.round}")
            lines = partial(self._line_of_review, review, record)
            yield _Found("review_ruled", record, (settled_at, id_of(review)), settled_at, lines)

    async def _days(self, place: ReadPosition) -> AsyncIterator[_Found]:
        """Read the days that are over and have been summed up since they were told."""
        last = datetime.fromisoformat(place.until).date() - timedelta(days=1)
        for document in await daily.list_day_documents(
            self._store.documents, daily.KIND, date(1970, 1, 1), last
        ):
            if place.days.get(document.id) != document.version:
                lines = partial(_lines_of_day, document, place.until)
                yield _Found(
                    "day_summed",
                    telemetry.hash_answer_id(f"day {document.id}"),
                    (document.id,),
                    place.until,
                    lines,
                    (document.id, document.version),
                )

    async def _line_of_word(self, row: Row, record: str) -> Sequence[str]:
        word = from_json(Feedback, row.fields["record"])
        answer = await self._store.answer(word.answer_id)
        if answer is None:  # it was forgotten meanwhile
            return []
        words = await self._store.feedback_on(answer.id)
        properties = events.describe_feedback(answer, word, words, self._directions)
        at = moment(word.withdrawn_at or word.given_at)
        return [_line("feedback_given", at, record, str(row.fields["changed_at"]), properties)]

    async def _line_of_review(self, review: Review, record: str) -> Sequence[str]:
        answer = await self._store.answer(review.answer_id)
        if answer is None or review.settled_at is None:
            return []
        at = moment(review.settled_at)
        return [_line("review_ruled", at, record, at, events.describe_ruling(answer, review))]


async def _build_events(found: _Found) -> Sequence[Told]:
    """Return a record's events, or its rejection; neither an event nor a reason has anybody's text."""
    try:
        return [Event(found.name, found.record, line) for line in await found.lines()]
    except NotAllowed as error:
        return [RejectedEvent(found.name, found.record, str(error))]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return [RejectedEvent(found.name, found.record, f"it cannot be read: {type(error).__name__}")]


async def _line_of_answer(answer: Answer, record: str) -> Sequence[str]:
    at = moment(answer.answered_at)
    lines = [_line("answer_sent", at, record, at, events.answer_kept(answer))]
    if answer.reviewed:
        other = telemetry.hash_answer_id(f"served {answer.id}")
        lines.append(_line("verified_served", at, other, at, events.verified_kept(answer)))
    return lines


async def _lines_of_day(document: Document, revised: str) -> Sequence[str]:
    """A day's lines are revised together: a group that it has no more is not among those revised last."""
    day = daily.read(document)
    at = moment(datetime.combine(day.day, datetime.min.time(), UTC))
    return [
        _line(
            "day_summed",
            at,
            telemetry.hash_answer_id(f"day {document.id} {' '.join(group)}"),
            revised,
            events.day_summed(group, sums),
        )
        for group, sums in sorted(day.groups.items())
    ]


def _line(name: str, at: str, record: str, revised: str, properties: Mapping[str, object]) -> str:
    words: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for key, value in telemetry.as_told(name, properties).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[key] = value
        else:
            words[key] = str(value)
    line = {"timestamp": at, "name": name, "record": record, "revised": revised}
    return json.dumps(
        line | {"customDimensions": words, "customMeasurements": numbers}, separators=(",", ":")
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


ASIDE = "aside.jsonl"
MOST_ASIDE_BYTES = 10_000_000
"""More than that is counted and not written down."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that are sent together.

    `place` is where reading goes on after them (feedback.analytics.event_log.Place.dump).
    """

    number: int
    place: str
    lines: tuple[str, ...]


def hash_lines(lines: Sequence[str]) -> str:
    """Return the name of lines that are sent together: equal for equal lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class Outgoing:
    """The folder. `most_bytes` bounds all batches together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob("*.new"):  # of a process that was killed while it wrote
            left.unlink()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    def after(self, number: int) -> list[Batch]:
        """Return the batches that follow a number without a gap, and forget all others."""
        found: list[Batch] = []
        for path in sorted(self._folder.glob("*.json")):
            if path.stem.isdecimal() and int(path.stem) == number + len(found) + 1:
                kept = json.loads(path.read_text("utf-8"))
                found.append(Batch(int(path.stem), kept["place"], tuple(kept["lines"])))
            else:
                path.unlink()
        return found

    def keep(self, batch: Batch) -> bool:
        """Keep a batch, in the place of one with its number; False where no more fits."""
        path = self._path(batch.number)
        data = json.dumps({"place": batch.place, "lines": batch.lines}).encode()
        others = sum(one.stat().st_size for one in self._folder.glob("*.json") if one != path)
        if others + len(data) > self._most_bytes:
            return False
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(self._folder)
        return True

    def drop(self, batch: Batch) -> None:
        """Forget a batch."""
        self._path(batch.number).unlink(missing_ok=True)

    def set_aside(self, poison: RejectedEvent, line: str = "") -> None:
        """Write down what cannot be sent, and its line where there is one.

        After a crash it may stand there twice.
        """
        path = self._folder / ASIDE
        if path.exists() and path.stat().st_size > MOST_ASIDE_BYTES:
            return
        said = json.dumps({"set_aside_at": moment(datetime.now(UTC)), **asdict(poison), "line": line})
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{said}\n")

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:09}.json"

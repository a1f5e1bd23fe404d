"""The report of gaps: what people asked in vain, how often, which page is nearest, and what became of it.

    report = await build_report(store, ReportPlan(…), now)
    await keep_report(store.documents, report)

One document (kind `gaps`) has the last report. It holds masked questions and a reviewer's masked words,
counts of people, no names and no pseudonyms, and the ids of the answers that each gap comes from:
`strike_out` drops a gap as soon as one of them is deleted, and `is_current` is asked before one is shown.
What is left of it comes back with the next report.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.phrases import Phrase, mark, mark_count
from feedback.store.base import FeedbackStore, moment
from feedback.store.documents import Document, Documents, change_document
from feedback.store.serialization import from_json, to_json

KIND = "gaps"
_NAME = "last"


@dataclass(frozen=True, slots=True)
class GapPlace:
    """The section that is nearest to what was asked: `url` opens it (with its fragment).

    `page_hash` is that of its page when the first of the questions was asked; `says_it`: the section has the
    reviewer's words already.
    """

    url: str
    title: str
    heading: str
    page_hash: str
    says_it: bool = False

    @property
    def name(self) -> str:
        """How people find it."""
        return " › ".join(dict.fromkeys(part for part in (self.title, self.heading) if part)) or self.url


@dataclass(frozen=True, slots=True)
class GapQuestion:
    """One of the questions, masked, and how often it was asked in vain."""

    text: str
    times: int


@dataclass(frozen=True, slots=True)
class Asking:
    """How often a gap's questions were asked, how many were declined, and how many left something lacking."""

    asked: int = 0
    declined: int = 0
    unmet: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """What people asked in vain, named by its commonest question.

    `people` asked it, `times` were in vain, `lacks` says how that is known. `correction` is what a reviewer
    said. `changed`: the page is another one than when the first question was asked; `before` and `after` are
    about its last change. `answers` are the ids of the answers that all this comes from.
    """

    name: str
    people: int
    times: int
    lacks: Mapping[str, int]
    questions: tuple[GapQuestion, ...]
    answers: tuple[str, ...]
    place: GapPlace | None = None
    owner: str = ""
    correction: str = ""
    changed: bool = False
    before: Asking = field(default_factory=Asking)
    after: Asking = field(default_factory=Asking)

    @property
    def repaired(self) -> bool:
        """Whether the page changed and the questions are answered since."""
        return self.changed and self.after.asked > 0 and not self.after.unmet

    @property
    def sentence(self) -> Phrase:
        """What there is to say in one sentence."""
        if self.place is None:
            return Phrase.of_count(_NOWHERE, self.people, question=self.name)
        forms = _SAYS_IT_NOW if self.changed else _SAYS_IT
        return Phrase.of_count(
            forms if self.place.says_it else _LACKS_IT,
            self.people,
            question=self.name,
            page=self.place.name,
        )

    @property
    def outcome(self) -> Phrase | None:
        """What became of it since its page changed, None as long as it has not."""
        if not self.changed:
            return None
        before, after = _rate(self.before), _rate(self.after)
        if not self.after.asked:
            return Phrase(_NOT_ASKED_SINCE, before=before)
        return Phrase(_CHANGED, before=before, after=after)


_NOWHERE = mark_count(
    "1 person asked “{question}”; no page is close to it.",
    "{count} people asked “{question}”; no page is close to it.",
)
_SAYS_IT_NOW = mark_count(
    "1 person asked “{question}”; {page} says it now.",
    "{count} people asked “{question}”; {page} says it now.",
)
_SAYS_IT = mark_count(
    "1 person asked “{question}”; {page} says it, but was not given as the answer.",
    "{count} people asked “{question}”; {page} says it, but was not given as the answer.",
)
_LACKS_IT = mark_count(
    "1 person asked “{question}”; {page} (the nearest page) does not say it.",
    "{count} people asked “{question}”; {page} (the nearest page) does not say it.",
)
_NOT_ASKED_SINCE = mark("The page changed; nobody has asked since. Before: {before}.")
_CHANGED = mark("The page changed. Before: {before}; after: {after}.")


def _rate(asking: Asking) -> Phrase:
    if not asking.asked:
        return Phrase(mark("not asked"))
    share = f"{100 * asking.declined / asking.asked:.0f}"
    counts: dict[str, object] = {"declined": asking.declined, "asked": asking.asked, "share": share}
    if asking.unmet > asking.declined:
        text = mark("{declined} of {asked} declined ({share} %), {unmet} in vain")
        return Phrase(text, **counts, unmet=asking.unmet)
    return Phrase(mark("{declined} of {asked} declined ({share} %)"), **counts)


@dataclass(frozen=True, slots=True)
class Report:
    """The gaps of some days, those first that most people met, repaired ones last."""

    made_at: datetime
    days: int
    gaps: tuple[Gap, ...]


async def keep_report(documents: Documents, report: Report) -> None:
    """Keep a report in place of the one before. Raises StoreError."""
    await documents.put(_document(report))


async def read_report(documents: Documents) -> Report | None:
    """Return the last report, None before the first one. Raises StoreError."""
    kept = await documents.get(KIND, _NAME)
    return from_json(Report, kept.body) if kept else None


async def strike_out(documents: Documents, answer_ids: Collection[str]) -> bool:
    """Drop the gaps that come from one of these answers; tell whether there were any. Raises StoreError."""
    gone = frozenset(answer_ids)

    def strike(kept: Document | None) -> Document | None:
        if kept is None:
            return None
        report = from_json(Report, kept.body)
        stay = tuple(gap for gap in report.gaps if gone.isdisjoint(gap.answers))
        return None if len(stay) == len(report.gaps) else _document(replace(report, gaps=stay))

    if not gone:
        return False
    return await change_document(documents, Document(KIND, _NAME, ""), strike) is not None


async def is_current(store: FeedbackStore, gap: Gap, excluded: Collection[str]) -> bool:
    """Tell whether all that a gap comes from is still kept, and nobody asked to be left out since."""
    for answer_id in gap.answers:
        answer = await store.answer(answer_id)
        if answer is None or answer.question.asker in excluded:
            return False
    return True


def to_public_json(report: Report) -> dict[str, object]:
    """Return a report as programs read it: without the ids of answers."""
    gaps = [to_public_gap(gap, number) for number, gap in enumerate(report.gaps, 1)]
    return {"made_at": moment(report.made_at), "days": report.days, "gaps": gaps}


def to_public_gap(gap: Gap, number: int) -> dict[str, object]:
    """Return a gap as programs read it; `number` is its own in the report."""
    fields = json.loads(to_json(gap))
    del fields["answers"]
    said = {"sentence": gap.sentence, "outcome": gap.outcome or "", "repaired": gap.repaired}
    return {"number": number, **fields, **said}


def _document(report: Report) -> Document:
    return Document(KIND, _NAME, to_json(report), order=moment(report.made_at))

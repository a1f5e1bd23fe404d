"""Builds the report of gaps: reads what was asked, groups what was asked in vain, finds the nearest section.

What is grouped are the commonest MOST different questions that were asked in vain. A gap of nothing but
unused quotations needs LEAST_UNUSED people: most quotations help without a word.

Questions are grouped by meaning: average-linkage clusters of their embeddings, the same on every machine. Two
clusters join while the mean cosine of their questions is at least THRESHOLD, the nearest two first
(Sokal and Michener, 1958). The order of what comes in decides between equals, so callers sort it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urldefrag

import numpy as np
from numpy.typing import NDArray

from core.records import Citation, Passage
from core.text import normalise_text, printable
from feedback.gaps.report import Asking, Gap, GapPlace, GapQuestion, Report
from feedback.gaps.unmet import AskedAnswer, AskedRules, Lack, read_asked
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import FeedbackStore

THRESHOLD = 0.62
"""Chosen on one half of the labelled paraphrases, by a hash of their question; `benchmarks/gaps.py` tells
what it is worth on the other half."""
MOST = 1_500
"""Questions that are compared with each other; their number squared is what it takes, 2 s at most."""


class EmbedsQuestions(Protocol):
    """What turns texts into rows of length 1 whose products tell how near they are in meaning."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text."""
        ...


def group_vectors(vectors: NDArray[Any], threshold: float = THRESHOLD) -> list[list[int]]:
    """Return which rows belong together, each group in the order of its rows, by its first row."""
    members = {row: [row] for row in range(len(vectors))}
    if len(members) > 1:
        near = np.asarray(vectors @ vectors.T, np.float64)
        np.fill_diagonal(near, -np.inf)
        while len(members) > 1:
            kept, joined = sorted(int(one) for one in np.unravel_index(int(np.argmax(near)), near.shape))
            if near[kept, joined] < threshold:
                break
            sizes = len(members[kept]), len(members[joined])
            with np.errstate(invalid="ignore"):
                row = (sizes[0] * near[kept] + sizes[1] * near[joined]) / sum(sizes)
            row[kept] = -np.inf
            near[kept], near[:, kept] = row, row
            near[joined], near[:, joined] = -np.inf, -np.inf
            members[kept] += members.pop(joined)
    return [sorted(rows) for rows in members.values()]


MOST_GAPS = 100
MOST_QUESTIONS = 8
"""Different questions of a gap that a report names."""
LEAST_UNUSED = 3

Mask = Callable[[Sequence[str]], Sequence[str]]
"""(question, what a reviewer said, "", title, heading, text of the page) → the same without personal data."""


class GapPages(Protocol):
    """What a report asks about pages. Only pages that a source names and that everyone may read are known."""

    def find_hash(self, url: str) -> str | None:
        """Return the hash of a page (an address without fragment) as it is now, None for an unknown one."""
        ...

    async def read_section(self, url: str) -> str:
        """Return the text of the section that an address opens, "" where there is none."""
        ...

    async def find_owner(self, url: str) -> str:
        """Return who owns the page at an address, "" where nobody is named."""
        ...


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """Whose questions are read, of how many days, and what groups and masks them.

    `elsewhere` has, by the address of a page, the answers that do not belong on it, as its owner says.
    """

    rules: AskedRules
    embedder: EmbedsQuestions
    pages: GapPages
    mask: Mask
    days: int = 90
    elsewhere: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a report needs of an answer; `hashes` are those of the pages that were found, by address."""

    id: str
    text: str
    words: str
    asker: str
    at: datetime
    declined: bool
    lacks: frozenset[Lack]
    near: tuple[str, str, str]
    hashes: Mapping[str, str]
    correction: str
    cited: tuple[str, str, str]
    ruled_at: datetime | None


def _place_of(one: Citation | Passage | None) -> tuple[str, str, str]:
    return (one.url, one.title, one.heading) if one else ("", "", "")


def _clean(text: str) -> str:
    """Return a text as one line that every terminal takes: no control characters, no half letters."""
    return printable(" ".join(text.encode("utf-8", "replace").decode().split()))


def _see(asked: AskedAnswer) -> _Seen:
    answer, ruling = asked.answer, asked.ruling
    near = answer.citations[0] if answer.citations else next(iter(answer.passages), None)
    return _Seen(
        id=answer.id,
        text=_clean(asked.text),
        words=normalise_text(asked.text),
        asker=answer.question.asker,
        at=answer.answered_at,
        declined=answer.abstained,
        lacks=asked.lacks,
        near=_place_of(near),
        hashes={urldefrag(one.url).url: one.page_hash for one in answer.passages},
        correction=_clean(asked.correction),
        cited=_place_of(ruling.citation if ruling else None),
        ruled_at=ruling.given_at if ruling else None,
    )


async def build_report(
    store: FeedbackStore, repository: ReviewRepository, plan: ReportPlan, now: datetime
) -> Report:
    """Build the report of the last days. Raises StoreError."""
    since = now - timedelta(days=plan.days)
    seen = [_see(one) async for one in read_asked(store, repository, plan.rules, since, now)]
    unmet = [one for one in seen if one.lacks and one.text]
    groups = await asyncio.to_thread(_group, unmet, plan.embedder)
    largest = sorted(filter(_counts, groups), key=_rank)[:MOST_GAPS]
    building = _Building(plan, seen)
    gaps = [await building.make_gap(group) for group in largest]
    return Report(now, plan.days, tuple(sorted(gaps, key=lambda gap: gap.repaired)))


def _group(unmet: Sequence[_Seen], embedder: EmbedsQuestions) -> list[list[_Seen]]:
    """Return the answers in groups that ask the same, the same ones whatever order the store has."""
    by_words: dict[str, list[_Seen]] = {}
    for one in sorted(unmet, key=lambda one: (one.at, one.id)):
        by_words.setdefault(one.words, []).append(one)
    chosen = sorted(by_words.values(), key=lambda some: (-len(some), some[0].words))[:MOST]
    if not chosen:
        return []
    vectors = embedder.embed([_name_of(some) for some in chosen])
    return [[one for row in rows for one in chosen[row]] for rows in group_vectors(vectors)]


def _list_commonest(some: Iterable[_Seen]) -> list[tuple[str, int]]:
    """Return the different questions in their commonest spelling, and how often each was asked.

    Of equally common ones the first in the alphabet comes first.
    """
    spelled: dict[str, Counter[str]] = {}
    for one in some:
        spelled.setdefault(one.words, Counter())[one.text] += 1
    counted = [
        (min(texts, key=lambda text: (-texts[text], text)), texts.total()) for texts in spelled.values()
    ]
    return sorted(counted, key=lambda one: (-one[1], one[0]))


def _name_of(some: Iterable[_Seen]) -> str:
    return _list_commonest(some)[0][0]


def _people(group: Iterable[_Seen]) -> int:
    return len({one.asker for one in group})


def _counts(group: Sequence[_Seen]) -> bool:
    surely = any(one.lacks - {Lack.UNUSED} for one in group)
    return surely or _people(group) >= LEAST_UNUSED


def _rank(group: Sequence[_Seen]) -> tuple[int, int, str]:
    return -_people(group), -len(group), _name_of(group)


class _Building:
    def __init__(self, plan: ReportPlan, seen: Sequence[_Seen]) -> None:
        self._plan, self._seen = plan, seen
        self._vectors: dict[str, np.ndarray] = {}

    async def make_gap(self, group: Sequence[_Seen]) -> Gap:
        pages = self._plan.pages
        corrected = [one for one in group if one.correction and one.ruled_at is not None]
        newest = max(corrected, key=lambda one: (one.ruled_at, one.id), default=None)
        url, title, heading = self._find_place(group, newest)
        page = urldefrag(url).url
        text = await pages.read_section(url) if url else ""
        correction = newest.correction if newest else ""
        says_it = bool(correction) and normalise_text(correction) in normalise_text(text)
        first = next((one.hashes[page] for one in _by_time(group) if page in one.hashes), "")
        changed = bool(first) and pages.find_hash(page) != first
        since = self._find_change(page) if changed else None
        all_asked = await self._list_asked(group, page) if changed else []
        group = _drop_unused_since(group, since)
        before, after = _compare(all_asked, group, since)
        questions, correction = await asyncio.to_thread(self._mask, group, correction, (title, heading, text))
        return Gap(
            name=questions[0].text,
            people=_people(group),
            times=len(group),
            lacks=dict(sorted(Counter(str(lack) for one in group for lack in one.lacks).items())),
            questions=questions,
            answers=tuple(sorted(one.id for one in group)),
            place=GapPlace(url, title, heading, first, says_it) if url else None,
            owner=await pages.find_owner(page) if url else "",
            correction=correction,
            changed=changed,
            before=before,
            after=after,
        )

    def _find_place(self, group: Sequence[_Seen], newest: _Seen | None) -> tuple[str, str, str]:
        """Return where a reviewer said that it belongs, else the section that was nearest most often."""
        near = Counter(one.near for one in group)
        ranked = sorted(near, key=lambda place: (-near[place], place))
        ids = {one.id for one in group}
        for place in ([newest.cited] if newest else []) + ranked:
            page = urldefrag(place[0]).url
            if not page or not ids.isdisjoint(self._plan.elsewhere.get(page, ())):
                continue
            if self._plan.pages.find_hash(page) is not None:
                return place
        return "", "", ""

    def _find_change(self, page: str) -> datetime | None:
        """Return when a page was first found as it is now, None where nobody has asked since it changed."""
        now = self._plan.pages.find_hash(page)
        return min((one.at for one in self._seen if one.hashes.get(page) == now), default=None)

    async def _list_asked(self, group: Sequence[_Seen], page: str) -> list[_Seen]:
        """Return all answers to a gap's questions: to the same words, or near them over the same page."""
        words = {one.words for one in group}
        ids = {one.id for one in group}
        others = [
            one for one in self._seen if not one.lacks and one.words not in words and page in one.hashes
        ]
        ours = await self._embed(sorted(words))
        near = await self._embed(sorted({one.words for one in others})[:MOST])
        alike = {
            text
            for text, vector in near.items()
            if np.mean([vector @ own for own in ours.values()]) >= THRESHOLD
        }
        return [one for one in self._seen if one.id in ids or (not one.lacks and one.words in words | alike)]

    async def _embed(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        new = [text for text in texts if text not in self._vectors]
        if new:
            vectors = await asyncio.to_thread(self._plan.embedder.embed, new)
            self._vectors.update(zip(new, vectors, strict=True))
        return {text: self._vectors[text] for text in texts}

    def _mask(
        self, group: Sequence[_Seen], correction: str, page: tuple[str, str, str]
    ) -> tuple[tuple[GapQuestion, ...], str]:
        """Return the commonest questions and a reviewer's words without personal data."""
        commonest = _list_commonest(group)[:MOST_QUESTIONS]
        masked = [self._plan.mask([text, correction, "", *page]) for text, _ in commonest]
        times: Counter[str] = Counter()
        for (_, number), (shown, *_) in zip(commonest, masked, strict=True):
            times[shown] += number
        return tuple(GapQuestion(text, number) for text, number in times.items()), masked[0][1]


def _by_time(group: Iterable[_Seen]) -> list[_Seen]:
    return sorted(group, key=lambda one: (one.at, one.id))


def _drop_unused_since(group: Sequence[_Seen], since: datetime | None) -> Sequence[_Seen]:
    """Leave out the quotations of a changed page that nobody has said anything about: it may say it now."""
    if since is None:
        return group
    return [one for one in group if one.at < since or one.lacks - {Lack.UNUSED}] or group


def _compare(
    asked: Iterable[_Seen], in_vain: Iterable[_Seen], since: datetime | None
) -> tuple[Asking, Asking]:
    """Count a gap's questions before and after its page changed."""
    unmet = {one.id for one in in_vain}

    def count(some: Sequence[_Seen]) -> Asking:
        return Asking(len(some), sum(one.declined for one in some), sum(one.id in unmet for one in some))

    known = list(asked)
    if since is None:
        return count(known), Asking()
    return count([one for one in known if one.at < since]), count([one for one in known if one.at >= since])

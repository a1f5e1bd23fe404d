"""Reviewers' decisions about model versions, notices about them, and comparisons by the gate, as documents.

A decision is a document of its own: its number says that the decisions before it were known, so of two
reviewers at once one wins. A notice is written before what it is about is done, as a DRAFT, and may be shown
once it is done. Each candidate has one comparison, and the newest one is easily found.

    await put(store.documents, comparison, answers)     a candidate was compared with the live version
    await latest(store.documents)                       the newest comparison
    await waiting(store.documents)                      what is not on the reviewers' screens yet

The worst answers have questions of people in them (masked, as they were learned from), so a comparison knows
which answers they come from: `strike_out` takes out what is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from core.phrases import read_phrases, write_phrases
from core.records import Comparison
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, change_document, every_document
from feedback.store.serialization import from_json, to_json

KIND = "comparison"


async def put(documents: Documents, comparison: Comparison, answers: Sequence[str] = ()) -> None:
    """Keep what was found of a candidate, in place of what was found before. Raises StoreError.

    `answers` are the ids of the reviewed answers that the worst ones come from, in their order ("": from
    none).
    """
    await documents.put(_document(comparison, answers))


async def get(documents: Documents, candidate: str) -> Comparison | None:
    """Return what was found of a candidate, or None. Raises StoreError."""
    kept = await documents.get(KIND, candidate)
    return _read(kept)[0] if kept else None


async def latest(documents: Documents) -> Comparison | None:
    """Return the newest comparison, or None. Raises StoreError."""
    newest = None
    async for document in every_document(documents, Wanted(KIND)):
        newest = document
    return _read(newest)[0] if newest else None


async def since(documents: Documents, time: datetime) -> Sequence[str]:
    """Return the candidates that were compared since a time, the longest ago first. Raises StoreError."""
    return [one.id async for one in every_document(documents, Wanted(KIND, after=(moment(time), "")))]


async def waiting(documents: Documents) -> Sequence[Document]:
    """Return the documents (by their id, the candidate) of what waits to be posted. Raises StoreError."""
    return await documents.list_documents(Wanted(KIND, state=UNPOSTED))


async def mark_posted(documents: Documents, document: Document) -> bool:
    """Somebody sees to it that it is posted; False when it has changed meanwhile, and so waits again."""
    return await documents.replace(replace(document, state=POSTED))


async def strike_out(documents: Documents, answer_ids: Collection[str]) -> int:
    """Take what comes from these answers out of every comparison; return how many changed.

    Raises StoreError.
    """
    changed = 0
    if answer_ids:
        async for document in every_document(documents, Wanted(KIND)):
            changed += await _strike(documents, document, frozenset(answer_ids))
    return changed


async def _strike(documents: Documents, document: Document, gone: frozenset[str]) -> bool:
    def strike(kept: Document | None) -> Document | None:
        comparison, answers = _read(kept or document)
        stays = [number for number, answer in enumerate(answers) if not answer or answer not in gone]
        if kept is None or len(stays) == len(answers):
            return None
        worst = tuple(comparison.worst[number] for number in stays)
        return _document(replace(comparison, worst=worst), [answers[number] for number in stays])

    return await change_document(documents, document, strike) is not None


def _document(comparison: Comparison, answers: Sequence[str]) -> Document:
    ids = [*answers, *[""] * (len(comparison.worst) - len(answers))]
    body = json.dumps({"comparison": to_json(comparison), "answers": ids})
    order = moment(comparison.compared_at)
    return Document(KIND, comparison.candidate, body, state=UNPOSTED, order=order)


def _read(document: Document) -> tuple[Comparison, list[str]]:
    kept = json.loads(document.body)
    return from_json(Comparison, kept["comparison"]), kept["answers"]


DECISION, NOTICE, WATCH = "model_decision", "model_notice", "canary_watch"
DRAFT, UNPOSTED, POSTED = "draft", "unposted", "posted"
_LAST = "last"


class Choice(StrEnum):
    """What a reviewer decides.

    It answers everybody; it stays where it is, also when time is up; it answers nobody.
    """

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class ModelDecision:
    """One reviewer's decision about the candidate of a comparison, the `number`th, from 1.

    `reviewer` is a pseudonym ("" for one who is gone), `source` the activity that brought it. `done` says
    that the version stands where it should.
    """

    candidate: str
    number: int
    choice: Choice
    reviewer: str
    reviewer_name: str
    decided_at: datetime
    source: str = ""
    done: bool = False


class Texts(NamedTuple):
    """What people read of a notice or of a look at the canary."""

    title: str
    sentence: str
    facts: Sequence[tuple[str, str]]


def _pair_up(texts: Sequence[str]) -> tuple[str, Sequence[tuple[str, str]]]:
    sentence, *facts = texts
    return sentence, list(zip(facts[::2], facts[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class ModelNotice:
    """Something that happened to a version without a reviewer. `facts` are (what, how much).

    The texts are kept in English; `phrases` makes them sayable in other languages.
    """

    id: str
    version: str
    title: str
    sentence: str
    happened_at: datetime
    facts: tuple[tuple[str, str], ...] = ()
    phrases: str = ""

    def with_phrases(self) -> ModelNotice:
        """Return it as it is kept: with what its texts are made of."""
        return replace(self, phrases=write_phrases([self.title, self.sentence, *chain(*self.facts)]))

    def read_texts(self) -> Texts:
        """Return its title, sentence and facts; those that can be said in other languages are phrases."""
        title, *others = read_phrases(self.phrases, [self.title, self.sentence, *chain(*self.facts)])
        return Texts(title, *_pair_up(others))


@dataclass(frozen=True, slots=True)
class CanaryWatch:
    """What was found when somebody last looked at the canary; its texts are as those of a notice."""

    canary: str
    sentence: str
    looked_at: datetime
    facts: tuple[tuple[str, str], ...] = ()
    phrases: str = ""

    def with_phrases(self) -> CanaryWatch:
        """Return it as it is kept: with what its texts are made of."""
        return replace(self, phrases=write_phrases([self.sentence, *chain(*self.facts)]))

    def read_texts(self) -> Texts:
        """Return its sentence and facts; those that can be said in other languages are phrases."""
        return Texts("", *_pair_up(read_phrases(self.phrases, [self.sentence, *chain(*self.facts)])))


class ModelBoard:
    """Typed access to them. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    # Decisions

    async def decide(self, decision: ModelDecision) -> bool:
        """Keep a decision; False when there is one of that number already."""
        return await self._documents.add(_of_decision(decision))

    async def decisions(self, candidate: str) -> Sequence[ModelDecision]:
        """Return what was decided after a comparison, in order."""
        found = await self._documents.list_documents(Wanted(DECISION, state=candidate))
        return sorted(map(_parse_decision, found), key=lambda decision: decision.number)

    async def mark_done(self, decision: ModelDecision) -> None:
        """What was decided has happened; nothing changes where it was taken back meanwhile."""
        document = await self._documents.get(DECISION, _name(decision))
        if document is not None and not _parse_decision(document).done:
            done = replace(_parse_decision(document), done=True)
            await self._documents.replace(replace(_of_decision(done), version=document.version))

    async def take_back(self, decision: ModelDecision) -> None:
        """What was decided cannot be done."""
        await self._documents.remove(DECISION, _name(decision))

    # Notices

    async def draft(self, notice: ModelNotice) -> None:
        """Keep a notice of what is about to be done; the same one again changes nothing."""
        await self._documents.add(_of_notice(notice, DRAFT))

    async def mark(self, notice: ModelNotice, state: str) -> None:
        """Put a notice into another state."""
        await self._documents.put(_of_notice(notice, state))

    async def drop(self, notice: ModelNotice) -> None:
        """What was about to be done has not happened."""
        await self._documents.remove(NOTICE, notice.id)

    async def notices(self, state: str) -> Sequence[ModelNotice]:
        """Return the notices in a state, the oldest first."""
        return [
            _parse_notice(found)
            for found in await self._documents.list_documents(Wanted(NOTICE, state=state))
        ]

    async def notice(self, id_: str) -> ModelNotice | None:
        """Return a notice, or None."""
        found = await self._documents.get(NOTICE, id_)
        return _parse_notice(found) if found else None

    # The canary

    async def put_watch(self, watch: CanaryWatch) -> None:
        """Keep what was found."""
        at = moment(watch.looked_at)
        await self._documents.put(Document(WATCH, _LAST, to_json(watch), order=at))

    async def watch(self) -> CanaryWatch | None:
        """Return what was found last; None where nobody has looked yet."""
        found = await self._documents.get(WATCH, _LAST)
        return from_json(CanaryWatch, found.body) if found else None


async def without_reviewer(documents: Documents, document: Document) -> None:
    """Take the name of a reviewer who is gone from a decision.

    It stays, as what happened to the version does.
    """
    nameless = replace(_parse_decision(document), reviewer="", reviewer_name="A former reviewer", source="")
    await documents.replace(replace(_of_decision(nameless), version=document.version))


def _name(decision: ModelDecision) -> str:
    return f"{decision.candidate}|{decision.number:04}"


def _of_decision(decision: ModelDecision) -> Document:
    at = moment(decision.decided_at)
    return Document(
        DECISION,
        _name(decision),
        to_json(decision, without=("reviewer",)),  # an index finds the reviewer in `person`
        person=decision.reviewer,
        state=decision.candidate,
        order=at,
    )


def _parse_decision(document: Document) -> ModelDecision:
    return from_json(ModelDecision, document.body, reviewer=document.person)


def _of_notice(notice: ModelNotice, state: str) -> Document:
    at = moment(notice.happened_at)
    return Document(NOTICE, notice.id, to_json(notice), state=state, order=at)


def _parse_notice(document: Document) -> ModelNotice:
    return from_json(ModelNotice, document.body)

"""Cards for the owners of pages: each has a gap of a report, the proposed patch, and what its owner decided.

    await issue_cards(repository, report, propose, now)  after a report: a card for each gap that has an owner
    await decide(documents, Step(…))                 an owner pressed a button; False: somebody was faster

A card (kind `owner_card`) holds what the report holds: masked questions, numbers of people, the ids of the
answers behind it; `forget_answers` drops it with the gap as soon as one of them is deleted. What owners press
is a list of steps (kind `owner_step`), each a document of its own whose number says that the steps before it
were known: of two presses at once one wins, and one that is sent again does nothing. The last step counts;
taking back is a step, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urldefrag

from core.phrases import Phrase
from feedback.gaps.report import Gap, Report, strike_out
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

CARD, STEP = "owner_card", "owner_step"
OUTBOX_PREFIX = "gap:"
"""Begins the name of what card sync has to do for one of these cards."""
SOMEBODY = "A former owner"


class OwnerChoice(StrEnum):
    """What an owner says of a gap: the page says it now; it belongs elsewhere; the last one is taken back."""

    DONE = "done"
    NOT_THIS_PAGE = "not_this_page"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for a gap: a unified diff, or a sentence that says why there is none."""

    patch: str = ""
    remark: str = ""
    phrase: str = ""
    """The remark as JSON of `core.phrases`; an older version kept none."""

    @classmethod
    def refuse(cls, why: Phrase) -> Proposal:
        """Return one without a patch."""
        return cls(remark=str(why), phrase=json.dumps(why.to_json()))

    @property
    def why(self) -> Phrase:
        """The remark, to be said in whichever language."""
        return Phrase.from_json(json.loads(self.phrase)) if self.phrase else Phrase(self.remark)


@dataclass(frozen=True, slots=True)
class OwnerCard:
    """One gap as its owner sees it."""

    id: str
    gap: Gap
    proposal: Proposal
    made_at: datetime

    @property
    def page(self) -> str:
        """The address of the page, without a fragment."""
        return urldefrag(self.gap.place.url).url if self.gap.place else ""


@dataclass(frozen=True, slots=True)
class Step:
    """The `number`th press on a card, from 1. `person` is a pseudonym, "" for somebody who is gone."""

    card: str
    number: int
    choice: OwnerChoice
    person: str
    name: str
    at: datetime


Propose = Callable[[Gap], Awaitable[Proposal]]


async def issue_cards(
    repository: ReviewRepository, report: Report, propose: Propose, now: datetime
) -> list[str]:
    """Keep a card for each gap of a report that has an owner, and have it shown; return the cards' names.

    A gap that has a card keeps it. One whose card is marked as done gets another one once more people ask in
    vain. Gaps that are repaired get none; cards of gaps that left the report stay as they are. Raises
    StoreError.
    """
    known = await list_cards(repository.documents)
    issued: list[str] = []
    for gap in report.gaps:
        if gap.repaired or gap.place is None or not gap.owner:
            continue
        before = _find_card(gap, known)
        if before is not None and await _is_settled(repository.documents, before, gap):
            continue
        name = (
            before.id
            if before is not None and not await read_decision(repository.documents, before.id)
            else ""
        )
        card = OwnerCard(name or _name(gap), gap, await propose(gap), now)
        await repository.documents.put(_document(card))
        await repository.add_outbox_entry(f"{OUTBOX_PREFIX}{card.id}", now)
        issued.append(card.id)
    return issued


async def list_cards(documents: Documents) -> Sequence[OwnerCard]:
    """Return all cards, the oldest first. Raises StoreError."""
    return [from_json(OwnerCard, one.body) async for one in every_document(documents, Wanted(CARD))]


async def read_card(documents: Documents, name: str) -> OwnerCard | None:
    """Return a card, None for one that is gone. Raises StoreError."""
    kept = await documents.get(CARD, name)
    return from_json(OwnerCard, kept.body) if kept else None


async def list_steps(documents: Documents, card: str) -> Sequence[Step]:
    """Return what was pressed on a card, in order. Raises StoreError."""
    found = await documents.list_documents(Wanted(STEP, state=card))
    return sorted(map(_read_step, found), key=lambda step: step.number)


async def read_decision(documents: Documents, card: str) -> Step | None:
    """Return what an owner has decided, None where nothing is, or it was taken back. Raises StoreError."""
    return find_decision(await list_steps(documents, card))


def find_decision(steps: Sequence[Step]) -> Step | None:
    """Return the step that counts, None where none does."""
    return steps[-1] if steps and steps[-1].choice is not OwnerChoice.UNDO else None


async def list_decisions(documents: Documents) -> Mapping[str, Step]:
    """Return what was decided, by the card's name, read once for all cards. Raises StoreError."""
    steps: dict[str, list[Step]] = {}
    async for document in every_document(documents, Wanted(STEP)):
        step = _read_step(document)
        steps.setdefault(step.card, []).append(step)
    found = {card: find_decision(sorted(some, key=lambda one: one.number)) for card, some in steps.items()}
    return {card: step for card, step in found.items() if step is not None}


async def decide(documents: Documents, step: Step) -> bool:
    """Keep a step; False where there is one of that number already. Raises StoreError."""
    return await documents.add(_of_step(step))


async def list_elsewhere(documents: Documents) -> Mapping[str, frozenset[str]]:
    """Return, by the page's address, the answers that its owner says belong elsewhere. Raises StoreError."""
    found: dict[str, frozenset[str]] = {}
    decisions = await list_decisions(documents)
    for card in await list_cards(documents):
        decision = decisions.get(card.id)
        if decision is not None and decision.choice is OwnerChoice.NOT_THIS_PAGE:
            found[card.page] = found.get(card.page, frozenset()) | frozenset(card.gap.answers)
    return found


async def forget_answers(documents: Documents, answer_ids: Collection[str]) -> None:
    """Drop the gaps that come from one of these answers: from the report, and their cards. Raises StoreError.

    What of the cards is on screen is left to card sync, which takes it back.
    """
    gone = frozenset(answer_ids)
    if not gone:
        return
    await strike_out(documents, gone)
    for card in await list_cards(documents):
        if not gone.isdisjoint(card.gap.answers):
            await remove_card(ReviewRepository(documents), card.id)


async def remove_card(repository: ReviewRepository, name: str) -> None:
    """Drop a card with its steps, and let it be taken from screens. Raises StoreError."""
    for shown in await repository.list_shown(f"{OUTBOX_PREFIX}{name}"):
        await repository.leave_card(shown)
        await repository.remove_shown(shown)
    await repository.documents.remove(CARD, name)
    for step in await list_steps(repository.documents, name):
        await repository.documents.remove(STEP, _of_step(step).id)


async def without_owner(documents: Documents, document: Document) -> None:
    """Take the name of an owner who is gone from a step: what it decided stays. Raises StoreError."""
    nameless = replace(_read_step(document), person="", name=SOMEBODY)
    await documents.replace(replace(_of_step(nameless), version=document.version))


def _find_card(gap: Gap, known: Sequence[OwnerCard]) -> OwnerCard | None:
    """Return the newest card of the same page that comes from some of the same answers."""
    page = urldefrag(gap.place.url).url if gap.place else ""
    same = [one for one in known if one.page == page and not set(gap.answers).isdisjoint(one.gap.answers)]
    return max(same, key=lambda one: one.made_at, default=None)


async def _is_settled(documents: Documents, card: OwnerCard, gap: Gap) -> bool:
    """Tell whether its owner has decided about all that a gap comes from."""
    decided = await read_decision(documents, card.id)
    return decided is not None and set(gap.answers) <= set(card.gap.answers)


def _name(gap: Gap) -> str:
    """Name a card by its page and by all answers that it comes from."""
    text = "\n".join((gap.place.url if gap.place else "", *gap.answers))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _document(card: OwnerCard) -> Document:
    return Document(CARD, card.id, to_json(card), order=moment(card.made_at))


def _of_step(step: Step) -> Document:
    return Document(
        STEP,
        f"{step.card}|{step.number:04}",
        to_json(step, without=("person",)),  # an index finds the person in `person`
        person=step.person,
        state=step.card,
        order=moment(step.at.astimezone(UTC)),
    )


def _read_step(document: Document) -> Step:
    return from_json(Step, document.body, person=document.person)

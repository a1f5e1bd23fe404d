"""Deletions of people's data, each a document of its own: since when, how far, and how much went.

    OPEN ──> COUNTED ──> SETTLING ──> DONE
    begun    what there  all of it    looked for once more, after whatever was on its way has arrived
             was is known is gone

The document outlives what it is about, as a proof without content: a pseudonym, times and counts. It is also
how processes hear of each other's deletions: each one looks what is new, and forgets what it has in its own
memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from feedback.privacy.opt_out import list_opt_outs
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

KIND = "deletion"
SETTLES = timedelta(minutes=2)
"""How long after a deletion something may still arrive that was under way in another process."""
CLOCKS_DIFFER = timedelta(minutes=2)
_NEVER = datetime.min.replace(tzinfo=UTC)
LEFT_ALONE = timedelta(seconds=60)
"""A deletion without any progress for so long is anybody's: whoever was at it is gone."""


class Overtaken(Exception):
    """Somebody else goes on with this deletion. Nobody sees this: they come to the same end."""


State = Literal["open", "counted", "settling", "done"]


@dataclass(frozen=True, slots=True)
class ForgottenExamples:
    """Training examples that went with their questions.

    How many of which data set, and the models that saw them.
    """

    dataset: str
    models: tuple[str, ...]
    examples: int


ForgetExamples = Callable[[Collection[str], str], Awaitable[Sequence[ForgottenExamples]]]
"""Takes the examples of these answers (by their ids) out of every data set, and returns which they were.

The person, a pseudonym, is struck out of what is left there, where they rated or reviewed it. It is called
before the answers are deleted, and again after a crash: what is gone already is no error. Whoever builds a
data set meanwhile leaves out the people in `left_out`.
"""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One person's data goes, as far as it is from before `begun_at`.

    `name` tells deletions of a person apart: the same request twice is one. `by` is who asked for it: the
    person, or an operator (`feedback/privacy/audit.py`). `counts` says how much there was, by kind;
    `examples` what was learned from it, by the page of questions that was asked about. `reply_to` is where to
    say that it is done (JSON, opaque to the store), and is erased once that is said. `changed_at` moves with
    all progress.
    """

    person: str
    name: str
    begun_at: datetime
    by: str
    state: State = "open"
    changed_at: datetime = _NEVER
    gone_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    examples: Mapping[str, tuple[ForgottenExamples, ...]] = field(
        default_factory=dict[str, tuple[ForgottenExamples, ...]]
    )
    reply_to: str = ""
    version: int = 0

    @property
    def id(self) -> str:
        """The document's id."""
        return f"{self.person}|{self.name}"

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left but what may still arrive."""
        return self.state in ("settling", "done")

    @property
    def is_finished(self) -> bool:
        """Whether nothing is to be done any more, and the person knows."""
        return self.state == "done" and not self.reply_to

    def is_due(self, now: datetime) -> bool:
        """Tell whether anybody may go on with it: it was left alone, or is to be looked at once more."""
        if self.is_finished or now < self.changed_at + LEFT_ALONE:
            return False
        settled = now >= (self.gone_at or self.changed_at) + SETTLES
        return self.state != "settling" or bool(self.reply_to) or settled

    def sum_examples(self) -> Sequence[ForgottenExamples]:
        """Return what was learned from the person, added up by data set."""
        models: dict[str, set[str]] = {}
        counts: dict[str, int] = {}
        for found in (one for page in self.examples.values() for one in page):
            models.setdefault(found.dataset, set()).update(found.models)
            counts[found.dataset] = counts.get(found.dataset, 0) + found.examples
        return [ForgottenExamples(name, tuple(sorted(models[name])), counts[name]) for name in sorted(counts)]


async def list_excluded(documents: Documents) -> Set[str]:
    """Return the pseudonyms of whom nothing is to be learned from.

    Who said so, and whose data is being deleted.
    """
    people = set(await list_opt_outs(documents))
    for state in ("open", "counted"):
        people |= {one.person async for one in _read_deletions(documents, Wanted(KIND, state=state))}
    return people


class Deletions:
    """The documents of deletions. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def begin(self, deletion: Deletion) -> Deletion:
        """Keep that a person's data goes from now on.

        Where it was asked for already, return how that stands.
        """
        begun = replace(deletion, changed_at=datetime.now(UTC))
        if await self._documents.add(_document(begun)):
            return replace(begun, version=1)
        return await self.get(deletion.id) or begun

    async def get(self, deletion_id: str) -> Deletion | None:
        """Return a deletion as it is kept now, or None."""
        kept = await self._documents.get(KIND, deletion_id)
        return _read(kept) if kept else None

    async def move_on(self, deletion: Deletion, **changes: Any) -> Deletion:
        """Keep how far it is. Raises Overtaken when another process is at it by now."""
        moved = replace(deletion, changed_at=datetime.now(UTC), **changes)
        if not await self._documents.replace(_document(moved)):
            raise Overtaken(f"another process goes on with the deletion {deletion.name}")
        return replace(moved, version=deletion.version + 1)

    async def list_deletions(self, person: str) -> Sequence[Deletion]:
        """Return a person's deletions, the one that changed first before the others."""
        return [deletion async for deletion in _read_deletions(self._documents, Wanted(KIND, person=person))]

    async def since(self, place: str) -> tuple[Sequence[Deletion], str]:
        """Return what changed since a place ("": all there is), and the next place.

        Some come again: clocks differ.
        """
        found = [one async for one in _read_deletions(self._documents, Wanted(KIND, after=(place, "")))]
        if not found:
            return found, place
        return found, max(place, moment(found[-1].changed_at - CLOCKS_DIFFER))


async def _read_deletions(documents: Documents, wanted: Wanted) -> AsyncIterator[Deletion]:
    async for document in every_document(documents, wanted):
        yield _read(document)


def _document(deletion: Deletion) -> Document:
    return Document(
        KIND,
        deletion.id,
        to_json(deletion, without=("changed_at", "version")),
        person=deletion.person,
        state=deletion.state,
        order=moment(deletion.changed_at),
        version=deletion.version,
    )


def _read(document: Document) -> Deletion:
    return from_json(
        Deletion,
        document.body,
        changed_at=datetime.fromisoformat(document.order),
        version=document.version,
    )

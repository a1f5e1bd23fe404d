"""The audit trail: who did what with whose records, and when; never what stood in them.

An entry is a document. `who` is a reviewer's or a person's pseudonym, or an operator: the name of the
machine's user under the same key as the pseudonyms. An entry that names an answer is about its asker, too, as
long as there is one.

Whoever reads personal data writes the entry first, and does not read where that fails. What a person does
with their own data is done even where its entry cannot be kept.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from feedback.store.serialization import from_json, to_json

KIND = "audit"
SOMEBODY = "gone"
"""Stands where the pseudonym of a reviewer stood who is gone."""


class AuditAction(StrEnum):
    """Audited actions: about an answer, about people, about a model version, and about how the bot runs."""

    OPENED = "opened a review"
    CLAIMED = "claimed a review"
    SKIPPED = "skipped a review"
    RULED = "ruled"
    TOOK_BACK = "took a ruling back"
    EDITED = "edited a verified answer"
    READ_VERIFIED = "read the verified answers"
    READ_QUEUE = "read the review queue"
    LOOKED = "looked at a person's records"
    EXPORTED = "exported a person's records"
    DELETED = "deleted a person's records"
    OPTED_OUT = "let nothing be learned from a person"
    OPTED_IN = "let something be learned from a person again"
    SCANNED = "searched for a person's pseudonym"
    READ_TRAIL = "read the audit trail"
    COPIED = "copied the store"
    ROTATED = "changed the key of the pseudonyms"
    PROMOTED = "promoted a model version"
    HELD = "held a model version where it stands"
    ROLLED_BACK = "rolled back a model version"
    READ_ADMIN = "read the admin page"
    ADDED_SOURCE = "added a source of pages"
    REFRESHED_SOURCE = "had a source of pages read again"
    REMOVED_SOURCE = "removed a source of pages"
    RAN_JOB = "started a job"
    LOOKED_AFTER = "let the doctor look"
    DECIDED_GAP = "decided about a gap of a page"


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. `person` is whose records it was about, "" where it was everybody's or nobody's.

    `model_version` is the version that it was about, `about` a source of pages or a job.
    """

    who: str
    what: AuditAction
    at: datetime
    answer_id: str = ""
    person: str = ""
    model_version: str = ""
    about: str = ""


class Audit:
    """Writes and reads the trail. Raises StoreError."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def write(self, who: str, what: AuditAction, **about: str) -> None:
        """Keep that somebody does something now; `about` has further fields of the entry."""
        entry = Entry(who, what, datetime.now(UTC), **about)
        name = f"{moment(entry.at)}|{secrets.token_hex(8)}"
        await self._documents.add(_document(entry, name))

    async def entries(self, person: str = "", since: datetime | None = None) -> AsyncIterator[Entry]:
        """Yield the trail, oldest first: all of it, or what is about a person and then what they did."""
        after = (moment(since), "") if since else ("", "")
        everyone = [Wanted(KIND, after=after)]
        one = [Wanted(KIND, after=after, person=person), Wanted(KIND, after=after, state=person)]
        for wanted in one if person else everyone:
            async for document in every_document(self._documents, wanted):
                entry = parse_entry(document)
                if wanted.state is None or entry.person != person:  # else it was there already
                    yield entry


def parse_entry(document: Document) -> Entry:
    """Return what a document of the trail says."""
    return from_json(Entry, document.body)


async def without_person(documents: Documents, document: Document) -> None:
    """Take an asker who is gone out of an entry about an answer.

    What is about the person alone stays: it is the proof.
    """
    entry = parse_entry(document)
    if entry.answer_id:
        await documents.replace(_document(replace(entry, person=""), document.id, document.version))


async def without_reviewer(documents: Documents, person: str) -> None:
    """Take a reviewer who is gone out of the entries about other people's answers."""
    await change_reviewer(documents, person, lambda _: SOMEBODY)


async def change_reviewer(documents: Documents, person: str, change: Callable[[str], str]) -> None:
    """Change the name of a reviewer in the entries about other people's answers."""
    async for document in every_document(documents, Wanted(KIND, state=person)):
        entry = parse_entry(document)
        if entry.person != person:
            changed = replace(entry, who=change(entry.who))
            await documents.replace(_document(changed, document.id, document.version))


def _document(entry: Entry, name: str, version: int = 0) -> Document:
    at = moment(entry.at)
    return Document(
        KIND, name, to_json(entry), person=entry.person, state=entry.who, order=at, version=version
    )

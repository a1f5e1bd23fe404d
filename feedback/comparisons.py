"""What the gate said of each candidate: one document a candidate, with the newest one easily found.

    await put(store.documents, comparison, answers)     a candidate was compared with the live version
    await latest(store.documents)                       for whoever shows it

The worst answers have questions of people in them (masked, as they were learned from), so a comparison knows which
answers they come from: `strike_out` takes out what is deleted.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from feedback.documents import TRIES, Document, Documents, Wanted
from feedback.plain import comparison_from, to_json
from feedback.store import StoreUnavailable, moment
from records import Comparison

KIND = "comparison"


async def put(documents: Documents, comparison: Comparison, answers: Sequence[str] = ()) -> None:
    """Keep what was found of a candidate, in place of what was found before. Raises StoreError.

    `answers` are the ids of the reviewed answers that the worst ones come from, in their order ("": from none).
    """
    await documents.put(_document(comparison, answers))


async def get(documents: Documents, candidate: str) -> Comparison | None:
    """Return what was found of a candidate, or None. Raises StoreError."""
    kept = await documents.get(KIND, candidate)
    return _read(kept)[0] if kept else None


async def latest(documents: Documents) -> Comparison | None:
    """Return the newest comparison, or None. Raises StoreError."""
    newest = None
    async for document in _every(documents):
        newest = document
    return _read(newest)[0] if newest else None


async def strike_out(documents: Documents, answer_ids: Collection[str]) -> int:
    """Take what comes from these answers out of every comparison; return how many changed. Raises StoreError."""
    changed = 0
    if answer_ids:
        async for document in _every(documents):
            changed += await _strike(documents, document, frozenset(answer_ids))
    return changed


async def _strike(documents: Documents, document: Document, gone: frozenset[str]) -> bool:
    kept: Document | None = document
    for _ in range(TRIES):
        if kept is None:
            return False
        comparison, answers = _read(kept)
        stays = [number for number, answer in enumerate(answers) if not answer or answer not in gone]
        if len(stays) == len(answers):
            return False
        worst = tuple(comparison.worst[number] for number in stays)
        changed = _document(replace(comparison, worst=worst), [answers[number] for number in stays])
        if await documents.replace(replace(changed, version=kept.version)):
            return True
        kept = await documents.get(KIND, document.id)
    raise StoreUnavailable(f"the comparison of {document.id} is being changed all the time")


async def _every(documents: Documents) -> AsyncIterator[Document]:
    wanted = Wanted(KIND)
    while page := await documents.listed(wanted):
        for document in page:
            yield document
        wanted = replace(wanted, after=(page[-1].order, page[-1].id))


def _document(comparison: Comparison, answers: Sequence[str]) -> Document:
    ids = [*answers, *[""] * (len(comparison.worst) - len(answers))]
    body = json.dumps({"comparison": to_json(comparison), "answers": ids})
    return Document(KIND, comparison.candidate, body, order=moment(comparison.compared_at))


def _read(document: Document) -> tuple[Comparison, list[str]]:
    kept = json.loads(document.body)
    return comparison_from(kept["comparison"]), kept["answers"]

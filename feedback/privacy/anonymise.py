"""Takes a reviewer's name out of the records: rulings are the colleagues' records, too, and stay.

A reviewer stands inside records, where no index finds them: in verdicts, skips and claims, in the verified
answer that came of them, and in every answer that was served from that. So a review leaves two marks
(`mark_reviewer`): one with the answer, by which its review and its verified answer are found, and one that
says that this person has reviewed at all. Only for such a person are all answers read through, a page at a
time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from core.records import Review, RulingChange, Verdict, VerifiedAnswer
from feedback.privacy.audit import SOMEBODY
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import RecordInvalid, moment
from feedback.store.documents import Document, Wanted, change_document
from feedback.store.rows import Row, WholeStore, every_page
from feedback.store.serialization import from_json, parse_answer, parse_question, to_json

Change = Callable[[str], str]
"""Returns a record (JSON) with somebody else in the reviewer's place, or nobody."""
_REDRAWN_AFTER = timedelta(seconds=5)


async def change_reviews(
    store: WholeStore, answer_id: str, person: str, changes: Mapping[str, Change]
) -> None:
    """Change all rounds of an answer's review, and its verified answer, where a reviewer stands in them.

    All who see the card of the review are shown it anew.
    """
    found = [
        document
        for kind in changes
        for document in await store.documents.list_documents(Wanted(kind, answer_id=answer_id))
        if person in document.body
    ]
    if found:  # before, so that a crash in between leaves no name on a screen
        await ReviewRepository(store.documents).add_outbox_entry(
            answer_id, datetime.now(UTC) + _REDRAWN_AFTER
        )
    for document in found:
        await _change(store, document, changes[document.kind])


async def change_answers(store: WholeStore, person: str, change: Change) -> AsyncIterator[int]:
    """Change all answers that were served as verified by a reviewer.

    Reads every answer, PAGE of them at a time, and yields how many it has read.
    """
    read = 0
    async for page in every_page(store, "answer"):
        theirs = [row for row in page if person in row.fields["record"]]
        changed = [{**row.fields, "record": change(row.fields["record"])} for row in theirs]
        await put_answers(store, [Row("answer", fields["id"], fields) for fields in changed])
        read += len(page)
        yield read


async def put_answers(store: WholeStore, rows: Sequence[Row]) -> None:
    """Keep changed answers, but none whose question has been forgotten in the meantime."""
    await store.put_rows(rows)
    for row in rows:
        answer = parse_answer(row.fields["record"], parse_question(row.fields["question"]))
        try:
            await store.add_answer(answer)  # it is there: this only asks whether its question is
        except RecordInvalid:
            await store.drop_rows([row])


async def _change(store: WholeStore, document: Document, change: Change) -> None:
    """Change a document's body, however many others change it, too, until that is done or it is gone."""

    def apply_change(kept: Document | None) -> Document | None:
        if kept is None:
            return None
        # other processes read verified answers that changed since they last looked
        now = moment(datetime.now(UTC))
        return replace(kept, body=change(kept.body), order=now if kept.kind == "verified" else kept.order)

    await change_document(store.documents, document, apply_change)


NAME = "A former reviewer"


async def anonymise_reviews(store: WholeStore, answer_id: str, person: str) -> None:
    """Take a reviewer out of all rounds of an answer's review and its verified answer."""
    review = partial(_review_without, person)
    changes = {"review": review, "past_review": review, "verified": partial(_remove_verifier, person)}
    await change_reviews(store, answer_id, person, changes)


def anonymise_answers(store: WholeStore, person: str) -> AsyncIterator[int]:
    """Take a reviewer out of all answers that were served as verified by them.

    Yields how many it has read.
    """
    return change_answers(store, person, partial(_answer_without, person))


def _review_without(person: str, body: str) -> str:
    review = from_json(Review, body)
    if review.claimed_by == person:
        review = replace(review, claimed_by="", claimed_name="", claimed_until=None)
    without = replace(
        review,
        verdicts=tuple(_remove_signature(verdict, person) for verdict in review.verdicts),
        skips=tuple(replace(skip, reviewer=_somebody(skip.reviewer, person)) for skip in review.skips),
        earlier=_remove_signature(review.earlier, person) if review.earlier else None,
        change=_remove_changer(review.change, person) if review.change else None,
    )
    return to_json(without)


def _remove_changer(change: RulingChange, person: str) -> RulingChange:
    """Return a change of a ruling without who made it, and without whose ruling it ended."""
    before = _remove_signature(change.before, person) if change.before else None
    if change.reviewer != person:
        return replace(change, before=before)
    return replace(change, reviewer=SOMEBODY, reviewer_name=NAME, source="", before=before)


def _remove_signature(verdict: Verdict, person: str) -> Verdict:
    """Return a ruling without who gave it, and without the activity that names their chat."""
    if verdict.reviewer != person:
        return verdict
    return replace(verdict, reviewer=SOMEBODY, reviewer_name=NAME, source="")


def _remove_verifier(person: str, body: str) -> str:
    if not body:  # it was taken back
        return body
    verified = from_json(VerifiedAnswer, body)
    return to_json(replace(verified, verified_by=_somebody(verified.verified_by, person)))


def _answer_without(person: str, text: str) -> str:
    record = json.loads(text)
    record["verified_by"] = _somebody(record["verified_by"], person)
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def _somebody(one: str, person: str) -> str:
    return SOMEBODY if one == person else one

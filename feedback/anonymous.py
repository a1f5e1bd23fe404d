"""What somebody did as a reviewer, without their name: rulings are the colleagues' records, too, and stay.

Reviewers stand inside records, where no index finds them: in verdicts, skips and claims, in the verified answer that
came of it, and in every answer that was served from that. So the desk leaves two marks when somebody reviews
(`Desk.mark_reviewer`): one with the answer, by which its review and its verified answer are found, and one that says
that this person has reviewed at all. Only for such a person are all answers read through, a page at a time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from feedback.audit import SOMEBODY
from feedback.desk import Desk
from feedback.documents import TRIES, Document, Wanted
from feedback.plain import answer_from, question_from, review_from, to_json, verified_from
from feedback.rows import PAGE, Row, WholeStore
from feedback.store import RecordInvalid, StoreUnavailable, moment
from records import Review, Verdict

NAME = "A former reviewer"

_REDRAWN_AFTER = timedelta(seconds=5)


async def anonymise_reviews(store: WholeStore, answer_id: str, person: str) -> int:
    """Take a reviewer out of all rounds of an answer's review and its verified answer; return of how many records.

    Whoever sees the card of the review is shown it anew.
    """
    found = [
        document
        for kind in _CHANGES
        for document in await store.documents.listed(Wanted(kind, answer_id=answer_id))
        if person in document.body
    ]
    if found:  # before, so that a crash in between leaves no name on a screen
        await Desk(store.documents).leave_errand(answer_id, datetime.now(UTC) + _REDRAWN_AFTER)
    for document in found:
        await _rewritten(store, document, person)
    return len(found)


async def anonymise_answers(store: WholeStore, person: str) -> AsyncIterator[int]:
    """Take a reviewer out of all answers that were served as verified by them.

    Reads every answer, PAGE of them at a time, and yields how many it has read.
    """
    after, read = "", 0
    while page := await store.rows("answer", after):
        theirs = [row for row in page if person in row.fields["record"]]
        await put_answers(store, [_unnamed(row, person) for row in theirs])
        read += len(page)
        yield read
        after = page[-1].key
        if len(page) < PAGE:
            return


async def put_answers(store: WholeStore, rows: list[Row]) -> None:
    """Keep changed answers, but none whose question has been forgotten in the meantime."""
    await store.put_rows(rows)
    for row in rows:
        answer = answer_from(row.fields["record"], question_from(row.fields["question"]))
        try:
            await store.add_answer(answer)  # it is there: this only asks whether its question is
        except RecordInvalid:
            await store.drop_rows([row])


def _unnamed(row: Row, person: str) -> Row:
    record = json.loads(row.fields["record"])
    if record["verified_by"] == person:
        record["verified_by"] = SOMEBODY
    text = json.dumps(record, separators=(",", ":"), sort_keys=True)
    return replace(row, fields={**row.fields, "record": text})


async def _rewritten(store: WholeStore, document: Document, person: str) -> None:
    """Change a document's body, however many others change it, too, until that is done or it is gone."""
    for _ in range(TRIES):
        changed = replace(document, body=_CHANGES[document.kind](document.body, person))
        if document.kind == "verified":  # whoever knows it by heart must hear of it
            changed = replace(changed, order=moment(datetime.now(UTC)))
        if await store.documents.replace(changed):
            return
        kept = await store.documents.get(document.kind, document.id, document.answer_id)
        if kept is None:
            return
        document = kept
    raise StoreUnavailable(f"a {document.kind} changes too fast")


def _review_without(body: str, person: str) -> str:
    return to_json(_without(review_from(body), person))


def _verified_without(body: str, person: str) -> str:
    if not body:  # it was taken back
        return body
    verified = verified_from(body)
    return to_json(replace(verified, verified_by=_somebody(verified.verified_by, person)))


def _without(review: Review, person: str) -> Review:
    if review.claimed_by == person:
        review = replace(review, claimed_by="", claimed_name="", claimed_until=None)
    return replace(
        review,
        verdicts=tuple(_unsigned(verdict, person) for verdict in review.verdicts),
        skips=tuple(replace(skip, reviewer=_somebody(skip.reviewer, person)) for skip in review.skips),
        earlier=_unsigned(review.earlier, person) if review.earlier else None,
    )


def _unsigned(verdict: Verdict, person: str) -> Verdict:
    """Return a ruling without who gave it, and without the activity that names their chat."""
    if verdict.reviewer != person:
        return verdict
    return replace(verdict, reviewer=SOMEBODY, reviewer_name=NAME, source="")


def _somebody(one: str, person: str) -> str:
    return SOMEBODY if one == person else one


_CHANGES: Mapping[str, Callable[[str, str], str]] = {
    "review": _review_without,
    "past_review": _review_without,
    "verified": _verified_without,
}
"""Documents that reviewers stand in, and what takes one (a pseudonym) out of such a body."""

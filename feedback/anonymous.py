"""What somebody did as a reviewer, without their name: rulings are the colleagues' records, too, and stay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from feedback.audit import SOMEBODY
from feedback.plain import review_from, to_json, verified_from
from feedback.rows import WholeStore
from feedback.signed import change_answers, change_reviews
from records import Review, Verdict

NAME = "A former reviewer"


async def anonymise_reviews(store: WholeStore, answer_id: str, person: str) -> None:
    """Take a reviewer out of all rounds of an answer's review and its verified answer."""
    review = partial(_review_without, person)
    changes = {"review": review, "past_review": review, "verified": partial(_verified_without, person)}
    await change_reviews(store, answer_id, person, changes)


def anonymise_answers(store: WholeStore, person: str) -> AsyncIterator[int]:
    """Take a reviewer out of all answers that were served as verified by them; yields how many it has read."""
    return change_answers(store, person, partial(_answer_without, person))


def _review_without(person: str, body: str) -> str:
    review: Review = review_from(body)
    if review.claimed_by == person:
        review = replace(review, claimed_by="", claimed_name="", claimed_until=None)
    without = replace(
        review,
        verdicts=tuple(_unsigned(verdict, person) for verdict in review.verdicts),
        skips=tuple(replace(skip, reviewer=_somebody(skip.reviewer, person)) for skip in review.skips),
        earlier=_unsigned(review.earlier, person) if review.earlier else None,
    )
    return to_json(without)


def _unsigned(verdict: Verdict, person: str) -> Verdict:
    """Return a ruling without who gave it, and without the activity that names their chat."""
    if verdict.reviewer != person:
        return verdict
    return replace(verdict, reviewer=SOMEBODY, reviewer_name=NAME, source="")


def _verified_without(person: str, body: str) -> str:
    if not body:  # it was taken back
        return body
    verified = verified_from(body)
    return to_json(replace(verified, verified_by=_somebody(verified.verified_by, person)))


def _answer_without(person: str, text: str) -> str:
    record = json.loads(text)
    record["verified_by"] = _somebody(record["verified_by"], person)
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def _somebody(one: str, person: str) -> str:
    return SOMEBODY if one == person else one

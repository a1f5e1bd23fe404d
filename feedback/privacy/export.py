"""Everything that a store has of one person, as JSON that says what its fields mean.

What others said about the person's answers is in it without who said it; of what the person said and ruled
about other people's answers, the own words are in it and theirs are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.records import Answer, Feedback, Review, RulingChange, Skip, Verdict
from feedback.privacy import audit, opt_out
from feedback.privacy.audit import Audit
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Wanted
from feedback.store.rows import Row, WholeStore, every_row, to_line
from feedback.store.serialization import from_json, to_json

Json = dict[str, Any]

WHAT = (
    "Everything that this installation of askpage has kept about one person, when this file was made. People"
    " stand in it as pseudonyms, which nobody can turn back into a name without the key of the installation."
    " All times are UTC."
)
MEANING: Mapping[str, str] = {
    "person": "your pseudonym",
    "learning.stopped": "whether you said that nothing is to be learned from you, and since when",
    "questions": "what you asked",
    "questions.record": "the question: text, conversation, channel, time, page that was named, language",
    "questions.answer": "what was answered; passages is what the model read, citations is what it named as"
    " its source, support the share of its words that stand there, timings how long it took in seconds,"
    " tokens how much its model read and wrote, stopped that you pressed stop while it was written",
    "questions.said": "what you (by: you) and others said about the answer",
    "questions.review": "what reviewers decided about the answer; who they are is not told. changed: a"
    " decision that was taken back or edited, when and why",
    "words": "what you said about answers to you and to others, every change of it included: thumb, reaction,"
    " stars, comment, the wish for an expert (expert), whether an offered answer of a reviewer fits your"
    " question (similar), and implicit: that you asked on (follow_up) or pressed stop (abandoned)."
    " trainable says whether it may be learned from",
    "reviewed": "what you decided as a reviewer: your decisions (rulings) with your corrections and notes,"
    " what you skipped, and which of them you took back or edited (changed)",
    "kept_about_you": "smaller records, by kind. contact: how to reach the chat with you. notice: you were"
    " told, or will be, what became of an answer. served: you got the answer that a reviewer stands for, and"
    " are told if it changes. declined: a question that no page answered. untied:"
    " something you said that belongs to no answer that is known. place, shown: the review cards that come to"
    " you. paraphrase: a question of yours below which a reviewer's answer was taken or refused, and how"
    " often. rated: that an answer to a question of yours was rated. file: the names of the files that you"
    " sent with a question, while they are kept. reviewed, reviewer: that you have reviewed. reached: that a"
    " chat was begun with you as a reviewer. owner_step: what you pressed on a card about a gap of your page."
    " page_author: that a page with a gap names you as its author. greeted: that"
    " you were told about privacy",
    "deletions": "when you, or an operator for you, had your records deleted, and how many there were",
    "audit": "who did what with your records. who is your pseudonym, a colleague (a reviewer), or an"
    " operator",
}
_TOLD_ELSEWHERE = frozenset({"deletion", "opted_out", audit.KIND, "going"})


IsRestricted = Callable[[Answer, Review | None], bool]
"""Tells whether there is anybody who may not see an answer, or what a review says of it."""
WITHHELD = (
    "Withheld: it stands on pages that not everyone may read, and it is not known who opens this file."
    " Whoever may read them gets the answer by asking again."
)


def _see_all(_: Answer, __: Review | None) -> bool:
    return False


async def export_person(store: WholeStore, person: str, is_restricted: IsRestricted = _see_all) -> Json:
    """Return all of a person that is in a store, but for what pages say that not everyone may read.

    Raises StoreError.
    """
    choice = await opt_out.OptOuts(store.documents).choice(person)
    documents = [row async for row in every_row(store, "document", person=person)]
    return {
        "what_this_is": WHAT,
        "meaning": MEANING,
        "made_at": moment(datetime.now(UTC)),
        "person": person,
        "learning": {"stopped": choice.out, "since": moment(choice.since) if choice.since else None},
        "questions": [
            await _question(store, row, is_restricted)
            async for row in every_row(store, "question", person=person)
        ],
        "words": [_plain(row) async for row in every_row(store, "feedback", person=person)],
        "reviewed": await _export_rulings(store, documents, person),
        "kept_about_you": [_plain(row) for row in documents if row.fields["kind"] not in _TOLD_ELSEWHERE],
        "deletions": [_plain(row) for row in documents if row.fields["kind"] == "deletion"],
        "audit": [
            {
                "at": moment(entry.at),
                "who": _who(entry.who, person),
                "what": str(entry.what),
                "answer": entry.answer_id,
            }
            async for entry in Audit(store.documents).entries(person)
        ],
    }


async def _question(store: WholeStore, row: Row, is_restricted: IsRestricted) -> Json:
    told = _plain(row)
    answer = await store.answer_to_question(row.fields["id"])
    if answer is None:
        return told
    words = await store.feedback_on(answer.id)
    review = await ReviewRepository(store.documents).review(answer.id)
    said = [_export_word(word, row.fields["asker"]) for word in words]
    if is_restricted(answer, review):
        page = {"text": WITHHELD, "answered_at": moment(answer.answered_at)}
        return told | {"answer": page, "said": said, "review": None}
    return told | {
        "answer": _record(answer, but=("verified_by",)),
        "said": said,
        "review": _export_decision(review) if review else None,
    }


def _export_word(word: Feedback, asker: str) -> Json:
    by = "you" if word.giver == asker else "a colleague" if word.giver else "somebody"
    return {"by": by, **_record(word, but=("giver", "source", "answer_id"))}


def _export_decision(review: Review) -> Json:
    ruling = review.ruling or review.earlier
    return {
        "opened_at": moment(review.opened_at),
        "reasons": [str(reason) for reason in review.reasons],
        "ruling": _verdict(ruling) if ruling else None,
        "changed": _export_change(review.change) if review.change else None,
    }


async def _export_rulings(store: WholeStore, documents: Sequence[Row], person: str) -> list[Json]:
    """Return what the person decided, answer by answer, round by round."""
    told: list[Json] = []
    for row in documents:
        if row.fields["kind"] != "reviewed":
            continue
        answer_id = row.fields["answer_id"]
        for kind in ("past_review", "review"):
            for document in await store.documents.list_documents(Wanted(kind, answer_id=answer_id)):
                review = from_json(Review, document.body)
                rulings = [_verdict(one) for one in review.verdicts if one.reviewer == person]
                skips = [_record(one, but=("reviewer",)) for one in review.skips if one.reviewer == person]
                told.append({"answer": answer_id, "round": review.round, "rulings": rulings, "skips": skips})
                if review.change is not None and review.change.reviewer == person:
                    told[-1]["changed"] = _export_change(review.change)
    return told


def _export_change(change: RulingChange) -> Json:
    """Return how a ruling was taken back or edited, without whoever did it and whose ruling it was."""
    return {
        "what": str(change.kind),
        "at": moment(change.changed_at),
        "reason": change.reason,
        "before": _verdict(change.before) if change.before else None,
    }


def _verdict(verdict: Verdict) -> Json:
    return _record(verdict, but=("reviewer", "reviewer_name", "source"))


def _record(record: Answer | Feedback | Verdict | Skip, but: Sequence[str] = ()) -> Json:
    return {name: value for name, value in json.loads(to_json(record)).items() if name not in but}


def _plain(row: Row) -> Json:
    """Return a row with its records as JSON, not as text."""
    return json.loads(to_line(row))


def _who(who: str, person: str) -> str:
    return who if who == person or who.startswith("operator") else "a colleague"

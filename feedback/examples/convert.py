"""A settled review → a training example, or the reason why it makes none.

    approved    → what the bot said; of a quotation its marked sentence; or its "not on the page"
    corrected   → the correction, and beside it what it corrects: the pair that preference training needs
    not on page → the label that declines, and beside it what should not have been said
    rejected    → nothing: it was no real question

A quotation is the page's words, not the model's: it teaches what to say, where a reviewer approves it, in its
one sentence that answers, since short answers are what is to be learned; it is never what should not have
been said.

The passages are those that were found (`Answer.passages`), after a page has changed those that the reviewer
saw (`Review.passages`): an example is a prompt that the bot makes, or it teaches another task than answering.
What no prompt can be made of is left out: a question that needs the one before it, or an answer without a
passage, which no model wrote.

Which of these examples a dataset gets is in `feedback/examples/select.py`, where they are read from in
`feedback/examples/collect.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urldefrag, urlsplit

from core.records import (
    Answer,
    AnswerKind,
    ChangeKind,
    Feedback,
    FeedbackKind,
    Passage,
    Review,
    ReviewReason,
    Ruling,
    TrainingExample,
    Verdict,
)
from feedback.examples.poisoning import find_hosts, suspicions
from feedback.reviews.ratings import Scale
from feedback.store.base import derive_site, moment

CORRECTION, APPROVAL, NOT_ON_PAGE = "correction", "approval", "not_on_page"
_COMPLAINTS = frozenset({ReviewReason.THUMB_DOWN, ReviewReason.FEW_STARS, ReviewReason.EXPERT})
_NOT_ABOUT_THE_ANSWER = frozenset({FeedbackKind.IMPLICIT, FeedbackKind.SIMILAR})
_WORDS = re.compile(r"\w+(?:['’.,:]\w+)*")
_LONG_WORD = 4
"""Shorter words stand on every page."""

Completes = Callable[[str], str]
"""(what was said, where it stands) → what the model is to write."""

Mask = Callable[[Sequence[str]], Sequence[str]]
"""The texts of one example → the same without personal data, in the same order; equal names stay equal.

They are the question, the completion, what was rejected, then title, heading and text of every passage.
"""

Make = Callable[[Sequence[TrainingExample]], Sequence[TrainingExample]]
"""Reviewed examples that train → what is made from them, each with `made_from` and `made_by`."""


class LeftOut(StrEnum):
    """Why a settled review is no example of a dataset."""

    DELETED = "deleted"
    NO_QUESTION = "no_real_question"
    UNTRAINABLE = "untrainable_channel"
    RESTRICTED = "restricted_page"
    OPTED_OUT = "opted_out"
    STALE = "page_changed"
    NO_PASSAGE = "no_passage"
    FOLLOW_UP = "follow_up"
    EMPTY = "empty"
    SET_ASIDE = "set_aside"
    DISTRUSTED_RATER = "distrusted_rater"
    DISTRUSTED_REVIEWER = "distrusted_reviewer"
    OVER_CAP = "over_cap"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def _whole(text: str) -> str:
    return text


def _is_open(_: Answer, __: Review | None) -> bool:
    return False


def _stands_alone(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ExampleRules:
    """What becomes an example, in the model's words (`model/text/prompt.py`, `answering.py`).

    `not_on_page` is the label that declines, and `label_version` its wording. `follows` tells whether a
    question needs the one before it. `mask` of None trains on personal data. `hosts` are our own, beside
    those of the pages; `trainable` are channels, `opted_out` pseudonyms. A person is in at most so many
    examples as asker or complainer, and in so many as reviewer. `make` makes up to `made_per_review` more
    from each example (feedback/examples/select.py); `made_by_model`: a model words some of them.
    `is_restricted` tells of answers that not everyone may see: a model that learned one could tell anybody.
    """

    not_on_page: str
    label_version: int = 1
    completes: Completes = _whole
    follows: Callable[[str], bool] = _stands_alone
    mask: Mask | None = None
    hosts: frozenset[str] = frozenset()
    trainable: frozenset[str] = frozenset({"msteams", "local"})
    opted_out: frozenset[str] = frozenset()
    scale: Scale = field(default_factory=Scale)
    held_out_share: float = 0.15
    per_asker: int = 50
    per_reviewer: int = 2000
    made_per_review: int = 0
    made_by_model: bool = False
    make: Make | None = None
    is_restricted: Callable[[Answer, Review | None], bool] = _is_open


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an example comes from, without a word of it. People are pseudonyms, times UTC ISO text.

    `reviewers` wrote or approved its completion, `givers` rated the answer. `reason` is why it was reviewed
    first. `supported` is the share, 0 to 1, of the completion's own words that stand in the passages.
    `folded` are the answers to the same question that say the same. `example` is the SHA-256 of the example's
    line, in hex. `made_from` and `made_by` are as in `TrainingExample`.
    """

    answer_id: str
    round: int
    asker: str
    givers: tuple[str, ...]
    reviewers: tuple[str, ...]
    reason: str
    channel: str
    language: str
    site: str
    model_version: str
    asked_at: str
    answered_at: str
    ruled_at: str
    supported: float
    folded: tuple[str, ...] = ()
    example: str = ""
    made_from: tuple[str, ...] = ()
    made_by: str = ""

    @property
    def answers(self) -> frozenset[str]:
        """The answers that it comes from: without one of them, it goes."""
        return frozenset(self.made_from or (self.answer_id,))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An example that a review makes. `brought_by` are the complainers without whom nobody had reviewed it.

    `rejects_label`: what should not have been said is the label that declines.
    """

    example: TrainingExample
    lineage: Lineage
    brought_by: frozenset[str]
    rejects_label: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a review makes no example; `details` are what the screen found."""

    answer_id: str
    why: LeftOut
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A settled review with its answer and all that was said about that."""

    review: Review
    answer: Answer
    words: Sequence[Feedback]


def build_candidate(
    reviewed: Reviewed, rules: ExampleRules, stale: Collection[tuple[str, str]] = frozenset()
) -> Candidate | Refusal:
    """Return the example that a settled review makes, unmasked, or why it makes none.

    `stale` are the (address without fragment, hash) of pages that verified answers went stale on.
    """
    review, answer, verdict = reviewed.review, reviewed.answer, reviewed.review.ruling
    if verdict is None:
        raise ValueError(f"the review of {answer.id} is not settled")
    passages = review.passages or answer.passages
    refusals = {
        LeftOut.NO_QUESTION: verdict.ruling is Ruling.REJECTED,
        LeftOut.UNTRAINABLE: bool(_channels(review, verdict, answer) - rules.trainable),
        LeftOut.RESTRICTED: rules.is_restricted(answer, review),
        LeftOut.OPTED_OUT: bool({answer.question.asker, *_writers(review, verdict)} & rules.opted_out),
        LeftOut.NO_PASSAGE: not passages,
        LeftOut.STALE: any(page in stale for page in _stands_on(reviewed, verdict, passages)),
        LeftOut.FOLLOW_UP: rules.follows(answer.question.text),
    }
    why = next((why for why, holds in refusals.items() if holds), None)
    if why is not None:
        return Refusal(answer.id, why)
    return _screen_review(reviewed, verdict, passages, rules)


def _channels(review: Review, verdict: Verdict, answer: Answer) -> set[str]:
    """Return the channels where the question was asked, and where rulings and feedback on it were written."""
    edited = review.change if review.change and review.change.kind is ChangeKind.EDITED else None
    before = (review.earlier, edited.before if edited else None)
    decided = [one.channel for one in (*review.verdicts, verdict, *before) if one]
    return {str(answer.question.channel), answer.written_on, *decided} - {""}


def _screen_review(
    reviewed: Reviewed, verdict: Verdict, passages: tuple[Passage, ...], rules: ExampleRules
) -> Candidate | Refusal:
    answer = reviewed.answer
    said = _right_words(reviewed.answer, verdict, rules)
    hosts = {urlsplit(passage.url).hostname or "" for passage in passages}
    hosts |= {host for passage in passages for host in find_hosts(passage.text)}
    found = suspicions(said, hosts | rules.hosts)
    if found:
        return Refusal(answer.id, LeftOut.SET_ASIDE, tuple(found))
    declines = _declines(answer, verdict)
    completion = said if declines else rules.completes(said).strip()
    if not completion or not answer.question.text.strip():
        return Refusal(answer.id, LeftOut.EMPTY)
    approved = verdict.ruling is Ruling.APPROVED
    rejected = "" if approved else _as_said(answer, rules)
    example = TrainingExample(
        answer_id=answer.id,
        question_text=answer.question.text,
        passages=passages,
        completion=completion,
        rejected_text=rejected if rejected != completion else "",
        kind=NOT_ON_PAGE if declines else APPROVAL if approved else CORRECTION,
    )
    lineage, brought_by = _lineage(reviewed, verdict, example, rules), _find_complainers(reviewed, rules)
    return Candidate(
        example, lineage, brought_by, rejects_label=bool(example.rejected_text) and answer.abstained
    )


def _right_words(answer: Answer, verdict: Verdict, rules: ExampleRules) -> str:
    """Return what the reviewers let stand."""
    match verdict.ruling:
        case Ruling.CORRECTED:
            return verdict.text
        case Ruling.APPROVED if answer.kind is AnswerKind.ANSWERED:
            return answer.text
        case Ruling.APPROVED if answer.kind is AnswerKind.QUOTED:
            return answer.marked or answer.text
        case _:
            return rules.not_on_page


def _declines(answer: Answer, verdict: Verdict) -> bool:
    """Tell whether the ruling is that the pages do not tell."""
    approved = verdict.ruling is Ruling.APPROVED
    return verdict.ruling is Ruling.NOT_ON_PAGE or (approved and answer.abstained)


def _as_said(answer: Answer, rules: ExampleRules) -> str:
    if answer.abstained:
        return rules.not_on_page
    if answer.kind is AnswerKind.QUOTED:
        return ""
    return rules.completes(answer.text).strip()


def _writers(review: Review, verdict: Verdict) -> tuple[str, ...]:
    """Return whose ruling it is: of a correction who wrote it, and who agreed to it word for word."""
    given = [*review.verdicts, *([review.earlier] if review.earlier else [])]
    same = {one.reviewer for one in given if (one.ruling, one.text) == (verdict.ruling, verdict.text)}
    return tuple(sorted(same))


def _find_complainers(reviewed: Reviewed, rules: ExampleRules) -> frozenset[str]:
    """Return the people whose complaint alone made it a review.

    Nobody when it was drawn, or doubtful by itself.
    """
    if not reviewed.review.reasons or set(reviewed.review.reasons) - _COMPLAINTS:
        return frozenset()
    return rules.scale.list_complainers(reviewed.words)


def _stands_on(reviewed: Reviewed, verdict: Verdict, passages: Sequence[Passage]) -> set[tuple[str, str]]:
    """Return the pages that the right answer stands on.

    Those that it cites, or all when it declines or cites none.
    """
    hashes = {urldefrag(passage.url).url: passage.page_hash for passage in passages}
    answer = reviewed.answer
    declines = _declines(answer, verdict)
    own = () if verdict.ruling is Ruling.CORRECTED else answer.citations
    citations = (verdict.citation,) if verdict.citation else own
    cited = {urldefrag(one.url).url for one in citations if not declines} & hashes.keys()
    return {(url, page_hash) for url, page_hash in hashes.items() if url in (cited or hashes)}


def _lineage(reviewed: Reviewed, verdict: Verdict, example: TrainingExample, rules: ExampleRules) -> Lineage:
    review, answer = reviewed.review, reviewed.answer
    question = answer.question
    gave = {
        word.giver
        for word in reviewed.words
        if word.kind not in _NOT_ABOUT_THE_ANSWER and word.trainable and word.withdrawn_at is None
    }
    return Lineage(
        answer_id=answer.id,
        round=review.round,
        asker=question.asker,
        givers=tuple(sorted(gave - rules.opted_out)),
        reviewers=_writers(review, verdict),
        reason=str(review.reasons[0]) if review.reasons else "unknown",
        channel=str(question.channel),
        language=question.language or "unknown",
        site=derive_site(answer),
        model_version=answer.model_version,
        asked_at=moment(question.asked_at),
        answered_at=moment(answer.answered_at),
        ruled_at=moment(review.settled_at or verdict.given_at),
        supported=1.0 if example.declines else compute_support(example),
    )


def compute_support(example: TrainingExample) -> float:
    """Return the share of the completion's own words that the passages have, 0 to 1.

    A completion whose words stand nowhere teaches a model to guess. Words that the question brought along do
    not count.
    """
    own = long_words(example.completion) - long_words(example.question_text)
    told = long_words(" ".join(f"{one.title} {one.heading} {one.text}" for one in example.passages))
    return round(len(own & told) / len(own), 3) if own else 1.0


def long_words(text: str) -> set[str]:
    """Return the words that can tell texts apart: long ones and numbers, without case."""
    words = _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())
    return {word for word in words if len(word) >= _LONG_WORD or any(mark.isdigit() for mark in word)}

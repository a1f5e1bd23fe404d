"""What the numbers mean: every figure, explained where it is computed. Pure functions over records.

Figures are made of sums that add up (`Sums`): those of two days, or of two channels, are the sums of both. An
answer counts for the day (UTC) on which it was written, whenever somebody judged it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Review, Ruling
from feedback.metrics.reach import Reach, count_served
from feedback.metrics.statistics import QuantileSketch, Share, Weighted
from feedback.metrics.tokens import TokenSums
from feedback.store.base import moment
from feedback.store.serialization import adapter

IDLE = timedelta(minutes=30)
"""Who says nothing for so long has ignored an answer; a session without a question for so long is over."""
ABANDONED = "abandoned"


# What is added up

_Sketch = Annotated[
    QuantileSketch, BeforeValidator(QuantileSketch.load), PlainSerializer(QuantileSketch.dump)
]
"""A spread that is kept as the counts of its buckets alone."""


@dataclass(slots=True)
class Sums:
    """What is known of a group of answers.

    `closed` are those whose 30 minutes are over, `ignored` of them got nothing. `judged` are all that
    reviewers judged; `attempted` of them those in the model's or a reviewer's words, `quotes` those in the
    words of a page. Sums made before there were quotations have none. `reach` is what was served from each
    ruling, `tokens` what models read and wrote; older sums have neither.
    """

    answers: int = 0
    quoted: int = 0
    abstained: int = 0
    verified: int = 0
    closed: int = 0
    ignored: int = 0
    stars: int = 0
    starred: int = 0
    likes: int = 0
    dislikes: int = 0
    sessions: int = 0
    session_s: float = 0.0
    judged: Weighted = field(default_factory=Weighted)
    attempted: Weighted = field(default_factory=Weighted)
    quotes: Weighted = field(default_factory=Weighted)
    response: _Sketch = field(default_factory=QuantileSketch)
    first_token: _Sketch = field(default_factory=QuantileSketch)
    reach: Reach = field(default_factory=Reach)
    tokens: TokenSums = field(default_factory=TokenSums)

    def merge(self, other: Sums) -> None:
        """Add another group."""
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, Weighted | QuantileSketch | Reach | TokenSums):
                mine.merge(theirs)
            else:
                setattr(self, one.name, mine + theirs)

    def dump(self) -> dict[str, Any]:
        """Return them as JSON has them; no reach and no tokens are left out, as in older sums."""
        kept = adapter(Sums).dump_python(self, mode="json")
        if not self.reach.rulings:
            del kept["reach"]
        if not self.tokens.answers:
            del kept["tokens"]
        return kept

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Sums:
        """Read what `dump` wrote."""
        return adapter(Sums).validate_python(kept)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an answer.

    Everyone's last words on it, all words that ever were, and the rounds of its review. `reviewed_text` is
    the question whose ruling it was served from, None where there is none, or it is not kept any more.
    """

    answer: Answer
    words: Sequence[Feedback] = ()
    ever: Sequence[Feedback] = ()
    rounds: Sequence[Review] = ()
    reviewed_text: str | None = None


def add_answer(sums: Sums, known: Known, now: datetime) -> None:
    """Add an answer with what was said about it, and with what reviewers found."""
    answer = known.answer
    sums.answers += 1
    sums.quoted += answer.kind is AnswerKind.QUOTED
    sums.abstained += answer.abstained
    sums.verified += answer.verified_by is not None
    if not answer.stopped:
        _add_times(sums, answer)
    sums.tokens.add(answer.tokens)
    _add_words(sums, known.words)
    if answer.verified_at is not None:
        wrong = any(is_right(review) is False for review in known.rounds)
        served = count_served(answer, known.reviewed_text, known.words, wrong=wrong)
        sums.reach.add(moment(answer.verified_at), served)
    if now - answer.answered_at >= IDLE:
        sums.closed += 1
        sums.ignored += is_ignored(answer, known.ever)
    for review in known.rounds:
        right = is_right(review)
        if review.weight > 0 and right is not None:
            sums.judged.add(review.weight, right=right)
            if answer.kind is AnswerKind.ANSWERED:
                sums.attempted.add(review.weight, right=right)
            elif answer.kind is AnswerKind.QUOTED:
                sums.quotes.add(review.weight, right=right)


def _add_times(sums: Sums, answer: Answer) -> None:
    """Response time: from the arrival of the question to the written answer, whatever happened in between.

    The store does not know when the channel had taken the message; the event `answer_sent` does
    (core/telemetry), and its `seconds` go until then.
    """
    sums.response.add((answer.answered_at - answer.question.asked_at).total_seconds())
    if answer.timings.time_to_first_token_s is not None:
        sums.first_token.add(answer.timings.time_to_first_token_s)


def _add_words(sums: Sums, words: Sequence[Feedback]) -> None:
    """Satisfaction: everybody's stars; who changed their mind counts once, who took it back not at all."""
    for word in words:
        if word.withdrawn_at is not None:
            continue
        if word.kind is FeedbackKind.STARS:
            sums.stars += int(word.value)
            sums.starred += 1
        elif word.kind is FeedbackKind.THUMB:
            sums.likes += word.value == "like"
            sums.dislikes += word.value == "dislike"


def is_ignored(answer: Answer, ever: Sequence[Feedback]) -> bool:
    """Tell whether nobody reacted, rated, asked on, opened a source or pressed a button within 30 minutes.

    Who changed their mind later has not ignored it, so all words that ever were count. Stopping the answer
    while it was written is no interest in it.
    """
    return not any(
        word.given_at - answer.answered_at <= IDLE
        for word in ever
        if not (word.kind is FeedbackKind.IMPLICIT and word.value == ABANDONED)
    )


def is_right(review: Review) -> bool | None:
    """Tell whether reviewers found an answer right, or rightly declined; None where nothing is judged.

    A question that was rejected is none, and does not count. "Not on the page" is a wrong answer: it should
    have been declined; where it was, reviewers approve.
    """
    if review.ruling is None or review.ruling.ruling is Ruling.REJECTED:
        return None
    return review.ruling.ruling is Ruling.APPROVED


def add_turn(sums: Sums, answer: Answer, before: datetime | None) -> None:
    """Add what an answer adds to the time on tool.

    `before` is when the same person's answer before was written there. A session lasts from its first
    question to its last answer; 30 idle minutes end it. So every answer adds its own time, and the pause
    before its question if that belongs to the session; otherwise it begins one.
    """
    asked_at = answer.question.asked_at
    goes_on = before is not None and asked_at - before <= IDLE
    since = before if goes_on and before is not None else asked_at
    sums.session_s += max(0.0, (answer.answered_at - since).total_seconds())
    sums.sessions += not goes_on


# Figures


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a group of answers; None where nothing is known. Times are seconds.

    `accuracy`: answered or quoted rightly, or rightly declined, of all that were judged; `precision`:
    answered rightly, of all that were attempted, which are the answered ones: a quotation says that it is not
    certain. `quote_precision`: quoted rightly, of all that were quoted. All three are from the random sample
    alone, where each answer counts for as many as it stands for, since what people complain about is not what
    they get. `answered_share`, `quoted_share` and `abstained_share` add up to one. `satisfaction`: mean
    stars, 1 to 5. `ignore_rate`: answers to which nothing happened for 30 minutes. `time_on_tool_s`: mean
    length of a session.
    """

    answers: int
    accuracy: Share | None
    precision: Share | None
    quote_precision: Share | None
    answered_share: float | None
    quoted_share: float | None
    abstained_share: float | None
    verified_share: float | None
    satisfaction: float | None
    liked_share: float | None
    ignore_rate: float | None
    time_on_tool_s: float | None
    response_p50_s: float | None
    response_p95_s: float | None
    first_token_p50_s: float | None
    first_token_p95_s: float | None


def compute_figures(sums: Sums) -> Figures:
    """Return the figures."""
    return Figures(
        answers=sums.answers,
        accuracy=sums.judged.share(),
        precision=sums.attempted.share(),
        quote_precision=sums.quotes.share(),
        answered_share=_ratio(sums.answers - sums.quoted - sums.abstained, sums.answers),
        quoted_share=_ratio(sums.quoted, sums.answers),
        abstained_share=_ratio(sums.abstained, sums.answers),
        verified_share=_ratio(sums.verified, sums.answers),
        satisfaction=_ratio(sums.stars, sums.starred),
        liked_share=_ratio(sums.likes, sums.likes + sums.dislikes),
        ignore_rate=_ratio(sums.ignored, sums.closed),
        time_on_tool_s=_ratio(sums.session_s, sums.sessions),
        response_p50_s=sums.response.percentile(0.5),
        response_p95_s=sums.response.percentile(0.95),
        first_token_p50_s=sums.first_token.percentile(0.5),
        first_token_p95_s=sums.first_token.percentile(0.95),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None

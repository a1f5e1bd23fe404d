"""A made-up company: sixty days of questions to three model versions, for docs/dashboard.md and for tests.

Nothing of it was measured: the figures are drawn from `VERSIONS`, which say how good each version is to be.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.dialogs.answerer import VERIFIED
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Timings,
    Tokens,
    Verdict,
)
from feedback.metrics import daily
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.roll_up_metrics import roll_up

SAMPLE_SHARE = 0.15
QUESTIONS = (
    "How many days of annual leave do I have?",
    "Can I carry unused leave into the next year?",
    "How much parental leave do I get?",
    "Who approves a trip abroad?",
    "What is the daily allowance in Switzerland?",
    "How do I get a second monitor?",
    "May I work from another country for two weeks?",
    "When is a doctor's note needed?",
    "How do I reset my VPN password?",
    "What does the company pay for a bicycle?",
    "Where do I report a lost badge?",
    "How long is the notice period after probation?",
    "Who is the data protection officer?",
    "Do I have to book the train in second class?",
    "How do I invite a visitor?",
    "Is there a budget for language courses?",
)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """How good a version is to be, and its share of the answers on each day from `first` on."""

    name: str
    first: int
    right: float
    stars: float
    ignored: float
    seconds: float
    idle_minutes: float


VERSIONS = (
    MadeUp("smollm2-135m-instruct", 0, 0.69, 3.4, 0.52, 4.2, 2.0),
    MadeUp("update-2026-10", 19, 0.83, 4.1, 0.41, 2.3, 2.6),
    MadeUp("update-2026-11", 47, 0.91, 4.5, 0.33, 1.5, 3.1),
)
CANARY_DAYS, CANARY_SHARE = 4, 0.2


@dataclass(frozen=True, slots=True)
class _Turn:
    at: datetime
    name: str
    who: str
    channel: Channel
    version: MadeUp
    day: int


async def fill(store: SqliteStore, now: datetime, *, days: int = 60, busy: float = 1.0) -> None:
    """Keep what happened in the days until `now`; a `busy` of one is some fifty questions on a weekday."""
    repository = ReviewRepository(store.documents)
    begin = datetime.combine(now.date(), datetime.min.time(), UTC) - timedelta(days=days - 1)
    rulings: list[_Ruled] = []
    for number in range(days):
        dice = random.Random(number)  # noqa: S311 - nothing secret
        told = [
            (_serve(answer, rulings), version)
            for answer, version in _day(dice, begin + timedelta(days=number), number, busy)
            if answer.answered_at < now
        ]
        kept = await asyncio.gather(
            *(_keep(store, repository, answer, version, now) for answer, version in told)
        )
        rulings += [ruled for ruled in kept if ruled is not None]


@dataclass(frozen=True, slots=True)
class _Ruled:
    """A question that a reviewer ruled on, and when that was settled."""

    text: str
    settled_at: datetime


def _serve(answer: Answer, rulings: Sequence[_Ruled]) -> Answer:
    """Let an answer that a reviewer stands for name the last ruling before it, mostly on its own words."""
    if answer.verified_by is None:
        return answer
    before = [one for one in rulings if one.settled_at < answer.question.asked_at]
    other_words = random.Random(f"words {answer.id}").random() < 0.2  # noqa: S311 - nothing secret
    same = [one for one in before if (one.text == answer.question.text) is not other_words]
    found = max(same or before, key=lambda one: one.settled_at, default=None)
    return replace(answer, verified_at=found.settled_at if found else None)


async def sum_up(store: SqliteStore, now: datetime) -> None:
    """Write the days' documents as the job does, with the backlog that there was at the end of each day."""
    await roll_up(store, now)
    repository = ReviewRepository(store.documents)
    reviews = [
        review for state in (WAITING, SETTLED) for review in (await repository.reviews(state, 10_000))[0]
    ]
    for day in await daily.read_days(store.documents, now.date() - timedelta(days=400), now.date()):
        end = datetime.combine(day.day, datetime.min.time(), UTC) + timedelta(days=1)
        ages = sorted(
            (end - one.opened_at).total_seconds()
            for one in reviews
            if one.opened_at < end and (one.settled_at is None or one.settled_at >= end)
        )
        if ages and end < now:
            day.backlog = daily.Backlog(len(ages), ages[-1], ages[len(ages) // 2], end.isoformat())
            await daily.keep(store.documents, day)


def _day(dice: random.Random, day: datetime, number: int, busy: float) -> Iterator[tuple[Answer, MadeUp]]:
    weekend = day.weekday() >= 5
    sessions = max(
        1, round(busy * dice.gauss(2.5, 1) if weekend else busy * (22 + number / 8 + dice.gauss(0, 3)))
    )
    for session in range(sessions):
        who = f"p{dice.randrange(140)}"
        at = day + timedelta(hours=min(19.0, max(7.0, dice.gauss(11.5, 2.6))), seconds=dice.randrange(3600))
        version = _version(dice, number)
        channel = dice.choices((Channel.TEAMS, Channel.SLACK, Channel.LOCAL), (78, 16, 6))[0]
        for turn in range(dice.choices((1, 2, 3, 4), (52, 28, 13, 7))[0]):
            answer = _answer(dice, _Turn(at, f"{number}-{session}-{turn}", who, channel, version, number))
            yield answer, version
            at = answer.answered_at + timedelta(minutes=dice.expovariate(1 / version.idle_minutes))


def _version(dice: random.Random, number: int) -> MadeUp:
    """The newest version is a canary to the end; the one before was one for some days."""
    _, second, third = VERSIONS
    if number >= third.first:
        return third if dice.random() < CANARY_SHARE else second
    if number >= second.first + CANARY_DAYS:
        return second
    if number >= second.first and dice.random() < CANARY_SHARE:
        return second
    return VERSIONS[0]


def _answer(dice: random.Random, turn: _Turn) -> Answer:
    asked = Question(
        f"q{turn.name}", dice.choice(QUESTIONS), turn.who, f"chat of {turn.who}", turn.channel, turn.at
    )
    reviewed = dice.random() < min(0.22, turn.day / 250)
    total_s = dice.lognormvariate(math.log(0.12 if reviewed else turn.version.seconds), 0.45)
    declined = not reviewed and dice.random() < 0.14
    site = dice.choices(("handbook.example.com", "it.example.com", "travel.example.com"), (55, 28, 17))[0]
    text = "That is not on the page." if declined else "The handbook says how [1]: ask your team lead first."
    return Answer(
        id=f"a{turn.name}",
        question=asked,
        text=text,
        passages=(),
        citations=(Citation(f"https://{site}/page", "Handbook", "", "ask your team lead first"),),
        model_version=VERIFIED if reviewed else turn.version.name,
        kind=AnswerKind.DECLINED if declined else _kind(turn, reviewed=reviewed),
        timings=Timings(0.05, None if reviewed else total_s * dice.uniform(0.3, 0.5), total_s),
        answered_at=turn.at + timedelta(seconds=total_s),
        verified_by="robin" if reviewed else None,
        tokens=None if reviewed else _tokens(turn),
        confidence=None if reviewed else _confidence(turn),
    )


def _confidence(turn: _Turn) -> float:
    dice = random.Random(f"confidence {turn.name}")  # noqa: S311 - nothing secret
    return round(dice.uniform(0.55, 1.0), 3)


def _tokens(turn: _Turn) -> Tokens:
    """The newest version runs on somebody else's server."""
    dice = random.Random(f"tokens {turn.name}")  # noqa: S311 - nothing secret
    read = dice.randrange(300, 900)
    return Tokens(
        read, dice.randrange(0, read // 2), dice.randrange(8, 60), ours=turn.version != VERSIONS[-1]
    )


def _kind(turn: _Turn, *, reviewed: bool) -> AnswerKind:
    """Some of what no reviewer stands for is quoted, less of it by each newer version."""
    share = (0.34, 0.24, 0.15)[VERSIONS.index(turn.version)]
    lot = random.Random(f"kind {turn.name}").random()  # noqa: S311 - nothing secret
    return AnswerKind.QUOTED if lot < share and not reviewed else AnswerKind.ANSWERED


async def _keep(
    store: SqliteStore, repository: ReviewRepository, answer: Answer, version: MadeUp, now: datetime
) -> _Ruled | None:
    dice = random.Random(answer.id)  # noqa: S311 - nothing secret
    await store.add_question(answer.question)
    await store.add_answer(answer)
    await store.mark_delivered(answer.question.id, f"m{answer.id}")
    right = dice.random() < (0.97 if answer.verified_by else version.right)
    words = [] if dice.random() < version.ignored else list(_words(dice, answer, version, right))
    for word in words:
        if word.given_at < now:
            await store.put_feedback(word)
    bad = any(word.value in ("1", "2", "dislike") for word in words)
    return await _review(dice, repository, answer, right, bad, now)


def _words(dice: random.Random, answer: Answer, version: MadeUp, right: bool) -> Iterator[Feedback]:
    at = answer.answered_at + timedelta(seconds=dice.uniform(10, 900))
    plain = Feedback(
        answer.id, answer.question.asker, FeedbackKind.IMPLICIT, "opened", trainable=True, given_at=at
    )
    said = dice.random()
    if said < 0.3 and not right and dice.random() < 0.2:  # in a channel, several people say so
        for number in range(dice.randrange(1, 4)):
            yield replace(
                plain, giver=f"p{200 + number}", kind=FeedbackKind.STARS, value=str(dice.choice((1, 1, 2)))
            )
    if said < 0.3:
        stars = min(5, max(1, round(dice.gauss(version.stars + (0.4 if right else -1.7), 0.8))))
        yield replace(plain, kind=FeedbackKind.STARS, value=str(stars))
    elif said < 0.6:
        yield replace(
            plain,
            kind=FeedbackKind.THUMB,
            value="like" if dice.random() < (0.9 if right else 0.3) else "dislike",
        )
    else:
        yield plain


async def _review(
    dice: random.Random, repository: ReviewRepository, answer: Answer, right: bool, bad: bool, now: datetime
) -> _Ruled | None:
    sampled = dice.random() < SAMPLE_SHARE
    if not sampled and not bad:
        return None
    opened_at = answer.answered_at + timedelta(minutes=1)
    if opened_at >= now:
        return None
    reason = ReviewReason.SAMPLE if sampled else ReviewReason.FEW_STARS
    review = Review(answer.id, (reason,), opened_at, weight=1 / SAMPLE_SHARE if sampled else 0.0)
    await repository.add_review(review)
    settled_at = opened_at + timedelta(hours=dice.expovariate(1 / 14))
    if settled_at >= now:
        return None
    ruling = (
        Ruling.APPROVED if right else dice.choice((Ruling.CORRECTED, Ruling.CORRECTED, Ruling.NOT_ON_PAGE))
    )
    verdict = Verdict("robin", "Robin", ruling, settled_at)
    await repository.change_review(replace(review, verdicts=(verdict,), settled_at=settled_at, version=1))
    return _Ruled(answer.question.text, settled_at)

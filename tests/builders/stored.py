"""One record of every kind a store keeps, and what writes them all: for what an older version stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    ComparedAnswer,
    ComparedFigure,
    Comparison,
    Decision,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Skip,
    Timings,
    TrainingExample,
    Verdict,
    VerifiedAnswer,
    derive_answer_id,
)
from feedback.examples.convert import Lineage
from feedback.examples.dataset_card import Card, Coverage
from feedback.metrics import daily
from feedback.metrics.daily import Backlog, Day, Group, Rated
from feedback.metrics.definitions import Sums
from feedback.privacy.deletion_log import Deletion, Deletions, ForgottenExamples
from feedback.privacy.opt_out import OptOuts
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import CanaryWatch, Choice, ModelBoard, ModelDecision, ModelNotice
from feedback.reviews.repository import (
    CardDestination,
    Notification,
    PostedMessage,
    ReviewRepository,
)
from feedback.reviews.unmatched import UnmatchedFeedback, keep_unmatched
from feedback.store.job_runs import JobRun, keep_run
from feedback.store.rows import WholeStore

NOON = datetime(2026, 3, 4, 12, 0, 0, 125, tzinfo=UTC)
EAST = datetime.fromisoformat("2026-03-04T14:30:00+02:00")
ODD = 'Is "\u00fc\u2028" a \ud83d half, \x00 and \U0001f600?'
"""What people can send: half a character, which UTF-8 does not know, and NUL."""
ADA, BEN, EVE = "a" * 32, "b" * 32, "e" * 32

PASSAGE = Passage(
    "https://site.example/leave#paid", "Leave", "Paid leave", f"Twelve days. {ODD}", "c0ffee", NOON
)
CITATION = Citation("https://site.example/leave#paid", "Leave", "Paid leave", "Twelve days.")


def _question(number: int, **changes: Any) -> Question:
    plain = Question(
        f"19:chat/{number}",
        f"Question {number}",
        ADA,
        "19:chat",
        Channel.TEAMS,
        NOON + timedelta(minutes=number),
    )
    return replace(plain, **changes)


def _answer(to: Question, **changes: Any) -> Answer:
    plain = Answer(
        derive_answer_id(to.id),
        to,
        "Twelve days [1].",
        (PASSAGE,),
        (CITATION,),
        "base",
        Timings(),
        to.asked_at + timedelta(seconds=2),
    )
    return replace(plain, **changes)


QUESTIONS = [
    _question(
        1,
        text=ODD,
        page_url="https://site.example/leave",
        language="de",
        trace="00-1-2-01",
        reply_to='{"a":"\u00fc"}',
    ),
    _question(2, channel=Channel.SLACK, asked_at=EAST),
    _question(3, channel=Channel.LOCAL),
    _question(4, channel=Channel.COMMAND_LINE),
]
ANSWERS = [
    _answer(
        QUESTIONS[0],
        text=ODD,
        timings=Timings(0.25, 1.5, 2.0),
        support=1.0,
        form="stars",
        confidence=0.75,
        verified_by=BEN,
        verified_at=EAST,
        written_on="slack",
    ),
    _answer(QUESTIONS[1], kind=AnswerKind.QUOTED, marked="Twelve days.", answered_at=EAST),
    _answer(QUESTIONS[2], kind=AnswerKind.DECLINED, passages=(), citations=(), stopped=True),
]
WORDS = [
    Feedback(ANSWERS[0].id, ADA, FeedbackKind.THUMB, "like", True, NOON, withdrawn_at=EAST, source="a1"),
    Feedback(ANSWERS[0].id, EVE, FeedbackKind.REACTION, "heart", False, NOON + timedelta(seconds=1)),
    Feedback(
        ANSWERS[0].id,
        EVE,
        FeedbackKind.STARS,
        "2",
        True,
        NOON + timedelta(seconds=2),
        comment=ODD,
        reasons=("wrong", "old"),
        source="a2",
        model_version="base",
        page_hash="c0ffee",
    ),
    Feedback(ANSWERS[0].id, ADA, FeedbackKind.COMMENT, "", True, NOON + timedelta(seconds=3), comment="x"),
    Feedback(ANSWERS[0].id, ADA, FeedbackKind.EXPERT, "", True, NOON + timedelta(seconds=4)),
    Feedback(ANSWERS[0].id, ADA, FeedbackKind.IMPLICIT, "follow_up", True, NOON + timedelta(seconds=5)),
]
VERDICT = Verdict(BEN, "Ben", Ruling.CORRECTED, EAST, "Thirteen days.", CITATION, "a note", "a3", "slack")
REVIEWS = [
    Review(
        ANSWERS[0].id,
        (ReviewReason.THUMB_DOWN, ReviewReason.SAMPLE),
        NOON,
        "site.example|msteams|de|base",
        2.5,
        2,
        2,
        verdicts=(VERDICT, replace(VERDICT, reviewer=EVE, ruling=Ruling.APPROVED, citation=None)),
        skips=(Skip(EVE, "too busy", EAST),),
        settled_at=NOON,
        passages=(PASSAGE,),
        earlier=replace(VERDICT, ruling=Ruling.NOT_ON_PAGE),
        version=1,
    ),
    Review(
        ANSWERS[1].id,
        (ReviewReason.STALE,),
        EAST,
        claimed_by=BEN,
        claimed_name="Ben",
        claimed_until=NOON,
        version=1,
    ),
]
PAST_REVIEW = replace(REVIEWS[0], round=1, verdicts=(replace(VERDICT, ruling=Ruling.REJECTED),), earlier=None)
VERIFIED = [
    VerifiedAnswer(
        ANSWERS[0].id,
        ODD,
        "https://site.example/leave",
        "Thirteen days.",
        (CITATION,),
        (PASSAGE,),
        (("https://site.example/leave", "c0ffee"),),
        False,
        BEN,
        EAST,
        trace="00-1-2-01",
        written_on="slack",
    ),
    VerifiedAnswer(ANSWERS[1].id, "Question 2", None, "", (), (), (), True, BEN, NOON, stale_at=EAST),
]
EXAMPLE = TrainingExample(
    ANSWERS[0].id, ODD, (PASSAGE,), "Thirteen days.", "Twelve days.", "approval", 0.5, True
)
LINEAGE = Lineage(
    ANSWERS[0].id,
    2,
    ADA,
    (EVE,),
    (BEN,),
    "thumb_down",
    "msteams",
    "de",
    "site.example",
    "base",
    "2026-03-04T12:01:00+00:00",
    "2026-03-04T12:01:02+00:00",
    "2026-03-04T12:30:00+00:00",
    0.5,
    ("f" * 32,),
)
CARD = Card(
    "0123456789abcdef",
    "01" * 32,
    "2026-03-04T12:00:00+00:00",
    1,
    0,
    True,
    0.1,
    2,
    1,
    0,
    {"rejected": 1},
    {"f" * 32: ["looks planted"]},
    {"channel": {"msteams": 1}},
    {"asked": 1},
    4,
    2,
    {"site": {"site.example": Coverage(4, 1)}},
    0,
    ["Nothing is asked in German."],
    0,
    1,
)
COMPARISON = Comparison(
    "c-1",
    "base",
    "d-1",
    Decision.HOLD,
    ("It is no better.",),
    (ComparedFigure("accuracy", 0.5, None), ComparedFigure("F1", 0.25, 0.75, -0.5, 0.5)),
    40,
    EAST,
    (ComparedAnswer(ODD, "", "Twelve days.", "Thirteen days."), ComparedAnswer("Question 2", "x", "y", "z")),
)
DECISION = ModelDecision("c-1", 1, Choice.ROLL_BACK, BEN, "Ben", EAST, "a4", done=True)
MODEL_NOTICE = ModelNotice(
    "n-1", "c-1", "It is live", "All share it.", EAST, (("Answers", "12"), ("Votes", "3"))
)
WATCH = CanaryWatch("c-1", "All is well.", EAST, (("Answers", "12"),))
PLACE = CardDestination("19:reviewers", '{"conversation":{"id":"19:reviewers"}}', BEN)
SHOWN = PostedMessage(ANSWERS[0].id, "19:reviewers", "{}", "m1", "settled")
NOTICE = Notification(ANSWERS[0].id, ADA, "2026-03-04T12:00:00.000000+00:00", sent=True)
UNTIED = UnmatchedFeedback("thumb", "19:chat;messageid=7", "m9", WORDS[2])
DELETION_KEPT = Deletion(
    EVE,
    "n",
    EAST,
    EVE,
    state="settling",
    gone_at=NOON,
    counts={"question": 2},
    examples={"": (), "19:chat/1": (ForgottenExamples("d-1", ("c-1", "c-2"), 3),)},
    reply_to="{}",
)
JOB_RUN = JobRun(
    "update-model", outcome="done", seconds=1.5, by="here", said={"examples": 3, "deep": {"a": [1]}}
)
RATED = Rated(
    ANSWERS[0].id, "2026-03-04T12:00:00.000000+00:00", Group("base", "msteams", "site.example"), 2, 1, 0, 1
)


def _sums() -> Sums:
    sums = Sums(answers=3, quoted=1, stars=2, starred=1, session_s=2.5)
    sums.judged.add(2.5, right=True)
    sums.judged.add(1.0, right=False)
    for seconds in (0.5, 0.5, 12.0):
        sums.response.add(seconds)
    return sums


DAY = Day(
    date(2026, 3, 4),
    {Group("base", "msteams", "site.example"): _sums(), Group("base", "slack", "no page"): Sums()},
    Backlog(2, 60.5, 30.25, "2026-03-04T12:00:00.000000+00:00"),
)


async def fill(store: WholeStore) -> None:
    """Write all of them, as the bot does."""
    documents, repository = store.documents, ReviewRepository(store.documents)
    for question in QUESTIONS:
        await store.add_question(question)
    for answer in ANSWERS:
        await store.add_answer(answer)
    await store.mark_delivered(QUESTIONS[1].id, "m1")
    await store.mark_delivered(QUESTIONS[2].id, "")
    for word in WORDS:
        await store.put_feedback(word)
    for review in REVIEWS:
        await repository.add_review(replace(review, version=0))
    await repository.keep_round(replace(PAST_REVIEW, version=0))
    for verified in VERIFIED:
        await repository.put_verified(verified)
    await repository.put_place(PLACE)
    await repository.put_shown(SHOWN)
    await repository.leave_card(SHOWN)
    await repository.add_notice(NOTICE)
    await keep_unmatched(repository.documents, UNTIED, "untied-1")
    await repository.add_declined(ANSWERS[2])
    await model_decisions.put(documents, COMPARISON, [ANSWERS[0].id, ""])
    board = ModelBoard(documents)
    await board.decide(DECISION)
    await board.draft(MODEL_NOTICE)
    await board.put_watch(WATCH)
    await Deletions(documents).begin(DELETION_KEPT)
    await OptOuts(documents).choose(EVE, out=True, source="a5")
    await keep_run(documents, JOB_RUN)
    await daily.keep(documents, DAY)
    await daily.keep_worst(documents, DAY.day, [RATED])

"""The queries over Application Insights: valid by Microsoft's parser, right on figures computed by hand.

DuckDB runs the same files (duckdb-kql); only the clock is pinned. Rows are written as the exporter writes
them.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Review, Ruling, Verdict
from core.telemetry.vocabulary import EVENTS, PROPERTIES, NotAllowed
from exporters import exporting
from exporters.in_memory import recording
from feedback.analytics import events
from feedback.metrics.definitions import Known, Sums, add_answer, add_turn, compute_figures
from feedback.metrics.statistics import wilson
from tests.builders.queries import FILES, NOON, NOW, Insights, events_in, problems
from tests.builders.records import question as a_question
from tests.builders.telemetry import export_to, review_a_question
from tests.builders.world import MemoryStore, a_world, an_answer
from tests.doubles.collector import collecting

DAY = datetime(2026, 11, 24)  # noqa: DTZ001 - as DuckDB returns it


def test_every_query_is_valid() -> None:
    assert len(FILES) >= 13
    found = problems({path.name: path.read_text("utf-8") for path in FILES})
    assert found == {path.name: [] for path in FILES}


BAD = {
    'customEvents\n| where nam == "x"': (2, 9, "nam"),
    "customEvnts | count": (1, 1, "customEvnts"),
    'requests | where duration > "x"': (1, 27, ">"),
    "customEvents | join kind=sideways (requests) on name": (1, 26, "inner"),
    "customEvents | summarise count() by name": (1, 16, "operator"),
    "customEvents | extend x = percentil(1, 2)": (1, 27, "percentil"),
    "let a = 1 customEvents": (1, 11, ";"),
    "customEvents | where timestamp > 5": (1, 32, ">"),
}


def test_the_parser_catches_what_is_wrong_and_says_where() -> None:
    found = problems(dict(zip(map(str, range(len(BAD))), BAD, strict=True)))
    for number, (line, column, word) in enumerate(BAD.values()):
        first, *_ = found[str(number)]
        assert (first["line"], first["column"]) == (line, column), (number, first)
        assert word in first["message"], first


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_query_asks_for_what_is_told_and_says_what_it_is(path: Any) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("// ")
    names = events_in(text)
    assert names <= set(EVENTS)
    told_of = {name for event in names for name in EVENTS[event].properties}
    words = set(re.findall(r'(?:customDimensions|dimensions)\["(\w+)"\]', text))
    numbers = set(re.findall(r'customMeasurements\["(\w+)"\]', text))
    assert words | numbers <= told_of
    assert numbers == {name for name in words | numbers if is_number(name)}


def is_number(name: str) -> bool:
    try:
        return PROPERTIES[name].read(1.5) == 1.5
    except NotAllowed:
        return False


@pytest.fixture
def insights() -> Insights:
    return Insights()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_where_nothing_happened_there_is_nothing_or_nought(path: Any, insights: Insights) -> None:
    rows = insights.ask(path.stem)
    if path.stem == "review_backlog":
        assert rows == [(0, None, None)]
    elif path.stem in {"load", "requests"}:
        assert len(rows) == 7 * 24 + 1
        assert {value for row in rows for value in row[1:]} <= {0, None}
    else:
        assert rows == []


def judged(
    insights: Insights, answer: str, ruling: str, weight: float, *, late: int = 1, **more: Any
) -> None:
    at = NOON + timedelta(hours=late)
    insights.event(
        "review_ruled", at, answer=answer, ruling=ruling, weight=weight, round=1, seconds=3600.0, **more
    )


def test_accuracy_and_precision_by_hand(insights: Insights) -> None:
    for answer, declined in (("a", False), ("b", False), ("c", True), ("d", False), ("e", False)):
        insights.sent(answer, NOON, abstained=declined)
    judged(insights, "a", "approved", 5.0, abstained=False)
    judged(insights, "b", "corrected", 20.0, abstained=False)
    judged(insights, "c", "approved", 15.0, abstained=True)
    judged(insights, "d", "rejected", 50.0, abstained=False)
    judged(insights, "e", "corrected", 0.0, abstained=False)  # somebody complained: not in the sample
    judged(insights, "elsewhere", "approved", 99.0, abstained=False)  # its answer is older than the window
    judged(insights, "a", "approved", 5.0, late=2, abstained=False)  # told twice
    [(day, slice_, accuracy, count, low, high)] = insights.ask("accuracy")
    assert (day, slice_, count) == (DAY, "v1", 3)
    assert accuracy == pytest.approx(0.5)
    assert (low, high) == pytest.approx(wilson(0.5, 1600 / 650), abs=1e-5)
    [(_, _, precision, count, low, high)] = insights.ask("precision")
    assert (precision, count) == (pytest.approx(0.2), 2)
    assert (low, high) == pytest.approx(wilson(0.2, 625 / 425), abs=1e-5)


def test_one_judgement_has_a_wide_interval(insights: Insights) -> None:
    insights.sent("a", NOON)
    judged(insights, "a", "approved", 20.0, abstained=False)
    for figure in ("accuracy", "precision"):
        [(_, _, value, count, low, high)] = insights.ask(figure)
        assert (value, count) == (1.0, 1)
        assert (low, high) == pytest.approx((0.206549, 1.0), abs=1e-5)


def test_two_versions_in_one_hour_are_told_apart_and_a_late_ruling_counts_for_its_answers_day(
    insights: Insights,
) -> None:
    for number in range(4):
        insights.sent(f"old{number}", NOON + timedelta(minutes=number), seconds=8.0 + number)
        insights.sent(f"new{number}", NOON + timedelta(minutes=number), seconds=1.0, model_version="v2")
        judged(insights, f"old{number}", "approved" if number else "corrected", 5.0, late=20, abstained=False)
        judged(insights, f"new{number}", "approved", 5.0, late=20, abstained=False)
    rows = insights.ask("accuracy")
    assert [(day, slice_, value) for day, slice_, value, *_ in rows] == [(DAY, "v1", 0.75), (DAY, "v2", 1.0)]
    times = insights.ask("response_time")
    assert times == [(DAY, "v1", 9.0, 11.0, 4), (DAY, "v2", 1.0, 1.0, 4)]


def stars(insights: Insights, answer: str, minutes: float, total: int, people: int, **more: Any) -> None:
    usual = {"kind": "stars", "value": "5", "likes": 0, "dislikes": 0, "late_seconds": minutes * 60}
    at = NOON + timedelta(minutes=minutes)
    insights.event("feedback_given", at, answer=answer, stars=total, starred=people, **{**usual, **more})


def test_satisfaction_counts_each_person_once_late_words_and_ties_too(insights: Insights) -> None:
    for answer in ("a", "b", "c"):
        insights.sent(answer, NOON)
    insights.sent("next day", NOON + timedelta(hours=20))
    stars(insights, "a", 1, 2, 1)
    stars(insights, "a", 2, 5, 1)  # the same person changed their mind
    stars(insights, "a", 23 * 60, 8, 2)  # somebody else, nearly a day later
    stars(insights, "b", 5, 1, 1)
    stars(insights, "b", 5, 5, 2)  # at the same moment as the one before
    stars(insights, "c", 5, 0, 0, kind="thumb", value="like", likes=3, dislikes=1)
    assert insights.ask("satisfaction") == [(DAY, "v1", (8 + 5) / 4, 4, 0.75, 4)]
    stars(insights, "next day", 21 * 60, 4, 1)
    assert insights.ask("satisfaction")[1] == (DAY + timedelta(days=1), "v1", 4.0, 1, None, 0)


def test_all_stars_that_were_taken_back_leave_nothing(insights: Insights) -> None:
    insights.sent("a", NOON)
    stars(insights, "a", 1, 2, 1)
    stars(insights, "a", 2, 0, 0, withdrawn=True)
    assert insights.ask("satisfaction") == [(DAY, "v1", None, 0, None, 0)]


def test_percentiles_are_of_values_that_were_there(insights: Insights) -> None:
    for number, seconds in enumerate((5.0, 1.0, 1.0, 1.0, 9.0)):
        insights.sent(
            f"a{number}", NOON, seconds=seconds, first_token_seconds=seconds / 10 if number else None
        )
    insights.sent("a0", NOON + timedelta(minutes=9), seconds=99.0)  # told again after a crash
    assert insights.ask("response_time") == [(DAY, "v1", 1.0, 9.0, 5)]
    assert insights.ask("time_to_first_token") == [(DAY, "v1", 0.1, 0.9, 4)]


def test_any_dimension_can_be_cut_by(insights: Insights) -> None:
    insights.sent("a", NOON, channel="msteams", seconds=1.0)
    insights.sent("b", NOON, channel="local", seconds=2.0)
    rows = insights.ask("response_time", model_version="channel")
    assert [row[1:3] for row in rows] == [("local", 2.0), ("msteams", 1.0)]


def test_the_ignore_rate_by_hand(insights: Insights) -> None:
    for answer in ("ignored", "thumbed", "late", "stopped", "asked on"):
        insights.sent(answer, NOON)
    insights.sent("too new", NOW - timedelta(minutes=29))
    stars(insights, "thumbed", 29, 0, 0, kind="thumb", value="dislike")
    stars(insights, "late", 31, 0, 0, kind="thumb", value="like")
    stars(insights, "stopped", 0, 0, 0, kind="implicit", value="abandoned")
    stars(insights, "asked on", 30, 0, 0, kind="implicit", value="follow_up")
    stars(insights, "asked on", 40, 0, 0, kind="implicit", value="opened")
    assert insights.ask("ignore_rate") == [(DAY, "v1", 3 / 5, 5)]


def test_a_word_that_was_carried_over_late_counts_for_when_it_was_said(insights: Insights) -> None:
    """The store was away: the event is told an hour later than somebody spoke."""
    insights.sent("a", NOON)
    insights.event(
        "feedback_given", NOON + timedelta(hours=1), answer="a", kind="thumb", value="like", late_seconds=60
    )
    assert insights.ask("ignore_rate") == [(DAY, "v1", 0.0, 1)]


def test_time_on_tool_by_hand(insights: Insights) -> None:
    """A session of 10 + (30 + 5) + (1800 + 5) seconds, and one of 20 after a pause that is too long."""
    turns = ((10.0, None), (5.0, 30.0), (5.0, 1800.0), (20.0, 1800.1))
    for number, (seconds, pause) in enumerate(turns):
        insights.sent(f"a{number}", NOON + timedelta(minutes=number), seconds=seconds, pause_seconds=pause)
    assert insights.ask("time_on_tool") == [(DAY, "v1", pytest.approx((1850 + 20) / 2), 2, 4)]


def test_kinds_by_hand_and_what_has_none_counts_by_what_was_declined(insights: Insights) -> None:
    insights.sent("a", NOON, answer_kind="answered")
    insights.sent("b", NOON, answer_kind="quoted")
    insights.sent("b", NOON, answer_kind="quoted")  # told twice
    insights.sent("c", NOON, answer_kind="declined", abstained=True)
    insights.sent("d", NOON, abstained=True)
    insights.sent("e", NOON)
    assert insights.ask("kinds") == [(DAY, "v1", 5, 0.4, 0.2, 0.4)]


def test_what_was_quoted_is_not_attempted_and_has_a_precision_of_its_own(insights: Insights) -> None:
    for number, (sort, ruling) in enumerate(
        [
            ("answered", "approved"),
            ("answered", "corrected"),
            ("quoted", "approved"),
            ("declined", "approved"),
        ]
    ):
        insights.sent(str(number), NOON, answer_kind=sort, abstained=sort == "declined")
        judged(insights, str(number), ruling, 5.0, answer_kind=sort, abstained=sort == "declined")
    assert [row[2:4] for row in insights.ask("precision")] == [(0.5, 2)]
    assert [row[2:4] for row in insights.ask("quote_precision")] == [(1.0, 1)]
    assert [row[2:4] for row in insights.ask("accuracy")] == [(0.75, 4)]


def test_confidence_is_compared_with_what_reviewers_found_by_how_sure_it_was(insights: Insights) -> None:
    for answer, confidence, ruling, weight in (
        ("a", 0.9, "approved", 5.0),
        ("b", 0.8, "corrected", 15.0),
        ("top", 1.0, "approved", 20.0),
        ("low", 0.1, "corrected", 10.0),
        ("none", 0.1, "rejected", 10.0),
        ("flagged", 0.1, "corrected", 0.0),
    ):
        insights.sent(answer, NOON, confidence=confidence)
        judged(insights, answer, ruling, weight)
    insights.sent("not judged by itself", NOON)
    judged(insights, "not judged by itself", "approved", 9.0)
    [low, high] = insights.ask("confidence")
    assert low == (0.0, "v1", 1, pytest.approx(0.1), 0.0, pytest.approx(0.1))
    sure = (5 * 0.9 + 15 * 0.8 + 20 * 1.0) / 40
    assert high == (0.8, "v1", 3, pytest.approx(sure), 25 / 40, pytest.approx(sure - 25 / 40))


def served(insights: Insights, answer: str, reviewed: str, hours: float, age_hours: float) -> None:
    at = NOON + timedelta(hours=hours)
    insights.event("verified_served", at, answer=answer, reviewed=reviewed, age_seconds=age_hours * 3600)


def test_the_lag_is_until_the_first_who_got_a_ruling_and_the_reach_how_many_did(insights: Insights) -> None:
    for answer, ruling in (("a", "corrected"), ("b", "approved"), ("c", "approved"), ("d", "rejected")):
        judged(insights, answer, ruling, 0.0, late=-2)
    served(insights, "a1", "a", 0, 2)
    served(insights, "a1", "a", 0.1, 2)  # told twice
    served(insights, "a2", "a", 3, 5)
    served(insights, "a3", "a", 15, 17)
    served(insights, "b1", "b", 4, 6)
    served(insights, "before", "b", -5, 90)  # from the ruling before this one
    served(insights, "of another month", "old", 1, 24 * 40)
    assert insights.ask("lag") == [(DAY, 3, 2, 2.0, 6.0)]
    [first, next_day] = insights.ask("reach")
    assert first[:5] == (DAY, 5, 3, 5 / 3, 2)
    assert next_day == (DAY + timedelta(days=1), 1, 1, 1.0, 1, pytest.approx(17 / 24))


def test_search_heads_are_told_apart_though_they_answer_on_one_day(insights: Insights) -> None:
    head = "head-0123456789ab"
    for number, sort in enumerate(["quoted", "quoted", "declined", "answered"]):
        insights.sent(f"old{number}", NOON, answer_kind=sort, search_version="shipped", search_seconds=0.25)
        better = "answered" if number else "quoted"
        insights.sent(f"new{number}", NOON, answer_kind=better, search_version=head, confidence=0.5)
    insights.sent("verified", NOON, answer_kind="answered", verified=True, search_version=head)
    insights.sent("before", NOON - timedelta(days=3), answer_kind="answered")
    assert insights.ask("search") == [
        (DAY - timedelta(days=3), "", 1, 1.0, 0.0, 0.0, None, None),
        (DAY, head, 4, 0.75, 0.25, 0.0, 0.5, None),
        (DAY, "shipped", 4, 0.25, 0.5, 0.25, None, 0.25),
    ]


def test_the_verified_share_by_hand(insights: Insights) -> None:
    insights.sent("a", NOON)
    insights.sent("b", NOON, verified=True, model_version="verified")
    insights.sent("c", NOON, verified=True, abstained=True, model_version="verified")
    insights.sent("d", NOON, abstained=True)
    assert insights.ask("verified_share") == [(DAY, "msteams", 4, 0.5, 0.5)]


def test_the_backlog_is_what_was_opened_and_neither_ruled_on_nor_forgotten(insights: Insights) -> None:
    def opened(answer: str, hours: float, round_: int = 1) -> None:
        at = NOW - timedelta(hours=hours)
        insights.event("review_opened", at, answer=answer, reason="thumb_down", round=round_)

    opened("waits", 10)
    opened("waits", 9)  # told twice: the first one counts
    opened("ruled", 20)
    judged(insights, "ruled", "approved", 0.0)
    opened("again", 40)
    judged(insights, "again", "approved", 0.0)
    opened("again", 4, round_=2)
    opened("deleted", 30)
    insights.event("question_forgotten", NOW - timedelta(hours=1), answer="deleted")
    opened("new", 1)
    assert insights.ask("review_backlog") == [(3, 10.0, 4.0)]
    assert insights.ask("review_time") == [(DAY, 1.0, 1.0, 2)]


def test_unasked_answers_by_hand(insights: Insights) -> None:
    for minute, outcome in enumerate(("said", "said", "unsure", "busy", "failed", "no_question")):
        insights.event("heard_unasked", NOON + timedelta(minutes=minute), outcome=outcome)
    insights.event("heard_unasked", NOON - timedelta(days=1), outcome="no_question")
    before = DAY - timedelta(days=1)
    assert insights.ask("unasked") == [(before, 1, 0, 0, 0, 0, 0, None), (DAY, 6, 5, 2, 1, 1, 1, 0.4)]


def test_files_that_were_sent_by_hand(insights: Insights) -> None:
    for seconds, outcome, count in ((1.0, "done", 1), (3.0, "done", 2), (9.0, "failed", 1)):
        insights.event(
            "file_read", NOON, channel="msteams", outcome=outcome, seconds=seconds, count=float(count)
        )
    insights.event("file_read", NOON, channel="slack", outcome="done", seconds=2.0, count=1.0)
    assert insights.ask("files") == [
        (DAY, "msteams", 3, 4.0, 1, 3.0, 9.0),
        (DAY, "slack", 1, 1.0, 0, 2.0, 2.0),
    ]


def test_what_owners_decide_by_hand(insights: Insights) -> None:
    for outcome in ("done", "done", "undo", "not_this_page"):
        insights.event("gap_decided", NOON, outcome=outcome)
    assert insights.ask("owners") == [(DAY, 2, 1, 1)]


def test_scheduled_work_by_hand(insights: Insights) -> None:
    for seconds, outcome in ((1.0, "done"), (2.0, "done"), (60.0, "failed"), (5.0, "stopped")):
        insights.event("job_finished", NOON, job="refresh_pages", outcome=outcome, seconds=seconds)
    insights.event("job_finished", NOON, job="apply_retention", outcome="done", seconds=3.0)
    assert insights.ask("jobs") == [
        (DAY, "apply_retention", 1, 0, 0, 3.0, 3.0),
        (DAY, "refresh_pages", 4, 1, 1, 2.0, 60.0),
    ]


def test_failures_by_day_and_reason(insights: Insights) -> None:
    for number in range(6):
        insights.sent(f"a{number}", NOON)
    for reason in ("busy", "busy", "error", "too_slow"):
        insights.event("answer_failed", NOON, reason=reason)
    insights.event("answer_failed", NOON - timedelta(days=2), reason="error")
    assert insights.ask("failures") == [
        (DAY - timedelta(days=2), "error", 1, 1.0),
        (DAY, "busy", 2, 0.2),
        (DAY, "error", 1, 0.1),
        (DAY, "too_slow", 1, 0.1),
    ]


def test_hours_in_which_nothing_happened_are_there(insights: Insights) -> None:
    for minutes in (0, 1, 59, 3 * 60):
        at = NOON + timedelta(minutes=minutes)
        insights.event("question_asked", at, channel="msteams")
        insights.sent(f"a{minutes}", at)
        row = (at.replace(tzinfo=None), "POST /api/messages", str(minutes != 59), 100.0 + minutes)
        insights.connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", row)
    insights.event("answer_failed", NOON, reason="busy")
    hours = {row[0]: row[1:] for row in insights.ask("load")}
    noon = NOON.replace(tzinfo=None)
    assert [hours[noon + timedelta(hours=hour)] for hour in range(5)] == [
        (3, 3, 1),
        (0, 0, 0),
        (0, 0, 0),
        (1, 1, 0),
        (0, 0, 0),
    ]
    posts = {row[0]: row[1:] for row in insights.ask("requests")}
    assert [posts[noon + timedelta(hours=hour)] for hour in range(4)] == [
        (3, 1, 0.159),
        (0, 0, None),
        (0, 0, None),
        (1, 0, 0.28),
    ]
    assert list(hours) == sorted(hours)


async def test_what_the_bot_itself_tells_gives_its_figures(insights: Insights) -> None:
    with collecting() as collector, exporting(export_to("appinsights", collector.url)):
        async with a_world() as world:
            await review_a_question(world)
    for envelope in collector.envelopes():
        if envelope["data"]["baseType"] == "EventData":
            data = envelope["data"]["baseData"]
            insights.add(data["name"], NOON, data.get("properties", {}), data.get("measurements", {}))
    assert insights.ask("review_backlog") == [(0, None, None)]
    assert insights.ask("verified_share") == [(DAY, "msteams", 2, 0.5, 0.0)]
    assert insights.ask("satisfaction") == [(DAY, "scripted", None, 0, 0.0, 1)]
    assert sorted(row[1] for row in insights.ask("response_time")) == ["scripted", "verified"]
    assert insights.ask("accuracy") == [], "only the sample is judged"


# The two ways to a figure


async def test_the_queries_and_the_store_give_the_same_figures_of_the_same_records(
    insights: Insights,
) -> None:
    """Eighty answers of two versions, with words, changes of mind and rulings drawn at random."""
    draw = random.Random(3)  # noqa: S311 - no secret
    store, sums = MemoryStore(), {"v1": Sums(), "v2": Sums()}
    last: dict[str, Answer] = {}
    with recording() as told_of:
        for number in range(80):
            answer = an_answer_of(draw, number)
            before = last.get(answer.question.asker)
            last[answer.question.asker] = answer
            events.answer_sent(answer, before, resumed=False)
            said = words_on(draw, answer)
            for word in said:
                await store.put_feedback(word)
                await events.feedback_given(store, answer, word, {"like": "up"})  # type: ignore[arg-type]
            review = a_ruling_on(draw, answer)
            events.review_ruled(answer, review)
            mine = sums[answer.model_version]
            add_answer(mine, Known(answer, await store.feedback_on(answer.id), said, [review]), NOW)
            add_turn(mine, answer, before.answered_at if before else None)
            insights.add_all(told_of, answer)
    assert sum(one.judged.count for one in sums.values()) > 10
    for figure, of in {
        "accuracy": lambda figures: figures.accuracy.value,
        "precision": lambda figures: figures.precision.value,
        "quote_precision": lambda figures: figures.quote_precision.value,
        "satisfaction": lambda figures: figures.satisfaction,
        "ignore_rate": lambda figures: figures.ignore_rate,
        "time_on_tool": lambda figures: figures.time_on_tool_s,
    }.items():
        asked = {slice_: value for _, slice_, value, *_ in insights.ask(figure)}
        expected = {version: of(compute_figures(one)) for version, one in sums.items()}
        assert asked == pytest.approx(expected), figure
    shares = {
        slice_: (figures.answered_share, figures.quoted_share, figures.abstained_share)
        for slice_, figures in ((version, compute_figures(one)) for version, one in sums.items())
    }
    for _, slice_, _, *asked in insights.ask("kinds"):
        assert asked == pytest.approx(shares[slice_])


def an_answer_of(draw: random.Random, number: int) -> Answer:
    """Return an answer of the day before, some minutes after the last one."""
    at = NOON - timedelta(hours=11) + timedelta(minutes=10 * number + draw.choice([0, 5]))
    asker = f"p{number % 3}"
    question = replace(a_question(number), asker=asker, asked_at=at - timedelta(seconds=draw.randint(1, 9)))
    return replace(
        an_answer(question),
        answered_at=at,
        model_version=draw.choice(["v1", "v2"]),
        kind=draw.choice([AnswerKind.ANSWERED, AnswerKind.ANSWERED, AnswerKind.QUOTED, AnswerKind.DECLINED]),
        verified_by=None,
    )


def words_on(draw: random.Random, answer: Answer) -> list[Feedback]:
    """Return what up to three people say: some change their mind, some take it back, some are late."""
    words: list[Feedback] = []
    for _ in range(draw.choice([0, 1, 1, 3])):
        at = answer.answered_at + timedelta(minutes=draw.choice([1, 5, 29, 31, 90]), seconds=len(words))
        stars = str(draw.randint(1, 5))
        word = Feedback(answer.id, draw.choice("xy"), FeedbackKind.STARS, stars, trainable=True, given_at=at)
        words.append(replace(word, withdrawn_at=at) if draw.random() < 0.1 else word)
    return sorted(words, key=lambda word: word.given_at)


def a_ruling_on(draw: random.Random, answer: Answer) -> Review:
    at = answer.answered_at + timedelta(hours=draw.randint(1, 12))
    verdict = Verdict("r", "R", draw.choice(list(Ruling)), at)
    weight = draw.choice([0.0, 5.0, 20.0])
    return Review(answer.id, (), answer.answered_at, weight=weight, verdicts=(verdict,), settled_at=at)

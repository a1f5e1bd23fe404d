"""The figures of learning, against records and figures that were made by hand, in each store."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.records import (
    Answer,
    Channel,
    Feedback,
    FeedbackKind,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
    VerifiedAnswer,
)
from feedback.metrics import daily
from feedback.metrics.definitions import Sums
from feedback.metrics.learning import LEAST_REVIEWS, compute_points, measure_days, summarise
from feedback.metrics.statistics import wilson
from feedback.metrics.timeline import FEW, Bucket
from feedback.reviews.repository import ReviewRepository
from feedback.store.documents import Document
from feedback.store.sqlite import SqliteStore
from jobs.registry import Store
from jobs.roll_up_metrics import roll_up
from tests.builders.days import MONDAY, NOW, ask, settle, store
from tests.builders.records import answer, question
from tests.conftest import ROOT
from tests.processes.forked import run_askpage

__all__ = ["store"]

MINUTE = timedelta(minutes=1)


async def ask_for(store: Store, number: int, text: str, at: Any, **changes: Any) -> Answer:
    """Keep a question with these words and its answer; `channel` is the question's."""
    channel = changes.pop("channel", Channel.TEAMS)
    asked = question(number, text=text, asked_at=at, asker=f"p{number}", channel=channel)
    given = replace(answer(asked, answered_at=at), **changes)
    await store.add_question(asked)
    return await store.add_answer(given)


def served_from(ruled_at: Any) -> dict[str, Any]:
    return {"model_version": "verified", "verified_by": "r", "verified_at": ruled_at}


def thumb_down(on: Answer) -> Feedback:
    at = on.answered_at + MINUTE
    return Feedback(on.id, "p", FeedbackKind.THUMB, "dislike", trainable=True, given_at=at)


async def test_lag_and_reach_are_those_of_the_records(store: Store) -> None:
    """Two rulings of three are served: one after 60 s on Slack and then twice on Teams, one after 600 s."""
    bikes = await ask_for(store, 1, "Who pays for a bicycle?", MONDAY)
    leave = await ask_for(store, 2, "How much leave?", MONDAY)
    visa = await ask_for(store, 3, "Who pays for a visa?", MONDAY)
    silly = await ask_for(store, 4, "asdf", MONDAY)
    one, two, three, four = (MONDAY + timedelta(hours=hours) for hours in (1, 2, 3, 4))
    await settle(store, bikes, Ruling.CORRECTED, one, weight=0.0)
    await settle(store, leave, Ruling.APPROVED, two, weight=0.0)
    await settle(store, visa, Ruling.NOT_ON_PAGE, three, weight=0.0)
    await settle(store, silly, Ruling.REJECTED, four, weight=0.0)
    slack = await ask_for(
        store, 5, "WHO pays for a bicycle", one + MINUTE, channel=Channel.SLACK, **served_from(one)
    )
    await ask_for(store, 6, "Who pays my bicycle?", one + 2 * MINUTE, **served_from(one))
    wrong = await ask_for(store, 7, "Who pays for a bicycle?", one + 3 * MINUTE, **served_from(one))
    await ask_for(store, 8, "How much leave?", two + 10 * MINUTE, **served_from(two))
    await store.put_feedback(thumb_down(slack))
    taken_back = replace(thumb_down(wrong), withdrawn_at=wrong.answered_at + 2 * MINUTE)
    await store.put_feedback(taken_back)
    await settle(store, wrong, Ruling.CORRECTED, four + MINUTE, weight=0.0)
    found = await measure_days(store, ReviewRepository(store.documents), 7, NOW)
    assert (found.reviews, found.rulings, found.unserved, found.idle_count) == (5, 4, 2, 2)
    assert found.reached is not None
    assert (found.reached.value, found.reached.count) == (0.5, 4)
    assert (found.lag.count, found.lag.p50_s, found.lag.p95_s) == (2, 60.0, 600.0)
    assert {name: lag.p50_s for name, lag in found.lags.items()} == {"slack": 60.0, "msteams": 600.0}
    assert found.answers == 4
    assert found.same is not None
    assert (found.same.value, found.same.count) == (0.75, 4)
    assert (found.same.low, found.same.high) == wilson(0.75, 4)
    assert [share and share.value for share in (found.other, found.down, found.wrong)] == [0.25] * 3
    assert [(top.text, top.served and top.served.answers) for top in found.top] == [
        ("Who pays for a bicycle?", 3),
        ("How much leave?", 1),
    ]
    assert [idle.text for idle in found.idle] == ["Who pays for a bicycle?", "Who pays for a visa?"]
    assert found.kept.count == 0


async def test_the_command_says_it_in_sentences_and_as_json(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    now = datetime.now(UTC)
    hostile = "[bold]Who[/bold] pays\x1b[2J for \ud83d?"
    first = await ask_for(store, 1, hostile, now - timedelta(minutes=50))
    idle = await ask_for(store, 2, "And trains?", now - timedelta(minutes=50))
    ruled_at = now - timedelta(minutes=40)
    await settle(store, first, Ruling.CORRECTED, ruled_at, weight=0.0)
    await settle(store, idle, Ruling.CORRECTED, ruled_at + MINUTE, weight=0.0)
    await ask_for(store, 3, "Who pays?", ruled_at + 4 * MINUTE, **served_from(ruled_at))
    await store.close()
    shown = []
    for options in ([], ["--json", "--days", "2"]):
        done = run_askpage("learning", "--data-dir", str(tmp_path), *options, folder=ROOT)
        assert done.returncode == 0
        shown.append(done.stdout)
    text, found = shown[0], json.loads(shown[1])
    assert "The last 30 days: 2 reviews settled, 2 of them let an answer stand." in text
    assert "first answer that has it: median 4 min (240 s), p95 4 min (240 s), from 1." in text
    assert "first on Teams" in text
    assert "1 of 2 decisions served nobody yet" in text
    assert "in other words: 100% (95 %: 21% to 100%), of 1" in text
    assert "Points per 100 reviews: not enough to tell: only 0 answers" in text
    assert "[bold]Who[/bold]" in text
    assert "\x1b[2J" not in text
    assert (found["lag"], found["lags"]["msteams"]["count"]) == (
        {"count": 1, "p50_s": 240.0, "p95_s": 240.0},
        1,
    )
    assert [one["text"] for one in found["idle"]] == ["And trains?"]
    assert found["top"][0]["served"]["other"] == 1


async def test_where_nothing_was_ruled_on_nothing_is_known(store: Store) -> None:
    await ask(store, 1, MONDAY)
    found = await measure_days(store, ReviewRepository(store.documents), 7, NOW)
    assert (found.reviews, found.rulings, found.answers, found.lag.count) == (0, 0, 0, 0)
    assert (found.reached, found.same, found.lag.p50_s, found.points.value) == (None, None, None, None)


async def test_an_older_ruling_counts_for_reach_and_has_no_lag_in_the_span(store: Store) -> None:
    old = NOW - timedelta(days=40)
    first = await ask_for(store, 1, "Who pays?", old - MINUTE)
    await settle(store, first, Ruling.CORRECTED, old, weight=0.0)
    await ask_for(store, 2, "Who pays?", MONDAY, **served_from(old))
    found = await measure_days(store, ReviewRepository(store.documents), 7, NOW)
    assert (found.rulings, found.idle_count, found.lag.count, found.answers) == (0, 0, 0, 1)
    assert [top.text for top in found.top] == ["Who pays?"]


async def test_a_deleted_question_is_counted_and_not_named(store: Store) -> None:
    first = await ask_for(store, 1, "Who pays Ada?", MONDAY)
    await settle(store, first, Ruling.CORRECTED, MONDAY + MINUTE, weight=0.0)
    await ask_for(store, 2, "Who pays Ada?", MONDAY + 2 * MINUTE, **served_from(MONDAY + MINUTE))
    await roll_up(store, NOW)
    await store.forget_question(first.question.id)
    found = await measure_days(store, ReviewRepository(store.documents), 7, NOW)
    assert (found.answers, found.same, list(found.top), list(found.idle)) == (1, None, [], [])


async def test_how_long_a_ruling_takes_until_it_is_kept_is_known_of_what_was_written_once(
    store: Store,
) -> None:
    repository = ReviewRepository(store.documents)
    for number, (seconds, again) in enumerate(((1.5, False), (90.0, True))):
        ruled_at = MONDAY + number * MINUTE
        verified = VerifiedAnswer(f"a{number}", "?", None, "", (), (), (), True, "r", ruled_at)
        await repository.put_verified(verified)
        kept = await store.documents.get("verified", f"a{number}", f"a{number}")
        assert kept is not None
        await store.documents.remove("verified", kept.id, kept.answer_id)
        order = (ruled_at + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
        for _ in range(1 + again):
            await store.documents.put(replace(kept, order=order))
    found = await measure_days(store, repository, 7, NOW)
    assert (found.kept.count, found.kept.p50_s) == (1, 1.5)


def test_percentiles_are_values_that_were_seen() -> None:
    lag = summarise([float(value) for value in range(1, 101)])
    assert (lag.count, lag.p50_s, lag.p95_s) == (100, 50.0, 95.0)
    assert (summarise([7.0]).p50_s, summarise([]).p95_s) == (7.0, None)


# Points per 100 reviews


def buckets_of(*days: tuple[int, int]) -> list[Bucket]:
    """Return days with so many sampled answers that were right and wrong."""
    made: list[Bucket] = []
    for number, (right, wrong) in enumerate(days):
        sums = Sums()
        for is_right in [True] * right + [False] * wrong:
            sums.judged.add(5.0, right=is_right)
        made.append(Bucket(MONDAY + timedelta(days=number), {daily.Group("v", "msteams", "s"): sums}))
    return made


def test_points_are_the_slope_of_accuracy_over_reviews() -> None:
    """40 of 100 right, then 60 of 100, with 200 reviews between the middles: ten points for each hundred."""
    buckets = buckets_of((40, 60), (60, 40))
    settled = [MONDAY + timedelta(hours=1)] * 200 + [MONDAY + timedelta(days=1, hours=1)] * 200
    points = compute_points(buckets, settled)
    assert (points.judged, points.reviews) == (200, 200)
    assert points.value == pytest.approx(10.0)
    assert points.unknown is None
    (low, high), (low2, high2) = wilson(0.4, 100), wilson(0.6, 100)
    assert points.low == pytest.approx((0.2 - ((0.6 - low2) ** 2 + (high - 0.4) ** 2) ** 0.5) * 50)
    assert points.high == pytest.approx((0.2 + ((high2 - 0.6) ** 2 + (0.4 - low) ** 2) ** 0.5) * 50)


def test_of_too_few_judgements_or_reviews_no_points_are_said() -> None:
    settled = [MONDAY + timedelta(hours=1)] * 200
    few = compute_points(buckets_of((FEW - 1, 0), (FEW, 0)), settled)
    assert (few.value, few.unknown, few.judged) == (None, "few_judged", 2 * FEW - 1)
    idle = compute_points(buckets_of((FEW, 0), (FEW, 0)), settled[: 2 * LEAST_REVIEWS - 1])
    assert (idle.value, idle.unknown) == (None, "few_reviews")
    assert compute_points(buckets_of((0, 0)), []).unknown == "few_judged"


# What is summed up


async def test_days_that_an_older_version_summed_up_are_summed_up_anew(store: Store) -> None:
    first = await ask_for(store, 1, "Who pays?", MONDAY - timedelta(days=20))
    ruled_at = first.answered_at + MINUTE
    await settle(store, first, Ruling.CORRECTED, ruled_at, weight=0.0)
    await ask_for(store, 2, "Who pays?", ruled_at + MINUTE, **served_from(ruled_at))
    await roll_up(store, NOW)
    await store.documents.put(Document("rolled_up", "last", "", order=NOW.isoformat(timespec="microseconds")))
    assert await daily.read_rollup_time(store.documents) == NOW
    [day] = await daily.read_days(store.documents, ruled_at.date(), ruled_at.date())
    await daily.keep(store.documents, daily.Day(day.day, {group: Sums() for group in day.groups}))
    await roll_up(store, NOW)
    [day] = await daily.read_days(store.documents, ruled_at.date(), ruled_at.date())
    [served] = daily.select([day]).reach.rulings.values()
    assert (served.answers, served.same, served.first_at[:16]) == (1, 1, (ruled_at + MINUTE).isoformat()[:16])
    assert (await roll_up(store, NOW))["days"] == 1


async def test_a_round_that_has_begun_again_is_found_by_its_moment(store: Store) -> None:
    repository = ReviewRepository(store.documents)
    first = await ask_for(store, 1, "Who pays?", MONDAY)
    await settle(store, first, Ruling.CORRECTED, MONDAY + MINUTE)
    before = await repository.review(first.id)
    assert before is not None
    await repository.keep_round(before)
    again = Review(first.id, (ReviewReason.STALE,), NOW, round=2, version=before.version)
    assert await repository.change_review(again)
    assert await repository.find_settled(MONDAY + MINUTE) == replace(before, version=1)
    assert await repository.find_settled(MONDAY + 2 * MINUTE) is None
    verdict = Verdict("r", "R", Ruling.APPROVED, NOW)
    now = await repository.review(first.id)
    assert now is not None
    assert await repository.change_review(replace(now, verdicts=(verdict,), settled_at=NOW))
    found = await repository.find_settled(NOW)
    assert found is not None
    assert found.round == 2

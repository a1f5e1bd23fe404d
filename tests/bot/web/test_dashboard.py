"""What the dashboard shows, against figures that were computed by hand, and who may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.web.dashboard.data import Query
from bot.web.dashboard.routes import DashboardAccess
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Review,
    ReviewReason,
    Ruling,
    Timings,
)
from core.settings import Settings
from feedback.metrics import daily
from feedback.metrics.daily import WORST, Worst
from feedback.metrics.daily_cache import MOST_LIVE
from feedback.metrics.definitions import Known, add_answer
from feedback.metrics.statistics import ACCURACY, wilson
from feedback.metrics.timeline import MOST, Value, choose_step, difference, judge_tone
from feedback.privacy.retention import Retention, retain
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import StoreUnavailable
from feedback.store.documents import Wanted
from feedback.store.sqlite import SqliteStore
from jobs.roll_up_metrics import roll_up
from model.registry.versions import ModelDamaged, RolloutState
from tests.browser.dashboards import Board, Run, a_board
from tests.builders.days import ask, settle, stars
from tests.builders.records import answer, question

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = NOW.date()
TOKEN, REVIEWERS = "t" * 24, "r" * 24


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield opened
    await opened.close()


async def shown(store: Any, span: str = "auto", *, now: datetime = NOW, **chosen: str) -> dict[str, Any]:
    """Return what a reviewer sees, read anew."""
    return await Board(store, now).data().read(Query(span, **chosen), now, questions=True)


def days_ago(days: float, **more: float) -> datetime:
    return NOW - timedelta(days=days, **more)


def point(body: dict[str, Any], name: str, day: date) -> Any:
    """Return a figure's point of a day."""
    at = [datetime.fromisoformat(at).date() for at in body["at"]]
    return body["figures"][name]["points"][at.index(day)]


def thumb(on: Answer, value: str, at: datetime, giver: str = "p") -> Feedback:
    return Feedback(on.id, giver, FeedbackKind.THUMB, value, trainable=True, given_at=at)


async def long_ago(store: SqliteStore) -> None:
    """Let there be more than two days of answers, the first of them before everything that is looked at."""
    await ask(store, 9000, days_ago(300))


# Figures


async def test_where_nobody_has_asked_nothing_is_known(store: SqliteStore) -> None:
    body = await shown(store)
    assert body["range"]["name"] == "30"
    assert len(body["at"]) == 30
    figures = body["figures"]
    assert figures.pop("answers")["now"] == {"value": 0, "n": 0}
    assert {figure["now"] for figure in figures.values()} == {None}
    assert {point for figure in figures.values() for point in figure["points"]} == {None}
    assert (body["versions"], body["worst"], body["backlog"]["waiting"]) == ([], [], 0)
    assert (body["live"], body["stale"], body["as_of"]) == (True, False, None)


async def test_one_answer_is_shown_by_the_minute(store: SqliteStore) -> None:
    at = NOW - timedelta(hours=3)
    one = await ask(store, 1, at, timings=Timings(0.1, 0.5, 1.0))
    await store.put_feedback(stars(one, 4, at + timedelta(minutes=5)))
    await settle(store, one, Ruling.APPROVED, at + timedelta(minutes=9))
    body = await shown(store)
    assert (body["range"]["name"], body["range"]["step_s"], body["at"]) == (
        "hours",
        60.0,
        ["2026-11-25T09:00:00+00:00"],
    )
    figures = {name: figure["now"] for name, figure in body["figures"].items()}
    low, high = wilson(1.0, 1)
    assert figures["accuracy"] == {"value": 1.0, "n": 1, "low": low, "high": high}
    assert figures["satisfaction"] == {"value": 4.0, "n": 1}
    assert figures["answers"] == {"value": 1, "n": 1}
    assert figures["time_on_tool_s"] == {"value": 1.0, "n": 1}
    assert figures["response_p50_s"]["value"] == pytest.approx(1.0, rel=ACCURACY)
    assert figures["first_token_p95_s"]["value"] == pytest.approx(0.5, rel=ACCURACY)
    assert figures["ignore_rate"]["value"] == figures["verified_share"]["value"] == 0.0
    for figure in body["figures"].values():
        assert figure["points"] == [figure["now"]]
        assert (figure["before"], figure["tone"], figure["changed"]) in ((None, None, None),)


async def test_days_without_questions_are_gaps_and_count_as_none(store: SqliteStore) -> None:
    await long_ago(store)
    one, other = await ask(store, 1, days_ago(9)), await ask(store, 2, days_ago(3))
    await store.put_feedback(stars(one, 2, days_ago(9, minutes=-5)))
    await store.put_feedback(stars(other, 5, days_ago(3, minutes=-5)))
    await roll_up(store, NOW)
    body = await shown(store, "30")
    assert point(body, "response_p50_s", one.answered_at.date())["n"] == 1
    assert point(body, "response_p50_s", days_ago(5).date()) is None
    assert [point(body, "answers", days_ago(back).date()) for back in (9, 5, 3)] == [
        {"value": 1, "n": 1},
        {"value": 0, "n": 0},
        {"value": 1, "n": 1},
    ]
    assert point(body, "answers", days_ago(10).date()) is None, "nothing is known before the first kept day"
    by_day = {back: point(body, "satisfaction", days_ago(back).date()) for back in (10, 9, 4, 3, 2, 0)}
    assert by_day == {
        10: None,
        9: {"value": 2.0, "n": 1},
        4: {"value": 2.0, "n": 1},
        3: {"value": 3.5, "n": 2},
        2: {"value": 5.0, "n": 1},
        0: {"value": 5.0, "n": 1},
    }, "stars are those of the week until each day"
    assert body["figures"]["satisfaction"]["now"] == {"value": 3.5, "n": 2}


async def test_what_corrections_do_is_told_and_what_people_asked_only_to_reviewers(
    store: SqliteStore,
) -> None:
    await long_ago(store)
    first = await ask(store, 1, days_ago(5))
    ruled_at = days_ago(4)
    await settle(store, first, Ruling.CORRECTED, ruled_at)
    unasked = await ask(store, 2, days_ago(5))
    await settle(store, unasked, Ruling.NOT_ON_PAGE, days_ago(3))
    changes = {"model_version": "verified", "verified_by": "r", "verified_at": ruled_at}
    await ask(store, 3, ruled_at + timedelta(hours=2), **changes)
    await roll_up(store, NOW)
    learning = (await shown(store, "30"))["learning"]
    assert learning["lag"] == learning["lags"]["msteams"] == {"n": 1, "p50_s": 7200.0, "p95_s": 7200.0}
    assert (learning["reviews"], learning["unserved"], learning["idle_count"]) == (2, 1, 1)
    assert learning["other"]["n"] == learning["answers"] == 1
    assert learning["points"]["unknown"] == "few_judged"
    assert [(one["question"], one["served"]) for one in learning["top"]] == [(first.question.text, 1)]
    assert [one["question"] for one in learning["idle"]] == [unasked.question.text]
    hidden = await Board(store, NOW).data().read(Query("30"), NOW, questions=False)
    assert hidden["learning"] == learning | {"top": None, "idle": None}
    assert first.question.text not in str(hidden)
    today = (await shown(store, "hours"))["learning"]
    assert (today["rulings"], today["answers"]) == (0, 0)


async def test_accuracy_comes_from_the_sample_alone_each_for_as_many_as_it_stands_for(
    store: SqliteStore,
) -> None:
    await long_ago(store)
    rulings = [
        (Ruling.APPROVED, 2.0, False),
        (Ruling.CORRECTED, 4.0, False),
        (Ruling.APPROVED, 2.0, True),
        (Ruling.CORRECTED, 0.0, False),
        (Ruling.REJECTED, 9.0, False),
    ]
    for number, (ruling, weight, declined) in enumerate(rulings):
        one = await ask(
            store,
            number,
            days_ago(1, minutes=number),
            kind=AnswerKind.DECLINED if declined else AnswerKind.ANSWERED,
        )
        await settle(store, one, ruling, NOW, weight)
    await roll_up(store, NOW)
    figures = (await shown(store, "7"))["figures"]
    assert figures["accuracy"]["now"] == pytest.approx(
        {"value": 0.5, "n": 3, **dict(zip(("low", "high"), wilson(0.5, 64 / 24), strict=True))}
    )
    assert (figures["precision"]["now"]["value"], figures["precision"]["now"]["n"]) == (
        pytest.approx(2 / 6),
        2,
    )


async def test_a_change_is_shown_with_the_time_before_and_called_chance_where_it_may_be(
    store: SqliteStore,
) -> None:
    await long_ago(store)
    number = 0
    for back, answered, ignored in ((10, 40, 30), (2, 40, 10)):
        for one in range(answered):
            number += 1
            kept = await ask(store, number, days_ago(back, seconds=number))
            if one >= ignored:
                await store.put_feedback(thumb(kept, "like", kept.answered_at + timedelta(minutes=1)))
    await roll_up(store, NOW)
    figures = (await shown(store, "7"))["figures"]
    ignore = figures["ignore_rate"]
    assert (ignore["now"]["value"], ignore["before"]["value"], ignore["tone"]) == (0.25, 0.75, "better")
    before, now = wilson(0.75, 40), wilson(0.25, 40)
    assert ignore["changed"]["by"] == -0.5
    assert ignore["changed"]["low"] == pytest.approx(
        -0.5 - ((0.25 - now[0]) ** 2 + (before[1] - 0.75) ** 2) ** 0.5
    )
    assert (figures["response_p50_s"]["tone"], figures["liked_share"]["tone"]) == ("same", "unclear")
    assert figures["accuracy"]["tone"] is None
    assert figures["answers"]["before"] is None, "some days of the week before are not known"


def test_the_difference_of_two_shares_as_newcombe_has_it() -> None:
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    one, other = (Value(part / of, of, *wilson(part / of, of)) for part, of in ((56, 70), (48, 80)))
    assert difference(one, other) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (judge_tone("accuracy", one, other), judge_tone("ignore_rate", one, other)) == ("better", "worse")
    assert judge_tone("accuracy", Value(0.9, 70, *wilson(0.9, 70)), one) == "same", "63 of 70 may be chance"
    assert judge_tone("accuracy", Value(0.81, 100, *wilson(0.81, 100)), one) == "same"
    assert judge_tone("accuracy", replace(one, count=29), other) == "unclear"
    assert judge_tone("answers", one, other) == "same"
    assert (judge_tone("accuracy", None, other), difference(Value(1.0, 9), other)) == (None, None)


# Versions


async def test_two_versions_in_one_hour_are_told_apart_to_the_minute(store: SqliteStore) -> None:
    for number, (minute, version) in enumerate([(0, "old"), (7, "old"), (7.5, "new"), (22, "new")]):
        one = await ask(
            store, number, NOW - timedelta(hours=9) + timedelta(minutes=minute), model_version=version
        )
        await settle(store, one, Ruling.APPROVED if version == "new" else Ruling.CORRECTED, NOW)
    body = await shown(store)
    assert (body["range"]["name"], len(body["at"])) == ("hours", 23)
    old, new = body["versions"]
    assert (old["name"], old["bucket"], new["name"], new["bucket"]) == ("old", 0, "new", 7)
    assert [(bucket, count) for bucket, count in enumerate(old["answers"]) if count] == [(0, 1), (7, 1)]
    assert [(bucket, count) for bucket, count in enumerate(new["answers"]) if count] == [(7, 1), (22, 1)]
    assert (old["figures"]["accuracy"]["value"], new["figures"]["accuracy"]["value"]) == (0.0, 1.0)
    accuracy = body["figures"]["accuracy"]["points"]
    assert [accuracy[at] and (accuracy[at]["value"], accuracy[at]["n"]) for at in (0, 6, 7, 22)] == [
        (0.0, 1),
        None,
        (0.5, 2),
        (1.0, 1),
    ]


@pytest.mark.parametrize(
    ("span", "step"),
    [
        ({"minutes": 0}, 60),
        ({"minutes": 48}, 60),
        ({"hours": 4}, 300),
        ({"hours": 12}, 900),
        ({"hours": 48}, 3600),
    ],
)
def test_a_short_time_is_cut_into_short_pieces(span: dict[str, int], step: int) -> None:
    assert choose_step(timedelta(**span)).total_seconds() == step


async def test_the_last_hours_know_what_answered_before_and_what_is_new(store: SqliteStore) -> None:
    await long_ago(store)
    await ask(store, 1, days_ago(5), model_version="old")
    await ask(store, 2, days_ago(1), model_version="old")
    await ask(store, 3, days_ago(0.5), model_version="new")
    await roll_up(store, NOW)
    body = await shown(store, "hours")
    assert body["range"]["name"] == "hours"
    assert (body["at"][0], body["at"][-1]) == ("2026-11-23T12:00:00+00:00", "2026-11-25T12:00:00+00:00")
    assert [(one["name"], one["bucket"]) for one in body["versions"]] == [("old", None), ("new", 36)]
    assert body["figures"]["answers"]["now"]["value"] == 2


async def test_versions_keep_their_numbers_whatever_is_looked_at_and_the_canary_has_its_share(
    store: SqliteStore,
) -> None:
    await long_ago(store)
    for number, (back, version) in enumerate([(20, "first"), (19, "second"), (2, "second"), (1, "verified")]):
        await ask(store, number, days_ago(back), model_version=version)
    await roll_up(store, NOW)
    board = Board(store, NOW, RolloutState("second", ("first",), "third", 0.2))
    for span, names in (
        ("7", ["second", "third", "verified"]),
        ("30", ["first", "second", "third", "verified"]),
    ):
        body = await board.data().read(Query(span), NOW, questions=False)
        seen = {one["name"]: (one["number"], one["status"], one["share"]) for one in body["versions"]}
        assert list(seen) == names
        assert seen["second"] == (1, "live", 0.8)
        assert seen["third"] == (2, "canary", 0.2)
        assert seen["verified"] == (None, "reviewed", None)
    assert seen["first"] == (0, "retired", None)


async def test_a_standing_that_cannot_be_read_does_not_hide_the_figures(store: SqliteStore) -> None:
    await ask(store, 1, days_ago(0.1))

    def damaged() -> RolloutState:
        raise ModelDamaged("live.json cannot be read")

    data = Board(store, NOW).data()
    data._standing = damaged
    body = await data.read(Query(), NOW, questions=False)
    assert [(one["name"], one["status"]) for one in body["versions"]] == [("base", "candidate")]


async def test_channel_version_and_site_leave_the_others_out(store: SqliteStore) -> None:
    await long_ago(store)
    elsewhere = (Citation("https://it.example.com/vpn", "VPN", "", "words"),)
    for number, (channel, version, citations) in enumerate(
        [(Channel.TEAMS, "a", None), (Channel.SLACK, "a", elsewhere), (Channel.SLACK, "b", None)]
    ):
        at = days_ago(1, minutes=number)
        asked = question(number, asked_at=at, channel=channel)
        one = answer(asked, model_version=version, answered_at=at)
        await store.add_question(asked)
        one = await store.add_answer(replace(one, citations=citations) if citations else one)
        await store.put_feedback(stars(one, number + 1, at + timedelta(minutes=1)))
    await roll_up(store, NOW)

    async def mean(**chosen: str) -> tuple[float, int, int]:
        body = await shown(store, "7", **chosen)
        now = body["figures"]["satisfaction"]["now"]
        return now["value"], now["n"], len(body["worst"])

    assert await mean() == (2.0, 3, 2)
    assert await mean(channel="slack") == (2.5, 2, 1)
    assert await mean(version="a") == (1.5, 2, 2)
    assert await mean(site="it.example.com", channel="slack", version="a") == (2.0, 1, 1)
    body = await shown(store, "7", channel="teams")
    assert body["figures"]["answers"]["now"]["value"] == 0
    assert body["choices"] == {
        "channel": ["msteams", "slack"],
        "version": ["a", "b"],
        "site": ["example.com", "it.example.com"],
    }


# What comes late


async def test_late_feedback_is_shown_with_its_answers_day_once_the_job_has_run(store: SqliteStore) -> None:
    await long_ago(store)
    old, fresh = await ask(store, 1, days_ago(4)), await ask(store, 2, days_ago(0.2))
    await roll_up(store, days_ago(0.1))
    for one in (old, fresh):
        await store.put_feedback(stars(one, 1, NOW))
    body = await shown(store, "7")
    assert body["live"] is True
    assert point(body, "satisfaction", days_ago(4).date()) is None
    assert point(body, "satisfaction", TODAY) == {"value": 1.0, "n": 1}, "today is read from the records"
    await roll_up(store, NOW)
    body = await shown(store, "7")
    assert point(body, "satisfaction", days_ago(4).date()) == {"value": 1.0, "n": 1}
    assert body["figures"]["satisfaction"]["now"] == {"value": 1.0, "n": 2}


async def test_too_many_new_answers_wait_for_the_job_and_the_page_says_since_when(store: SqliteStore) -> None:
    await long_ago(store)
    await ask(store, 1, days_ago(3))
    await roll_up(store, days_ago(2))
    for number in range(2, MOST_LIVE + 3):
        await ask(store, number, days_ago(1, seconds=number))
    body = await shown(store, "7")
    assert (body["live"], body["stale"], body["as_of"]) == (False, True, "2026-11-23T12:00:00+00:00")
    assert body["figures"]["answers"]["now"]["value"] == 1
    await roll_up(store, NOW)
    body = await shown(store, "7", now=NOW + timedelta(hours=1))
    assert (body["stale"], body["figures"]["answers"]["now"]["value"]) == (False, MOST_LIVE + 2)


class Watched:
    """A store that counts how often it is asked for what."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.counts: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        self.counts[name] = self.counts.get(name, 0) + 1
        return getattr(self._store, name)


async def test_a_year_of_days_is_read_from_their_documents_and_not_from_their_answers(
    store: SqliteStore,
) -> None:
    for back in range(365, 0, -1):
        asked = question(back, asked_at=days_ago(back))
        one = answer(asked, answered_at=days_ago(back))
        day, bad = daily.Day(one.answered_at.date()), Worst()
        known = Known(one, [stars(one, 1 + back % 5, one.answered_at)])
        add_answer(day.find_sums(one), known, NOW)
        bad.hear(known)
        await daily.keep(store.documents, day)
        await daily.keep_worst(store.documents, day.day, bad.rated)
    await daily.mark_rolled_up(store.documents, NOW)
    watched = Watched(store)
    body = await shown(watched, "90")
    assert body["figures"]["answers"]["now"]["value"] == 89
    assert body["figures"]["satisfaction"]["before"]["n"] == 90
    assert watched.counts.pop("feedback_on", 0) == 0, "today has no answers"
    assert watched.counts["answer"] == 10, "those that are listed as the worst"
    assert watched.counts["answers_after"] <= 5 + 3, "three looks at the newest, for who asks what"


async def test_whoever_looks_again_at_once_does_not_ask_the_store_again(store: SqliteStore) -> None:
    await long_ago(store)
    await ask(store, 1, days_ago(1))
    await roll_up(store, NOW)
    watched = Watched(store)
    data = replace(Board(watched, NOW), fresh_s=60.0).data()
    await data.read(Query("30"), NOW, questions=False)
    asked = dict(watched.counts)
    for chosen in (Query("30"), Query("7"), Query("30", channel="slack")):
        await data.read(chosen, NOW, questions=False)
    assert watched.counts == asked


async def test_more_answers_than_are_read_at_once_are_shown_by_the_day(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST > 1000
    monkeypatch.setattr("feedback.metrics.timeline.MOST", 3)
    for number in range(4):
        await ask(store, number, days_ago(0.5, minutes=number))
    body = await shown(store)
    assert (body["range"]["name"], body["figures"]["answers"]["now"]["value"]) == ("30", 4)
    assert (await shown(store, "hours"))["range"]["name"] == "7"


# Beside the figures


async def test_the_worst_are_the_lowest_then_those_that_more_people_say_then_the_newest(
    store: SqliteStore,
) -> None:
    await long_ago(store)
    said: dict[str, list[tuple[str, str]]] = {
        "two ones": [("stars", "1"), ("stars", "1")],
        "an old one": [("stars", "1")],
        "a new thumb": [("thumb", "dislike")],
        "a mean of two": [("stars", "3"), ("stars", "1")],
        "a mean of three": [("thumb", "like"), ("thumb", "dislike")],
        "taken back": [("back", "1")],
    }
    for number, (text, words) in enumerate(said.items()):
        one = await ask(store, number, days_ago(3 - number / 10), text=text)
        for giver, (kind, value) in enumerate(words):
            at = one.answered_at + timedelta(minutes=1)
            if kind == "thumb":
                await store.put_feedback(thumb(one, value, at, f"g{giver}"))
            else:
                word = stars(one, int(value), at, f"g{giver}")
                await store.put_feedback(replace(word, withdrawn_at=at) if kind == "back" else word)
    await roll_up(store, NOW)
    listed = (await shown(store, "7"))["worst"]
    assert [(one["answer"], one["mean"], one["n"]) for one in listed] == [
        ("two ones", 1.0, 2),
        ("a new thumb", 1.0, 1),
        ("an old one", 1.0, 1),
        ("a mean of two", 2.0, 2),
    ]
    assert (listed[0]["stars"], listed[1]["stars"], listed[1]["dislikes"]) == (1.0, None, 1)


async def test_what_is_forgotten_or_was_taken_back_is_not_listed_any_more(store: SqliteStore) -> None:
    await long_ago(store)
    gone, sorry, left = [await ask(store, number, days_ago(2, minutes=number)) for number in (1, 2, 3)]
    for one in (gone, sorry, left):
        await store.put_feedback(stars(one, 1, days_ago(1)))
    await roll_up(store, days_ago(0.5))
    assert len((await shown(store, "7"))["worst"]) == 3
    await store.forget_question(gone.question.id)
    assert [note.id for note in await store.documents.list_documents(Wanted(WORST))] == [sorry.id, left.id]
    await store.put_feedback(stars(sorry, 5, NOW))
    await roll_up(store, NOW)
    assert [note.id for note in await store.documents.list_documents(Wanted(WORST))] == [left.id]
    assert len((await shown(store, "7"))["worst"]) == 1
    await retain(store, Retention(feedback_days=1), NOW)
    assert not await store.documents.list_documents(Wanted(WORST))


async def test_reviews_jobs_and_rulings_stand_beside_the_figures(store: SqliteStore) -> None:
    await long_ago(store)
    repository = ReviewRepository(store.documents)
    one, other = await ask(store, 1, days_ago(2)), await ask(store, 2, days_ago(1))
    for bad in (one, other):
        await store.put_feedback(stars(bad, 1, days_ago(0.5)))
    await settle(store, one, Ruling.CORRECTED, NOW)
    await repository.add_review(Review(other.id, (ReviewReason.FEW_STARS,), days_ago(1)))
    await roll_up(store, NOW)
    run = Run("roll_up_metrics", "done", "2026-11-25T12:00:00+00:00", 1.5, "2026-11-25T13:00:00+00:00")
    body = await Board(store, NOW, runs=(run,)).data().read(Query("7"), NOW, questions=True)
    assert (body["backlog"]["waiting"], body["backlog"]["oldest_s"]) == (1, 86400.0)
    assert body["backlog"]["waited"] == [None] * 6 + [1]
    assert {one["review"] for one in body["worst"]} == {"corrected", "waiting"}
    assert body["jobs"] == [
        {
            "name": "roll_up_metrics",
            "outcome": "done",
            "ended_at": "2026-11-25T12:00:00+00:00",
            "seconds": 1.5,
            "next_at": "2026-11-25T13:00:00+00:00",
            "error": "",
        }
    ]
    assert (await shown(store, "7"))["jobs"] is None


async def test_the_days_of_the_job_and_those_read_on_the_spot_are_the_same(store: SqliteStore) -> None:
    await long_ago(store)
    await ask(store, 0, days_ago(5))
    await roll_up(store, days_ago(4.5))
    for number in range(1, 20):
        one = await ask(
            store, number, days_ago(number % 3 + 0.3, minutes=number), model_version=f"v{number % 2}"
        )
        await store.put_feedback(stars(one, 1 + number % 5, one.answered_at + timedelta(minutes=number * 3)))
    on_the_spot = await shown(store, "7")
    await roll_up(store, NOW)
    summed_up = await shown(store, "7")
    for name in ("figures", "versions", "worst", "choices"):
        assert on_the_spot[name] == summed_up[name]


# Who may see it


LOCAL: dict[str, str] = {}
STRANGER = {"X-Forwarded-For": "203.0.113.7"}
REBOUND = {"Host": "rebound.example"}
OTHER_SITE = {"Sec-Fetch-Site": "cross-site"}


def bearing(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


@pytest.mark.parametrize(
    ("access", "headers", "page", "data", "questions"),
    [
        (DashboardAccess(local=True), LOCAL, 200, 200, True),
        (DashboardAccess(local=True), STRANGER, 403, 403, None),
        (DashboardAccess(local=True), REBOUND, 403, 403, None),
        (DashboardAccess(local=True), OTHER_SITE, 200, 403, None),
        (DashboardAccess(local=True), bearing(""), 200, 401, None),
        (DashboardAccess(local=True), bearing(TOKEN), 200, 401, None),
        (DashboardAccess(local=True), bearing(TOKEN, **STRANGER), 403, 403, None),
        (DashboardAccess(local=False), LOCAL, 403, 403, None),
        (DashboardAccess(local=True, token=TOKEN), LOCAL, 200, 200, True),
        (DashboardAccess(local=True, token=TOKEN), STRANGER, 200, 401, None),
        (DashboardAccess(local=True, token=TOKEN), REBOUND, 200, 401, None),
        (DashboardAccess(local=True, token=TOKEN), bearing(TOKEN, **STRANGER), 200, 200, False),
        (DashboardAccess(local=True, token=TOKEN), bearing(TOKEN), 200, 200, False),
        (DashboardAccess(local=True, token=TOKEN), bearing(TOKEN[:-1], **STRANGER), 200, 401, None),
        (DashboardAccess(local=True, token=TOKEN), bearing(REVIEWERS, **STRANGER), 200, 401, None),
        (DashboardAccess(local=True, token=TOKEN), bearing("", **STRANGER), 200, 401, None),
        (DashboardAccess(local=False, reviewers=REVIEWERS), LOCAL, 200, 401, None),
        (DashboardAccess(local=False, reviewers=REVIEWERS), bearing(REVIEWERS, **STRANGER), 200, 200, True),
        (DashboardAccess(local=False, reviewers=REVIEWERS), bearing("", **STRANGER), 200, 401, None),
        (DashboardAccess(local=False, reviewers=REVIEWERS), bearing("\u00a0", **STRANGER), 200, 401, None),
        (DashboardAccess(False, TOKEN, REVIEWERS), bearing(REVIEWERS, **REBOUND), 200, 200, True),
        (DashboardAccess(False, TOKEN, REVIEWERS), bearing(TOKEN, **REBOUND), 200, 200, False),
        (DashboardAccess(False, TOKEN, REVIEWERS), bearing("ümläut"), 200, 401, None),
    ],
)
async def test_who_may_see_what(
    store: SqliteStore,
    access: DashboardAccess,
    headers: dict[str, str],
    page: int,
    data: int,
    questions: bool | None,
) -> None:
    async with a_board(Board(store, NOW, access=access)) as url, aiohttp.ClientSession() as http:
        async with http.get(f"{url}/dashboard", headers=headers) as response:
            assert response.status == page
        async with http.get(f"{url}/dashboard/data", headers=headers) as response:
            body = await response.json()
            assert response.status == data
            assert "require-trusted-types-for 'script'" in response.headers["Content-Security-Policy"]
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        if questions is None:
            assert set(body) == {"error"}
        else:
            assert (body["worst"] is not None) is questions


async def test_its_own_files_are_served_and_no_others(store: SqliteStore) -> None:
    async with a_board(Board(store, NOW)) as url, aiohttp.ClientSession() as http:
        for name, status in (("plot.js", 200), ("chat.js", 404), ("..%2fsettings.py", 404)):
            async with http.get(f"{url}/dashboard/files/{name}") as response:
                assert response.status == status
        async with http.get(f"{url}/dashboard/data?range=31") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_request")


async def test_a_store_that_is_away_is_said_so(store: SqliteStore) -> None:
    class Away(Watched):
        async def answers_after(self, after: object, limit: int) -> object:
            raise StoreUnavailable("no way there")

    async with (
        a_board(Board(Away(store), NOW)) as url,
        aiohttp.ClientSession() as http,
        http.get(f"{url}/dashboard/data") as response,
    ):
        assert response.status == 503
        assert (await response.json())["error"]["message"] == "The store cannot be read just now."


def test_a_token_that_could_be_guessed_is_refused() -> None:
    assert Settings(dashboard_token=TOKEN).dashboard_token.get_secret_value() == TOKEN  # type: ignore[arg-type]
    for name in ("dashboard_token", "dashboard_reviewer_token"):
        with pytest.raises(ValueError, match="24 characters or more"):
            Settings(**{name: "letmein"})  # type: ignore[arg-type]

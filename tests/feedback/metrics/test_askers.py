"""People, questions that are asked often, failures and calibration, against what was counted by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from core.readers import Readers
from core.records import Answer, AnswerKind, Channel
from feedback.metrics import askers
from feedback.metrics.askers import count_people, list_top, list_unanswered, read_asked
from feedback.metrics.calibration import calibrate
from feedback.metrics.failures import FailureCounts, read_failures
from feedback.metrics.statistics import wilson
from feedback.store.base import StoreUnavailable
from feedback.store.sqlite import SqliteStore
from tests.builders.records import answer, question
from tests.builders.world import MemoryDocuments

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield opened
    await opened.close()


async def put(
    store: SqliteStore, number: int, asker: str, days: float, text: str = "", **changes: object
) -> Answer:
    at = NOW - timedelta(days=days)
    channel = Channel.SLACK if asker == "slacker" else Channel.TEAMS
    asked = question(number, asker=asker, asked_at=at, text=text or f"Number {number}?", channel=channel)
    given = replace(answer(asked), answered_at=at, **changes)  # type: ignore[arg-type]
    await store.add_question(asked)
    await store.add_answer(given)
    return given


async def test_people_are_counted_once_a_day_and_a_week_and_who_comes_back_is_known(
    store: SqliteStore,
) -> None:
    asks = [("ada", 0.1), ("ada", 0.2), ("bob", 0.1), ("ada", 3), ("cy", 6), ("bob", 20), ("cy", 40)]
    for number, (asker, days) in enumerate([*asks, ("slacker", 1), ("old", 100)]):
        await put(store, number, asker, days)
    asked = await read_asked(store, NOW)
    assert (asked.whole, len(asked.asks)) == (True, 8), "what is older than 90 days is not read"
    people = count_people(asked, lambda _: True, NOW)
    assert (people.today, people.week) == (2, 4)
    assert people.returning is not None
    low, high = wilson(2 / 4, 4)
    assert (people.returning.value, people.returning.count) == (0.5, 4), "Ada and Bob; Cy's other day is old"
    assert (people.returning.low, people.returning.high) == (low, high)
    assert people.days[NOW.date()] == 2
    assert people.days[NOW.date() - timedelta(days=3)] == 1
    in_slack = count_people(asked, lambda group: group.channel == "slack", NOW)
    assert (in_slack.today, in_slack.week, in_slack.days) == (0, 1, {NOW.date() - timedelta(days=1): 1})
    nobody = count_people(asked, lambda _: False, NOW)
    assert (nobody.week, nobody.returning) == (0, None)


async def test_of_too_many_answers_the_newest_are_read_and_the_rest_is_said_to_be_missing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(askers, "MOST_READ", 3)
    for number in range(6):
        await put(store, number, f"p{number}", 6 - number)
    asked = await read_asked(store, NOW)
    assert ([one.asker for one in asked.asks], asked.whole) == (["p3", "p4", "p5"], False)
    days = count_people(asked, lambda _: True, NOW).days
    assert NOW.date() - timedelta(days=3) not in days, "of that day more may have been left out"
    assert days[NOW.date() - timedelta(days=2)] == 1


async def test_questions_are_grouped_by_their_words_and_what_was_declined_is_listed(
    store: SqliteStore,
) -> None:
    declined = AnswerKind.DECLINED
    await put(store, 1, "ada", 3, "How do I park?", kind=declined)
    await put(store, 2, "bob", 2, "how do i park", kind=declined)
    last = await put(store, 3, "bob", 1, "How do I park??")
    await put(store, 4, "cy", 1, "Where is the canteen?")
    await put(store, 5, "cy", 1, "May I fly?", kind=declined)
    asked = await read_asked(store, NOW)
    top = list_top(asked.asks)
    assert (top[0].count, top[0].people) == (3, 2)
    assert dict(top[0].kinds) == {"declined": 2, "answered": 1}
    assert (top[0].text, top[0].answer_id) == ("How do I park??", last.id)
    assert [one.text for one in list_unanswered(asked.asks)] == ["How do I park??", "May I fly?"]
    assert list_top([]) == list_unanswered([]) == []


async def test_what_closed_pages_answered_is_counted_apart_and_files_are_in_no_list(
    store: SqliteStore,
) -> None:
    closed = replace(answer(question()).passages[0], readers=Readers(frozenset({"entra:group:hr"})))
    await put(store, 1, "ada", 3, "Who gets a bonus?", passages=(closed,))
    await put(store, 2, "bob", 2, "who gets a bonus", kind=AnswerKind.DECLINED, passages=(), citations=())
    about_file = question(3, asker="cy", asked_at=NOW, text="What is in it?", page_url="/file/1")
    await store.add_question(about_file)
    await store.add_answer(replace(answer(about_file), answered_at=NOW))
    asked = await read_asked(store, NOW)
    of_file = asked.asks[-1]
    assert of_file.from_file
    found = list_top(asked.asks, lambda pages: any(readers.restricted for _, readers in pages))
    assert [(one.text, one.count, one.is_closed) for one in found] == [
        ("who gets a bonus", 1, False),
        ("Who gets a bonus?", 1, True),
    ]
    [declined] = list_unanswered(asked.asks)
    assert not declined.is_closed
    assert "What is in it?" not in repr([*found, declined])


async def test_failures_are_counted_by_day_channel_and_reason() -> None:
    documents = MemoryDocuments()
    counts = FailureCounts(documents)
    in_slack = question(1, channel=Channel.SLACK)
    for asked, reason in ((question(1), "busy"), (question(2), "busy"), (in_slack, "too_slow")):
        await counts.count(asked, reason)
    await documents.count("failure", "2020-01-01|msteams|busy")
    today = datetime.now(UTC).date()
    assert await read_failures(documents, today, today) == {"busy": 2, "too_slow": 1}
    assert await read_failures(documents, today, today, "slack") == {"too_slow": 1}
    assert await read_failures(documents, date(2020, 1, 1), date(2020, 1, 2)) == {"busy": 1}
    documents.refused.add("failure")
    await counts.count(question(3), "busy")  # the store is away: nobody waits for a count
    with pytest.raises(StoreUnavailable):
        await documents.count("failure", "x")


def test_a_bot_that_is_right_as_often_as_it_is_sure_has_no_gap() -> None:
    sure = [(0.75, True)] * 3 + [(0.75, False)] + [(0.25, True)] + [(0.25, False)] * 3
    found = calibrate(sure)
    assert (found.judged, found.gap) == (8, 0.0)
    assert found.brier == pytest.approx(0.1875)
    assert [(one.begin, one.right.count, one.right.value) for one in found.bins] == [
        (0.2, 4, 0.25),
        (0.6, 4, 0.75),
    ]
    boastful = calibrate([(1.0, False), (1.0, True)])
    assert (boastful.gap, boastful.brier) == (0.5, 0.5)
    assert calibrate([]).gap is None

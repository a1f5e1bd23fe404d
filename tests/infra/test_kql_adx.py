"""Data Explorer: its tables as the script makes them, its queries on rows with figures computed by hand.

Microsoft's parser checks commands and queries against the tables of the very script; DuckDB runs the update
policies' functions and the queries (tests/infra/test_kql.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.telemetry.vocabulary import EVENTS
from tests.builders.queries import ADX_FOLDER, FUNCTIONS, NOW, SCRIPT, TABLES, Explorer, columns, problems

QUERIES = sorted(path for path in ADX_FOLDER.glob("*.kql") if path.stem != "tables")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime(2026, 11, 25)  # noqa: DTZ001 - as DuckDB returns it


@pytest.fixture
def explorer() -> Explorer:
    return Explorer()


# The script


def commands() -> list[str]:
    return [part for part in re.split(r"\n\s*\n(?=\.)", SCRIPT) if part.startswith(".")]


def test_the_script_is_commands_that_microsofts_parser_knows() -> None:
    assert len(commands()) == SCRIPT.count("\n.") == 22
    wrong = {"a": ".create-merge tabel Told (a: string)", "b": ".alter table Told policy"}
    found = problems({**{str(number): one for number, one in enumerate(commands())}, **wrong}, TABLES)
    assert found.pop("a")
    assert found.pop("b")
    assert not {commands()[int(number)][:60]: each for number, each in found.items() if each}


def test_queries_and_functions_are_valid_on_the_scripts_tables() -> None:
    texts = {path.name: path.read_text("utf-8") for path in QUERIES} | FUNCTIONS
    assert len(texts) == 11 + 6
    found = problems({**texts, "wrong": "Answers | where secnds > 1"}, TABLES)
    assert found.pop("wrong")
    assert found == {name: [] for name in texts}


def test_policies_and_mappings_name_what_is_there() -> None:
    updated = re.findall(r"table (\w+) policy update '(.*)'", SCRIPT)
    assert {table for table, _ in updated} == set(TABLES) - {"Told"}
    for _, policy in updated:
        [one] = json.loads(policy)
        assert one["Source"] == "Told"
        assert one["Query"].removesuffix("()") in FUNCTIONS
    [(table, mapping)] = re.findall(r"table (\w+) ingestion json mapping \"told\" '(.*)'", SCRIPT)
    assert [one["column"] for one in json.loads(mapping)] == [*columns(table)]


def test_tables_have_what_events_tell() -> None:
    events = dict(re.findall(r"(\w+)\(\) \{\n\s+Told\n\s+\| where name == \"(\w+)\"", SCRIPT))
    assert set(events) == set(FUNCTIONS)
    for function, event in events.items():
        read = set(re.findall(r'(?:words|numbers)\["(\w+)"\]', FUNCTIONS[function]))
        assert read <= set(EVENTS[event].properties), event
        assert read | {"timestamp", "record", "revised"} == set(columns(function.removesuffix("Of")))


def test_what_is_told_is_spread_over_the_tables(explorer: Explorer) -> None:
    known = {"answer": "a", "channel": "slack", "language": "en", "site": "other", "model_version": "v1"}
    kinds = {"answer_kind": "declined", "abstained": True, "confidence": 0.25}
    used = {"tokens_read": 800, "tokens_cached": 500, "tokens_written": 40}
    explorer.tell(
        "answer_sent", NOW, **known, **kinds, verified=False, seconds=2.5, search_version="shipped", **used
    )
    explorer.tell("verified_served", NOW, **known, reviewed="r", age_seconds=3600.0)
    explorer.tell(
        "feedback_given", NOW, **known, kind="stars", value="4", stars=4, starred=1, late_seconds=60.0
    )
    explorer.tell("review_ruled", NOW, **known, ruling="approved", weight=20.0, round=1, seconds=9.0)
    explorer.tell("answer_failed", NOW, channel="slack", language="en", reason="busy", seconds=0.1)
    explorer.tell("store_away", NOW)
    explorer.spread()
    at = NOW.replace(tzinfo=None)
    every = {table: explorer.connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608
    [answer] = every["Answers"]
    assert answer[:9] == (at, "a", "slack", "en", "other", "v1", True, False, 2.5)
    assert answer[9:] == (*[None] * 5, "declined", 0.25, "shipped", 800, 500, 40)
    assert every["Served"] == [(at, "a", "slack", "en", "other", "r", 3600.0, None, None)]
    [word] = every["Words"]
    assert word[:7] == (at, "a", "v1", "stars", "4", False, 60.0)
    assert word[7:9] == (4.0, 1)
    assert every["Rulings"] == [(at, "a", "v1", False, "approved", 20.0, 1, 9.0, None, None, "")]
    assert every["Failures"] == [(at, "slack", "en", "busy", 0.1, None, None)]


# The queries


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_where_nothing_was_told_there_is_nothing(path: Any, explorer: Explorer) -> None:
    rows = explorer.ask(path.stem)
    if path.stem == "months":
        assert len(rows) == 13
        assert {row[2] for row in rows} == {0}
        assert {row[6] for row in rows} == {None}
    else:
        assert rows == []


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_one_answer_is_nothing_unusual(path: Any, explorer: Explorer) -> None:
    explorer.answer("a", TODAY - DAY)
    rows = explorer.ask(path.stem)
    if path.stem == "months":
        assert [row for row in rows if row[2]] == [(datetime(2026, 11, 1), "v1", 1, 1.0, 1.0, 0, None)]  # noqa: DTZ001
    elif path.stem == "kind_months":
        assert [row[1:7] for row in rows] == [("v1", 1, 1.0, 0.0, 0.0, None)]
    elif path.stem == "busy_days":
        assert [(row[0], row[1], row[2]) for row in rows] == [(TODAY - DAY, 1.0, 0.0)], (
            "one where there were none"
        )
    else:
        assert rows == []


def test_months_keep_their_answers_however_late_they_are_judged(explorer: Explorer) -> None:
    august = datetime(2026, 8, 31, 23)  # noqa: DTZ001
    for number, seconds in enumerate((1.0, 2.0, 30.0)):
        explorer.answer(f"a{number}", august, seconds)
    explorer.answer("a0", august + 2 * DAY, 99.0)  # told again in another month
    explorer.answer("b", august, 5.0, "v2")
    late = august + 60 * DAY
    explorer.put("Rulings", timestamp=late, answer="a0", ruling="corrected", weight=20.0)
    explorer.put("Rulings", timestamp=late + HOUR, answer="a0", ruling="approved", weight=20.0)
    explorer.put("Rulings", timestamp=late, answer="a1", ruling="corrected", weight=5.0)
    explorer.put("Rulings", timestamp=late, answer="a2", ruling="rejected", weight=5.0)
    rows = [row for row in explorer.ask("months") if row[2]]
    month = datetime(2026, 8, 1)  # noqa: DTZ001
    assert rows == [(month, "v1", 3, 2.0, 30.0, 2, 0.8), (month, "v2", 1, 5.0, 5.0, 0, None)]


def day_by_day(explorer: Explorer, seconds: Callable[[int], float], days: int = 30) -> None:
    for ago in range(1, days + 1):
        explorer.answer(f"a{ago}", TODAY - ago * DAY + 9 * HOUR, seconds(ago))


def test_a_slow_day_stands_out_by_the_median_and_not_by_itself(explorer: Explorer) -> None:
    """1.0 to 1.6 in turns, and one of 60 s: a mean and its deviation would hide others behind it."""
    day_by_day(explorer, lambda ago: 60.0 if ago == 10 else 3.5 if ago == 20 else 1.0 + (ago % 7) / 10)
    rows = explorer.ask("slow_days")
    assert [row[0] for row in rows] == [TODAY - 20 * DAY, TODAY - 10 * DAY]
    [(_, p95, middle, score, answers), _] = rows
    values = sorted([1.0 + (ago % 7) / 10 for ago in range(1, 31) if ago not in {10, 20}] + [3.5, 60.0])
    assert middle in {values[14], values[15]}
    mad = sorted(abs(value - middle) for value in values)
    assert score == pytest.approx(0.6745 * (3.5 - middle) / mad[14], rel=0.02)
    assert (p95, answers) == (3.5, 1)


def test_equal_days_are_usual_and_one_that_differs_from_equals_is_not(explorer: Explorer) -> None:
    day_by_day(explorer, lambda _: 2.0)
    assert explorer.ask("slow_days") == []
    explorer.answer("x", TODAY - 40 * DAY, 9.0)
    [(day, _, middle, score, _)] = explorer.ask("slow_days")
    assert (day, middle) == (TODAY - 40 * DAY, 2.0)
    assert score == pytest.approx(7 / (1.253314 * 7 / 31))


def test_six_days_are_too_few_to_tell(explorer: Explorer) -> None:
    day_by_day(explorer, lambda ago: 60.0 if ago == 1 else 1.0 + ago / 10, days=6)
    assert explorer.ask("slow_days") == []


def test_a_quiet_sunday_is_usual_a_quiet_tuesday_is_not(explorer: Explorer) -> None:
    quiet = TODAY - DAY  # a Tuesday
    assert quiet.weekday() == 1
    for ago in range(1, 80):
        day = TODAY - ago * DAY
        for number in range(0 if day.weekday() >= 5 or day == quiet else 20 + ago % 3):
            explorer.answer(f"{ago}-{number}", day + number * timedelta(minutes=1))
            if number < 3:
                explorer.answer(f"{ago}-{number}", day + HOUR)  # told again
    rows = [row for row in explorer.ask("busy_days") if row[0] > TODAY - 80 * DAY]
    assert [(row[0], row[1]) for row in rows] == [(quiet, 0.0)]
    assert rows[0][3] < -3.5


def test_how_late_words_come(explorer: Explorer) -> None:
    month = datetime(2026, 10, 1)  # noqa: DTZ001
    for number, late in enumerate((60.0, 1800.0, 3600.0, 3 * 86400.0, 20 * 86400.0)):
        at = month + 3 * DAY
        explorer.answer(f"a{number}", at)
        explorer.put(
            "Words",
            timestamp=at + timedelta(seconds=late),
            answer=f"a{number}",
            value="like",
            late_seconds=late,
        )
    explorer.put(
        "Words", timestamp=month + 30 * DAY, answer="a0", value="like", late_seconds=2e6
    )  # a second word
    explorer.answer("silent", month)
    explorer.answer("stopped", month)
    explorer.put("Words", timestamp=month, answer="stopped", value="abandoned", late_seconds=0.0)
    [(which, spoken, soon, in_a_day, in_a_week, later)] = explorer.ask("late_words")
    assert (which, spoken) == (month, 5)
    assert (soon, in_a_day, in_a_week, later) == pytest.approx((0.4, 0.6, 0.8, 0.2))


def test_two_versions_are_compared_in_the_hours_that_they_share(explorer: Explorer) -> None:
    noon = TODAY - 5 * DAY + 12 * HOUR
    for number in range(4):
        explorer.answer(f"a{number}", noon, 2.0)
        explorer.answer(f"c{number}", noon + HOUR, 100.0)  # an hour without the other version
    for number in range(2):
        kind = {"abstained": True, "answer_kind": "declined"} if number else {"answer_kind": "quoted"}
        explorer.answer(f"b{number}", noon + timedelta(minutes=59), 5.0, "v2", **kind)
    explorer.answer("a9", noon + 2 * HOUR, 1.0)
    explorer.answer("b9", noon + 2 * HOUR, 1.0, "v2")
    explorer.answer("verified", noon, 0.1, "verified", verified=True)
    [(version, other, hours, slower, declines, quotes)] = explorer.ask("side_by_side")
    assert (version, other, hours) == ("v1", "v2", 2)
    assert slower == pytest.approx((2 * 3.0 + 1 * 0.0) / 3)
    assert declines == quotes == pytest.approx((2 * 0.5 + 0.0) / 3)


def test_months_of_kinds_with_how_sure_and_how_right_each_was(explorer: Explorer) -> None:
    month = datetime(2026, 9, 1)  # noqa: DTZ001
    kinds = [("answered", 0.9), ("answered", 0.7), ("quoted", 0.4), ("declined", None)]
    for number, (kind, confidence) in enumerate(kinds):
        known = {"answer_kind": kind, "confidence": confidence, "abstained": kind == "declined"}
        explorer.answer(f"a{number}", month + 3 * DAY, **known)
        explorer.answer(f"a{number}", month + 33 * DAY, **known)  # told again
    explorer.answer("before there were quotations", month, version="v0")
    explorer.answer("declined before", month, version="v0", abstained=True, answer_kind="")
    explorer.answer("a reviewer's", month, version="v1", verified=True)
    late = month + 60 * DAY
    for answer, ruling, weight in (
        ("a0", "approved", 20.0),
        ("a1", "corrected", 5.0),
        ("a2", "approved", 5.0),
    ):
        explorer.put("Rulings", timestamp=late, answer=answer, ruling=ruling, weight=weight)
    [old, new] = explorer.ask("kind_months")
    assert old == (month, "v0", 2, 0.5, 0.0, 0.5, None, None, None)
    assert new == (month, "v1", 4, 0.5, 0.25, 0.25, pytest.approx(2 / 3), 0.8, 1.0)


def test_a_day_on_which_most_was_declined_stands_out_among_months(explorer: Explorer) -> None:
    """Each day has 20 answers, of which 2 or 3 are declined and 5 quoted; on one a page was gone."""
    gone = TODAY - 12 * DAY
    for ago in range(1, 61):
        day = TODAY - ago * DAY
        declined = 15 if day == gone else 2 + ago % 2
        for number in range(20):
            kind = "declined" if number < declined else "quoted" if number >= 15 else "answered"
            known = {"answer_kind": kind, "abstained": kind == "declined"}
            explorer.answer(f"{ago}-{number}", day + number * timedelta(minutes=20), **known)
    explorer.answer("alone", TODAY - 70 * DAY, abstained=True, answer_kind="declined")
    [(day, kind, share, middle, score, answers)] = explorer.ask("odd_kinds")
    assert (day, kind, share, answers) == (gone, "declined", 0.75, 20)
    assert middle in {0.1, 0.15}
    assert score > 3.5


def test_how_long_rulings_took_to_reach_somebody_month_by_month(explorer: Explorer) -> None:
    """Of September's rulings one was got after 2 h (and 9 h), one after 30 days; one was none."""
    month = datetime(2026, 9, 10)  # noqa: DTZ001
    for answer, ruling in (("a", "corrected"), ("b", "approved"), ("c", "approved"), ("d", "rejected")):
        explorer.put("Rulings", timestamp=month, answer=answer, ruling=ruling, weight=1.0)
    explorer.put("Rulings", timestamp=month - 9 * DAY, answer="a", ruling="approved", weight=1.0)
    explorer.put("Rulings", timestamp=TODAY, answer="young", ruling="approved", weight=1.0)
    served = (("a", -1), ("a", 2), ("a", 9), ("b", 30 * 24), ("d", 1))
    for number, (reviewed, hours) in enumerate(served):
        at = month + hours * HOUR
        explorer.put("Served", timestamp=at, answer=f"s{number}", reviewed=reviewed, age_seconds=0.0)
    rows = explorer.ask("lag_months")
    assert rows == [
        (datetime(2026, 9, 1), 3, 2, 2.0, 720.0),  # noqa: DTZ001
        (datetime(2026, 11, 1), 1, 0, None, None),  # noqa: DTZ001
    ]


def test_how_far_rulings_reached_month_by_month(explorer: Explorer) -> None:
    month = datetime(2026, 10, 1)  # noqa: DTZ001
    for number, (reviewed, days) in enumerate((("a", 1), ("a", 2), ("a", 5), ("b", 9))):
        at = month + number * DAY
        row = {"answer": f"s{number}", "reviewed": reviewed, "age_seconds": days * 86400.0}
        explorer.put("Served", timestamp=at, **row)
        explorer.put("Served", timestamp=at + 40 * DAY, **row)  # told again
        explorer.answer(f"s{number}", at, verified=True)
    for number in range(12):
        explorer.answer(f"other {number}", month)
    assert explorer.ask("reach_months") == [(month, 4, 2, 2.0, 3, 9.0, 0.25)]


def test_months_of_search_heads(explorer: Explorer) -> None:
    month, head = datetime(2026, 10, 1), "head-0123456789ab"  # noqa: DTZ001
    kinds = (("answered", 0.9), ("quoted", 0.5), ("declined", 0.1), ("answered", None))
    for number, (kind, confidence) in enumerate(kinds):
        known = {"answer_kind": kind, "confidence": confidence, "abstained": kind == "declined"}
        explorer.answer(f"a{number}", month + DAY, search_version=head, **known)
        explorer.answer(f"a{number}", month + 40 * DAY, search_version=head, **known)  # told again
    explorer.answer("s", month, search_version="shipped", answer_kind="declined", abstained=True)
    explorer.answer("older", month, answer_kind="answered")
    explorer.answer("a reviewer's", month, search_version=head, answer_kind="answered", verified=True)
    for answer, ruling, weight in (("a0", "approved", 3.0), ("a1", "corrected", 1.0)):
        explorer.put("Rulings", timestamp=month + 9 * DAY, answer=answer, ruling=ruling, weight=weight)
    assert explorer.ask("head_months") == [
        (month, head, 4, 0.5, 0.25, 0.25, pytest.approx(0.5), 0.75),
        (month, "shipped", 1, 0.0, 0.0, 1.0, None, None),
    ]


def test_a_day_on_which_the_bot_was_unsure_stands_out_among_months(explorer: Explorer) -> None:
    unsure = TODAY - 9 * DAY
    for ago in range(1, 41):
        day = TODAY - ago * DAY
        for number in range(20):
            sure = 0.2 if day == unsure else 0.7 + (ago % 5) / 50
            explorer.answer(f"{ago}-{number}", day + number * HOUR / 2, confidence=sure)
            explorer.answer(f"v{ago}-{number}", day, confidence=0.0, verified=True)
    explorer.answer("alone", TODAY - 60 * DAY, confidence=0.01)
    [(day, confidence, middle, score, answers)] = explorer.ask("odd_confidence")
    assert (day, answers) == (unsure, 20)
    assert confidence == pytest.approx(0.2)
    assert middle == pytest.approx(0.74)
    assert score < -3.5

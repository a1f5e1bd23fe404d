"""When jobs are due: cron expressions in a time zone, what was missed, and what no expression is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from core.settings import Settings
from feedback.store.base import moment
from feedback.store.job_runs import JobRun
from jobs.scheduling.schedule import Schedule, ScheduleInvalid, read_schedule

WEDNESDAY = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def due(expression: str, after: datetime = WEDNESDAY, timezone: str = "UTC") -> str:
    found = Schedule({"job": expression}, timezone).next_after("job", after)
    assert found is not None
    return found.strftime("%a %Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", "Thu 2026-11-26 02:30"),
        ("*/15 * * * *", "Wed 2026-11-25 12:15"),
        ("0 12 * * *", "Thu 2026-11-26 12:00"),  # not the moment itself
        ("5,35 8-18 * * mon-fri", "Wed 2026-11-25 12:05"),
        ("0 0 1 * *", "Tue 2026-12-01 00:00"),
        ("0 0 * jan *", "Fri 2027-01-01 00:00"),
        ("0 6 * * 0", "Sun 2026-11-29 06:00"),
        ("0 6 * * 7", "Sun 2026-11-29 06:00"),
        ("0 6 * * 1", "Mon 2026-11-30 06:00"),
        ("0 6 * * 5-7", "Fri 2026-11-27 06:00"),
        ("0 6 * * SAT-MON", "Sat 2026-11-28 06:00"),
        ("0 6 * * */3", "Sat 2026-11-28 06:00"),  # of 0, 3 and 6, and Wednesday's six is over
        ("0 6 * * 1-5/2", "Fri 2026-11-27 06:00"),
        ("0 6 * * 2,4", "Thu 2026-11-26 06:00"),
    ],
)
def test_a_cron_expression_means_what_cron_says(expression: str, expected: str) -> None:
    assert due(expression) == expected


def test_the_hour_is_that_of_the_time_zone_also_when_the_clocks_change() -> None:
    assert due("0 9 * * *", timezone="Europe/Berlin") == "Thu 2026-11-26 08:00"
    assert due("0 9 * * *", datetime(2026, 7, 1, tzinfo=UTC), "Europe/Berlin") == "Wed 2026-07-01 07:00"
    spring = datetime(2027, 3, 27, 12, tzinfo=UTC)  # the next night has no half past two
    assert due("30 2 * * *", spring, "Europe/Berlin") == "Sun 2027-03-28 01:30"
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the next night has two
    assert due("30 2 * * *", autumn, "Europe/Berlin") == "Sun 2026-10-25 00:30"
    assert due("30 2 * * *", autumn + timedelta(hours=12.5), "Europe/Berlin") == "Mon 2026-10-26 01:30"
    assert due("30 * * * *", autumn + timedelta(hours=12.5), "Europe/Berlin") == "Sun 2026-10-25 01:30"


# Clocks that change at midnight, at one, at two, at three, by half an hour, in the other half of the year.
ZONES = [
    "Africa/Cairo",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "Asia/Beirut",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Berlin",
]


def list_changes(zone: ZoneInfo, year: int = 2026) -> list[date]:
    """Return the days on which the clocks change."""
    noons = [datetime(year, 1, 1, 12, tzinfo=zone) + timedelta(days=day) for day in range(365)]
    return [noon.date() for before, noon in pairwise(noons) if before.utcoffset() != noon.utcoffset()]


def list_runs(expression: str, zone: ZoneInfo, first: date, last: date) -> list[datetime]:
    """Return all moments from the beginning of a day to the end of another one."""
    schedule = Schedule({"job": expression}, zone.key)
    time = datetime.combine(first, datetime.min.time(), zone).astimezone(UTC) - timedelta(seconds=1)
    runs: list[datetime] = []
    while (time := schedule.next_after("job", time) or time).astimezone(zone).date() <= last:
        runs.append(time)
    return runs


@pytest.mark.parametrize("expression", ["0 0 * * *", "30 0 * * *", "0 1 * * *", "15 2 * * *", "59 23 * * *"])
@pytest.mark.parametrize("name", ZONES)
def test_every_day_has_its_run_also_when_the_clocks_change(expression: str, name: str) -> None:
    zone = ZoneInfo(name)
    changes = list_changes(zone)
    assert changes
    for change in changes:
        first = change - timedelta(days=2)
        runs = list_runs(expression, zone, first, change + timedelta(days=2))
        assert [run.astimezone(zone).date() for run in runs] == [first + timedelta(days=n) for n in range(5)]


@pytest.mark.parametrize("name", ZONES)
def test_what_is_due_every_hour_goes_on_when_the_clocks_change(name: str) -> None:
    zone = ZoneInfo(name)
    for change in list_changes(zone):
        runs = list_runs("0 * * * *", zone, change - timedelta(days=1), change + timedelta(days=1))
        assert max(later - run for run, later in pairwise(runs)) <= timedelta(hours=1.5)  # at Lord Howe
        assert len(runs) >= 71


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nightly", "it has 1 fields"),
        ("61 * * * *", "61"),
        ("0 0 * * * *", "it has 6 fields"),
        ("0 6 * * 8", "no day of the week"),
        ("0 6 * * mondays", "no day of the week"),
        ("0 6 * * 1-", "no day of the week"),
        ("0 0 30 2 *", "never comes"),
        ("a b c d e", "no cron expression"),
    ],
)
def test_what_is_no_expression_is_a_sentence_that_names_the_setting(expression: str, why: str) -> None:
    with pytest.raises(ScheduleInvalid, match=r"^schedule_roll_up_metrics: ") as refused:
        read_schedule(Settings(schedule_roll_up_metrics=expression))
    assert why in str(refused.value)


@pytest.mark.parametrize("name", ["Mars", "", "../etc/passwd"])
def test_what_is_no_time_zone_is_a_sentence(name: str) -> None:
    with pytest.raises(ScheduleInvalid, match="no time zone"):
        read_schedule(Settings(timezone=name))


def test_an_empty_expression_switches_a_job_off() -> None:
    schedule = read_schedule(Settings(schedule_roll_up_metrics=""))
    assert "roll_up_metrics" not in schedule.names
    assert schedule.next_after("roll_up_metrics", WEDNESDAY) is None
    assert not schedule.is_due(JobRun("roll_up_metrics", known_since="2020-01-01T00:00:00+00:00"), WEDNESDAY)


def test_a_run_is_due_once_its_time_has_passed_since_the_last_one_that_ended() -> None:
    schedule = Schedule({"job": "0 2 * * *"})

    def is_due(**run: str) -> bool:
        return schedule.is_due(JobRun("job", **run), WEDNESDAY)  # type: ignore[arg-type]

    yesterday, today = moment(datetime(2026, 11, 24, 2, 0, 1, tzinfo=UTC)), moment(WEDNESDAY)
    assert not is_due()  # no schedule ever had it
    assert is_due(known_since=yesterday)
    assert not is_due(known_since=today)
    assert is_due(known_since="2020-01-01T00:00:00+00:00", covers=yesterday)
    assert not is_due(known_since=yesterday, covers=moment(datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)))
    assert not is_due(known_since=yesterday, covers=today)

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# APScheduler is untyped.
"""When jobs are due: cron expressions of the settings, as APScheduler reads them, in the settings' time zone.

    minute  hour  day of the month  month  day of the week

Weekdays are as in cron: 0 and 7 are Sunday, or names (mon-fri). A day of the month and a day of the week must
both hold, which differs from cron. When the clocks change, every day keeps its run: what falls into the hour
that is left out runs an hour later (earlier, where that is the next day already), and what falls into the
hour that comes twice runs the first time only, but for an expression of every hour ("*"), which goes on in
the second, too.

    ScheduleInvalid   a setting that is no such expression; the message is a sentence
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from core.settings import Settings
from feedback.store.job_runs import JobRun

PREFIX = "schedule_"
_FIELDS = ("minute", "hour", "day", "month", "weekday")
_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TICK = timedelta(microseconds=1)
_LONGEST_CHANGE = timedelta(hours=3)
"""No clocks were put forward or back by more, days that an island skipped apart."""
_DAYS = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>[1-9]\d*))?")


class ScheduleInvalid(Exception):
    """A schedule of the settings says nothing that can be followed."""


class WallClock(BaseTrigger):
    """A cron expression, read on a clock on the wall of a time zone.

    APScheduler's own trigger counts in the zone itself, and leaves a day out where its midnight does not
    exist or the clocks change behind it.
    """

    def __init__(self, hands: CronTrigger, zone: ZoneInfo, *, is_hourly: bool) -> None:
        """`hands` count on a clock that never changes (UTC)."""
        self._hands = hands
        self._zone = zone
        self._is_hourly = is_hourly

    def get_next_fire_time(  # pyright: ignore[reportIncompatibleMethodOverride] - untyped there
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Return the first moment after the previous one, or from `now` on where there was none."""
        after = previous_fire_time or now - _TICK
        wall = after.astimezone(self._zone).replace(tzinfo=UTC) - _LONGEST_CHANGE
        found: datetime | None = None
        while shown := self._hands.get_next_fire_time(None, wall + _TICK):
            wall = cast("datetime", shown)
            if found and wall.replace(tzinfo=self._zone) > found.astimezone(self._zone) + _LONGEST_CHANGE:
                break
            found = min((one for one in (found, *self._moments(wall)) if one and one > after), default=None)
        return found

    def _moments(self, wall: datetime) -> list[datetime]:
        """Return when the clock shows this; in an hour that is left out, when it would have.

        Where that is the next day already, it is as long before: every day keeps its run.
        """
        first = wall.replace(tzinfo=self._zone).astimezone(UTC)
        second = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        day, dates = wall.date(), [one.astimezone(self._zone).date() for one in (first, second)]
        if dates[0] > day == dates[1]:
            return [second]
        return [first, second] if self._is_hourly and second > first else [first]


class Schedule:
    """When which job is due."""

    def __init__(self, expressions: Mapping[str, str], timezone: str = "UTC") -> None:
        """`expressions` by job; an empty one is never due. Raises ScheduleInvalid."""
        zone = _zone(timezone)
        self.triggers = {
            name: _trigger(name, expression, zone) for name, expression in expressions.items() if expression
        }

    @property
    def names(self) -> list[str]:
        """The jobs that are ever due."""
        return list(self.triggers)

    def next_after(self, name: str, time: datetime) -> datetime | None:
        """Return when a job is due after a time; None for never."""
        if name not in self.triggers:
            return None
        due = self.triggers[name].get_next_fire_time(None, time + _TICK)
        return due.astimezone(UTC) if due else None

    def is_due(self, run: JobRun, now: datetime) -> bool:
        """Tell whether a job should have run since its last run.

        One that the schedule never met is not due.
        """
        if not run.since:
            return False
        due = self.next_after(run.name, datetime.fromisoformat(run.since))
        return due is not None and due <= now


def read_schedule(settings: Settings) -> Schedule:
    """Return the schedule that the settings say. Raises ScheduleInvalid."""
    expressions = dict(settings.schedule.values())
    if not settings.cosmos.endpoint:
        expressions["drain_spool"] = ""  # nothing ever waits for a file
    if not settings.data_explorer.uri:
        expressions["send_to_data_explorer"] = ""  # a process every hour, for nothing
    return Schedule(expressions, settings.timezone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleInvalid(
            f"timezone: “{name}” is no time zone; write one like Europe/Berlin, or UTC."
        ) from error


def _trigger(name: str, expression: str, zone: ZoneInfo) -> WallClock:
    try:
        trigger = _read(expression.lower().split(), zone)
    except ValueError as error:
        raise ScheduleInvalid(
            f"{PREFIX}{name}: “{expression}” is no cron expression ({error}); write five fields such as “30 "
            "2 * * *” for half past two every night, or nothing to switch it off."
        ) from error
    if trigger.get_next_fire_time(None, datetime.now(UTC)) is None:
        raise ScheduleInvalid(f"{PREFIX}{name}: “{expression}” names a time that never comes.")
    return trigger


def _read(fields: list[str], zone: ZoneInfo) -> WallClock:
    if len(fields) != len(_FIELDS):
        raise ValueError(f"it has {len(fields)} fields")
    minute, hour, day, month, weekday = fields
    hands = CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
    )
    return WallClock(hands, zone, is_hourly=hour.startswith("*"))


def _weekdays(field: str) -> str:
    """Return cron's weekdays by their names.

    APScheduler counts them from Monday, and no range of its goes past Sunday.
    """
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.split(","):
        found = _DAYS.fullmatch(part)
        if found is None:
            raise ValueError(f"“{part}” is no day of the week")
        days |= _span(found)
    return ",".join(_NAMES[day] for day in sorted(days))


def _span(part: re.Match[str]) -> set[int]:
    step = int(part["step"] or 1)
    if part["first"] == "*":
        first, last = 0, len(_NAMES) - 1
    else:
        first = _day(part["first"])
        last = _day(part["last"]) if part["last"] else first
        if part["step"] and not part["last"]:
            last = len(_NAMES) - 1
    if last < first:  # fri-mon, and 5-7, whose 7 is Sunday
        last += len(_NAMES)
    return {day % len(_NAMES) for day in range(first, last + 1, step)}


def _day(word: str) -> int:
    if word.isdecimal() and int(word) <= len(_NAMES):
        return int(word) % len(_NAMES)
    if word in _NAMES:
        return _NAMES.index(word)
    raise ValueError(f"“{word}” is no day of the week")

"""Findings: one line each, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from core.settings import Settings


class Level(StrEnum):
    """What a finding is: a warning can be lived with, a fault keeps something from working."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found on a matter, and `todo`: what a person does about it, "" where there is nothing."""

    matter: str
    level: Level
    says: str
    todo: str = ""


Check = Callable[[Settings], Awaitable[list[Finding]]]
"""Looks at one matter and changes nothing."""


def ok(matter: str, says: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(matter, Level.OK, says)


def warn(matter: str, says: str, todo: str = "") -> Finding:
    """Return a finding that can be lived with."""
    return Finding(matter, Level.WARNING, says, todo)


def fault(matter: str, says: str, todo: str = "") -> Finding:
    """Return a finding that keeps something from working."""
    return Finding(matter, Level.FAULT, says, todo)

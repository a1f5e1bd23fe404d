"""The files that a text passes while it is handled: how far it travels through the program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from types import FrameType
from typing import Any

from tests.needs import ROOT

_LEVELS = 6
_NOT_OURS = tuple(str(ROOT / name) for name in ("tests", ".venv"))


class Trip:
    """The stops of a text: runs of calls into one file of the program that have it in an argument.

    Only calls of the task that is followed count; a coroutine counts once, however often it goes on.
    """

    def __init__(self, text: str, begins_in: str, ends_in: str = "") -> None:
        self.stops: list[str] = []
        self._text = text
        self._begins_in = begins_in
        self._ends_in = ends_in
        self._task: asyncio.Task[Any] | None = None
        self._seen: dict[int, FrameType] = {}

    @property
    def returns(self) -> int:
        """How many stops are at a file that it had left before."""
        return len(self.stops) - len(set(self.stops))

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call, if it belongs to the trip: a profile function of `sys.setprofile`."""
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(str(ROOT)) or path.startswith(_NOT_OURS):
            return
        name = path.removeprefix(f"{ROOT}/")
        if id(frame) in self._seen:
            return
        self._seen[id(frame)] = frame
        if not self._is_followed(name) or not self._has_text(frame):
            return
        if self.stops and self._ends_in in self.stops:
            return
        if not self.stops or self.stops[-1] != name:
            self.stops.append(name)

    def _is_followed(self, name: str) -> bool:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return False
        if self._task is None and name == self._begins_in:
            self._task = task
        return task is not None and task is self._task

    def _has_text(self, frame: FrameType) -> bool:
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return any(
            _holds(frame.f_locals.get(n), self._text, _LEVELS) for n in names if n not in {"self", "cls"}
        )


def _holds(value: object, text: str, levels: int) -> bool:
    if isinstance(value, str):
        return text in value
    if levels == 0:
        return False
    return any(_holds(part, text, levels - 1) for part in _parts(value))


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, partial):
        yield from (*value.args, *value.keywords.values())
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, one.name, None) for one in fields(value))


@contextmanager
def followed(text: str, begins_in: str, ends_in: str = "") -> Generator[Trip]:
    """Follow a text from the first call into `begins_in`, in that call's task, until it is in `ends_in`."""
    trip = Trip(text, begins_in, ends_in)
    sys.setprofile(trip.note)
    try:
        yield trip
    finally:
        sys.setprofile(None)

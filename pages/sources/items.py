"""What a source yields while it is read, one thing after the other, and how several are read at once.

Page          a page as it is now
Unchanged     a page that is known, and is still as it was
NewReaders    a page whose text may be as it was, and that other people may read now
Removed       a page that its source says is gone: it is forgotten at once
Problem       a page that could not be read
Remark        something that an operator should know of the source
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from core.readers import Readers
from core.records import Page

AT_ONCE = 4
"""Most requests to a site at the same time."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A page that is known, and is still as it was."""

    url: str


@dataclass(frozen=True, slots=True)
class NewReaders:
    """A known page that other people may read than before; `etag` is what is kept of its version now.

    `narrows`: those who could read it before and are not named are shut out, and nobody is let in.
    """

    url: str
    readers: Readers
    etag: str
    narrows: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """A page that is gone from its source, which said so or listed all that it has."""

    url: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A page that could not be read; `sentence` says why, and what to do.

    `gone`: its site says that there is none.
    """

    url: str
    sentence: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about a source, for its operator; nothing failed."""

    url: str
    sentence: str


Item = Page | Unchanged | NewReaders | Removed | Problem | Remark
Expect = Callable[[int], None]
"""Told how many pages a source has, as soon as that is known."""

_Given = TypeVar("_Given")
_Found = TypeVar("_Found")


async def pause(delay_s: float) -> None:
    """Wait as long as a site wants between two requests."""
    await asyncio.sleep(delay_s)


async def read_several(
    given: Iterable[_Given], read: Callable[[_Given], Awaitable[_Found]], delay_s: float = 0.0
) -> AsyncGenerator[_Found, None]:
    """Read pages, a few at a time or with a pause between them, and yield what comes of each as it comes."""
    waiting = iter(given)
    under_way = {asyncio.ensure_future(read(one)) for one in islice(waiting, 1 if delay_s else AT_ONCE)}
    try:
        while under_way:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            more = list(islice(waiting, len(done)))
            if more and delay_s:
                await pause(delay_s)
            under_way |= {asyncio.ensure_future(read(one)) for one in more}
            for task in done:
                yield task.result()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
